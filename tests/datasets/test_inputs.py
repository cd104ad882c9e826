"""What people hand in as a library: folders of all systems, outer folders, splits, tables."""

import shutil
import unicodedata
import warnings
import zipfile

import numpy as np
import pandas as pd
import pytest

from similarity_lab import ImageDataset, Site, load_dataset
from similarity_lab.datasets.layout import near_equal_names
from similarity_lab.errors import ArchiveError, InputError, InputTypeError, InputWarning

SYSTEM_FOLDERS = [
    ".ipynb_checkpoints", "@eaDir", "__MACOSX", ".AppleDouble", ".Trashes", ".Spotlight-V100",
    ".fseventsd", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot", ".@__thumb",
    "$RECYCLE.BIN", "System Volume Information", "lost+found", ".Trash-1000", ".thumbnails",
    ".git", "node_modules", "__pycache__", ".snapshot", "~snapshot", ".stversions",
    ".picasaoriginals", "Previews.lrdata", ".private", "RECYCLED", "LOST.DIR", "trashbox",
    "@sharebin", "#Recycle", "FOUND.000", "TheVolumeSettingsFolder", "CVS", "_gsdata_", "venv",
    ".@upload_cache", ".zfs", ".timemachine", "@tmp",
]  # fmt: skip
SYSTEM_FILES = [
    ".DS_Store", "._0.png", "Thumbs.db", "ehthumbs.db", "desktop.ini", "Desktop.ini", "Icon\r",
    ".picasa.ini", "Picasa.ini", ".directory", ".nomedia", "~$list.xlsx", ".~lock.list.ods#",
    "0.png:Zone.Identifier", "SYNOPHOTO_THUMB_M.jpg", ".hidden.png", "Thumbs.db (1)",
    "Thumbs (2).db", "thumbs.db:encryptable", "desktop (1).ini", ":2eDS_Store", ":2e_0.png",
    "Desktop DB", "AlbumArtSmall.jpg", "Icon?", ".0.png.icloud", ".syncthing.0.png.tmp",
    ".trashed-1700000000-0.png", ".smbdelete0001", ".fuse_hidden0001", ".nfs00af",
]  # fmt: skip


def load(source, **options):
    return load_dataset(source, progress=False, **options)


def zipped(folder, archive, prefix="", extra=()):
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, prefix + path.relative_to(folder).as_posix())
        for name in extra:
            file.writestr(name, b"no image")
    return archive


@pytest.fixture(autouse=True)
def _no_other_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        yield


@pytest.fixture
def image(library):
    """Return the path of an image that is put into other places."""
    return library / "oats" / "0.png"


# System files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SYSTEM_FOLDERS)
@pytest.mark.parametrize("place", ["", "almonds"])
@pytest.mark.parametrize("as_zip", [False, True])
def test_system_folder_is_left_out_and_listed(library, image, tmp_path, name, place, as_zip):
    folder = library / place / name
    folder.mkdir()
    for number in range(3):
        shutil.copy(image, folder / f"{number}.png")
    source = zipped(library, tmp_path / "lib.zip") if as_zip else library
    data = load(source)
    assert data.classes == ("almonds", "dates", "oats") and data.counts.to_list() == [6, 6, 6]
    assert [path.endswith(name) for path in data.skipped["path"]] == [True]
    assert data.skipped.loc[0, "reason"] not in ("", "empty folder")
    site = Site.of(source)
    assert len(site.paths) == 18 and len(site.skipped) == 1


@pytest.mark.parametrize("name", SYSTEM_FILES)
def test_system_file_is_left_out_and_listed(library, image, name):
    shutil.copy(image, library / "almonds" / name)
    shutil.copy(image, library / name)
    data = load(library)
    assert data.counts.to_list() == [6, 6, 6] and len(data.skipped) == 2
    assert set(data.skipped["path"]) == {str(library / name), str(library / "almonds" / name)}


def test_names_that_only_resemble_system_folders_are_classes(library):
    for name in ("recycled bags", "macosx", "git", "@nuts", "#1 nuts", "cache", "Icon"):
        shutil.copytree(library / "oats", library / name)
    assert len(load(library).classes) == 10


