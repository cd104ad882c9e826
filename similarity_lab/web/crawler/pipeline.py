"""Item pipeline: check each image that arrives, store it by content, log the outcome."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.pipelines.files import FilesPipeline, FSFilesStore
from scrapy.pipelines.media import FileException, FileInfo, MediaPipeline
from twisted.python.failure import Failure

from similarity_lab.errors import ImageError
from similarity_lab.files import atomic_write
from similarity_lab.images import read_header
from similarity_lab.web.crawler.job import read_log
from similarity_lab.web.html.images import FoundImage, is_icon
from similarity_lab.web.policy.limits import Limits

_SUFFIXES = {
    "JPEG": ".jpg", "PNG": ".png", "GIF": ".gif", "WEBP": ".webp", "AVIF": ".avif", "BMP": ".bmp",
    "TIFF": ".tif", "HEIF": ".heic",
}  # fmt: skip
_FINAL = ("kept", "repeated", "left out")  # another request would have the same outcome


@dataclass(frozen=True)
class Candidate:
    """An image to fetch, and the page that names it."""

    image: FoundImage
    page: str


class ImageNotKept(FileException):
    """An image that arrived and is not kept; the message says why."""

    crawl_status = "left out"


class DuplicateImage(ImageNotKept):
    """An image whose bytes are kept already."""

    crawl_status = "repeated"


class TooManyImages(ImageNotKept):
    """An image that arrived after the limit was reached."""

    crawl_status = "not fetched"


class ImageStore:
    """Stores images by content: equal bytes once, in files named by their digest.

    Attributes
    ----------
    rows : list of dict
        The log of an earlier run, without images whose file is gone.
    by_digest : dict of str to dict
        Images kept so far.
    """

    def __init__(self, folder: Path, log: Path, limits: Limits) -> None:
        self.folder, self.limits = folder, limits
        self.rows = [row for row in read_log(log) if self._is_valid(row)]
        self.by_digest = {row["sha256"]: row for row in self.rows if row["crawl_status"] == "kept"}
        self._log = log.open("a", encoding="utf-8", buffering=1)
        self._log.write("\n")  # ends a truncated line

    @property
    def n_kept(self) -> int:
        """Number of images kept, including an earlier run's."""
        return len(self.by_digest)

    def final_urls(self) -> set[str]:
        """Return the URLs that need not be requested again."""
        return {row["url"] for row in self.rows if row["crawl_status"] in _FINAL}

    def _is_valid(self, row: dict[str, Any]) -> bool:
        return row["crawl_status"] != "kept" or (self.folder / row["path"]).is_file()

    def check(self, candidate: Candidate, body: bytes) -> dict[str, Any]:
        """Return path, digest and size of an image to keep; raise `ImageNotKept` for others."""
        try:
            header = read_header(
                body, max_pixels=self.limits.image_pixels, max_bytes=self.limits.image_bytes
            )
        except ImageError as error:
            raise ImageNotKept(error.reason) from None
        if is_icon(header.width, header.height, self.limits.side):
            raise ImageNotKept(f"Icon ({header.width} x {header.height} pixels)")
        digest = hashlib.sha256(body).hexdigest()
        if digest in self.by_digest:
            raise DuplicateImage(f"Same bytes as {self.by_digest[digest]['url']}")
        if self.n_kept >= self.limits.images:
            raise TooManyImages(f"Limit of {self.limits.images} images reached")
        # Reserved: nobody else stores these bytes while they are being written
        self.by_digest[digest] = {"url": short_url(candidate.image.url)}
        return {
            "path": f"images/{digest[:32]}{_SUFFIXES[header.format]}",
            "sha256": digest,
            "format": header.format,
            "width": header.width,
            "height": header.height,
            "bytes": len(body),
        }

    def log(
        self,
        candidate: Candidate,
        crawl_status: str,
        reason: str = "",
        **facts: Any,  # noqa: ANN401
    ) -> None:
        """Append the outcome of an image to the log; `facts` are from `check` if it is kept."""
        row = {
            **candidate.image.to_row(),
            "url": short_url(candidate.image.url),
            "page": candidate.page,
            "crawl_status": crawl_status,
            "reason": reason,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            **facts,
        }
        self._log.write(json.dumps(row) + "\n")

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def save(self, candidate: Candidate, body: bytes) -> None:
        """Store an image that came with its page, in a ``data:`` URL."""
        try:
            facts = self.check(candidate, body)
        except ImageNotKept as error:
            self.log(candidate, error.crawl_status, str(error))
        else:
            with atomic_write(self.folder / str(facts["path"])) as part:
                part.write_bytes(body)
            self.log(candidate, "kept", **facts)


