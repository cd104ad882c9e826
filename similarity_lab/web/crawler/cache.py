"""HTTP cache of an unfinished crawl, from which it resumes; without pickle.

Scrapy's own storages unpickle their files, so a folder from somebody else could run code.
"""

import base64
import json
import time
from pathlib import Path
from typing import Any

from scrapy import Request, Spider
from scrapy.http import Headers, Response
from scrapy.responsetypes import responsetypes
from scrapy.settings import BaseSettings

from similarity_lab.files import atomic_write


class JsonCacheStorage:
    """A storage for Scrapy's HTTP cache: a JSON file and a body per response."""

    def __init__(self, settings: BaseSettings) -> None:
        self.seconds = settings.getint("HTTPCACHE_EXPIRATION_SECS")

    def open_spider(self, spider: Spider) -> None:
        """Use the folder of the spider's site."""
        self.folder: Path = spider.job.folder / "crawl" / "cache"  # type: ignore[attr-defined]
        self.fingerprinter: Any = spider.crawler.request_fingerprinter
        self.folder.mkdir(parents=True, exist_ok=True)

    def close_spider(self, spider: Spider) -> None:
        """Do nothing: no file is open."""

    def retrieve_response(self, spider: Spider, request: Request) -> Response | None:
        """Return a stored response, or None if there is none or it has expired."""
        path = self._path(request)
        try:
            row = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            body = path.with_suffix(".body").read_bytes()
            if time.time() - float(row["time"]) > self.seconds:
                return None
            headers = Headers(
                {
                    base64.b64decode(name): [base64.b64decode(value) for value in values]
                    for name, values in row["headers"].items()
                }
            )
            url, status = str(row["url"]), int(row["status"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # truncated: request it again
        response_class = responsetypes.from_args(headers=headers, url=url, body=body)
        return response_class(url=url, status=status, headers=headers, body=body)

    def store_response(self, spider: Spider, request: Request, response: Response) -> None:
        """Store a response; the JSON file comes last and makes the body valid."""
        path = self._path(request)
        path.parent.mkdir(exist_ok=True)
        headers = {
            base64.b64encode(name).decode(): [base64.b64encode(value).decode() for value in values]
            for name, values in response.headers.items()
            if name.lower() != b"set-cookie"
        }
        row = {
            "url": response.url,
            "status": response.status,
            "time": time.time(),
            "headers": headers,
        }
        with atomic_write(path.with_suffix(".body")) as part:
            part.write_bytes(response.body)
        with atomic_write(path.with_suffix(".json")) as part:
            part.write_text(json.dumps(row), encoding="utf-8")

    def _path(self, request: Request) -> Path:
        key = self.fingerprinter.fingerprint(request).hex()
        return self.folder / key[:2] / key