def test_hidden_folder_that_is_passed_itself_is_loaded(library, tmp_path):
    library.rename(tmp_path / ".hidden")
    assert len(load(tmp_path / ".hidden")) == 18


# Outer folders ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "extra"),
    [
        ("Photos/library/", []),
        ("lib/", ["README.txt", "cover sheet.pdf"]),
        ("a/b/c/d/", ["a/notes.md", "a/b/index.html", "__MACOSX/a/._b"]),
        ("lib/", ["logo.png"]),
    ],
)
def test_outer_folders_of_a_zip(library, tmp_path, prefix, extra):
    data = load(zipped(library, tmp_path / "lib.zip", prefix, extra))
    assert data.classes == ("almonds", "dates", "oats") and len(data) == 18
    assert len(data.skipped) == len(extra)
    assert set(data.skipped["reason"]) <= {
        "outside lib, which has the classes", "outside d, which has the classes",
        "made by macOS, not an image",
    }  # fmt: skip


def test_outer_folders_of_a_folder_are_said(library, tmp_path):
    (tmp_path / "outer").mkdir()
    library.rename(tmp_path / "outer" / "library")
    with pytest.warns(InputWarning, match="the classes are the folders in .*library"):
        data = load(tmp_path / "outer")
    assert data.classes == ("almonds", "dates", "oats")


def test_single_class_is_no_outer_folder(library, image, tmp_path):
    for name in ("dates", "oats"):
        shutil.rmtree(library / name)
    assert load(library).classes == ("almonds",)
    assert load(zipped(library, tmp_path / "a.zip", "Photos/")).classes == ("almonds",)
    (library / "almonds" / "more").mkdir()
    (library / "almonds" / "0.png").rename(library / "almonds" / "more" / "0.png")
    assert load(library).counts.to_dict() == {"almonds": 6}


def test_flat_folder_with_one_nested_folder_is_not_opened(library, image):
    nested = library / "oats" / "old" / "small"
    nested.mkdir(parents=True)
    shutil.copy(image, nested / "x.png")
    data = load(library / "oats")
    assert data.classes == ("old",) and (data.skipped["reason"] == "not in a class folder").all()
    assert len(data.skipped) == 6


# Splits -----------------------------------------------------------------------------------------


def with_splits(library, tmp_path, names):
    for name in names:
        shutil.copytree(library, tmp_path / "data" / name)
    return tmp_path / "data"


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val"), ("Training", "validation", "TEST"), ("data_train", "data_test"),
        ("dev", "eval"), ("train2017", "val2017"), ("trainset", "testset"), ("X_train", "X_test"),
        ("1_train", "2_test"), ("TRAIN SET", "TEST SET"),
    ],
)  # fmt: skip
def test_ready_made_splits_are_said(library, tmp_path, names):
    folder = with_splits(library, tmp_path, names)
    for source in (folder, zipped(folder, tmp_path / "data.zip", "data/")):
        with pytest.warns(InputWarning, match="are ready-made splits.*split="):
            data = load(source)
        assert data.classes == ("almonds", "dates", "oats") and len(data) == 18 * len(names)
        assert len(load(source, split=names[1])) == 18
        assert len(load(source, split="all")) == 18 * len(names)


@pytest.mark.parametrize("extra", ["docs/0.png", "sample/x/0.png", "notes.txt"])
def test_other_folders_beside_splits_are_listed(library, image, tmp_path, extra):
    folder = with_splits(library, tmp_path, ("train", "test"))
    (folder / extra).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(image, folder / extra)
    with pytest.warns(InputWarning, match="test, train are ready-made splits"):
        data = load(folder)
    assert data.classes == ("almonds", "dates", "oats") and len(data) == 36
    assert data.skipped["path"].to_list() == [str(folder / extra)]


def test_splits_with_another_outer_folder(library, tmp_path):
    for name in ("seg_train", "seg_test"):
        shutil.copytree(library, tmp_path / "data" / name / name)
    (tmp_path / "data" / "seg_test" / "list.txt").touch()
    with pytest.warns(InputWarning, match="seg_test, seg_train are ready-made splits"):
        data = load(tmp_path / "data")
    assert data.classes == ("almonds", "dates", "oats") and len(data) == 36
    assert data.skipped["reason"].to_list() == ["outside seg_test, which has the classes"]
    assert len(load(tmp_path / "data", split="test")) == 18


