"""Keep answers of an unfinished crawl, so that it goes on where it stopped, without pickle.

Scrapy's own storages pickle what they keep; whoever hands us a folder could then run code.
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


class JsonCacheStorage:
    """A storage for Scrapy's HTTP cache: one JSON file and one body per answer."""

    def __init__(self, settings: BaseSettings) -> None:
        self.folder = Path(settings["HTTPCACHE_DIR"])
        self.seconds = settings.getint("HTTPCACHE_EXPIRATION_SECS")

    def open_spider(self, spider: Spider) -> None:
        """Take what tells requests apart from the crawler."""
        self.fingerprinter: Any = spider.crawler.request_fingerprinter
        self.folder.mkdir(parents=True, exist_ok=True)

    def close_spider(self, spider: Spider) -> None:
        """Nothing is open."""

    def retrieve_response(self, spider: Spider, request: Request) -> Response | None:
        """Return an answer that is not too old, or None."""
        path = self._path(request)
        try:
            kept = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            body = path.with_suffix(".body").read_bytes()
            if time.time() - float(kept["time"]) > self.seconds:
                return None
            headers = Headers(
                {
                    base64.b64decode(name): [base64.b64decode(value) for value in values]
                    for name, values in kept["headers"].items()
                }
            )
            url, status = str(kept["url"]), int(kept["status"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # cut off while it was written: asked for again
        kind = responsetypes.from_args(headers=headers, url=url, body=body)
        return kind(url=url, status=status, headers=headers, body=body)

    def store_response(self, spider: Spider, request: Request, response: Response) -> None:
        """Keep an answer; the JSON file comes last and vouches for the body."""
        path = self._path(request)
        path.parent.mkdir(exist_ok=True)
        headers = {
            base64.b64encode(name).decode(): [base64.b64encode(value).decode() for value in values]
            for name, values in response.headers.items()
            if name.lower() != b"set-cookie"
        }
        kept = {
            "url": response.url,
            "status": response.status,
            "time": time.time(),
            "headers": headers,
        }
        path.with_suffix(".body").write_bytes(response.body)
        path.with_suffix(".json").write_text(json.dumps(kept), encoding="utf-8")

    def _path(self, request: Request) -> Path:
        key = self.fingerprinter.fingerprint(request).hex()
        return self.folder / key[:2] / key
