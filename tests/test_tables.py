"""Every public table goes to Parquet and JSON and comes back: plain texts, nullable counts."""

import io

import numpy as np
import pandas as pd
import pytest

from similarity_lab import RelevanceScorer, Site, find_leaks, load_dataset
from similarity_lab.evaluation import (
    bounded_threshold,
    confused_classes,
    evaluate,
    evaluate_retrieval,
    pair_distances,
)
from similarity_lab.relevance import (
    MeanDistanceRule,
    SiteFailure,
    decisions_table,
    library_report,
    marking_order,
    with_marks,
)

pytest.importorskip("pyarrow")


@pytest.fixture
def tables(library, sites, stub):
    """Return the public tables of a library and two sites, one image of which is unreadable."""
    (library / "dates" / "broken.png").write_bytes(b"")
    (sites / "nut-shop" / "broken.jpg").write_bytes(b"")
    scorer = RelevanceScorer("almonds", embedder=stub, progress=False).fit(library)
    distance = RelevanceScorer(
        "almonds", rule=MeanDistanceRule(0.001), embedder=stub, progress=False
    ).fit(library)
    dataset = load_dataset(library, progress=False)
    folders = [sites / "nut-shop", sites / "date-shop"]
    results = list(scorer.decide_each(folders))
    by_distance = distance.decide(folders[0])
    report = library_report(library, embedder=stub, progress=False)
    truth = {"nut-shop": True, "date-shop": False}
    evaluation = evaluate(scorer, folders, truth, costs={"relevant": {"irrelevant": 5}})
    vectors = np.random.default_rng(0).normal(size=(18, 4)).astype(np.float32)
    labels = np.repeat([0, 1, 2], 6)
    pairs = pair_distances(vectors, labels)
    return {
        "images": results[0].images,
        "images with marks": with_marks(results[0], {0: True, 1: False}).images,
        "images by distance": with_marks(by_distance, {0: True}).images,
        "skipped": results[0].skipped,
        "decisions": decisions_table([*results, by_distance, SiteFailure("x", "almonds", "why")]),
        "failures": decisions_table([SiteFailure("x", "almonds", "why")]),
        "order": marking_order(results),
        "no order": marking_order([]),
        "dataset": dataset.to_frame(),
        "skipped of the dataset": dataset.skipped,
        "leaks": find_leaks(dataset, dataset, progress=False),
        "library images": report.images,
        "library duplicates": report.duplicates,
        "library classes": report.classes,
        "evaluation": evaluation.table,
        "confusion": evaluation.confusion,
        "measures": evaluation.measures,
        "calibration": evaluation.calibration,
        "bounds": evaluation.bounds,
        "by target": evaluation.by_target,
        "tests": bounded_threshold([0.95] * 40, [True] * 40).tests,
        "confused": confused_classes(vectors, labels, ["a", "b", "c"]),
        "queries": evaluate_retrieval(vectors, labels).queries,
        "roc": pairs.roc(),
    }


def test_tables_go_to_parquet_and_back(tables):
    for name, table in tables.items():
        file = io.BytesIO()
        table.to_parquet(file)
        again = pd.read_parquet(io.BytesIO(file.getvalue()))
        assert list(again) == list(table) and len(again) == len(table), name
        for column in table:
            values = [None if pd.isna(value) else value for value in table[column]]
            read = [None if pd.isna(value) else value for value in again[column]]
            assert values == read, (name, column)


def test_tables_go_to_json_and_back(tables):
    for name, table in tables.items():
        again = pd.read_json(io.StringIO(table.to_json(orient="table")), orient="table")
        assert list(again) == list(table) and len(again) == len(table), name


def test_paths_are_texts_and_counts_are_integers(tables):
    for name, table in tables.items():
        for column in table:
            values = table[column].dropna()
            if "path" in column:
                assert values.map(type).eq(str).all(), (name, column)
            if column.startswith("n_") or column == "n":
                assert table[column].dtype == "Int64", (name, column)


def test_images_that_are_no_files_have_a_name(stub, library, sites):
    scorer = RelevanceScorer("almonds", embedder=stub, progress=False).fit(library)
    paths = sorted((sites / "nut-shop").iterdir())
    sources = (paths[0].read_bytes(), np.zeros((9, 9, 3), np.uint8), *paths[1:4])
    result = scorer.decide(Site.from_paths(sources, name="mixed"))
    assert result.images["path"].tolist()[:3] == ["<bytes>", "<array>", str(paths[1])]
    assert result.sources == sources
    result.images.to_parquet(io.BytesIO())
    marked = with_marks(result, {1: False, str(paths[2]): True})
    assert marked.marks == {1: False, 3: True} and marked.sources == sources
    assert "data:image/jpeg" in marked._repr_html_()
