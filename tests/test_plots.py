import io
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from similarity_lab import RelevanceScorer, load_dataset, plots
from similarity_lab.evaluation import pair_distances
from similarity_lab.plots.photos import _thumbnail


@pytest.fixture
def result(library, sites, stub):
    scorer = RelevanceScorer("almonds", rule="mean-distance", embedder=stub, progress=False).fit(
        library
    )
    return scorer.decide(sites / "nut-shop")


def texts(figure):
    found = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return " ".join(" ".join(text.get_text() for text in found).split())


def drawn(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    pixels = np.asarray(Image.open(buffer).convert("L"))
    assert isinstance(figure, Figure) and pixels.std() > 5
    return pixels


def pictures(figure):
    return [axis for axis in figure.axes if axis.images]


def test_contact_sheet(library):
    figure = plots.contact_sheet(load_dataset(library, progress=False), per_class=4)
    drawn(figure)
    assert len(pictures(figure)) == 12 and "almonds 6 photos" in texts(figure)
    few = plots.contact_sheet(load_dataset(library / "oats", progress=False), per_class=9)
    assert len(pictures(few)) == 6


def test_site_sheet_is_in_order(result):
    figure = plots.site_sheet(result, columns=4, n=6)
    drawn(figure)
    titles = [axis.get_title() for axis in pictures(figure)]
    assert [title.split(" ", 1)[1] for title in titles] == ["match"] * 4 + ["no match"] * 2
    assert titles == sorted(titles)
    assert "the first 6 of 10" in texts(figure)


def test_site_sheet_shows_probabilities_of_the_learned_rule(library, sites, stub):
    scorer = RelevanceScorer("almonds", embedder=stub, progress=False).fit(library)
    result = scorer.decide(sites / "nut-shop")
    figure = plots.site_sheet(result, columns=4, n=2)
    assert all("%" in axis.get_title() for axis in pictures(figure))


def test_reference_neighbours(result):
    figure = plots.reference_neighbours(result, n=5)
    drawn(figure)
    assert len(pictures(figure)) == 10 and "nearest reference" in texts(figure)
    assert len(pictures(plots.reference_neighbours(result, n=99))) == 20


def test_distance_histogram():
    values = np.random.default_rng(0).random(50)
    figure = plots.distance_histogram({"same": values, "different": values + 1}, threshold=0.65)
    drawn(figure)
    for words in ("same (50)", "different (50)", "threshold 0.65"):
        assert words in texts(figure)
    with pytest.raises(ValueError, match="one to 8 series, got 0"):
        plots.distance_histogram({})


def test_lines():
    curves = {"a": ([1, 10], [0.2, 0.3]), "b": ([1, 30], [0.2, 0.4])}
    figure = plots.lines(curves, x_label="x", y_label="y", log_x=True)
    drawn(figure)
    axis = figure.axes[0]
    assert axis.get_xscale() == "log"
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["1", "10", "30"]


LABELS = np.repeat([0, 1, 2], [12, 12, 5])
CLASSES = ("almonds", "dates", "oats")


def clusters(spread):
    noise = np.random.default_rng(0).normal(0, spread, (29, 3))
    return (np.eye(3)[LABELS] + noise).astype(np.float32)


def test_training_curves():
    history = pd.DataFrame(
        {"epoch": [1, 2, 3], "loss": [3, 2, 1], "train_auc": [0.5, 0.7, 0.9], "val_auc": [0.5] * 3}
    )
    figure = plots.training_curves(history, best_epoch=2)
    drawn(figure)
    assert "best, epoch 2" in texts(figure)
    assert figure.axes[1].lines[0].get_ydata().tolist() == [0.5, 0.7, 0.9]


def test_roc_curves_say_their_area():
    pairs = {
        "near": pair_distances(clusters(0.1), LABELS),
        "far": pair_distances(clusters(1), LABELS),
    }
    figure = plots.roc_curves(pairs)
    drawn(figure)
    assert f"near: {pairs['near'].auc:.3f}" in texts(figure)
    for line, measured in zip(figure.axes[0].lines, pairs.values(), strict=False):
        area = np.trapezoid(line.get_ydata(), line.get_xdata())
        assert area == pytest.approx(measured.auc, abs=0.01)


def test_embedding_map_shows_the_largest_classes():
    figure = plots.embedding_map(
        {"one": clusters(0.1), "two": clusters(1)}, LABELS, CLASSES, n_classes=2
    )
    drawn(figure)
    assert [axis.get_title() for axis in figure.axes] == ["one", "two"]
    assert "almonds" in texts(figure) and "oats" not in texts(figure)
    counts = [len(points.get_offsets()) for points in figure.axes[0].collections]
    assert counts == [12, 12]


def test_thumbnails_keep_proportions():
    wide = _thumbnail(np.zeros((10, 40, 3), np.uint8))
    dark = (wide < 128).all(axis=2)
    assert dark.any(axis=1).sum() == 28 and dark.any(axis=0).sum() == 112


def approaches(n=6):
    rows = {f"approach number {at}": (10 + at / 10, 0.9, 0.85, 0.95) for at in range(n)}
    rows["dear"] = (1000, 0.5, 0.4, 0.6)
    return pd.DataFrame.from_dict(rows, "index", columns=["cost", "value", "low", "high"])


def test_trade_off_names_every_point_and_covers_no_name():
    table = approaches()
    figure = plots.trade_off(
        table, recommended="dear", x_label="ms", y_label="right", chance=0.5, hollow=["dear"],
        hollow_label="unfair",
    )  # fmt: skip
    drawn(figure)
    axis = figure.axes[0]
    names = [text for text in axis.texts if text.get_text() in table.index]
    assert sorted(text.get_text() for text in names) == sorted(table.index)
    boxes = [Text.get_window_extent(text) for text in names]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert [text.get_text() for text in names if text.get_fontweight() == "bold"] == ["dear"]
    assert axis.get_legend().get_texts()[0].get_text() == "unfair"


def test_trade_off_refuses_what_it_cannot_show():
    with pytest.raises(ValueError, match=r"missing: low, high, the row 'x'"):
        plots.trade_off(approaches()[["cost", "value"]], recommended="x", x_label="", y_label="")
    with pytest.raises(ValueError, match="above 0"):
        plots.trade_off(approaches() * 0, recommended="dear", x_label="", y_label="")
