"""HTTP cache of an unfinished crawl, from which it resumes; without pickle.

Scrapy's own storages unpickle their files, so a folder from somebody else could run code. And they
need several files per response: many small sites would spend most of their time on them.
"""

import base64
import json
import time
from pathlib import Path
from typing import Any, BinaryIO

from scrapy import Request, Spider
from scrapy.http import Headers, Response
from scrapy.responsetypes import responsetypes
from scrapy.settings import BaseSettings


class ResponseLog:
    """A storage for Scrapy's HTTP cache: one file, to which responses are appended.

    Each response is a line of JSON, with the length of the body that follows it. A response that
    was cut off, by a crash, ends the file: what follows is overwritten.
    """

    def __init__(self, settings: BaseSettings) -> None:
        self.seconds = settings.getint("HTTPCACHE_EXPIRATION_SECS")

    def open_spider(self, spider: Spider) -> None:
        """Open the file in the folder of the spider's site."""
        self.fingerprinter: Any = spider.crawler.request_fingerprinter
        path: Path = spider.job.folder / "crawl" / "responses"  # type: ignore[attr-defined]
        self._rows: dict[str, tuple[dict, int]] = {}  # and where the body begins, by fingerprint
        self._file: BinaryIO = path.open("r+b" if path.exists() else "w+b")
        self._end = self._read_rows(path.stat().st_size)

    def close_spider(self, spider: Spider) -> None:
        """Close the file."""
        self._file.close()

    def retrieve_response(self, spider: Spider, request: Request) -> Response | None:
        """Return a stored response, or None if there is none or it has expired."""
        row, start = self._rows.get(self._key(request), ({}, 0))
        if not row or time.time() - row["time"] > self.seconds:
            return None
        self._file.seek(start)
        body = self._file.read(row["length"])
        headers = Headers(
            {
                base64.b64decode(name): [base64.b64decode(value) for value in values]
                for name, values in row["headers"].items()
            }
        )
        response_class = responsetypes.from_args(headers=headers, url=row["url"], body=body)
        return response_class(url=row["url"], status=row["status"], headers=headers, body=body)

    def store_response(self, spider: Spider, request: Request, response: Response) -> None:
        """Append a response, without its cookies."""
        headers = {
            base64.b64encode(name).decode(): [base64.b64encode(value).decode() for value in values]
            for name, values in response.headers.items()
            if name.lower() != b"set-cookie"
        }
        key = self._key(request)
        row = {
            "key": key,
            "url": response.url,
            "status": response.status,
            "time": time.time(),
            "headers": headers,
            "length": len(response.body),
        }
        line = json.dumps(row).encode() + b"\n"
        self._file.seek(self._end)
        self._file.write(line + response.body)
        self._file.flush()
        self._rows[key] = row, self._end + len(line)
        self._end += len(line) + len(response.body)

    def _read_rows(self, size: int) -> int:
        """Index the responses of an earlier run; return where the last complete one ends."""
        end = 0
        while line := self._file.readline():
            try:
                row = json.loads(line)
                key, length, start = str(row["key"]), int(row["length"]), end + len(line)
                _ = str(row["url"]), int(row["status"]), float(row["time"]), row["headers"].items()
            except (ValueError, KeyError, TypeError, AttributeError):
                break
            if not line.endswith(b"\n") or length < 0 or start + length > size:
                break
            self._rows[key] = row, start
            end = start + length
            self._file.seek(end)
        return end

    def _key(self, request: Request) -> str:
        return str(self.fingerprinter.fingerprint(request).hex())
