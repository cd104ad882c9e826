import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from similarity_lab import RelevanceScorer, load_dataset
from similarity_lab.errors import InputError
from similarity_lab.relevance import MeanDistanceRule
from similarity_lab.relevance.marks import Mark, Marks, marked_share, with_marks


@pytest.fixture
def scorer(shelf, embedder):
    return RelevanceScorer("almonds", embedder=embedder, progress=False).fit(shelf)


@pytest.fixture
def result(scorer, written):
    return scorer.decide([*written("site", "almonds", 3), *written("site", "walnuts", 7)])


def test_marks_decide_and_are_counted(result):
    rows = result.images.index
    every = with_marks(result, dict.fromkeys(rows, True))
    none = with_marks(result, {str(path): False for path in result.images["path"]})
    assert every.decision == "relevant" and every.share == 1 and every.n_matches == len(rows)
    assert none.decision == "irrelevant" and none.n_matches == 0
    assert none.settings.n_marked == len(rows) and result.settings.n_marked == 0
    assert none.images["reason"].str.startswith("marked by hand: does not show").all()
    assert (every.probability, every.interval) > (result.probability, result.interval)
    assert every.rethreshold(similarity_threshold=0.99).n_matches == len(rows)  # marks stay
    assert none.versions == result.versions and result.n_matches not in (0, len(rows))


def test_doubt_about_a_site_that_a_person_has_seen_is_not_about_the_library(
    shelf, embedder, written
):
    few = {name: shelf[name] for name in list(shelf)[:4]}
    scorer = RelevanceScorer("almonds", embedder=embedder, progress=False).fit(few)
    result = scorer.decide(written("site", "walnuts", 3))
    assert result.reason.endswith("extend the library")
    marked = with_marks(result, dict.fromkeys(result.images.index, False))
    assert (marked.decision, marked.reason) == ("unsure", "no image is a clear match")


def test_mark_changes_its_image_alone(result):
    row = int(result.nearest_misses(1).index[0])
    marked = with_marks(result, {row: True})
    assert marked.images.loc[row, "is_match"] and marked.probability > result.probability
    others = result.images.index != row
    for column in ("score", "probability", "is_match", "reason"):
        assert marked.images[column][others].equals(result.images[column][others])
    assert with_marks(result, {}) is result


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA])
def test_missing_mark_is_no_mark(result, nothing):
    """NaN would count as "shows it", and None as "does not"."""
    first, second = result.images.index[:2].tolist()
    marked = with_marks(result, {first: True, second: nothing})
    assert marked.marks == {first: True}
    marks = Marks()
    marks.set(result.sources[first], "almonds", True)
    marks.set(result.sources[first], "almonds", nothing)
    assert len(marks) == 0
    estimate = marked_share(result, {first: np.True_, second: nothing})
    assert estimate.n_marked == 1


@pytest.mark.parametrize("word", ["no", "False", 2, b"x", []])
def test_mark_that_is_no_truth_value_is_refused(result, word):
    """The text "no" would count as "shows it"."""
    with pytest.raises(InputError, match="a mark is True, False or None"):
        with_marks(result, {0: word})
    with pytest.raises(InputError, match="a mark is True, False or None"):
        Marks().set(result.sources[0], "almonds", word)


def test_marks_override_distances_at_every_threshold(shelf, embedder, written):
    scorer = RelevanceScorer(
        "almonds", rule=MeanDistanceRule(0.5), embedder=embedder, progress=False
    ).fit(shelf)
    result = scorer.decide(written("site", "almonds", 2))
    marked = with_marks(result, {0: False, 1: True})
    for threshold in (-1e300, 0.0, 1e300):
        moved = marked.rethreshold(similarity_threshold=threshold)
        assert moved.images["is_match"].tolist() == [False, True]


def test_images_that_do_not_count_cannot_be_marked(scorer, written, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_text("no")
    result = scorer.decide([*written("site", "almonds", 2), bad])
    with pytest.raises(InputError, match="has the status 'skipped' and does not count"):
        with_marks(result, {2: True})


@pytest.mark.parametrize("image", [10, "absent.jpg"])
def test_unknown_images_cannot_be_marked(result, image):
    with pytest.raises(InputError, match="has no image"):
        with_marks(result, {image: True})


def test_marks_are_counted_once(result):
    marked = with_marks(with_marks(result, {0: True, 1: True}), {1: False, 2: False})
    assert marked.marks == {0: True, 1: False, 2: False} and marked.settings.n_marked == 3
    assert marked.rethreshold(similarity_threshold=0.5).marks == marked.marks


def test_marks_apply_by_content_under_any_name(result, tmp_path):
    marks = Marks()
    first, second = map(Path, result.images["path"][:2])
    copy = tmp_path / "copy.png"
    copy.write_bytes(first.read_bytes())
    marks.set(copy, "almonds", False)
    marks.set(second, "dates", True)
    marks.save(tmp_path / "marks.json")
    loaded = Marks.load(tmp_path / "marks.json")
    assert repr(loaded) == "Marks(1 show the target, 1 do not)"
    assert loaded.of("almonds") == marks.of("almonds") != []
    changed = loaded.apply(result)
    assert changed.settings.n_marked == 1 and not changed.images["is_match"][0]
    loaded.set(first, "almonds", None)
    assert loaded.get(first, "almonds") is None and loaded.apply(result) is result


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", '{"marks": []}', '{"format": 2, "marks": []}', '{"format": 1, "marks": [{}]}',
        json.dumps({"format": 1, "marks": [{"target": "a", "sha256": "b", "shows": "no"}]}),
    ],
)  # fmt: skip
def test_load_refuses_other_files(content, tmp_path):
    (tmp_path / "marks.json").write_text(content)
    with pytest.raises(InputError, match=r"marks.json: not a file of marks"):
        Marks.load(tmp_path / "marks.json")


def test_as_library_adds_marked_images(shelf, written, embedder, tmp_path):
    library = load_dataset(shelf, progress=False)
    marks = Marks()
    shows, does_not = written("site", "almonds", 1, seed=9), written("site", "walnuts", 2, seed=9)
    changed, gone = written("site", "plums", 2, seed=9)
    for paths, answer in ((shows, True), (does_not, False), ([changed, gone], True)):
        for path in paths:
            marks.set(path, "almonds", answer)
    marks.set(shelf["almonds"][0], "almonds", True)
    marks.set(np.zeros((4, 4, 3), np.uint8), "almonds", False)
    changed.write_bytes(gone.read_bytes())
    gone.unlink()
    extended = marks.as_library(library, "almonds")
    assert extended.counts["almonds"] == 13 and extended.counts["not almonds (marked)"] == 2
    assert sorted(extended.skipped["reason"]) == [
        "has changed since it was marked",
        "has no path: marked as an array or bytes, or in a report kept apart from its images",
        "is in the library already",
        "no such file",
    ]
    again = marks.as_library(extended, "almonds")
    assert again.counts.equals(extended.counts)
    before, after = (
        RelevanceScorer("almonds", embedder=embedder, progress=False).fit(images).decide(does_not)
        for images in (library, extended)
    )
    assert after.images["score"].mean() < before.images["score"].mean()
    with pytest.raises(ValueError, match="Unknown class 'figs and dates'"):
        marks.as_library(library, "figs and dates")


def test_marks_of_another_target_are_ignored(result):
    marks = Marks({("dates", "00"): Mark("dates", "00", True)})
    assert marks.apply(result) is result
