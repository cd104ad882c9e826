"""Tables and lines as commands print them: control characters do not reach the terminal."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from similarity_lab._numbers import format_probability

if TYPE_CHECKING:
    import pandas as pd


def format_sites(table: "pd.DataFrame") -> str:
    """Return the table of sites as text: fewer columns, probabilities and shares as percentages.

    Columns that would be the same in all rows, or empty, are left out.

    Parameters
    ----------
    table : DataFrame
        With `DECISION_COLUMNS`; that of a ranking also has ranks.
    """
    has_decision = table["decision"].notna()

    def text(name: str, form: Callable[[float], str] = str) -> "pd.Series":
        return table[name].map(form, na_action="ignore").astype(object).fillna("")

    output = table[["rank", "site"] if "rank" in table else ["site"]].copy()
    if len(table["target"].unique()) > 1:
        output["target"] = table["target"]
    output["decision"] = table["decision"].where(has_decision, "none")
    output["probability"] = text("probability", format_probability)
    if (table["criterion"] == "share").any():
        output["offered"] = text("offered", format_probability)
    output["matches"] = text("n_matches")
    if table["n_named"].gt(0).any():
        output["named"] = text("n_named")
    output["images"] = text("n_scored")
    output["share"] = text("share", "{:.0%}".format)
    low = table["share_low"].astype(float).mul(100).map("{:.0f}".format)
    output["95% CI"] = (low + "–" + text("share_high", "{:.0%}".format)).where(has_decision, "")
    for name, column in {
        "repeated": "n_repeated",
        "left out": "n_left_out",
        "unreadable": "n_skipped",
    }.items():
        if table[column].gt(0).any():
            output[name] = text(column)
    output["reason"] = table["reason"]
    is_empty = (output == "").all()
    return format_table(output.loc[:, ~is_empty])


def format_table(table: "pd.DataFrame") -> str:
    """Return a table as text."""
    from similarity_lab.report.text import escape_invisible  # deferred: slow import

    texts = table.astype(object).fillna("")
    return texts.map(
        lambda value: escape_invisible(value) if isinstance(value, str) else value
    ).to_string(index=False)


def print_line(text: str, file: TextIO | None = None) -> None:
    """Print a text that may contain names of files and sites, as one line.

    Parameters
    ----------
    text : str
    file : text stream, optional
        Default: the standard output.
    """
    from similarity_lab.report.text import escape_invisible  # deferred: slow import

    print(escape_invisible(text), file=file)
