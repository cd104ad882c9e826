"""A supplier's website as a set of images: a folder, a zip, a list of paths, or an address."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Union

import pandas as pd

from similarity_lab.errors import InputTypeError, SiteError
from similarity_lab.files import (
    existing_folder,
    extract_for_process,
    folder_for_process,
    list_files,
    skipped_table,
)
from similarity_lab.images.sources import Source, describe, one_line, printable

# the image, the page it was found on, its text there, when it was fetched, digest of its bytes
ORIGIN_COLUMNS = ["path", "address", "page", "alt", "time", "sha256"]

ORIGINS = "images.parquet"  # beside the images of a collected site

SiteSource = Union["Site", str, PathLike[str], Iterable[Source]]


@dataclass(frozen=True, eq=False)
class Site:
    """One supplier's website: its images, whatever they show.

    Attributes
    ----------
    name : str
    paths : tuple
        One entry per file, exactly as given; also files that may turn out to be no picture, which
        a decision then lists with its reason.
    skipped : DataFrame with columns path, reason
        What could not even be listed: a folder without permission, a zip member that is refused.
    root : Path or None
        The folder the paths lie in; reports show paths relative to it.
    origins : DataFrame or None
        Where collected images came from, `ORIGIN_COLUMNS`, one row per path, in order.

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

    def __repr__(self) -> str:
        return f"Site({self.name!r}, {len(self.paths)} files)"

    @classmethod
    def from_folder(cls, folder: str | PathLike[str], *, name: str | None = None) -> "Site":
        """Take all files below a folder, nested folders too; the default name is the folder's.

        Of a folder that `from_url` or `similarity_lab.web.collect` has made the collected images
        are taken, and where each came from.
        """
        path = existing_folder(folder, "a folder with a site's images")
        collected = (path / ORIGINS).is_file() and (path / "images").is_dir()
        files, skipped = list_files(path / "images" if collected else path)
        origins = _origins(path, files) if collected else None
        name = name or printable(path.resolve().name)
        return cls(name, tuple(files), skipped_table(skipped), path, origins)

    @classmethod
    def from_url(
        cls,
        url: str,
        out_dir: str | PathLike[str] | None = None,
        *,
        name: str | None = None,
        **options: Any,  # noqa: ANN401
    ) -> "Site":
        """Collect a website's images, as `similarity_lab.web.collect` does for many.

        Parameters
        ----------
        url : str
        out_dir : path, optional
            The images come to a folder in it, to be found there again; without it they are kept for
            as long as the process lives.
        name : str, optional
            Default: the address.
        **options
            Of `similarity_lab.web.collect`.

        Raises
        ------
        SiteError
            The address is refused, the site cannot be reached, or it shows no image.
        ImportError
            The extra ``web`` is missing.
        """
        # Collecting stands further left but gives sites: the one import that looks to the right
        from similarity_lab.web import collect

        folder = out_dir or folder_for_process()
        collection = collect({name or url: url}, folder, **options)
        for site in collection.sites:
            return site
        row = collection.table.iloc[0]
        raise SiteError(f"{row['url']}: {row['status']}: {row['reason']}")

    @classmethod
    def from_zip(cls, archive: str | PathLike[str], *, name: str | None = None) -> "Site":
        """Take all files of a ``.zip``; they are extracted for as long as the process lives."""
        folder, refused = extract_for_process(archive)
        files, skipped = list_files(folder)
        table = pd.concat([refused, skipped_table(skipped)], ignore_index=True)
        return cls(name or printable(Path(archive).stem), tuple(files), table, folder)

    @classmethod
    def from_paths(cls, paths: Iterable[Source], *, name: str) -> "Site":
        """Take these files, in this order."""
        return cls(name, tuple(paths))

    @classmethod
    def of(cls, source: SiteSource) -> "Site":
        """Make a site of a folder, a ``.zip``, a list of paths, an http or https address."""
        if isinstance(source, Site):
            return source
        if isinstance(source, str) and source.lower().startswith(("http://", "https://")):
            return cls.from_url(source)
        if isinstance(source, (str, PathLike)):
            path = Path(source)
            if path.is_file() and path.suffix.lower() == ".zip":
                return cls.from_zip(path)
            return cls.from_folder(path)
        if isinstance(source, Iterable) and not isinstance(source, (bytes, bytearray)):
            return cls.from_paths(source, name=site_name(source))
        raise InputTypeError(
            "expected a Site, a folder, a .zip, an address or a list of paths, "
            f"got {type(source).__name__}"
        )

    def shown(self, path: object) -> str:
        """Return a path as reports show it: relative to the site's folder where there is one."""
        if self.root is not None and isinstance(path, Path) and path.is_relative_to(self.root):
            return path.relative_to(self.root).as_posix()
        return str(path)


def site_name(source: object) -> str:
    """Return what a site is called by default, also one that cannot be made."""
    if isinstance(source, Site):
        return source.name
    return printable(describe(source)) if isinstance(source, (str, PathLike)) else "site"


def _origins(folder: Path, files: list[Path]) -> pd.DataFrame:
    """Return where each file came from; nothing is known of files that are not in the table."""
    try:
        table = pd.read_parquet(folder / ORIGINS, columns=ORIGIN_COLUMNS)
    except (OSError, ValueError, KeyError) as error:
        raise SiteError(
            f"{folder / ORIGINS}: is not the table of a collected site ({one_line(error)}); "
            "collect it again, or remove the file to use the images alone"
        ) from error
    names = pd.Index([path.relative_to(folder).as_posix() for path in files], name="path")
    known = table.drop_duplicates("path").set_index("path").reindex(names).fillna("")
    return known.reset_index()[ORIGIN_COLUMNS]
