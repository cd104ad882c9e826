import pytest

from similarity_lab import grocery_store


@pytest.fixture
def store(tmp_path, make_photo):
    """A Grocery Store layout with three photos of which one is missing."""
    root = tmp_path / "grocery-store" / "dataset"
    lines = ["train/a/1.jpg, 0, 0", "train/b/1.jpg, 2, 1", "train/c/1.jpg, 1, 0"]
    for line in lines[:2]:
        path = root / line.split(",")[0]
        path.parent.mkdir(parents=True)
        make_photo((9, 99, 9)).save(path)
    (root / "train.txt").write_text("\n".join(lines) + "\n")
    header = "Class Name (str),Class ID (int),Coarse Class Name (str),Coarse Class ID (int)\n"
    rows = "Royal-Gala,0,Apple,0\nPink-Lady,1,Apple,0\nOatly,2,Oat Milk,1\n"
    (root / "classes.csv").write_text(header + rows)
    return root.parent


def test_levels_and_order(store):
    fine = grocery_store(store, "train", progress=False)
    assert fine.classes == ("Royal-Gala", "Pink-Lady", "Oatly") and fine.labels.tolist() == [0, 2]
    coarse = grocery_store(store / "dataset", "train", "coarse", progress=False)
    assert coarse.classes == ("Apple", "Oat Milk") and coarse.labels.tolist() == [0, 1]
    assert coarse.skipped.reason.tolist() == ["no such file"]


def test_what_is_missing_is_said(store):
    with pytest.raises(FileNotFoundError, match=r"no val\.txt; .* fetch grocery-store"):
        grocery_store(store, "val")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        grocery_store(store / "absent", "train")
    with pytest.raises(ValueError, match="split must be one of"):
        grocery_store(store, "dev")
    with pytest.raises(ValueError, match="level"):
        grocery_store(store, "train", "medium")


def test_the_real_one(real_photos):
    data = grocery_store(real_photos / "grocery-store", "val", "coarse", progress=False)
    assert len(data.classes) == 43 and len(data) == 296 and data.skipped.empty
    assert data.paths[0].parts[-4] == "Fruit" and data.classes[data.labels[0]] == "Apple"
