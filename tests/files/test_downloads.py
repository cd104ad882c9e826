"""The urls that `download` accepts; tests/datasets/test_fetching.py downloads from a server."""

import io
import ssl
from http.client import HTTPMessage
from pathlib import Path
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, Request

import pytest

from similarity_lab.errors import DownloadError
from similarity_lab.files import downloads
from similarity_lab.files.downloads import download, is_secure_url


def test_download_with_an_untrusted_certificate_is_not_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Opener:
        def open(self, *_: object, **__: object) -> None:
            raise URLError(ssl.SSLCertVerificationError("self-signed"))

    monkeypatch.setattr(downloads, "build_opener", lambda _: Opener())
    with pytest.raises(DownloadError, match="certificate is not trusted"):
        download("https://example.org/a.zip", tmp_path / "a.zip", progress=False)


def test_download_refuses_redirects_from_https_to_http(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Request("https://example.org/a.zip")
    response = io.BytesIO(), 302, "", HTTPMessage()

    class Opener:
        def __init__(self, redirects: type[HTTPRedirectHandler]) -> None:
            self.redirects = redirects()

        def open(self, *_: object, **__: object) -> None:
            assert self.redirects.redirect_request(request, *response, "https://example.com/")
            self.redirects.redirect_request(request, *response, "http://localhost/")

    monkeypatch.setattr(downloads, "build_opener", Opener)
    with pytest.raises(DownloadError, match="http://localhost/: refused"):
        download("https://example.org/a.zip", tmp_path / "a.zip", progress=False)


@pytest.mark.parametrize("url", ["http://example.org/", "file:///etc/passwd", "https:///a", "x"])
def test_download_refuses_insecure_urls(tmp_path: Path, url: str) -> None:
    assert not is_secure_url(url)
    with pytest.raises(DownloadError, match="refused, expected an https url"):
        download(url, tmp_path / "a.zip", progress=False)