def test_class_alone_in_a_split_is_no_outer_folder(library, image, tmp_path):
    folder = with_splits(library, tmp_path, ("train", "test"))
    for name in ("dates", "oats"):
        shutil.rmtree(folder / "test" / name)
    (folder / "test" / "almonds").rename(tmp_path / "almonds")
    for name in ("raw", "roasted"):
        shutil.copytree(tmp_path / "almonds", folder / "test" / "almonds" / name)
    assert load(folder, split="test").counts.to_dict() == {"almonds": 12}


def test_splits_below_the_classes_are_said(library):
    for name in ("almonds", "dates", "oats"):
        for number in range(6):
            part = library / name / ("train" if number < 4 else "test")
            part.mkdir(exist_ok=True)
            (library / name / f"{number}.png").rename(part / f"{number}.png")
    with pytest.warns(InputWarning, match="test, train are ready-made splits.*split='train'"):
        assert load(library).counts.to_list() == [6, 6, 6]
    assert load(library, split="test").counts.to_list() == [2, 2, 2]
    for name in ("dates", "oats"):
        shutil.rmtree(library / name)
    assert load(library, split="train").counts.to_dict() == {"almonds": 4}


def test_split_by_its_usual_name(library, tmp_path, image):
    folder = with_splits(library, tmp_path, ["Training", "validation"])
    shutil.copy(image, folder / "validation" / "stray.png")
    data = load(folder, split="val")
    assert len(data) == 18 and data.skipped["reason"].to_list() == ["not in a class folder"]
    assert all("validation" in str(path) for path in data.paths)
    with pytest.raises(InputError, match="unknown split 'test', the folder has: Training, valid"):
        load(folder, split="test")
    with pytest.raises(InputError, match="no ready-made splits"):
        load(library, split="train")


def test_products_named_like_splits_are_classes(library):
    (library / "almonds").rename(library / "test")
    assert load(library).classes == ("dates", "oats", "test")
    (library / "dates").rename(library / "train")
    assert load(library).classes == ("oats", "test", "train")


# Labels elsewhere -------------------------------------------------------------------------------

BOXES = "0 0.5 0.5 0.2 0.2\n12 .25 1 .1 1e-3\n"
COCO = '{"info": {}, "images": [{"file_name": "1.jpg"}], "annotations": []}'
VOC = "<?xml version='1.0'?>\n<annotation><folder>a</folder></annotation>"
ANNOTATED = {  # the folder of each image, other files with their content, what is named
    "YOLO": (["images/train", "images/val"], {"labels/train/0.txt": BOXES, "data.yaml": "nc: 2"},
             r"annotations \(YOLO, train/0.txt\)"),
    "YOLO without splits": (["images"], {"labels/0.txt": BOXES, "classes.txt": "a"}, "YOLO"),
    "YOLO of outlines": (["images/train"], {"labels/train/0.txt": "1 .1 .2 .3 .4 .5 .6\n"}, "YOLO"),
    "Roboflow": (["train/images", "valid/images"], {"train/labels/0.txt": BOXES}, "YOLO"),
    "Darknet": (["obj_train_data"], {"obj_train_data/0.txt": BOXES, "obj.names": "a"}, "YOLO"),
    "VOC": (["VOC/JPEGImages"], {"VOC/Annotations/0.xml": VOC}, r"Pascal VOC, Annotations/0.xml"),
    "COCO": (["train2017", "val2017"], {"annotations/instances_train2017.json": COCO}, "COCO"),
    "LabelMe": (["images"], {"images/0.json": '{"version": "5", "shapes": []}'}, "LabelMe"),
    "table": (["images"], {"labels.csv": "image_id;label\n0;almonds\n"}, r"table of labels \(lab"),
    "Kaggle": (["train", "test"], {"train.csv": "id,breed\n0,oats\n"}, r"labels \(train.csv\)"),
    "flat": (["."], {"list.tsv": "file\tClass\n0.png\toats\n"}, r"labels \(list.tsv\)"),
}  # fmt: skip