class AtomicFilesStore(FSFilesStore):
    """Scrapy's file store, writing atomically."""

    def persist_file(
        self, path: str | PathLike[str], buf: BytesIO, *_: object, **__: object
    ) -> None:
        """Write the content of a file to a path below the store's folder, which exists."""
        with atomic_write(Path(self.basedir, path)) as part:
            part.write_bytes(buf.getvalue())


class ImagePipeline(FilesPipeline):
    """Scrapy's files pipeline, which writes bytes as they came, with our names and checks."""

    LOG_FAILED_RESULTS = False
    STORE_SCHEMES: ClassVar = {"file": AtomicFilesStore}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "ImagePipeline":
        """Return a pipeline that writes to the spider's folder."""
        return cls(crawler.spider.job.folder, crawler=crawler)  # type: ignore[union-attr]

    def open_spider(self) -> None:  # type: ignore[override]
        """Take the image store of the spider."""
        super().open_spider()
        self.images: ImageStore = self.crawler.spider.images  # type: ignore[union-attr]
        self.spider = self.crawler.spider

    def get_media_requests(self, item: dict, info: MediaPipeline.SpiderInfo) -> list[Request]:
        """Return the requests for a batch of images, in its order."""
        meta = {
            "kind": "image",
            "dont_cache": True,
            "download_maxsize": self.images.limits.image_bytes,
        }
        headers = {"Accept": "image/avif,image/webp,image/*;q=0.9,*/*;q=0.5"}
        return [
            Request(
                candidate.image.url,
                headers=headers,
                meta={**meta, "candidate": candidate},
                priority=candidate.image.priority,
            )
            for candidate in item["images"]
        ]

    def media_to_download(
        self, request: Request, info: MediaPipeline.SpiderInfo, *, item: object = None
    ) -> None:
        """Return None, to download always: the frontier excludes known images, by URL."""

    async def media_downloaded(
        self,
        response: Response,
        request: Request,
        info: MediaPipeline.SpiderInfo,
        *,
        item: object = None,
    ) -> FileInfo:
        """Store a response if it is an image that passes the checks."""
        if response.status != 200:
            raise FileException(f"HTTP status {response.status}")
        facts = self.images.check(request.meta["candidate"], response.body)
        request.meta["path"] = facts["path"]
        result = await super().media_downloaded(response, request, info, item=item)
        self.images.log(request.meta["candidate"], "kept", **facts)
        self.spider.report_progress()  # type: ignore[union-attr]
        return result

    def file_path(
        self,
        request: Request,
        response: Response | None = None,
        info: MediaPipeline.SpiderInfo | None = None,
        *,
        item: object = None,
    ) -> str:
        """Return the path that `ImageStore.check` derived from the content."""
        return str(request.meta["path"])

    def media_failed(
        self, failure: Failure, request: Request, info: MediaPipeline.SpiderInfo
    ) -> NoReturn:
        """Log why an image is not kept."""
        error = failure.value
        candidate = request.meta["candidate"]
        if isinstance(error, ImageNotKept):
            self.images.log(candidate, error.crawl_status, str(error))
        else:
            reason = self.spider.failure_reason(error, request.url)  # type: ignore[union-attr]
            self.images.log(candidate, "failed", reason)
        raise FileException(str(error))


def short_url(url: str) -> str:
    """Return a URL as it is logged: a ``data:`` URL is replaced by its beginning and a digest."""
    if not url.startswith("data:"):
        return url
    digest = hashlib.sha256(url.encode()).hexdigest()[:16]
    return f"{url[:32]}… ({len(url):,} characters, sha256 {digest}…)"
