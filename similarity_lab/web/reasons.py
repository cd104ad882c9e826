"""Why a site, page or image was not read or kept: one code and one text for each reason.

Tables have both: ``reason`` is for people, ``reason_code`` for programs.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

_MARK = "{what}"


class Code(StrEnum):
    """What a reason is about; the value of the columns ``reason_code``."""

    # limits of the crawl
    LIMIT_IMAGES = "limit_images"
    LIMIT_IMAGE_REQUESTS = "limit_image_requests"
    LIMIT_PAGES = "limit_pages"
    LIMIT_DEPTH = "limit_depth"
    LIMIT_SECONDS = "limit_seconds"
    LIMIT_SECONDS_FOR_PAGES = "limit_seconds_for_pages"
    LIMIT_SITE_BYTES = "limit_site_bytes"
    LIMIT_RESPONSE_BYTES = "limit_response_bytes"
    ENDED_EARLY = "ended_early"
    # the address
    ADDRESS_REFUSED = "address_refused"
    REPEATED_SITE = "repeated_site"
    OTHER_SITE = "other_site"
    REDIRECT_LOOP = "redirect_loop"
    # the server
    ROBOTS = "robots"
    HOST_NOT_FOUND = "host_not_found"
    CONNECTION = "connection"
    TIMEOUT = "timeout"
    INCOMPLETE = "incomplete"
    CERTIFICATE = "certificate"
    REFUSED_BY_SERVER = "refused_by_server"
    NOT_FOUND = "not_found"
    SERVER_ERROR = "server_error"
    HTTP_STATUS = "http_status"
    ASKED_TO_WAIT = "asked_to_wait"
    # what came is of no use
    NOT_HTML = "not_html"
    PARSE_ERROR = "parse_error"
    EMPTY_PAGE = "empty_page"
    SAME_CONTENT = "same_content"
    NOT_NEEDED = "not_needed"
    REPAIRED = "repaired"
    NO_PAGES = "no_pages"
    NO_IMAGES = "no_images"
    NONE_KEPT = "none_kept"
    UNREADABLE = "unreadable"
    DUPLICATE = "duplicate"
    ICON = "icon"
    DRAWING = "drawing"
    TRACKER = "tracker"
    TEMPLATE = "template"
    # pages that scripts draw
    NOT_DRAWN = "not_drawn"
    SCRIPTS = "scripts"
    # our own side
    FOLDER = "folder"
    DAMAGED_LOGS = "damaged_logs"
    CRAWLER_FAILED = "crawler_failed"
    UNKNOWN = "unknown"


_TEXTS: dict[Code, str] = {
    Code.LIMIT_IMAGES: "Limit of {what} images reached",
    Code.LIMIT_IMAGE_REQUESTS: "Limit of {what} requests for images reached",
    Code.LIMIT_PAGES: "Limit of {what} pages reached",
    Code.LIMIT_DEPTH: "Limit of {what} links from the first page reached",
    Code.LIMIT_SECONDS: "Limit of {what} seconds reached",
    Code.LIMIT_SECONDS_FOR_PAGES: "Half of the {what} seconds were spent on finding pages",
    Code.LIMIT_SITE_BYTES: "Limit of {what} bytes reached",
    Code.LIMIT_RESPONSE_BYTES: "Response larger than the limit{what}",
    Code.ENDED_EARLY: "Crawl ended early ({what})",
    Code.ADDRESS_REFUSED: "{what}",
    Code.REPEATED_SITE: "Same site as {what}",
    Code.OTHER_SITE: "Leads to another site ({what})",
    Code.REDIRECT_LOOP: "Redirects to {what}, which was requested already",
    Code.ROBOTS: "Forbidden by robots.txt",
    Code.HOST_NOT_FOUND: "Host not found (only IPv4 is resolved)",
    Code.CONNECTION: "Connection {what}",
    Code.TIMEOUT: "{what}",
    Code.INCOMPLETE: "Response ended early",
    Code.CERTIFICATE: "The server's certificate is not trusted",
    Code.REFUSED_BY_SERVER: "HTTP status {what}",
    Code.NOT_FOUND: "HTTP status {what}",
    Code.SERVER_ERROR: "HTTP status {what}",
    Code.HTTP_STATUS: "HTTP status {what}",
    Code.ASKED_TO_WAIT: "Not requested: the server asks to wait longer ({what})",
    Code.NOT_HTML: "Not HTML ({what})",
    Code.PARSE_ERROR: "{what}",
    Code.EMPTY_PAGE: "Nothing on this page",
    Code.SAME_CONTENT: "Same content as {what}",
    Code.NOT_NEEDED: "{what}",
    Code.REPAIRED: "Repaired {what} invalid JSON-LD",
    Code.NO_PAGES: "No page could be read",
    Code.NO_IMAGES: "No page names an image",
    Code.NONE_KEPT: "No image could be kept: {what}",
    Code.UNREADABLE: "{what}",
    Code.DUPLICATE: "Same bytes as {what}",
    Code.ICON: "Icon{what}",
    Code.DRAWING: "SVG (a drawing, not a photo)",
    Code.TRACKER: "Tracker{what}",
    Code.TEMPLATE: "URL template (scripts fill it in)",
    Code.NOT_DRAWN: "{what}",
    Code.SCRIPTS: "{what}",
    Code.FOLDER: "{what}",
    Code.DAMAGED_LOGS: "Damaged logs in {what}",
    Code.CRAWLER_FAILED: "Crawler {what}",
    Code.UNKNOWN: "{what}",
}


class Reason(str):
    """A reason as text, with its code.

    Parameters
    ----------
    code : Code
    what : object
        What the text of the code is completed with.

    Attributes
    ----------
    code : Code

    Examples
    --------
    >>> reason = Reason(Code.LIMIT_IMAGES, 200)
    >>> reason, reason.code.value
    ('Limit of 200 images reached', 'limit_images')
    >>> reason.after("Not requested: ").code.value
    'limit_images'
    """

    __slots__ = ("code",)
    code: Code

    def __new__(cls, code: Code, what: object = "") -> Reason:  # noqa: D102 - see the class
        return cls.with_text(code, _TEXTS[code].replace(_MARK, str(what)))

    @classmethod
    def with_text(cls, code: Code | str, text: str) -> Reason:
        """Return a reason of a code with another text, such as one that was written to a file."""
        reason = super().__new__(cls, text)
        reason.code = Code(code)
        return reason

    @classmethod
    def of_status(cls, status: int, more: str = "") -> Reason:
        """Return the reason for an HTTP status other than success.

        Examples
        --------
        >>> Reason.of_status(404).code.value, Reason.of_status(503, " (again in 60 seconds)")
        ('not_found', 'HTTP status 503 (again in 60 seconds)')
        """
        code = _STATUS_CODES.get(status, Code.HTTP_STATUS)
        return cls(Code.SERVER_ERROR if status >= 500 else code, f"{status}{more}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self).with_text, (self.code, str(self))

    def after(self, text: str) -> Reason:
        """Return the same reason with a text before it."""
        return self.with_text(self.code, text + self)


_STATUS_CODES = {
    **dict.fromkeys((401, 403, 407, 429, 451), Code.REFUSED_BY_SERVER),
    **dict.fromkeys((404, 410), Code.NOT_FOUND),
}


def code_of(reason: str | None) -> str:
    """Return the code of a reason for a table; empty if there is no reason."""
    if isinstance(reason, Reason):
        return reason.code.value
    return Code.UNKNOWN.value if reason else ""


def read_reason(row: Mapping[str, object], name: str = "reason") -> Reason | None:
    """Return the reason that a row of a log or an event has, with its code; None if it has none.

    Parameters
    ----------
    row : mapping
        With the text as `name` and the code as ``{name}_code``; an unknown code is
        `Code.UNKNOWN`, since files may be damaged.
    name : str
    """
    text, code = str(row.get(name) or ""), row.get(f"{name}_code")
    if not text:
        return None
    return Reason.with_text(str(code) if code in [*Code] else Code.UNKNOWN, text)