def with_files(folder, places, texts, image):
    for number, place in enumerate(places):
        (folder / place).mkdir(parents=True, exist_ok=True)
        shutil.copy(image, folder / place / f"{number}.png")
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("kind", ANNOTATED)
@pytest.mark.parametrize("as_zip", [False, True])
def test_labels_that_are_not_in_folders_are_said(image, tmp_path, kind, as_zip):
    places, texts, named = ANNOTATED[kind]
    source = with_files(tmp_path / "data", places, texts, image)
    if as_zip:
        source = zipped(source, tmp_path / "data.zip")
    with pytest.warns(InputWarning, match=f"{named}.*Pass a table with columns path") as caught:
        data = load(source)
    assert len(caught) == 1 and len(data) == len(places)


@pytest.mark.parametrize(
    ("places", "texts"),
    [
        (["almonds", "dates"], {"almonds/0.txt": BOXES, "labels.csv": "path,label\n0.png,x\n"}),
        (["almonds"], {"prices.csv": "name,category\nAlmonds,nuts\n"}),
        (["almonds"], {"almonds/0.txt": "0 stars, 1.5 kg", "meta.json": '{"shop": 1}'}),
        (["images"], {"labels.csv": "", "a.csv": "\0", "notes.txt": ""}),
    ],
)
def test_other_files_are_no_annotations(image, tmp_path, places, texts):
    assert len(load(with_files(tmp_path / "data", places, texts, image))) == len(places)


def test_folders_of_images_and_masks_are_said(library, tmp_path):
    for name in ("images", "masks"):
        shutil.copytree(library, tmp_path / "data" / name)
    with pytest.warns(InputWarning, match="images, masks were taken as classes. If .*data/images"):
        assert len(load(tmp_path / "data")) == 36
    assert len(load(tmp_path / "data" / "images").classes) == 3


@pytest.mark.parametrize("beside", ["docs/manual.pdf", "labels/0.txt", "code/src/load.py"])
def test_folder_without_images_is_no_way_in(library, tmp_path, beside):
    data = load(zipped(library, tmp_path / "lib.zip", "lib/", [beside]))
    assert data.classes == ("almonds", "dates", "oats")
    assert data.skipped["reason"].to_list() == ["outside lib, which has the classes"]


# Names ------------------------------------------------------------------------------------------


def test_unicode_forms_are_one_class(library, image):
    for form in ("NFC", "NFD"):
        folder = library / unicodedata.normalize(form, "café")
        folder.mkdir()
        shutil.copy(image, folder / "0.png")
    data = load(library)
    assert data.counts.to_dict() == {"almonds": 6, "café": 2, "dates": 6, "oats": 6}
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "café")
        assert len(data.of_class(name)) == 2 and len(load(library, classes=[name])) == 2


@pytest.mark.parametrize(
    "names",
    [
        ["Almonds", "almonds"], ["almonds", "almonds "], ["almond", "almonds"], ["Café", "cafe"],
        ["almonds", "almonds (1)"], ["almonds", "almonds - Copy"], ["pine nuts", "pine_nuts"],
        ["pine nuts", "PineNuts"], ["ｄａｔｅｓ", "dates"], ["almonds", "al\u200bmonds"],
        ["almonds", "almonds copy 2"], ["Copy of almonds", "almonds"], ["almonds", "almonds(1)"],
        ["Kopie von Mandeln", "Mandeln"], ["almonds", "almonds (Kopie)"], ["杏仁", "杏仁 - 副本"],
        ["くるみ", "くるみ - コピー"], ["миндаль", "миндаль — копия"],
        ["almonds", "copie de almonds"],
        ["cherries", "cherry"], ["tomato", "tomatoes"], ["shoe", "shoes"], ["ΦΕΤΑ", "Φέτα"],
        ["ёлка", "елка"], ["ﬁgs", "figs"], ["가", "\u1100\u1161"], ["almonds", "almonds."],
    ],
)  # fmt: skip
def test_near_equal_names(names):
    assert near_equal_names([*names, "walnuts"]) == [sorted(names)]


