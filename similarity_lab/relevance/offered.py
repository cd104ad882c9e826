"""Does a site sell the target at all? Evidence of its images, and of the words around them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

if TYPE_CHECKING:
    from similarity_lab.relevance.rules.calibration import Calibration
    from similarity_lab.relevance.rules.prototypes import Floats

# Images. Fitted on 25 real shops and eleven targets, sites left out in turn, and flattened so that
# composite sites are not decided too surely; see docs/benchmarks.md. `python -m
# benchmarks.rule_constants` fits them again.
_SLOPE = 16.0  # log likelihood ratio per unit of margin
_OFFSET = -0.3  # log likelihood ratio of the margin 0
_COVERAGE = 4.0  # images after which two thirds of the sellers would have shown the target
_CROWD = 0.25  # weight of the log of the number of images: many distractors, one looks alike
_USUAL = 20  # images of a shop, at which the crowd counts nothing
_UNSEEN = 0.25  # weight of products that look like the target and that nobody has seen

# The better an embedder tells products apart, the larger are the margins of the references, and
# those of products that resemble the target and are not in the library. From a median margin of the
# references on, a margin far below that median may be of such a product. Chosen on simulated spaces
# and checked on others, see docs/benchmarks.md; on groceries it makes few sites unsure.
_CLEAR = 0.1  # median margin of the references from which on it counts
_CLEARER = 0.3  # as much more, and it counts in full
_RESEMBLING = 0.5  # weight of such products at the margin 0; none at the median

# Words. Counted on the same shops, shrunk towards 0.
_NAMED = 4.2  # log likelihood ratio of a site on which an image's text names the target
_MAYBE_NAMED = 0.5  # … names it and another product, or by an ambiguous word
_SILENT = 0.1  # P(no text names the target | it is sold, all images are named)
_NAMING = 3.0  # images whose text names a product, after which a site is known to name them
_IMAGE = {
    "target": 6.0,
    "target and other": 1.5,
    "ambiguous": 0.5,
    "other form": -1.0,
    "other": -3.0,
}
_UNNAMED = -1.0  # log likelihood ratio of an image without a name, where images have names
FEW_IMAGES = 3
"""A site that shows fewer images than this, none of them a match, says nothing."""

UNCLEAR_KINDS = frozenset({"target and other", "ambiguous"})
"""Kinds of texts that may name the target, and are weak evidence for it."""

_CERTAIN = 27.0  # log likelihood ratio of what a person has marked
_FAR = 1.0  # margins below do not count further against the target


def word_ratios(kinds: Iterable[str]) -> "Floats":
    """Return the log likelihood ratio of what the texts of a site's images name.

    An image without a name counts against the target only if three images of the site have names.

    Parameters
    ----------
    kinds : iterable of str, length n
        As in `WordEvidence.kind`.

    Returns
    -------
    ndarray of float64, shape (n,)
        0 = no evidence, higher = more likely to show the target.

    Examples
    --------
    >>> word_ratios(["target", "", "other"])
    array([ 6.,  0., -3.])
    >>> word_ratios(["target", "", "other", "other"])
    array([ 6., -1., -3., -3.])
    """
    kinds = list(kinds)
    unnamed = _UNNAMED if sum(kind != "" for kind in kinds) >= _NAMING else 0.0
    return np.array([_IMAGE.get(kind, unnamed) for kind in kinds], np.float64)


@dataclass(frozen=True)
class OfferedEvidence:
    """Evidence that a site sells the target, as log likelihood ratios; 0 = none.

    Attributes
    ----------
    images : float
        Of the images alone.
    words : float
        What the words add to it; 0 without words.
    """

    images: float
    words: float = 0.0

    def probability(self, prior: float) -> float:
        """Return P(the site sells the target).

        Parameters
        ----------
        prior : float
            P(sells) before anything of the site was seen; above 0, below 1.
        """
        return float(expit(logit(prior) + self.images + self.words))


def offered_evidence(
    margins: npt.ArrayLike,
    kinds: Iterable[str] | None,
    calibration: "Calibration | None" = None,
    *,
    repeated_kinds: Iterable[str] = (),
    unseen_kinds: Iterable[str] = (),
    image_coverage: float = 1.0,
    page_coverage: float = 1.0,
) -> OfferedEvidence:
    """Return the evidence of a site's images and words.

    A shop that sells a product shows it on one to three images, however many it has, so the best
    single image decides: its margin, the cosine to the target minus that to the closest other
    product. It says little against the target if few images were seen, since the target may be on
    another page, or if held-out references have no larger margins. It says little for the target if
    products outside the library look like it, which held-out products tell, if it is far below what
    the references reach, and among many images.

    A text that names the target is the strongest evidence. That none does counts against the site
    only as far as its texts name products at all. Images whose texts name another product count
    less.

    If only a part of the website was collected, a target that is not there may be in the rest: what
    speaks against it counts as far as the collected part goes. What speaks for it counts in full.

    Parameters
    ----------
    margins : array of float, shape (n,)
        Of the images that count, minus the margin that 5 % of held-out others exceed; infinite
        where a person said what an image shows.
    kinds : iterable of str, length n, or None
        What the text of each image names, see `WordEvidence.kind`; None without words.
    calibration : Calibration, optional
        What the library tells about the target; None: margins are trusted as they are.
    repeated_kinds : iterable of str
        What the texts of images name that repeat another one: a second text of the same image.
    unseen_kinds : iterable of str
        What the texts of images name that were not collected.
    image_coverage, page_coverage : float
        Parts of the website's images that were collected, and of its pages that were read, 0…1.

    Examples
    --------
    >>> round(offered_evidence([-0.3, 0.2, -0.2, -0.4, -0.2], None).probability(0.25), 2)
    0.86
    >>> kinds = ["other", "other", "target", "other", "other"]
    >>> round(offered_evidence([-0.3, 0.2, -0.2, -0.4, -0.2], kinds).probability(0.25), 2)
    0.96
    >>> round(offered_evidence([-0.3], None).probability(0.25), 2)  # a single logo
    0.21
    """
    margins = np.asarray(margins, np.float64)
    alone = _of_part(_of_margins(margins, calibration), image_coverage)
    if kinds is None:
        return OfferedEvidence(alone)
    kinds = list(kinds)
    is_other = np.array([kind == "other" for kind in kinds], bool)
    discounted = margins + np.where(is_other, _IMAGE["other"] / _SLOPE, 0.0)
    seen = _of_part(_of_margins(discounted, calibration), image_coverage)
    # a name without its image is no more than a hint
    hints = ["ambiguous" if kind == "target" else kind for kind in unseen_kinds]
    words = _of_part(_of_words([*kinds, *repeated_kinds, *hints]), page_coverage)
    return OfferedEvidence(alone, seen + words - alone)


def offered_order(margins: npt.ArrayLike, kinds: Iterable[str]) -> "Floats":
    """Return how much each image says that the target is offered, higher = more, shape (n,).

    Parameters
    ----------
    margins, kinds
        As in `offered_evidence`; "" where there are no words.
    """
    return np.asarray(margins, np.float64) + word_ratios(kinds) / _SLOPE


def _of_margins(margins: "Floats", calibration: "Calibration | None") -> float:
    count = len(margins)
    if not count:
        return 0.0
    best = float(margins.max())
    if np.isposinf(best):
        return _CERTAIN
    best = max(best, -_FAR)  # all images were marked as something else
    # what resembles the target has positive margins: these never say less than the margin 0
    ratio = max(_ratio(margin, count, calibration) for margin in {best, min(best, 0.0)})
    missing = -count / _COVERAGE  # log P(no image seen shows it | it is sold)
    return float(np.logaddexp(np.log(-np.expm1(missing)) + ratio, missing))


def _ratio(best: float, count: int, calibration: "Calibration | None") -> float:
    """Return the log likelihood ratio of a best margin, if some image would show the target."""
    ratio = float(_SLOPE * best + _OFFSET - _CROWD * np.log(count / _USUAL))
    if calibration is None:
        return ratio
    high, own = calibration.look_alike_margins, calibration.reference_margins
    unseen = _UNSEEN * (1 + sum(margin >= best for margin in high)) / (len(high) + 1)
    unseen += _resembling(best, own)
    ratio = -float(np.logaddexp(-calibration.reliability * ratio, np.log(unseen)))
    if own or best > -_FAR:  # without references, only a person says that nothing was missed
        missed = (sum(margin <= best for margin in own) + 0.5) / (len(own) + 1)
        ratio = max(ratio, float(np.log(missed)))
    return ratio


def _resembling(best: float, own: Sequence[float]) -> float:
    """Return the weight of products that resemble the target, and reach a part of its margins."""
    typical = float(np.median(own)) if len(own) > 1 else 0.0  # a single one was not held out
    if best <= 0 or typical <= _CLEAR:
        return 0.0
    clear = min(1.0, (typical - _CLEAR) / _CLEARER)
    return _RESEMBLING * clear * max(0.0, 1 - best / typical)


def _of_part(ratio: float, coverage: float) -> float:
    """Return a log likelihood ratio of the whole, given that of a part."""
    if ratio >= 0 or coverage >= 1:
        return ratio
    return float(np.log1p(coverage * np.expm1(ratio)))


def _of_words(kinds: list[str]) -> float:
    named = set(kinds)
    if "target" in named:
        return _NAMED
    if named & UNCLEAR_KINDS:
        return _MAYBE_NAMED
    naming = sum(kind != "" for kind in kinds)
    return float(np.log1p(-(1 - _SILENT) * -np.expm1(-naming / _NAMING)))
