import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from similarity_lab import RelevanceScorer, load_dataset, plots


@pytest.fixture
def result(library, sites, stub):
    scorer = RelevanceScorer("almonds", embedder=stub, progress=False).fit(library)
    return scorer.score(sites / "nut-shop")


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
    with pytest.raises(ValueError, match="one to 5 groups"):
        plots.distance_histogram({})


def test_lines():
    figure = plots.lines({"a": ([1, 10], [0.2, 0.3])}, x_label="x", y_label="y", log_x=True)
    drawn(figure)
    assert figure.axes[0].get_xscale() == "log"


def test_thumbnails_keep_proportions():
    wide = plots._thumbnail(np.zeros((10, 40, 3), np.uint8))
    dark = (wide < 128).all(axis=2)
    assert dark.any(axis=1).sum() == 28 and dark.any(axis=0).sum() == 112
