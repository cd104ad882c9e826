"""The rules of `extract_zip`, each with an archive that breaks it."""

import errno
import io
import os
import random
import stat
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import IO
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest

from similarity_lab.errors import ArchiveError, InputError, InputWarning
from similarity_lab.files import extract_for_process, extract_zip

# Offsets of the fields of an entry in the table of contents.
FIELDS = {"flags": 8, "compress_size": 20, "file_size": 24, "attributes": 38, "header_offset": 42}


def make_zip(members: dict[str, bytes], method: int = ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def patch(data: bytes, entry: int = 0, **fields: int) -> bytes:
    """Change fields of one entry of the table of contents."""
    offset = -1
    for _ in range(entry + 1):
        offset = data.index(b"PK\x01\x02", offset + 1)
    changed = bytearray(data)
    for name, value in fields.items():
        struct.pack_into("<H" if name == "flags" else "<L", changed, offset + FIELDS[name], value)
    return bytes(changed)


def extract(data: bytes, folder: Path, **limits: int) -> tuple[list[str], dict[str, str]]:
    paths, skipped = extract_zip(io.BytesIO(data), folder, **limits)
    assert list(skipped.columns) == ["path", "reason"]
    names = [path.relative_to(folder).as_posix() for path in paths]
    return names, dict(zip(skipped["path"], skipped["reason"], strict=True))


def assert_refused(data: bytes, folder: Path, message: str, **limits: int) -> None:
    with pytest.raises(ArchiveError, match=message):
        extract(data, folder, **limits)
    assert not folder.exists()


@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_DEFLATED])
def test_archive_is_unpacked(tmp_path: Path, method: int) -> None:
    members = {"b/2 x.JPG": b"2" * 5000, "a/Äpfel/1.jpg": b"1", "b.jpg": b"", "empty/": b""}
    (tmp_path / "photos.zip").write_bytes(make_zip(members, method))
    paths, skipped = extract_zip(tmp_path / "photos.zip", tmp_path / "out")
    names = [path.relative_to(tmp_path / "out").as_posix() for path in paths]
    assert names == ["a/Äpfel/1.jpg", "b/2 x.JPG", "b.jpg"]
    assert [path.read_bytes() for path in paths] == [members[name] for name in names]
    assert skipped.to_numpy().tolist() == [["empty", "empty folder"]]
    assert not (tmp_path / "out/empty").exists()
    assert extract(make_zip({}), tmp_path / "none") == ([], {})
    assert (tmp_path / "none").is_dir()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../evil.jpg", r"\.\."),
        ("a/../../evil.jpg", r"\.\."),
        (".. /evil.jpg", r"\.\."),
        ("/evil.jpg", "absolute"),
        ("C:evil.jpg", "drive letter"),
        ("c:/evil.jpg", "drive letter"),
        ("..\\evil.jpg", r"\.\."),
        ("a\\..\\..\\evil.jpg", r"\.\."),
        ("a/..\\evil.jpg", r"\.\."),
        ("\\evil.jpg", "absolute"),
        ("\\\\server\\share\\evil.jpg", "absolute"),
        ("C:\\evil.jpg", "drive letter"),
        ("a.jpg\0.txt", "NUL"),
    ],
)
def test_traversal_is_refused(tmp_path: Path, name: str, message: str) -> None:
    stand_in = "q" * len(name)  # `zipfile` would sanitise some of these while writing
    data = make_zip({"good.jpg": b"1", stand_in: b"2"}).replace(stand_in.encode(), name.encode())
    assert_refused(data, tmp_path / "out", message)
    assert list(tmp_path.iterdir()) == []


def test_dots_in_names_are_accepted(tmp_path: Path) -> None:
    names = ["a..jpg", "b/..c.jpg", "d/.hidden", "e.f/g..h.jpg"]
    assert extract(make_zip(dict.fromkeys(names, b"1")), tmp_path) == (names, {})


