"""Names of goods besides foods, in many languages: "Seife" and "jabón" for soap.

The table ``goods_names.csv`` was written for this package from general knowledge and is under its
licence. It has one row per good and one column per language. Its names are looked for only if the
good is the target.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from similarity_lab.relevance.words.food_names import read_rows
from similarity_lab.relevance.words.tokens import fold, names_as_words

_FILE = Path(__file__).parent / "goods_names.csv"


def goods_names(name: str) -> tuple[str, ...]:
    """Return all names of a good, English ones first; none if the table does not have it.

    Parameters
    ----------
    name : str
        One of its names, in any language of the table.

    Examples
    --------
    >>> goods_names("Seifen")[:2]
    ('soap', 'soaps')
    >>> goods_names("gold earrings")
    ()
    """
    return _goods().get(fold(names_as_words([name])[0]), ())


@cache
def _goods() -> dict[str, tuple[str, ...]]:
    """Return the names of every good by each of them, folded."""
    goods = {}
    for row in read_rows(_FILE, "good"):
        row.pop("good")
        names = tuple(dict.fromkeys(";".join(row.values()).split(";")))
        goods.update(dict.fromkeys(map(fold, names_as_words(names)), names))
    return goods