@pytest.mark.parametrize(
    "names",
    [
        ["almonds", "walnuts"], ["か", "が"], ["milk 1", "milk 2"], ["3% milk", "1.5% milk"],
        ["杏", "桃"], ["pear", "pea"], ["(1)", "(2)"], ["oat", "oats 2"], ["copy", "paper"],
        ["rye", "ryo"], ["か", "カ"],
    ],
)  # fmt: skip
def test_different_names(names):
    assert near_equal_names(names) == []


def test_near_equal_classes_are_said(library):
    shutil.copytree(library / "almonds", library / "Almonds")
    with pytest.warns(InputWarning, match="nearly equal names: 'Almonds', 'almonds'. If"):
        assert len(load(library).classes) == 4


def test_zip_with_legacy_names(library, tmp_path):
    data = zipped(library, tmp_path / "lib.zip").read_bytes()
    raw = "アモン".encode("cp932") + b"_"  # as long as "almonds"
    (tmp_path / "lib.zip").write_bytes(data.replace(b"almonds", raw))
    with pytest.warns(InputWarning, match="read as cp932, for example 'アモン_/"):
        assert load(tmp_path / "lib.zip").classes == ("dates", "oats", "アモン_")
    assert load(tmp_path / "lib.zip", encoding="cp932").classes[-1] == "アモン_"
    assert len(Site.from_zip(tmp_path / "lib.zip", encoding="cp932").paths) == 18


# What is empty, what is an archive ----------------------------------------------------------------


def test_empty_classes_are_listed(library, tmp_path):
    (library / "figs").mkdir()
    (library / "nuts" / "whole").mkdir(parents=True)
    (library / "thumbs").mkdir()
    (library / "thumbs" / "Thumbs.db").touch()
    data = load(library)
    reasons = dict(zip(data.skipped["path"], data.skipped["reason"], strict=True))
    assert reasons[str(library / "figs")] == reasons[str(library / "nuts/whole")] == "empty folder"
    assert reasons[str(library / "thumbs")] == "folder without any other file"
    data = load(zipped(library, tmp_path / "lib.zip"))
    assert {"figs", "nuts/whole"} <= set(data.skipped["path"])
    data = load({"almonds": library / "almonds", "figs": library / "figs", "oats": []})
    assert data.classes == ("almonds",)
    assert {"figs", "oats"} <= set(data.skipped["path"])


ARCHIVES = {
    "a.tar.gz": (b"\x1f\x8b\x08\0", "tar.gz"), "a.tgz": (b"\x1f\x8b\x08\0", "tar.gz"),
    "a.7z": (b"7z\xbc\xaf\x27\x1c", "7z"), "a.rar": (b"Rar!\x1a\x07\x01\0", "RAR"),
    "a.tar": (b"name".ljust(257, b"\0") + b"ustar\0", "tar"), "a.tar.bz2": (b"BZh9", "tar.bz2"),
    "a.tar.xz": (b"\xfd7zXZ\0", "tar.xz"), "a.zst": (b"\x28\xb5\x2f\xfd", "Zstandard"),
    "a.lzh": (b"\x20\x30-lh5-", "LZH"), "a.cab": (b"MSCF\0\0", "cabinet"),
    "renamed.zip": (b"Rar!\x1a\x07\0", "RAR"), "a.zipx": (b"7z\xbc\xaf\x27\x1c", "7z"),
    "a.ARJ": (b"\x60\xea\x29\0", "ARJ"), "download": (b"7z\xbc\xaf\x27\x1c", "7z"),
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHIVES)
def test_archive_of_another_kind_is_named(library, tmp_path, name):
    start, kind = ARCHIVES[name]
    (tmp_path / name).write_bytes(start + bytes(50))
    for function in (load, Site.of):
        with pytest.raises(ArchiveError, match=f"{kind} archive; expected .* Unpack it and pass"):
            function(tmp_path / name)
    if name != "download":
        shutil.copy(tmp_path / name, library / "almonds")
        skipped = load(library).skipped
        assert kind in skipped.loc[0, "reason"] and "unpack it first" in skipped.loc[0, "reason"]


