import shutil

import pandas as pd
import pytest

from similarity_lab import load_dataset
from similarity_lab.distances.comparators import as_comparator
from similarity_lab.errors import InputError
from similarity_lab.relevance import library_report
from similarity_lab.relevance.library import EmbeddedLibrary


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
    assert len(report.skipped) == 1 and "doubtful" in repr(report)
    assert "<table" in report._repr_html_()


def test_report_on_a_library_of_one_class(written, embedder):
    images = written("library", "almonds", 12) + written("library", "chairs", 1)
    report = library_report({"almonds": images}, embedder=embedder, progress=False)
    assert report.doubtful["path"].tolist() == [str(images[-1])]
    assert report.classes["nearest_class"].tolist() == [""]


def test_report_on_an_unreadable_library(tmp_path, embedder):
    (tmp_path / "a.png").write_text("no")
    with pytest.raises(InputError, match="no readable image among 1 files"):
        library_report({"almonds": [tmp_path / "a.png"]}, embedder=embedder, progress=False)
