"""`Site`: the images of a supplier's website, from a folder, a zip or a list of paths."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar, Union, cast

import pandas as pd

from similarity_lab._numbers import format_count
from similarity_lab.errors import (
    CollectedFolderError,
    InputError,
    InputTypeError,
    MissingExtraError,
    NotAFolderError,
    SiteError,
    one_line,
)
from similarity_lab.files import (
    existing_folder,
    extract_for_process,
    is_zip,
    list_files,
    skipped_table,
)
from similarity_lab.images.sources import Source, describe, printable

__all__ = [
    "ORIGINS", "ORIGIN_COLUMNS", "ORIGIN_NUMBERS", "PAGE_COVERAGE", "Site", "SiteSource",
    "site_name",
]  # fmt: skip

T = TypeVar("T")

ORIGIN_COLUMNS = [
    "path", "url", "page", "title", "alt", "product", "product_url", "brand", "price", "currency",
    "position", "source", "time", "sha256",
]  # fmt: skip
"""Columns of `Site.origins`, one row per image; text is empty, and numbers are missing, where the
website does not tell.

===========  =======  ==============================================================================
column       dtype    content
===========  =======  ==============================================================================
path         str      the file
url          str      of the image
page         str      url of the page or catalogue that names the image
title        str      of that page
alt          str      alternative text, or the caption, of the image there
product      str      name of the product that the image shows, as the website states it
product_url  str      of the product's own page
brand        str      of the product
price        Float64  of the product, in `currency`; the lowest of several
currency     str      ISO 4217 code where the sign is unambiguous, otherwise the sign
position     Int64    place among the images of the product, else of the document; from 1
source       str      what names the image: catalogue, sitemap, page, style sheet or script
time         str      when it was fetched (ISO 8601, UTC)
sha256       str      of its bytes
===========  =======  ==============================================================================
"""

ORIGIN_NUMBERS = {"price": "Float64", "position": "Int64"}
"""Dtypes of the columns of origins that are numbers; the others are text."""

ORIGINS = "images.parquet"
"""Name of the table of origins in the folder of a collected site."""

PAGE_COVERAGE = "page_coverage"
"""Name of an attribute of that table, see `Site`."""

SiteSource = Union["Site", str, PathLike[str], Iterable[Source]]
"""Everything that `Site.of` accepts."""


@dataclass(frozen=True, eq=False)
class Site:
    """One supplier's website: its images, whatever they show.

    Attributes
    ----------
    name : str
    paths : tuple
        One image source per file, in order. Files that turn out not to be readable images are
        included; a decision lists them with a reason.
    skipped : DataFrame with columns path, reason
        What could not be listed at all: folders without permission, refused members of a zip.
    root : Path or None
        The folder of the site, or the temporary folder of a zip; None for a list of paths.
    origins : DataFrame or None
        Where collected images came from: `ORIGIN_COLUMNS`, one row per path. If it has a column
        ``path``, that is what the rows are matched by; otherwise they are in order.
    unseen : DataFrame or None
        Origins of images that the website names, but that were not collected: a limit was reached,
        or the download of a product's image failed. None if there are none.
    page_coverage : float
        Part of the website's known pages that were read, 0…1; below 1 if a limit was reached.

    Examples
    --------
    >>> Site.from_paths(["a.jpg", "b.jpg"], name="shop")
    Site('shop', 2 files)
    """

    name: str
    paths: tuple[Source, ...]
    skipped: pd.DataFrame = field(default_factory=lambda: skipped_table([]))
    root: Path | None = None
    origins: pd.DataFrame | None = None
    unseen: pd.DataFrame | None = None
    page_coverage: float = 1.0

    def __post_init__(self) -> None:
        """Put the rows of `origins` in the order of the paths.

        Raises
        ------
        InputError
            It has no row for a path, or rows of other paths.
        """
        if self.origins is None:
            return
        if len(self.origins) != len(self.paths):
            raise InputError(
                f"origins of {self.name} has {len(self.origins)} rows for {len(self.paths)} "
                "paths; pass one row per path, in order"
            )
        is_named = all(isinstance(path, (str, PathLike)) for path in self.paths)
        if is_named and "path" in self.origins:
            object.__setattr__(self, "origins", self._in_order_of_paths(self.origins))

    def _in_order_of_paths(self, origins: pd.DataFrame) -> pd.DataFrame:
        """Return the rows in the order of the paths; rows may name the last parts of a path."""
        paths = [Path(cast(str, path)).as_posix() for path in self.paths]
        names = [Path(str(name)).as_posix() for name in origins["path"]]
        if all(f"/{path}".endswith(f"/{name}") for path, name in zip(paths, names, strict=True)):
            return origins
        rows = {name: row for row, name in enumerate(names)}
        order: dict[int, None] = {}
        for path in paths:
            parts = path.split("/")
            tails = ("/".join(parts[start:]) for start in range(len(parts)))
            row = next((rows[tail] for tail in tails if tail in rows), None)
            if row is None or row in order:
                raise InputError(
                    f"origins of {self.name} does not name {path} in its column path, but "
                    f"{names[0]} …; pass one row per path"
                )
            order[row] = None
        return origins.iloc[list(order)].reset_index(drop=True)

    @property
    def image_coverage(self) -> float:
        """Estimated part of the website's images that were collected, 0…1."""
        n_unseen = 0 if self.unseen is None else len(self.unseen)
        return self.page_coverage * len(self.paths) / max(1, len(self.paths) + n_unseen)

    def __repr__(self) -> str:
        return f"Site({self.name!r}, {format_count(len(self.paths), 'file')})"

    @classmethod
    def from_folder(cls, folder: str | PathLike[str], *, name: str | None = None) -> Site:
        """Return the site of all files below a folder, including nested folders.

        Hidden and system files, and archives, are listed in ``skipped``.

        If `similarity_lab.web.collect` wrote the folder, the site has the collected images and
        their origins.

        Parameters
        ----------
        folder : path
        name : str, optional
            Default: the name of the folder.

        Raises
        ------
        PathNotFoundError, NotAFolderError
            There is no such folder.
        CollectedFolderError
            The table of origins is damaged, or was written by version 1.
        SiteError
            The folder holds collected sites: they are passed one by one.
        """
        path = existing_folder(folder, "a folder with a site's images")
        is_collected = (path / ORIGINS).is_file() and (path / "images").is_dir()
        if not is_collected and (sites := collected_sites(path)):
            raise SiteError(
                f"{path}: is a folder of {format_count(len(sites), 'collected site')}; pass the "
                f"sites in it, such as {sites[0]}"
            )
        files, skipped = list_files(path / "images" if is_collected else path)
        name = name or printable(path.resolve().name)
        site = cls(name, tuple(files), skipped_table(skipped), path)
        return replace(site, **_read_origins(path, files)) if is_collected else site

    @classmethod
    def from_zip(
        cls,
        archive: str | PathLike[str],
        *,
        name: str | None = None,
        encoding: str | None = None,
    ) -> Site:
        """Return the site of all files in a ``.zip``.

        They are extracted to a temporary folder, which is removed when the process exits.

        Parameters
        ----------
        archive : path
        name : str, optional
            Default: the name of the archive without ``.zip``.
        encoding : str, optional
            Encoding of the names that are not in Unicode; see `similarity_lab.files.extract_zip`.

        Raises
        ------
        ArchiveError
            The archive is damaged, dangerous or too large.
        """
        folder, refused = extract_for_process(archive, encoding=encoding)
        files, skipped = list_files(folder)
        table = pd.concat([refused, skipped_table(skipped)], ignore_index=True)
        return cls(name or printable(Path(archive).stem), tuple(files), table, folder)

    @classmethod
    def from_paths(cls, paths: Iterable[Source], *, name: str) -> Site:
        """Return the site of these image files (or other image sources), in this order."""
        return cls(name, tuple(paths))

    @classmethod
    def of(cls, source: SiteSource) -> Site:
        """Return a site unchanged, or the site in a folder, a ``.zip`` or a list of paths.

        Raises
        ------
        InputError
            `source` is a url: collect the site first.
        InputTypeError
            `source` is something else.
        """
        if isinstance(source, Site):
            return source
        if isinstance(source, str) and source.lower().startswith(("http://", "https://")):
            raise InputError(
                f"{source}: is a url; collect the site's images first, with "
                "similarity_lab.web.collect(urls, out_dir) or `similarity-lab collect`, and pass "
                "the folder"
            )
        if isinstance(source, (str, PathLike)):
            if is_zip(source):
                return cls.from_zip(source)
            if os.path.isfile(source):
                raise NotAFolderError(
                    f"{source}: is a file; expected a folder or a .zip of a site's images. Put "
                    "single images into a folder, or pass a list of paths in Python"
                )
            return cls.from_folder(source)
        expected = "expected a Site, a folder, a .zip or a list of paths"
        is_file = hasattr(source, "read")  # of an image; it would be taken line by line
        is_list = isinstance(source, Iterable) and not isinstance(
            source, (bytes, bytearray, Mapping, pd.DataFrame)
        )
        is_list = is_list and not is_file
        if not is_list:
            raise InputTypeError(f"{expected}, got {type(source).__name__}")
        images = []
        for image in source:
            if isinstance(image, (tuple, list, dict, int, float)) or image is None:
                raise InputTypeError(f"{expected}, got a list of {type(image).__name__}")
            images.append(image)
        return cls.from_paths(images, name=site_name(source))


