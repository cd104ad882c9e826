"""`fetch_grocery_store` without a network: from a zip in its folder, and existing folders."""

import hashlib
import io
import os
import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest

from similarity_lab.datasets import fetching
from similarity_lab.datasets.fetching import GROCERY_STORE_SHA256, fetch_grocery_store, tree_digest
from similarity_lab.errors import DownloadError

FILES = {
    "train.txt": b"train/Apple/1.jpg, 0, 0\n",
    "val.txt": b"",
    "test.txt": b"",
    "classes.csv": b"Class Name (str),Iconic Image Path (str)\r\nApple,/iconic/Apple.jpg\r\n",
    "train/Apple/1.jpg": b"apple",
    "iconic/Apple.jpg": b"icon",
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, target: Path, *, progress: bool) -> None:
        raise DownloadError("network")

    monkeypatch.setattr(fetching, "download", refuse)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a complete dataset outside the folder to fetch to."""
    for name, data in FILES.items():
        path = tmp_path / "source/dataset" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "source"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder to fetch to that already contains the zip."""
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(f"GroceryStoreDataset-master/dataset/{name}", content)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/grocery-store.zip").write_bytes(file.getvalue())
    return tmp_path / "data"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_tree_digest_hashes_sorted_lines(home: Path) -> None:
    lines = sorted(
        f"{hashlib.sha256(content).hexdigest()}  dataset/{name}\n"
        for name, content in FILES.items()
    )
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert tree_digest(home) == digest
    (home / "dataset/classes.txt").write_text("a stray file does not count")
    assert tree_digest(str(home)) == digest
    (home / "dataset/train/Apple/1.jpg").write_bytes(b"changed")
    assert tree_digest(home) != digest


def test_tree_digest_of_incomplete_dataset(home: Path) -> None:
    (home / "dataset/train/Apple/1.jpg").unlink()
    (home / "dataset/iconic/Apple.jpg").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"2 of 6 files .* first is dataset/iconic/Apple\.jpg"
    ):
        tree_digest(home)
    (home / "dataset/train.txt").write_text("../../secret.txt, 0, 0\n")
    with pytest.raises(ValueError, match=r"secret.*expected only files inside"):
        tree_digest(home)
    with pytest.raises(FileNotFoundError, match=r"4 of 4 files .* first is dataset/train\.txt"):
        tree_digest(home / "dataset")


def test_tree_digest_of_published_dataset(real_photos: Path) -> None:
    assert tree_digest(real_photos / "grocery-store") == GROCERY_STORE_SHA256


def test_own_zip_is_used_and_kept(home: Path, data: Path) -> None:
    (data / "grocery-store.zip.part").write_bytes(b"an abandoned download")
    (data / "grocery-store.zip.json").write_text("[]")
    assert fetch_grocery_store(data, expected=tree_digest(home)) == data / "grocery-store"
    assert names(data) == ["grocery-store", "grocery-store.zip"]


def test_wrong_own_zip_is_kept(data: Path) -> None:
    with pytest.raises(
        DownloadError, match=r"expected tree_digest .* move .*zip away and try again"
    ):
        fetch_grocery_store(data, expected="0" * 64)
    assert names(data) == ["grocery-store.zip"]


def test_fetch_killed_after_the_download(home: Path, data: Path) -> None:
    (data / "grocery-store.zip.json").write_text("[]")
    assert fetch_grocery_store(data, expected=tree_digest(home)).is_dir()
    assert names(data) == ["grocery-store"]


def test_fetch_killed_while_unpacking(
    home: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = data / "grocery-store.unpacking/GroceryStoreDataset-master/dataset/train.txt"

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        context.setattr(Path, "rename", interrupt)
        fetch_grocery_store(data, expected=tree_digest(home))
    assert names(data) == ["grocery-store.zip"]
    partial.parent.mkdir(parents=True)
    partial.write_text("half of the list")
    assert fetch_grocery_store(data, expected=tree_digest(home)).is_dir()


def test_verified_copy_is_returned(home: Path, tmp_path: Path) -> None:
    home.rename(tmp_path / "grocery-store")
    digest = tree_digest(tmp_path / "grocery-store")
    assert fetch_grocery_store(tmp_path, expected=digest) == tmp_path / "grocery-store"


def test_existing_folder_is_never_changed(home: Path, data: Path) -> None:
    shutil.copytree(home, data / "grocery-store")
    (data / "grocery-store/dataset/val.txt").unlink()
    (data / "grocery-store/mine.txt").write_text("mine")
    message = r"1 of 4 files are missing, .*val\.txt; move .*grocery-store away and try again"
    with pytest.raises(DownloadError, match=message):
        fetch_grocery_store(data)
    (data / "grocery-store/dataset/val.txt").write_bytes(b"\xff")
    with pytest.raises(DownloadError, match="not the complete Grocery Store dataset: .*not UTF-8"):
        fetch_grocery_store(data)
    assert (data / "grocery-store/mine.txt").read_text() == "mine"


def test_broken_link_is_never_replaced(data: Path) -> None:
    (data / "grocery-store").symlink_to(data / "nowhere")
    with pytest.raises(DownloadError, match=r"move .*grocery-store away and"):
        fetch_grocery_store(data)
    assert (data / "grocery-store").is_symlink()


@pytest.mark.parametrize("name", ["file", "file/data"])
def test_folder_that_is_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DownloadError, match=r"cannot be written to .*expected a folder"):
        fetch_grocery_store(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_folder_without_permission(data: Path) -> None:
    data.chmod(0o555)
    with pytest.raises(DownloadError, match="Permission denied"):
        fetch_grocery_store(data)
