import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from similarity_lab import RelevanceScorer, load_dataset
from similarity_lab.distances.comparators import as_comparator
from similarity_lab.errors import InputError
from similarity_lab.relevance import library_report
from similarity_lab.relevance.library import EmbeddedLibrary
from similarity_lab.samples import load_image


def test_report_finds_planted_errors(shelf, written, embedder, tmp_path):
    stray = written("stray", "figs", 2, seed=7)
    tiny = written("library", "cashews", 2)
    twin = written("library", "figs", 8, seed=9)
    copy = shutil.copy(shelf["oats"][0], tmp_path / "copy.png")
    (tmp_path / "bad.png").write_text("no")
    library = {
        **shelf,
        "almonds": shelf["almonds"] + stray,
        "cashews": tiny,
        "green figs": twin,
        "plums": [*shelf["plums"], copy],
        "dates": [*shelf["dates"], tmp_path / "bad.png"],
    }
    report = library_report(library, embedder=embedder, progress=False)
    embedded = EmbeddedLibrary.of(load_dataset(library), as_comparator(embedder), progress=False)
    again = library_report(embedded, progress=False)
    pd.testing.assert_frame_equal(again.images, report.images)
    with pytest.raises(InputError, match="leave embedder= out"):
        library_report(embedded, embedder=embedder)
    worst = set(report.doubtful["path"])
    assert {str(path) for path in stray} <= worst and str(copy) in worst
    assert not worst & {str(path) for path in shelf["almonds"] + shelf["hazelnuts"]}
    row = report.doubtful.set_index("path").loc[str(stray[0])]
    assert row["label"] == "almonds" and row["looks_like"] in ("figs", "green figs")
    assert report.images["margin"].is_monotonic_increasing
    assert report.duplicates[["label", "other_label"]].values.tolist() == [["oats", "plums"]]
    classes = report.classes.set_index("label")
    assert classes["small"].to_dict()["cashews"] and not classes["small"].drop("cashews").any()
    assert classes.loc[["figs", "green figs"], "twin"].all() and not classes.loc["oats", "twin"]
    assert classes.loc["figs", "nearest_class"] == "green figs"
    assert classes.loc[["almonds", "oats"], "learned"].all()
    assert len(report.skipped) == 1 and "doubtful" in repr(report)
    assert "<table" in report._repr_html_()


@pytest.mark.parametrize("n_copies", [1, 3])
def test_copies_of_a_stray_photo_do_not_vouch_for_it(shelf, written, embedder, tmp_path, n_copies):
    """As "IMG_1 (1).jpg" beside "IMG_1.jpg", straight from a phone."""
    (stray,) = written("stray", "figs", 1, seed=7)
    copies = [shutil.copy(stray, tmp_path / f"stray ({number}).png") for number in range(n_copies)]
    library = {**shelf, "almonds": [*shelf["almonds"][:5], stray, *copies]}
    report = library_report(library, embedder=embedder, progress=False)
    assert {str(stray), *map(str, copies)} <= set(report.doubtful["path"])
    (chair,) = written("library", "chairs", 1)
    copies = [shutil.copy(chair, tmp_path / f"chair ({number}).png") for number in range(n_copies)]
    alone = library_report(
        {"almonds": [*shelf["almonds"], chair, *copies]}, embedder=embedder, progress=False
    )
    assert set(alone.doubtful["path"]) == {str(chair), *map(str, copies)}


def test_report_on_a_library_of_one_class(written, embedder):
    images = written("library", "almonds", 12) + written("library", "chairs", 1)
    report = library_report({"almonds": images}, embedder=embedder, progress=False)
    assert report.doubtful["path"].tolist() == [str(images[-1])]
    assert report.classes["nearest_class"].tolist() == [""]
    assert report.classes["separability"].isna().all() and "not learned" not in repr(report)


