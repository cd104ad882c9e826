"""Which addresses `download` accepts. What it does with a real server is in test_fetch.py."""

import io
import ssl
from http.client import HTTPMessage
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request

import pytest

from similarity_lab.errors import DownloadError
from similarity_lab.files import download as module
from similarity_lab.files.download import download


def test_certificate_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Opener:
        def open(self, *_: object, **__: object) -> None:
            raise URLError(ssl.SSLCertVerificationError("self-signed"))

    monkeypatch.setattr(module, "build_opener", lambda _: Opener())
    with pytest.raises(DownloadError, match="certificate is not trusted"):
        download("https://example.org/a.zip", tmp_path / "a.zip", progress=False)


def test_redirect_from_https_to_this_machine() -> None:
    handler, request = module._Redirects(), Request("https://example.org/a.zip")
    rest = (io.BytesIO(), 302, "", HTTPMessage())
    with pytest.raises(DownloadError, match="http://localhost/: refused"):
        handler.redirect_request(request, *rest, "http://localhost/")
    assert handler.redirect_request(request, *rest, "https://example.com/")


@pytest.mark.parametrize("url", ["http://example.org/", "file:///etc/passwd", "https:///a", "x"])
def test_addresses_that_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="refused, expected an https address"):
        download(url, tmp_path / "a.zip", progress=False)
