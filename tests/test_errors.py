import pickle

import pytest

from similarity_lab import errors

CLASSES = ["almonds", "Dates", "oat milk"]


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("almond", "almonds"),
        ("ALMONDS", "almonds"),
        ("dates", "Dates"),
        ("oatmilk", "oat milk"),
        ("figs", None),
        (7, None),
    ],
)
def test_did_you_mean(name, suggestion):
    expected = "" if suggestion is None else f" Did you mean {suggestion!r}?"
    assert errors.did_you_mean(name, CLASSES) == expected


@pytest.mark.parametrize(
    ("error", "builtin", "message"),
    [
        (errors.ImageError("a.jpg", "empty file"), ValueError, "a.jpg: empty file"),
        (
            errors.UnknownClassError("date", ["almonds", "dates"]),
            ValueError,
            "Unknown class 'date'. Did you mean 'dates'? The dataset has: almonds, dates",
        ),
        (errors.NoReferencesError("figs"), ValueError, "no readable image of 'figs'"),
        (
            errors.MissingExtraError("Augmentation", "OpenCV", "train"),
            ImportError,
            'Augmentation needs OpenCV: pip install "similarity_lab[train]"',
        ),
    ],
)
def test_error_survives_pickling(error, builtin, message):
    assert isinstance(error, errors.SimilarityLabError) and isinstance(error, builtin)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error) and str(copy) == str(error) and message in str(copy)


def test_one_line():
    assert errors.one_line(ValueError("two\n  lines")) == "two lines"
    assert errors.one_line(ValueError()) == "ValueError"
    assert len(errors.one_line(ValueError("long " * 99))) == 200


def test_errors_docstring_lists_all_errors():
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    words = errors.__doc__.replace("`", " ").replace(",", " ").split()
    documented = {word for word in words if word.endswith(("Error", "Warning")) and word in defined}
    assert documented == defined
