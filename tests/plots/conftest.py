import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image


@pytest.fixture
def texts():
    """Return a function that joins all texts of a figure."""

    def join(figure):
        artists = figure.findobj(lambda artist: hasattr(artist, "get_text"))
        return " ".join(" ".join(artist.get_text() for artist in artists).split())

    return join


@pytest.fixture
def assert_drawn():
    """Return a function that fails unless a figure renders to more than a blank area."""

    def check(figure):
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        pixels = np.asarray(Image.open(buffer).convert("L"))
        assert isinstance(figure, Figure) and pixels.std() > 5

    return check