def zip_of_raw_names(members: dict[bytes, bytes], extra: bytes = b"") -> bytes:
    """Return a zip whose names are these bytes, without the mark of UTF-8."""
    stand_ins = {name: chr(ord("A") + number) * len(name) for number, name in enumerate(members)}
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        for name, stand_in in stand_ins.items():
            info = ZipInfo(stand_in)
            info.extra = extra
            archive.writestr(info, members[name])
    data = file.getvalue()
    for name, stand_in in stand_ins.items():
        data = data.replace(stand_in.encode(), name)
    return data


def unicode_field(raw: bytes, name: bytes) -> bytes:
    return struct.pack("<HHBL", 0x7075, 5 + len(name), 1, zlib.crc32(raw)) + name


def test_name_in_extra_field_counts(tmp_path: Path) -> None:
    raw = "Nüsse.jpg".encode("cp437")
    data = zip_of_raw_names({raw: b"1"}, unicode_field(raw, "Nüsse アーモンド.jpg".encode()))
    assert extract(data, tmp_path / "field") == (["Nüsse アーモンド.jpg"], {})
    other = unicode_field(b"another name", b"field.jpg")
    assert extract(zip_of_raw_names({b"good.jpg": b"1"}, other), tmp_path / "crc")[0] == [
        "good.jpg"
    ]


def test_name_in_extra_field_is_checked(tmp_path: Path) -> None:
    field = unicode_field(b"good.jpg", b"../evil.jpg")
    assert_refused(zip_of_raw_names({b"good.jpg": b"1"}, field), tmp_path / "out", r"\.\.")
    assert not (tmp_path / "evil.jpg").exists()


@pytest.mark.parametrize(
    ("encoding", "folder"),
    [
        ("cp437", "Nüsse"), ("cp850", "Á la crème"), ("cp866", "миндаль"),
        ("cp1251", "Миндаль"), ("cp932", "アーモンド"), ("cp932", "十割ソース"), ("gbk", "杏仁"),
        ("big5", "功夫茶"), ("cp949", "아몬드"), ("cp852", "żurawina i śliwki"),
    ],
)  # fmt: skip
def test_names_in_legacy_encodings(tmp_path: Path, encoding: str, folder: str) -> None:
    members = {f"{folder}/{number}.jpg".encode(encoding): b"1" for number in range(2)}
    data = zip_of_raw_names(members)
    expected = [f"{folder}/0.jpg", f"{folder}/1.jpg"]
    paths, _ = extract_zip(io.BytesIO(data), tmp_path / "chosen", encoding=encoding)
    assert [path.relative_to(tmp_path / "chosen").as_posix() for path in paths] == expected
    with pytest.warns(
        InputWarning, match=rf"not in Unicode and were read as {encoding}.*encoding="
    ):
        assert extract(data, tmp_path / "guessed") == (expected, {})


def test_unmarked_utf8_is_read_without_a_warning(tmp_path: Path, recwarn) -> None:
    data = zip_of_raw_names({"café/Ä.jpg".encode(): b"1"})  # as macOS writes them
    assert extract(data, tmp_path) == (["café/Ä.jpg"], {})
    assert not recwarn.list


def test_encoding_that_cannot_be_right_is_refused(tmp_path: Path) -> None:
    data = io.BytesIO(zip_of_raw_names({b"\x81\xff.jpg": b"1"}))
    with pytest.raises(ArchiveError, match="is not in cp932; pass another"):
        extract_zip(data, tmp_path / "out", encoding="cp932")
    with pytest.raises(InputError, match="Unknown encoding 'cp9'"):
        extract_zip(data, tmp_path / "out", encoding="cp9")


def test_second_byte_of_a_letter_is_no_separator(tmp_path: Path) -> None:
    names = ["ソ\\表.jpg", "..能/予.jpg"]  # their second bytes are backslashes
    data = zip_of_raw_names({name.encode("cp932"): b"1" for name in names})
    paths, _ = extract_zip(io.BytesIO(data), tmp_path, encoding="cp932")
    found = {path.relative_to(tmp_path).as_posix() for path in paths}
    assert found == {"ソ/表.jpg", "..能/予.jpg"}


