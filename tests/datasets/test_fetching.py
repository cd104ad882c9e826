"""`fetch_grocery_store` from a local server that breaks off, ignores ranges, or fails."""

import hashlib
import io
import json
import random
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zipfile import ZipFile

import pytest

from similarity_lab.datasets.fetching import fetch_grocery_store
from similarity_lab.errors import DownloadError
from similarity_lab.files import downloads

FILES = {
    "train.txt": b"train/Apple/a 1.jpg, 0, 0\ntrain/Pear/1.jpg, 1, 1\n",
    "val.txt": b"",
    "test.txt": b"test/Apple/1.jpg, 0, 0\n\n",
    "classes.csv": b"Class Name (str),Iconic Image Path (str)\r\nApple,/iconic/Apple.jpg\r\n",
    "train/Apple/a 1.jpg": random.Random(0).randbytes(200_000),
    "train/Pear/1.jpg": b"pear",
    "test/Apple/1.jpg": b"apple",
    "iconic/Apple.jpg": b"icon",
    ".~lock.classes.csv#": b"does not count",
}


def dataset_zip(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"GroceryStoreDataset-master/dataset/{name}", data)
    return file.getvalue()


def digest_of(files: dict[str, bytes]) -> str:
    lines = sorted(
        f"{hashlib.sha256(data).hexdigest()}  dataset/{name}\n"
        for name, data in files.items()
        if "lock" not in name
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


DIGEST = digest_of(FILES)


class Server(ThreadingHTTPServer):
    """Follows `script`, one step or status per request; after that, serves the file."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = dataset_zip(FILES)
        self.etag = '"one"'
        self.script: list[str | int] = []
        self.requests: list[dict[str, str]] = []
        self.release = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/master.zip"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        server.requests.append(dict(self.headers))
        step = server.script.pop(0) if server.script else "good"
        if isinstance(step, int):
            return self.send_error(step)
        if "://" in step:
            self.send_response(302)
            self.send_header("Location", step)
            return self.end_headers()
        if step == "hang":
            server.release.wait(5)
            return None
        requested = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        is_current = self.headers.get("If-Range", server.etag) == server.etag
        start = int(requested[1]) if requested and is_current and step != "ignore" else 0
        self.send_response(206 if start else 200)
        shift = 1 if step == "shifted" else 0
        self.send_header("Content-Range", f"bytes {start + shift}-{len(server.body) - 1}/*")
        self.send_header("ETag", server.etag)
        data = server.body[start:]
        if step != "unknown length":
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if step in ("cut", "stall") else data)
        if step == "stall":
            server.release.wait(5)
        return None

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(downloads, "BACKOFF", 0.0)
    monkeypatch.setenv("no_proxy", "*")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.release.set()
        server.shutdown()
        thread.join()


def fetch(server: Server, folder: Path, expected: str = DIGEST) -> Path:
    return fetch_grocery_store(folder, url=server.url, expected=expected, progress=False)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_fetch_downloads_unpacks_and_verifies(server: Server, tmp_path: Path) -> None:
    home = fetch(server, tmp_path / "new/data")
    assert home == tmp_path / "new/data/grocery-store"
    assert (home / "dataset/train.txt").read_bytes() == FILES["train.txt"]
    assert names(home.parent) == ["grocery-store"]
    assert server.requests[0]["User-Agent"].startswith("similarity_lab/")
    # complete and verified: no further request
    server.script = [500]
    assert fetch(server, tmp_path / "new/data") == home
    assert len(server.requests) == 1


def test_fetch_accepts_unknown_length(server: Server, tmp_path: Path) -> None:
    server.script = ["unknown length"]  # as GitHub sends its archives
    assert fetch(server, tmp_path).is_dir()


def test_fetch_resumes_within_one_call(server: Server, tmp_path: Path) -> None:
    server.script = ["cut"]
    assert fetch(server, tmp_path).is_dir()
    assert server.requests[1]["Range"] == f"bytes={len(server.body) // 2}-"
    assert server.requests[1]["If-Range"] == '"one"'


def test_fetch_resumes_in_the_next_call(server: Server, tmp_path: Path) -> None:
    server.script = ["cut", "cut", "cut"]
    with pytest.raises(
        DownloadError, match=r"ended after .*try again .*or download it yourself and put"
    ):
        fetch(server, tmp_path)
    assert names(tmp_path) == ["grocery-store.zip.json", "grocery-store.zip.part"]
    size = (tmp_path / "grocery-store.zip.part").stat().st_size
    assert size > len(server.body) * 0.8
    assert fetch(server, tmp_path).is_dir()
    assert server.requests[3]["Range"] == f"bytes={size}-"
    assert names(tmp_path) == ["grocery-store"]


@pytest.mark.parametrize("step", ["ignore", "shifted", 416])
def test_fetch_starts_over_without_ranges(
    server: Server, tmp_path: Path, step: str | int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MAX_BYTES", len(server.body))  # fails if bytes count twice
    server.script = ["cut", step]
    assert fetch(server, tmp_path).is_dir()
    assert "Range" in server.requests[1]
    assert len(server.requests) == (2 if step == "ignore" else 3)


@pytest.mark.parametrize("etags", [('"one"', '"two"'), ('W/"one"', 'W/"two"')])
def test_fetch_never_mixes_two_versions(
    server: Server, tmp_path: Path, etags: tuple[str, str]
) -> None:
    server.script, server.etag = ["cut", 404], etags[0]
    with pytest.raises(DownloadError):
        fetch(server, tmp_path)
    server.body, server.etag = dataset_zip(FILES | {"0.txt": b"new"}), etags[1]
    assert fetch(server, tmp_path).is_dir()
    assert "Range" in server.requests[2]
    assert ("If-Range" in server.requests[2]) == (etags[0] == '"one"')
    assert len(server.requests) == (3 if etags[0] == '"one"' else 4)


def test_fetch_resumes_without_etag(server: Server, tmp_path: Path) -> None:
    server.script, server.etag = ["cut"], ""
    assert fetch(server, tmp_path).is_dir()
    assert "If-Range" not in server.requests[1]
    assert len(server.requests) == 2


def test_fetch_killed_when_a_new_version_starts(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script = ["cut", 404]
    with pytest.raises(DownloadError):
        fetch(server, tmp_path)
    server.etag = '"two"'

    def kill(path: Path, text: str, **_: object) -> None:
        path.write_bytes(text.encode())
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", kill)
    with pytest.raises(KeyboardInterrupt):
        fetch(server, tmp_path)
    assert names(tmp_path) == ["grocery-store.zip.json"]  # the new record never describes old bytes


@pytest.mark.parametrize(
    "record", ["not json", json.dumps(["https://example.org/other.zip", '"one"'])]
)
def test_fetch_ignores_partial_download_of_another_url(
    server: Server, tmp_path: Path, record: str
) -> None:
    (tmp_path / "grocery-store.zip.part").write_bytes(b"other")
    (tmp_path / "grocery-store.zip.json").write_text(record)
    server.script = [404]
    with pytest.raises(DownloadError):
        fetch(server, tmp_path)
    assert "Range" not in server.requests[-1]
    assert fetch(server, tmp_path).is_dir()


def test_wrong_digest_leaves_no_files(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=f"expected tree_digest {'0' * 64}, got {DIGEST}"):
        fetch(server, tmp_path, expected="0" * 64)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "missing", ["val.txt", "classes.csv", "train/Pear/1.jpg", "iconic/Apple.jpg"]
)
def test_archive_with_missing_file_is_refused(server: Server, tmp_path: Path, missing: str) -> None:
    server.body = dataset_zip({name: data for name, data in FILES.items() if name != missing})
    with pytest.raises(
        DownloadError, match=f"1 of [48] files are missing, the first is .*{missing}"
    ):
        fetch(server, tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda zip: zip.replace(b"pear", b"bear"), "missing.*Pear.*1 members skipped.*Bad CRC"),
        (lambda zip: zip[:-9], "truncated or damaged.*was removed; try again"),
        (lambda zip: b"<html>log in to this network</html>", "a page instead of a .zip"),
        (lambda zip: zip.replace(b"dataset/train.txt", b"dataset/trein.txt"), "found 0"),
    ],
)
def test_damaged_archive_is_refused(
    server: Server, tmp_path: Path, damage: Callable[[bytes], bytes], message: str
) -> None:
    server.body = damage(server.body)
    with pytest.raises(DownloadError, match=message):
        fetch(server, tmp_path)
    assert names(tmp_path) == []


def test_fetch_retries_server_errors_but_not_404(server: Server, tmp_path: Path) -> None:
    server.script = [404]
    with pytest.raises(DownloadError, match=f"^{server.url}: .*404 Not Found; try again"):
        fetch(server, tmp_path)
    assert len(server.requests) == 1
    server.script = [500, 503, 429, 500, 503]
    with pytest.raises(DownloadError, match="429"):
        fetch(server, tmp_path)
    assert fetch(server, tmp_path).is_dir()
    assert len(server.requests) == 1 + 3 + 3


def test_fetch_without_connection(server: Server, tmp_path: Path) -> None:
    server.server_close()  # the port is closed now
    with pytest.raises(DownloadError, match=r"no connection .*grocery-store\.zip"):
        fetch(server, tmp_path)


def test_fetch_timeout(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "TIMEOUT", 0.1)
    server.script = ["hang", "hang", "stall"]
    with pytest.raises(DownloadError, match=r"broke off \(timed out\)"):
        fetch(server, tmp_path)
    server.script = ["hang"]
    assert fetch(server, tmp_path).is_dir()


@pytest.mark.parametrize("length", ["good", "unknown length"])
def test_fetch_of_too_many_bytes(
    server: Server, tmp_path: Path, length: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MAX_BYTES", len(server.body) - 1)
    server.script = [length]
    with pytest.raises(DownloadError, match="bytes, expected at most"):
        fetch(server, tmp_path)
    assert (tmp_path / "grocery-store.zip.part").stat().st_size == 0
    monkeypatch.setattr(downloads, "MAX_BYTES", len(server.body))
    assert fetch(server, tmp_path).is_dir()


@pytest.mark.parametrize(
    "target", ["http://192.0.2.1/a.zip", "http://example.org/a.zip", "ftp://127.0.0.1/a.zip"]
)
def test_redirect_to_insecure_url_is_refused(server: Server, tmp_path: Path, target: str) -> None:
    server.script = [target]
    with pytest.raises(DownloadError, match=f"{target}: refused, expected an https url"):
        fetch(server, tmp_path)


def test_redirect_to_local_url_is_followed(server: Server, tmp_path: Path) -> None:
    server.script = [server.url.replace("127.0.0.1", "localhost")]
    assert fetch(server, tmp_path).is_dir()