def collected_sites(folder: Path) -> list[Path]:
    """Return the collected sites in a folder, or in a folder in it: the results of `rank`."""
    tables = [*folder.glob(f"*/{ORIGINS}"), *folder.glob(f"*/*/{ORIGINS}")]
    return sorted(table.parent for table in tables if (table.parent / "images").is_dir())


def site_list(sites: Iterable[T]) -> list[T]:
    """Return many sites as a list; refuse one site, a mapping or a table in the place of a list.

    Raises
    ------
    InputError
        `sites` is one folder, whose name would be taken letter by letter, one `Site`, a mapping,
        or a DataFrame.
    """
    if isinstance(sites, (str, PathLike, Site)):
        raise InputError(f"expected a list of sites, got one ({site_name(sites)}); pass [site]")
    if isinstance(sites, Mapping):  # its names would be taken for folders
        raise InputError("expected a list of sites, got a mapping; pass [*sites.values()]")
    if isinstance(sites, pd.DataFrame):
        raise InputError("expected a list of sites, got a table; pass a column of folders")
    return list(sites)


def site_name(source: object) -> str:
    """Return the default name of a site, even of one that cannot be loaded.

    An empty folder has the name that it would have with images; what does not exist, its path.
    """
    if isinstance(source, Site):
        return source.name
    if isinstance(source, (str, PathLike)) and os.path.isdir(source):
        return printable(Path(source).resolve().name)
    if isinstance(source, (str, PathLike)) and is_zip(source):
        return printable(Path(source).stem)
    return printable(describe(source)) if isinstance(source, (str, PathLike)) else "site"


