"""Check each image that arrives, store it by its content, log the outcome."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from similarity_lab.errors import ImageError
from similarity_lab.files import atomic_write
from similarity_lab.images import read_header
from similarity_lab.web.crawler.job import read_log
from similarity_lab.web.html.images import FoundImage
from similarity_lab.web.html.unwanted import is_icon
from similarity_lab.web.policy.limits import Limits
from similarity_lab.web.reasons import Code, Reason, code_of

_SUFFIXES = {
    "JPEG": ".jpg", "PNG": ".png", "GIF": ".gif", "WEBP": ".webp", "AVIF": ".avif", "BMP": ".bmp",
    "TIFF": ".tif", "HEIF": ".heic",
}  # fmt: skip
_FINAL = ("kept", "repeated", "left out")  # another request would have the same outcome


@dataclass(frozen=True)
class Candidate:
    """An image to fetch, and the page that names it.

    Attributes
    ----------
    image : FoundImage
    page : str
    likelier : FoundImage or None
        If this is a further guess of what a script means: the first one.
    """

    image: FoundImage
    page: str
    likelier: FoundImage | None = None


class ImageNotKept(Exception):
    """An image that arrived and is not kept, with the reason."""

    crawl_status = "left out"

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class UnreadableImage(ImageNotKept):
    """A response that is not an image we read: another version of it may be."""


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
            raise UnreadableImage(Reason(Code.UNREADABLE, error.reason)) from None
        if is_icon(header.width, header.height, self.limits.side):
            raise ImageNotKept(Reason(Code.ICON, f" ({header.width} x {header.height} pixels)"))
        digest = hashlib.sha256(body).hexdigest()
        if digest in self.by_digest:
            raise DuplicateImage(Reason(Code.DUPLICATE, self.by_digest[digest]["url"]))
        if self.n_kept >= self.limits.images:
            raise TooManyImages(Reason(Code.LIMIT_IMAGES, self.limits.images))
        # Reserved: no other task stores these bytes while they are being written
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
            "reason_code": code_of(reason),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            **facts,
        }
        self._log.write(json.dumps(row) + "\n")

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def save(self, candidate: Candidate, body: bytes) -> bool:
        """Keep an image that has arrived, or log why not; return whether it can be read."""
        try:
            facts = self.check(candidate, body)
        except ImageNotKept as error:
            self.log(candidate, error.crawl_status, error.reason)
            return not isinstance(error, UnreadableImage)
        with atomic_write(self.folder / str(facts["path"])) as part:
            part.write_bytes(body)
        self.log(candidate, "kept", **facts)
        return True


def short_url(url: str) -> str:
    """Return a URL as it is logged: a ``data:`` URL is replaced by its beginning and a digest."""
    if not url.startswith("data:"):
        return url
    digest = hashlib.sha256(url.encode()).hexdigest()[:16]
    return f"{url[:32]}… ({len(url):,} characters, sha256 {digest}…)"