def test_windows_separators(tmp_path: Path) -> None:
    raw = [b"lib\\almonds\\1.jpg", b"lib\\almonds/2.jpg", b"lib\\", b"lib\\none\\"]
    names, skipped = extract(zip_of_raw_names(dict.fromkeys(raw, b"")), tmp_path)
    assert names == ["lib/almonds/1.jpg", "lib/almonds/2.jpg"]
    assert skipped == {"lib/none": "empty folder"}


def test_empty_folders_are_listed_once(tmp_path: Path) -> None:
    folders = ["a/", "a/b/", "a/c/", "a/c/d/", "e/", "__MACOSX/", "__MACOSX/e/"]
    names, skipped = extract(make_zip({**dict.fromkeys(folders, b""), "e/1.jpg": b"1"}), tmp_path)
    assert names == ["e/1.jpg"] and set(skipped) == {"a/b", "a/c/d"}


def test_documents_are_refused(tmp_path: Path) -> None:
    data = make_zip({"[Content_Types].xml": b"<Types/>", "word/media/image1.jpg": b"1"})
    assert_refused(data, tmp_path / "out", "is a document or a program")


def test_limits_are_enforced(tmp_path: Path) -> None:
    data = make_zip({"a": b"12345", "b": b"12345"})
    assert_refused(
        data, tmp_path / "out", "2 members, expected at most 1; raise max_files", max_files=1
    )
    assert_refused(
        data, tmp_path / "out", "10 bytes unpacked, .* at most 9; .*max_bytes", max_bytes=9
    )
    assert len(extract(data, tmp_path / "out", max_files=2, max_bytes=10)[0]) == 2


def test_declared_bomb_is_refused(tmp_path: Path) -> None:
    data = make_zip({"white.bmp": bytes(2**20 + 1)}, ZIP_DEFLATED)
    assert_refused(data, tmp_path / "out", "expected a ratio of at most 200 .*raise max_ratio")
    assert len(extract(data, tmp_path / "out", max_ratio=2000)[0]) == 1
    icon = make_zip({"icon.bmp": bytes(2**20)}, ZIP_DEFLATED)
    assert extract(icon, tmp_path / "icon")[0] == ["icon.bmp"]