def _read_origins(folder: Path, files: list[Path]) -> dict[str, Any]:
    """Return the attributes of a collected site that its table has.

    `Site.origins` has one row per file, with empty strings for those that are not in the table.
    """
    path = folder / ORIGINS
    try:
        table = pd.read_parquet(path)
        if "address" in table and "url" not in table:
            raise CollectedFolderError(
                f"{folder} was collected by version 1 of similarity_lab, whose tables this "
                "version does not read; collect the site again"
            )
        status = table.get("crawl_status", pd.Series("kept", table.index))
        # of those whose download failed, images of products: others may be broken decoration
        is_unseen = (status == "not fetched") | ((status == "failed") & (table["product"] != ""))
        unseen = table.loc[is_unseen, ORIGIN_COLUMNS].reset_index(drop=True)
        coverage = float(table.attrs.get(PAGE_COVERAGE, 1.0))
        table = table[ORIGIN_COLUMNS]
    except CollectedFolderError:
        raise
    except ImportError as error:  # pandas reads Parquet with pyarrow
        raise MissingExtraError("Reading a collected site", "pyarrow", "web") from error
    except (OSError, ValueError, KeyError) as error:
        raise CollectedFolderError(
            f"{path}: not the table of a collected site ({one_line(error)}); collect the site "
            "again, or remove the file to use the images alone"
        ) from error
    names = pd.Index([file.relative_to(folder).as_posix() for file in files], name="path")
    origins = table.drop_duplicates("path").set_index("path").reindex(names)
    texts = origins.columns.difference(list(ORIGIN_NUMBERS))
    origins[texts] = origins[texts].fillna("")
    return {
        "origins": origins.astype(ORIGIN_NUMBERS).reset_index()[ORIGIN_COLUMNS],
        "unseen": unseen if len(unseen) else None,
        "page_coverage": coverage,
    }