@pytest.mark.parametrize("name", ["a.z01", "a.zip.001", "a.7z.002", "a.r00"])
def test_part_of_an_archive_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x99" * 50)
    for function in (load, Site.of):
        with pytest.raises(ArchiveError, match="is one part of a split archive; unpack it with"):
            function(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"\r\n<!DOCTYPE html>", "a page instead of a .zip"),
        (b"text", "begins"),
    ],
)
def test_file_that_is_only_named_zip(tmp_path, content, reason):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ArchiveError, match=reason):
        load(tmp_path / "a.zip")


def test_zip_with_something_around_it(library, tmp_path):
    data = zipped(library, tmp_path / "a.zip").read_bytes()
    for name, content in (("before", b"MZ" * 50 + data), ("after", data + b"\n" * 50)):
        (tmp_path / f"{name}.zip").write_bytes(content)
        assert len(load(tmp_path / f"{name}.zip")) == 18


def test_zip_in_a_zip_is_named(library, tmp_path):
    inner = zipped(library, tmp_path / "almonds.zip")
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as file:
        file.write(inner, "library/almonds.zip")
    with pytest.raises(InputError, match="almonds.zip: zip archive inside .*; unpack it first"):
        load(tmp_path / "outer.zip")


@pytest.mark.parametrize("name", ["photos", "photos.cbz", "photos.zip.download", "PHOTOS.ZIP"])
def test_zip_is_recognised_by_its_content(library, tmp_path, name):
    assert len(load(zipped(library, tmp_path / name))) == 18
    assert len(Site.of(tmp_path / name).paths) == 18


def test_single_image_is_no_site(image):
    with image.open("rb") as file, pytest.raises(InputTypeError, match="or a list of paths, got"):
        Site.of(file)
    with pytest.raises(NotADirectoryError, match="single images into a folder, or pass a list"):
        Site.of(image)