@pytest.mark.parametrize("size", [5000, 5 * 2**20])
def test_bomb_with_false_size_is_refused(tmp_path: Path, size: int) -> None:
    bomb = make_zip({"good.jpg": b"1", "sub/bomb.jpg": bytes(size)}, ZIP_DEFLATED)
    (tmp_path / "mine.txt").write_text("stays")
    with pytest.raises(ArchiveError, match=r"<file object>: .* more than the 100 bytes"):
        extract(patch(bomb, 1, file_size=100), tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine.txt"]


def test_overlapping_members_are_refused(tmp_path: Path) -> None:
    data = make_zip({"a": b"x" * 999, "b": b"y" * 999})
    assert_refused(patch(data, 1, header_offset=0), tmp_path / "out", "'b' overlaps")
    big = patch(make_zip({"a": b"x"}), compress_size=2**31, file_size=2**31)
    assert_refused(big, tmp_path / "out", "members reach to byte 2,147,483,678")


def test_encrypted_member_is_refused(tmp_path: Path) -> None:
    data = patch(make_zip({"a": b"1", "b": b"2"}), 1, flags=1)
    assert_refused(data, tmp_path / "out", "'b' is encrypted, expected no password")


def test_other_content_is_refused(tmp_path: Path) -> None:
    complete = make_zip({"a.jpg": b"1" * 500, "b.jpg": b"2" * 500})
    assert_refused(b"<html>not found</html>", tmp_path / "out", "a page instead of a .zip archive")
    assert_refused(b"", tmp_path / "out", "empty file")
    for cut in (len(complete) // 2, len(complete) - 10):
        assert_refused(complete[:cut], tmp_path / "out", "truncated or damaged")
    assert_refused(complete[100:], tmp_path / "out", "overlaps|damaged")  # the beginning is missing


def test_invalid_source(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="is a folder, expected a"):
        extract_zip(tmp_path, tmp_path / "out")
    with pytest.raises(ArchiveError, match="No such file or directory; expected a"):
        extract_zip(str(tmp_path / "none.zip"), tmp_path / "out")
    with pytest.raises(TypeError, match="expected a path or a binary file object, got bytes"):
        extract_zip(b"PK", tmp_path / "out")  # type: ignore[arg-type]
    reader, writer = os.pipe()
    os.close(writer)
    with open(reader, "rb") as pipe, pytest.raises(ArchiveError, match="not seekable"):
        extract_zip(pipe, tmp_path / "out")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ArchiveError, match="is a file; expected a folder"):
        extract_zip(io.BytesIO(make_zip({"a": b"1"})), tmp_path / "file")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(stat.S_IFLNK, "symbolic link"), (stat.S_IFBLK, "device node"), (stat.S_IFIFO, "special")],
)
def test_special_members_are_skipped(tmp_path: Path, kind: int, reason: str) -> None:
    data = make_zip({"a.jpg": b"../outside", "b.jpg": b"1"})
    names, skipped = extract(patch(data, attributes=(kind | 0o777) << 16), tmp_path)
    assert names == ["b.jpg"]
    assert reason in skipped["a.jpg"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_colliding_names_are_skipped(tmp_path: Path) -> None:
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        for name in ("a.jpg", "a.jpg", "A.JPG", "./a.jpg", "\u00e9.jpg", "e\u0301.jpg"):
            archive.writestr(name, name)
    names, skipped = extract(file.getvalue(), tmp_path)
    assert names == ["a.jpg", "\u00e9.jpg"]
    assert (tmp_path / "a.jpg").read_text() == "a.jpg"
    assert set(skipped) == {"a.jpg", "A.JPG", "./a.jpg", "e\u0301.jpg"}
    assert all(reason.startswith("duplicate of") for reason in skipped.values())


def test_file_in_place_of_a_folder_is_skipped(tmp_path: Path) -> None:
    names, skipped = extract(make_zip({"a": b"1", "a/b": b"2", "c/d": b"3", "c": b"4"}), tmp_path)
    assert names == ["a", "c/d"]
    assert set(skipped) == {"a/b", "c"}


def test_long_names_are_skipped(tmp_path: Path) -> None:
    long, deep, longest = "ä" * 126 + ".jpg", "d/" * 511 + "x.y", "d/" * 511 + "x"
    data = make_zip({long: b"1", deep: b"2", ".": b"3", longest: b"4"})
    names, skipped = extract(data, tmp_path)
    assert names == [longest]
    assert skipped == {long: "name too long", deep: "name too long", ".": "has no name"}


def test_unsupported_compression_is_skipped(tmp_path: Path) -> None:
    names, skipped = extract(make_zip({"a": b"1"}, ZIP_BZIP2), tmp_path)
    assert (names, list(skipped)) == ([], ["a"])
    assert "compression method bzip2" in skipped["a"]


def test_damaged_member_is_skipped(tmp_path: Path) -> None:
    data = make_zip({"sub/a.jpg": b"PIXELS" * 99, "b.jpg": b"1"})
    names, skipped = extract(data.replace(b"PIXELS", b"PIXELZ", 1), tmp_path / "crc")
    assert names == ["b.jpg"]
    assert "damaged: Bad CRC-32" in skipped["sub/a.jpg"]
    assert [path.name for path in (tmp_path / "crc").rglob("*")] == ["b.jpg"]

    data = make_zip({"a.jpg": random.Random(0).randbytes(999) * 2}, ZIP_DEFLATED)
    for n, (damaged, reason) in enumerate(
        [
            (data[:35] + b"\xff" + data[36:], "damaged: Error -3 while decompressing"),
            (patch(data, file_size=1999), "damaged: 1,998 bytes, 1,999 declared"),
            (b"PK\0\0" + data[4:], "damaged: Bad magic number"),
        ]
    ):
        assert extract(damaged, tmp_path / str(n))[1]["a.jpg"].startswith(reason)


def test_existing_files_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("mine")
    names, skipped = extract(make_zip({"a.jpg": b"theirs", "b.jpg": b"1"}), tmp_path)
    assert names == ["b.jpg"]
    assert "File exists" in skipped["a.jpg"]
    assert (tmp_path / "a.jpg").read_text() == "mine"


def test_links_in_the_folder_are_not_followed(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "a.jpg").symlink_to(outside / "a.jpg")
    names, skipped = extract(
        make_zip({"link/x.jpg": b"1", "loop/x.jpg": b"2", "a.jpg": b"3", "b.jpg": b"4"}), folder
    )
    assert names == ["b.jpg"]
    assert "symbolic link" in skipped["link/x.jpg"]
    assert set(skipped) == {"link/x.jpg", "loop/x.jpg", "a.jpg"}
    assert list(outside.iterdir()) == []
    (tmp_path / "alias").symlink_to(outside)  # the folder itself may be a link
    assert extract(make_zip({"sub/x.jpg": b"1"}), tmp_path / "alias")[0] == ["sub/x.jpg"]


def test_full_disk_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_member = ZipFile.open

    def fail_at_second(archive: ZipFile, member: ZipInfo) -> IO[bytes]:
        if member.filename == "b/2.jpg":
            raise OSError(errno.ENOSPC, "No space left on device")
        return open_member(archive, member)

    data = make_zip({"a/1.jpg": b"1", "b/2.jpg": b"2"})
    monkeypatch.setattr(ZipFile, "open", fail_at_second)
    with pytest.raises(OSError, match="No space left"):
        extract(data, tmp_path / "new/out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::similarity_lab.errors.InputWarning")
def test_random_damage_raises_only_archive_errors(tmp_path: Path) -> None:
    """Random changes of bytes cause no other error and no files outside the folder."""
    random_ = random.Random(1)
    complete = make_zip({"a/1.jpg": b"1" * 50, "b/Ä.jpg": b"2" * 50}, ZIP_DEFLATED)
    for n in range(400):
        data = bytearray(complete)
        for _ in range(random_.randint(1, 4)):
            data[random_.randrange(len(data))] = random_.randrange(256)
        try:
            paths, _ = extract_zip(io.BytesIO(data), tmp_path / f"out/{n}")
        except ArchiveError:
            continue
        assert all(path.is_relative_to(tmp_path / f"out/{n}") for path in paths)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_extract_for_process_removes_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(make_zip({"a.jpg": b"1"}))
    code = (
        "import sys; from similarity_lab.files import extract_for_process as f\n"
        f"folder, skipped = f({str(tmp_path / 'a.zip')!r})\n"
        "sys.stdout.write(f'{folder} {[path.name for path in folder.iterdir()]}')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    folder, files = run.stdout.split()
    assert files == "['a.jpg']"
    assert not Path(folder).exists()
    with pytest.raises(ArchiveError):
        extract_for_process(io.BytesIO(b""))


def hidden_zip(names: list[str], hidden: list[str], system: int = 0) -> io.BytesIO:
    """Return a zip in which some names have the attribute "hidden", as Windows writes it."""
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        for name in names:
            info = ZipInfo(name)
            info.create_system = system
            info.external_attr = (0x10 if name.endswith("/") else 0x20) | 2 * (name in hidden)
            archive.writestr(info, b"" if name.endswith("/") else b"1")
    return file


@pytest.mark.parametrize("system", [0, 10, 11, 14])
def test_hidden_in_windows_is_skipped(tmp_path: Path, system: int) -> None:
    names = ["a/", "a/1.jpg", "a/2.jpg", "a/Thumbs.db", "b/", "b/3.jpg", "b/c/", "b/c/4.jpg"]
    hidden = ["a/2.jpg", "a/Thumbs.db", "b/", "b/c/"]
    found, skipped = extract(hidden_zip(names, hidden, system).getvalue(), tmp_path)
    assert found == ["a/1.jpg"] and skipped == {
        "a/2.jpg": "hidden, by its attribute in Windows",
        "a/Thumbs.db": "made by Windows, not an image",
        "b": "hidden, by its attribute in Windows",
    }


def test_attributes_of_other_systems_are_ignored(tmp_path: Path) -> None:
    data = hidden_zip(["a/", "a/1.jpg"], ["a/", "a/1.jpg"], system=3).getvalue()
    assert extract(data, tmp_path) == (["a/1.jpg"], {})
