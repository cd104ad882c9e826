"""Decide what of the images that arrive is kept, write it, and note what became of each."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.pipelines.files import FilesPipeline
from scrapy.pipelines.media import FileException, FileInfo, MediaPipeline
from twisted.python.failure import Failure

from similarity_lab.errors import ImageError
from similarity_lab.images import read_header
from similarity_lab.web.crawler.jobs import read_lines
from similarity_lab.web.html.found import Found
from similarity_lab.web.policy.limits import Limits

_ENDINGS = {
    "JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "GIF": ".gif", "WEBP": ".webp", "AVIF": ".avif",
    "BMP": ".bmp", "TIFF": ".tif",
}  # fmt: skip
DONE = ("kept", "repeated", "left out")  # asked for again, they would come out the same


@dataclass(frozen=True)
class Candidate:
    """An image to fetch, and the page it was found on."""

    found: Found
    page: str


class LeftOut(FileException):
    """An image that has come but is not kept; the message says why."""

    status = "left out"


class Repeated(LeftOut):
    """An image whose very bytes are kept already."""

    status = "repeated"


class Surplus(LeftOut):
    """An image that came when there were enough."""

    status = "not fetched"


class Keeper:
    """Keeps images by their content: the same bytes once, named by nothing a stranger chose."""

    def __init__(self, folder: Path, log: Path, limits: Limits) -> None:
        self.folder, self.limits = folder, limits
        self.rows = [row for row in read_lines(log) if self._still_holds(row)]
        self.by_digest = {row["sha256"]: row for row in self.rows if row["status"] == "kept"}
        self._log = log.open("a", encoding="utf-8", buffering=1)
        self._log.write("\n")  # ends a line that was cut off

    @property
    def n_kept(self) -> int:
        """How many images are kept so far, those of an earlier run included."""
        return len(self.by_digest)

    def known(self) -> set[str]:
        """Return the addresses that need not be asked for again."""
        return {row["url"] for row in self.rows if row["status"] in DONE}

    def _still_holds(self, row: dict[str, Any]) -> bool:
        return row["status"] != "kept" or (self.folder / row["path"]).is_file()

    def look(self, candidate: Candidate, body: bytes) -> dict[str, Any]:
        """Return what is known of an image to keep; raise `LeftOut` for the others."""
        try:
            header = read_header(
                body, max_pixels=self.limits.image_pixels, max_bytes=self.limits.image_bytes
            )
        except ImageError as error:
            raise LeftOut(error.reason) from None
        if min(header.width, header.height) < self.limits.side:
            raise LeftOut(f"an icon: {header.width} x {header.height} pixels")
        digest = hashlib.sha256(body).hexdigest()
        if digest in self.by_digest:
            raise Repeated(f"the same bytes as {self.by_digest[digest]['url']}")
        if self.n_kept >= self.limits.images:
            raise Surplus(f"the limit of {self.limits.images} images is reached")
        # From here on nobody else keeps these bytes, also while they are being written
        self.by_digest[digest] = {"url": shown_address(candidate.found.address)}
        return {
            "path": f"images/{digest[:32]}{_ENDINGS[header.format]}",
            "sha256": digest,
            "format": header.format,
            "width": header.width,
            "height": header.height,
            "bytes": len(body),
        }

    def note(self, candidate: Candidate, status: str, reason: str = "", **facts: Any) -> None:  # noqa: ANN401
        """Write down what became of an image; `facts` as from `look` if it is kept."""
        found = asdict(candidate.found)
        del found["address"]  # a data: url may be megabytes long
        row = {
            **found,
            "url": shown_address(candidate.found.address),
            "page": candidate.page,
            "status": status,
            "reason": reason,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            **facts,
        }
        self._log.write(json.dumps(row) + "\n")

    def keep(self, candidate: Candidate, body: bytes) -> None:
        """Keep an image that came with its page, in a ``data:`` address."""
        try:
            facts = self.look(candidate, body)
        except LeftOut as reason:
            self.note(candidate, reason.status, str(reason))
        else:
            (self.folder / str(facts["path"])).write_bytes(body)
            self.note(candidate, "kept", **facts)


class ImageFiles(FilesPipeline):
    """Scrapy's files pipeline, which writes the bytes as they came, with our names and checks."""

    LOG_FAILED_RESULTS = False

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "ImageFiles":
        """Make one that writes where the spider keeps its images."""
        return cls(crawler.settings["FILES_STORE"], crawler=crawler)

    def open_spider(self) -> None:  # type: ignore[override]
        """Take what belongs to the spider."""
        super().open_spider()
        self.keeper: Keeper = self.crawler.spider.keeper  # type: ignore[union-attr]
        self.spider = self.crawler.spider

    def get_media_requests(self, item: dict, info: MediaPipeline.SpiderInfo) -> list[Request]:
        """Ask for the images of a batch, in its order."""
        meta = {
            "kind": "image",
            "dont_cache": True,
            "download_maxsize": self.keeper.limits.image_bytes,
        }
        headers = {"Accept": "image/avif,image/webp,image/*;q=0.9,*/*;q=0.5"}
        return [
            Request(
                candidate.found.address,
                headers=headers,
                meta={**meta, "candidate": candidate},
                priority=candidate.found.priority,
            )
            for candidate in item["images"]
        ]

    def media_to_download(
        self, request: Request, info: MediaPipeline.SpiderInfo, *, item: object = None
    ) -> None:
        """Ask always: the spider leaves out what is known, by address and not by name."""

    async def media_downloaded(
        self,
        response: Response,
        request: Request,
        info: MediaPipeline.SpiderInfo,
        *,
        item: object = None,
    ) -> FileInfo:
        """Look at an answer, and keep it if it is an image that is wanted."""
        if response.status != 200:
            raise FileException(f"the server answers {response.status}")
        facts = self.keeper.look(request.meta["candidate"], response.body)
        request.meta["path"] = facts["path"]
        result = await super().media_downloaded(response, request, info, item=item)
        self.keeper.note(request.meta["candidate"], "kept", **facts)
        self.spider.progress()  # type: ignore[union-attr]
        return result

    def file_path(
        self,
        request: Request,
        response: Response | None = None,
        info: MediaPipeline.SpiderInfo | None = None,
        *,
        item: object = None,
    ) -> str:
        """Return the name that `Keeper.look` made of the content."""
        return str(request.meta["path"])

    def media_failed(
        self, failure: Failure, request: Request, info: MediaPipeline.SpiderInfo
    ) -> NoReturn:
        """Note why there is no such image."""
        error = failure.value
        candidate = request.meta["candidate"]
        if isinstance(error, LeftOut):
            self.keeper.note(candidate, error.status, str(error))
        else:
            reason = self.spider.why(error, request.url)  # type: ignore[union-attr]
            self.keeper.note(candidate, "failed", reason)
        raise FileException(str(error))


def shown_address(address: str) -> str:
    """Return an address as it is noted: of a ``data:`` address its beginning and a digest."""
    if not address.startswith("data:"):
        return address
    digest = hashlib.sha256(address.encode()).hexdigest()[:16]
    return f"{address[:32]}… ({len(address):,} characters, sha256 {digest}…)"