def test_paths_as_people_type_them(library, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(load("~/library")) == 18
    for text, hint in {
        f'"{library}"': "Leave out the quotes",
        "https://shop.example/": "A url is collected first",
        f"file://{library}": "without file://",
        f"{library}/*.jpg": "instead of a pattern",
        "": "the path is empty",
        " ": "the path is empty",
    }.items():
        with pytest.raises(FileNotFoundError, match=hint):
            load(text)


# Tables -----------------------------------------------------------------------------------------


def table(library):
    paths = sorted(library.rglob("*.png"), reverse=True)
    return pd.DataFrame({"path": paths, "label": [path.parent.name for path in paths]})


def test_table_of_paths_and_labels(library):
    frame = table(library)
    data = load(frame)
    assert data.classes == ("almonds", "dates", "oats")
    assert list(data.paths) == frame["path"].to_list()  # in the order of the table
    assert [data.classes[label] for label in data.labels] == frame["label"].to_list()
    repeated = load(data.to_frame())
    assert repeated.paths == data.paths and (repeated.labels == data.labels).all()
    assert load(frame.rename(columns={"path": " Path ", "label": "LABEL"})).classes == data.classes
    assert load(frame.set_index("path")).classes == data.classes


def test_table_as_a_mapping_of_columns(library):
    data = load(table(library).to_dict("list"))
    assert data.classes == ("almonds", "dates", "oats") and len(data) == 18


def test_paths_as_windows_writes_them(library, tmp_path):
    frame = table(library)
    frame["path"] = [f".\\{path.parent.name}\\{path.name}" for path in frame["path"]]
    frame.to_csv(library / "list.csv", index=False)
    assert len(load(library / "list.csv")) == 18
    odd = tmp_path / "a\\b.png"  # a name that has a backslash
    shutil.copy(library / "oats" / "0.png", odd)
    assert load(pd.DataFrame({"path": [odd], "label": ["a"]})).paths == (odd,)


def test_urls_in_a_table_are_listed(library):
    frame = pd.concat(
        [table(library), pd.DataFrame({"path": ["https://a.example/1.png"], "label": ["oats"]})]
    )
    data = load(frame)
    assert len(data) == 18
    assert data.skipped.to_numpy().tolist() == [
        ["https://a.example/1.png", "a url in the table; download the image first"]
    ]


def test_two_columns_of_labels_are_refused(library):
    frame = table(library).assign(Label="x")
    with pytest.raises(InputError, match="the table has 2 columns label; keep one"):
        load(frame)


def test_labels_that_are_numbers(library):
    frame = table(library).assign(label=[2.0] * 6 + [1.0] * 6 + [np.nan] * 6)
    data = load(frame)
    assert data.counts.to_dict() == {"1": 6, "2": 6}
    assert data.skipped["reason"].to_list() == ["no label in the table"] * 6
    assert load(table(library).assign(label=pd.Categorical(["x"] * 18, ["x", "y"]))).classes == (
        "x",
    )


def test_rows_that_cannot_be_used_are_listed(library):
    frame = table(library)
    more = pd.DataFrame(
        {"path": [None, "missing.png", frame.loc[0, "path"]], "label": ["a", "b", "oats"]}
    )
    data = load(pd.concat([frame, more]))
    assert len(data) == 18
    reasons = dict(zip(map(str, data.skipped["path"]), data.skipped["reason"], strict=True))
    assert reasons["row 18"] == "no path in the table" and reasons["missing.png"] == "no such file"
    assert reasons[str(frame.loc[0, "path"])] == "listed more than once as oats"
    assert reasons["b"] == "class without a readable image"
    more["label"] = "dates"
    with pytest.raises(InputError, match="two labels in the table, 'oats' and 'dates'"):
        load(pd.concat([frame, more]))


def test_table_without_the_columns(library):
    with pytest.raises(InputError, match=r"columns path and label, got \['image', 'label'\]; ren"):
        load(table(library).rename(columns={"path": "image"}))
    with pytest.raises(InputError, match="the table: no readable image"):
        load(table(library).iloc[:0])


@pytest.mark.parametrize(("name", "separator"), [("l.csv", ","), ("l.csv", ";"), ("l.tsv", "\t")])
def test_table_in_a_file(library, name, separator):
    frame = table(library)
    frame["path"] = [path.relative_to(library) for path in frame["path"]]
    frame.to_csv(library / name, sep=separator, index=False, encoding="utf-16")
    data = load(library / name)
    assert len(data) == 18 and data.paths[0] == library / frame.loc[0, "path"]
    (library / "l.json").write_text(frame.astype(str).to_json(orient="records"))
    assert load(library / "l.json").paths == data.paths


# Items ------------------------------------------------------------------------------------------


def test_items_of_a_dataset(library):
    data = load(library)
    image, label = data[7]
    assert image.shape == (30, 40, 3) and data.classes[label] == "dates" and type(label) is int
    assert load(library, size=8, color="gray")[-1][0].shape == (8, 8, 1)
    items = list(load(library, size=8))
    assert len(items) == 18 and [label for _, label in items] == data.labels.tolist()
    with pytest.raises(IndexError):
        data[18]


def test_selections_of_a_dataset(library):
    data = load(library)
    mask = data.labels == 1
    for selection in (data[6:12], data[list(range(6, 12))], data[mask], data[list(mask)]):
        assert (
            isinstance(selection, ImageDataset) and selection.paths == data.of_class("dates").paths
        )
    assert len(data[[]]) == 0 and data[::-1].paths == data.paths[::-1]
    for index in ("almonds", 1.0, [0.5], True, None):
        with pytest.raises(InputTypeError, match="of_class"):
            data[index]
    with pytest.raises(InputError, match="a mask of 18 values"):
        data[[True, False]]


def test_items_of_arrays():
    pixels = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4, 1)
    data = ImageDataset.from_arrays(pixels, [1, 0], ["a", "b"])
    np.testing.assert_array_equal(data[1][0], pixels[1])
    assert [label for _, label in data] == [1, 0]
    assert data.to_frame()["path"].isna().all() and data.to_frame()["label"].to_list() == ["b", "a"]


@pytest.mark.parametrize(
    "as_source", [lambda data: data, lambda data: data.to_frame(), lambda _: {"a": 1}]
)
def test_dataset_is_no_site(library, as_source):
    with pytest.raises(InputTypeError, match="expected a Site"):
        Site.of(as_source(load(library)))