def test_report_on_an_unreadable_library(tmp_path, embedder):
    (tmp_path / "a.png").write_text("no")
    with pytest.raises(InputError, match="no readable image among 1 file"):
        library_report({"almonds": [tmp_path / "a.png"]}, embedder=embedder, progress=False)


def test_report_names_classes_that_are_not_learned(shelf, written, embedder):
    """A scorer says the same of the same class."""
    mixed = [path for number in range(12) for path in written("mixed", f"<thing {number}>", 1)]
    library = {**shelf, "spices & more": mixed, "one": written("library", "cashews", 1)}
    report = library_report(library, embedder=embedder, progress=False)
    classes = report.classes.set_index("label")
    assert set(classes.index[~classes["learned"]]) == {"spices & more", "one"}
    assert classes.loc["spices & more", "separability"] < 0.75 < classes["separability"].max()
    assert classes["separability"].isna().to_dict()["one"]  # one image cannot be held out
    assert "1 not learned (spices & more: split them" in repr(report)
    assert "spices &amp; more: split" in report._repr_html_()
    scorer = RelevanceScorer("spices & more", embedder=embedder, progress=False)
    with pytest.warns(UserWarning, match="was not learned"):
        known = scorer.fit(library).rule_.calibration
    expected = classes.loc["spices & more", "separability"]
    assert known.separability == pytest.approx(expected, abs=0.15)
    almonds = RelevanceScorer("almonds", embedder=embedder, progress=False).fit(library)
    assert almonds.rule_.calibration.is_learned


@pytest.mark.parametrize("n_classes", [1, 2])
def test_report_without_two_other_products_says_nothing_of_learning(shelf, embedder, n_classes):
    few = dict(list(shelf.items())[:n_classes])
    classes = library_report(few, embedder=embedder, progress=False).classes
    assert classes["separability"].isna().all() and not classes["learned"].any()


def test_report_lists_near_copies(written, embedder, tmp_path):
    """Vectors say that the images are near, pixels that one is a copy of the other."""
    almonds, figs = written("library", "almonds", 5), written("library", "figs", 5)
    photo = Image.fromarray(load_image("almonds", 1, size=(240, 320)))
    changed = {"photo": photo, "cropped": photo.crop((16, 12, 304, 228)), "other": None}
    changed["other"] = Image.fromarray(load_image("almonds", 2, size=(240, 320)))
    vector = np.frombuffer(almonds[0].read_bytes()[-192:], np.float64)
    for number, (name, image) in enumerate(changed.items()):
        image.save(tmp_path / f"{name}.png")
        noise = np.random.default_rng(number).normal(0, 0.3, 24)
        with (tmp_path / f"{name}.png").open("ab") as file:
            file.write((vector + noise).tobytes())
    paths = [tmp_path / f"{name}.png" for name in changed]
    report = library_report(
        {"almonds": [*almonds, *paths], "figs": figs}, embedder=embedder, progress=False
    )
    assert report.duplicates[["path", "other_path", "kind"]].to_numpy().tolist() == [
        [str(paths[0]), str(paths[1]), "near copy"]
    ]


def test_file_that_is_in_a_class_twice_counts_once(shelf, embedder, tmp_path):
    copies = [shutil.copy(path, tmp_path / path.name) for path in shelf["almonds"][:6]]
    library = {**shelf, "almonds": shelf["almonds"] + copies, "copies": copies[:1]}
    embedded = EmbeddedLibrary.of(load_dataset(library), as_comparator(embedder), progress=False)
    distinct = embedded.distinct()
    assert len(embedded.dataset) - len(distinct.dataset) == 6
    assert distinct.dataset.counts["almonds"] == 12 and distinct.dataset.counts["copies"] == 1
    assert distinct.distinct() is distinct

    def fitted(almonds):
        scorer = RelevanceScorer("almonds", embedder=embedder, progress=False)
        return scorer.fit({**shelf, "almonds": almonds}).rule_.calibration

    assert fitted(shelf["almonds"] + copies) == fitted(shelf["almonds"])
