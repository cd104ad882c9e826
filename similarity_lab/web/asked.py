"""The addresses somebody asks for, in whichever form they come."""

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path

import pandas as pd

from similarity_lab.errors import InputError

Addresses = str | Iterable[str] | Mapping[str, str] | pd.DataFrame


def named_addresses(urls: Addresses | PathLike[str]) -> list[dict[str, str]]:
    """Return ``name`` and ``url`` of each address in order; the name is the address by default.

    Examples
    --------
    >>> named_addresses({"Nuts & Co": "nuts.example"})
    [{'name': 'Nuts & Co', 'url': 'nuts.example'}]
    """
    if isinstance(urls, PathLike) or (isinstance(urls, str) and _is_table(urls)):
        urls = _read(urls)
    if isinstance(urls, pd.DataFrame):
        if "url" not in urls.columns:
            raise InputError(f"expected a table with a column url, got {list(urls.columns)}")
        texts = urls["url"].fillna("").astype(str)
        names = urls["name"].where(urls["name"].notna(), texts) if "name" in urls.columns else texts
        pairs = list(zip(names.astype(str), texts, strict=True))
    elif isinstance(urls, Mapping):
        pairs = [(str(name), str(url)) for name, url in urls.items()]
    else:
        pairs = [(str(url), str(url)) for url in ([urls] if isinstance(urls, str) else urls)]
    return [{"name": name.strip() or url, "url": url.strip()} for name, url in pairs]


def _is_table(text: str) -> bool:
    return text.lower().endswith(".csv") and Path(text).is_file()


def _read(path: str | PathLike[str]) -> pd.DataFrame:
    try:
        with open(path, encoding="utf-8-sig") as file:
            first = file.readline(10_000)
        separator = ";" if ";" in first and "," not in first else ","  # as some spreadsheets write
        return pd.read_csv(path, dtype=str, encoding="utf-8-sig", sep=separator)
    except ValueError as error:  # not text, empty, rows of different lengths
        raise InputError(f"{path}: expected a CSV table with a column url ({error})") from error
