import pytest

from similarity_lab import grocery_store


@pytest.fixture
def store(tmp_path, make_image):
    """Return a Grocery Store layout that lists three images, one of which is missing."""
    root = tmp_path / "grocery-store" / "dataset"
    lines = ["train/a/1.jpg, 0, 0", "train/b/1.jpg, 2, 1", "train/c/1.jpg, 1, 0"]
    for line in lines[:2]:
        path = root / line.split(",")[0]
        path.parent.mkdir(parents=True)
        make_image((9, 99, 9)).save(path)
    (root / "train.txt").write_text("\n".join(lines) + "\n")
    header = "Class Name (str),Class ID (int),Coarse Class Name (str),Coarse Class ID (int)\n"
    rows = "Royal-Gala,0,Apple,0\nPink-Lady,1,Apple,0\nOatly,2,Oat Milk,1\n"
    (root / "classes.csv").write_text(header + rows)
    return root.parent


def test_fine_and_coarse_levels(store):
    fine = grocery_store(store, "train", progress=False)
    assert fine.classes == ("Royal-Gala", "Pink-Lady", "Oatly") and fine.labels.tolist() == [0, 2]
    coarse = grocery_store(store / "dataset", "train", "coarse", progress=False)
    assert coarse.classes == ("Apple", "Oat Milk") and coarse.labels.tolist() == [0, 1]
    assert coarse.skipped.reason.tolist() == ["no such file"]


def test_missing_files(store):
    with pytest.raises(FileNotFoundError, match=r"val\.txt not found; .*fetch grocery-store"):
        grocery_store(store, "val")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        grocery_store(store / "absent", "train")


@pytest.mark.parametrize(
    ("split", "level", "message"),
    [
        ("dev", "fine", "split must be one of train, val, test"),
        ("tset", "fine", "Did you mean 'test'"),
        ("train", "medium", 'level must be "fine" or "coarse"'),
    ],
)
def test_unknown_split_or_level(store, split, level, message):
    with pytest.raises(ValueError, match=message):
        grocery_store(store, split, level)


def test_published_dataset(real_photos):
    dataset = grocery_store(real_photos / "grocery-store", "val", "coarse", progress=False)
    assert len(dataset.classes) == 43 and len(dataset) == 296 and dataset.skipped.empty
    assert dataset.paths[0].parts[-4] == "Fruit" and dataset.classes[dataset.labels[0]] == "Apple"
