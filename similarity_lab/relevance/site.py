"""A site's images, looked at once however many targets are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab.embedders import Embedded, Embedder
from similarity_lab.errors import SiteError
from similarity_lab.images import read_image
from similarity_lab.images.sources import content_digest
from similarity_lab.relevance.clutter import Clutter, clutter_kind
from similarity_lab.relevance.repeats import repeated
from similarity_lab.relevance.tables import SCORE_COLUMNS
from similarity_lab.sites import Site

_KINDS = {
    **dict.fromkeys(["score", "distance", "probability", "nearest_distance", "influence"], float),
    "confusable": object,  # text, or NaN
}


@dataclass(frozen=True, eq=False)
class EmbeddedSite:
    """A site with the vectors of its readable images.

    Attributes
    ----------
    site : Site
    embedded : Embedded
    embedder : str
        Name of what made the vectors.
    digests : list of str
        Content digest of each readable image.
    clutter : tuple of (str or None)
        Kind of each readable image that is left out.
    again : ndarray of bool
        Which readable images repeat another one; none of those that are left out.
    """

    site: Site
    embedded: Embedded
    embedder: str
    digests: list[str]
    clutter: tuple[Clutter | None, ...]
    again: npt.NDArray[np.bool_]

    @classmethod
    def of(
        cls, site: Site, embedder: Embedder, *, leave_out: Sequence[Clutter], progress: bool
    ) -> "EmbeddedSite":
        """Embed what can be read; `SiteError` if that is nothing."""
        if not site.paths:
            raise SiteError(f"{site.name}: has no files at all")
        embedded = embedder.embed(site.paths, progress=progress)
        if not embedded.kept:
            first = embedded.skipped.iloc[0]
            raise SiteError(
                f"{site.name}: none of its {len(site.paths)} files is a readable image "
                f"(the first: {first.path}: {first.reason})"
            )
        sources = [site.paths[index] for index in embedded.kept]
        kinds = [clutter_kind(read_image(source)) if leave_out else None for source in sources]
        clutter = tuple(kind if kind in leave_out else None for kind in kinds)
        if all(clutter):
            raise SiteError(
                f"{site.name}: all of its {len(sources)} readable images are left out as "
                f"{', '.join(sorted(set(filter(None, clutter))))}; score it with leave_out=()"
            )
        digests = [content_digest(source) for source in sources]
        # Among what counts: a picture is not lost because its icon is the one that is kept
        counts = np.flatnonzero([kind is None for kind in clutter])
        again = np.zeros(len(sources), bool)
        again[counts] = repeated(
            embedded.vectors[counts],
            [digests[at] for at in counts],
            [sources[at] for at in counts],
        )
        return cls(site, embedded, embedder.name, digests, clutter, again)

    @property
    def skipped(self) -> pd.DataFrame:
        """What could not be read, with reasons."""
        return pd.concat([self.site.skipped, self.embedded.skipped], ignore_index=True)

    def table(
        self,
        columns: Mapping[str, npt.NDArray[np.floating] | list[str]],
        to_references: npt.NDArray[np.float32],
        references: Sequence[str],
        *,
        once: bool,
    ) -> pd.DataFrame:
        """Return one row per file, in order.

        Parameters
        ----------
        columns : mapping of column to one value per readable image
        to_references : ndarray, shape (n readable, n references)
        references : names of the references
        once : bool
            Repeated pictures count once.
        """
        count, kept = len(self.site.paths), np.array(self.embedded.kept)
        status, reason = np.full(count, "skipped", object), np.full(count, "", object)
        status[kept] = "scored"
        if once:
            status[kept[self.again]] = "repeated"
            reason[kept[self.again]] = "the same picture as another one"
        for index, kind in zip(kept, self.clutter, strict=True):
            if kind:
                status[index], reason[index] = "left out", f"one of the {kind}"
        skipped = np.setdiff1d(np.arange(count), kept)
        reason[skipped] = self.embedded.skipped["reason"]
        of_readable = {
            **columns,
            "nearest_reference": [references[at] for at in to_references.argmin(1)],
            "nearest_distance": to_references.min(axis=1),
        }
        images = pd.DataFrame(
            {
                "path": pd.Series(list(self.site.paths), dtype=object),
                "status": status,
                "reason": reason,
                **{name: _spread(values, kept, count) for name, values in of_readable.items()},
            }
        )
        return images.reindex(columns=SCORE_COLUMNS).astype(_KINDS)


def _spread(
    values: npt.NDArray[np.floating] | list[str], kept: npt.NDArray[np.intp], count: int
) -> pd.Series:
    """Return `count` values that are NaN where no image could be read."""
    # names of files stay objects: they may hold bytes that are no text
    kind = object if isinstance(values, list) else np.float64
    spread = np.full(count, np.nan, kind)
    spread[kept] = values
    return pd.Series(spread, dtype=kind)
