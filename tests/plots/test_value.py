from itertools import combinations

import pandas as pd
import pytest
from matplotlib.text import Text

from similarity_lab import plots
from similarity_lab.errors import InputError


def approaches(n=6):
    rows = {f"approach number {index}": (10 + index / 10, 0.9, 0.85, 0.95) for index in range(n)}
    rows["expensive"] = (1000, 0.5, 0.4, 0.6)
    return pd.DataFrame.from_dict(rows, "index", columns=["cost", "value", "low", "high"])


def test_trade_off_labels_every_point_without_overlap(assert_drawn):
    table = approaches()
    figure = plots.trade_off(
        table, recommended="expensive", x_label="ms", y_label="right", chance=0.5,
        hollow=["expensive"], hollow_label="not comparable",
    )  # fmt: skip
    assert_drawn(figure)
    axis = figure.axes[0]
    labels = [text for text in axis.texts if text.get_text() in table.index]
    assert sorted(text.get_text() for text in labels) == sorted(table.index)
    boxes = [Text.get_window_extent(text) for text in labels]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert [text.get_text() for text in labels if text.get_fontweight() == "bold"] == ["expensive"]
    assert axis.get_legend().get_texts()[0].get_text() == "not comparable"


def test_trade_off_refuses_invalid_tables():
    with pytest.raises(InputError, match=r"missing: low, high, the row 'x'"):
        plots.trade_off(approaches()[["cost", "value"]], recommended="x", x_label="", y_label="")
    with pytest.raises(InputError, match="above 0"):
        plots.trade_off(approaches() * 0, recommended="expensive", x_label="", y_label="")
    twice = pd.concat([approaches(1), approaches(1)])
    with pytest.raises(InputError, match="two rows have the name 'approach number 0'"):
        plots.trade_off(twice, recommended="approach number 0", x_label="", y_label="")
    for column, value in {"low": 0.99, "high": 0.1, "value": float("nan")}.items():
        table = approaches()
        table.loc["expensive", column] = value
        with pytest.raises(InputError, match="'expensive': expected low <= value <= high"):
            plots.trade_off(table, recommended="expensive", x_label="", y_label="")


def test_trade_off_shows_names_as_they_are(texts, assert_drawn):
    """A dollar starts no formula, and a name may be a number."""
    table = approaches().rename(index={"approach number 0": "50 $ or 60 $", "expensive": 7})
    figure = plots.trade_off(table, recommended=7, x_label="ms", y_label="right")
    assert_drawn(figure)
    assert "50 $ or 60 $" in texts(figure) and "7" in texts(figure).split()
