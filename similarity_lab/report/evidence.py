"""The evidence of a decision in words that a buyer understands."""

from dataclasses import dataclass
from math import exp

from scipy.special import expit, logit

from similarity_lab._numbers import format_count, percent_at_most
from similarity_lab.relevance import DecisionSettings, SiteRelevance
from similarity_lab.relevance.decision import describe_matches, format_share
from similarity_lab.relevance.doubt import FEW_PRODUCTS, FEW_REFERENCES, has_too_few
from similarity_lab.relevance.rules.calibration import Calibration
from similarity_lab.relevance.settings import TextBasis

_MAX_FACTOR = 1000  # larger ones are shown as "over 1000"
_TINY = 0.005  # shares below round to 0%
_ANY_SHARE = 0.9  # length of an interval that says nothing


@dataclass(frozen=True)
class EvidenceStep:
    """One step from the prior to P(sells).

    Attributes
    ----------
    name : str
    says : str
        What was seen, and what it makes of it.
    probability : float or None
        P(the site sells the target) after this step; None if the step was left out.
    """

    name: str
    says: str
    probability: float | None


def evidence_steps(result: SiteRelevance) -> list[EvidenceStep]:
    """Return how prior, images and words lead to P(sells); empty for a rule that gives none."""
    prior, settings = result.settings.prior, result.settings
    if prior is None or result.image_evidence is None or result.word_evidence is None:
        return []
    target, known = result.target, settings.calibration
    seen = describe_matches(result)
    if known is not None and not known.is_learned:
        images = f"{seen}; {target} was not learned"
    else:
        images = f"{seen}{_by_references(result)}"
        images += f"; this is {likelihood(result.image_evidence, target)}"
    steps = [
        EvidenceStep(
            "Before looking", f"prior: part of the sites expected to sell {target}", prior
        ),
        EvidenceStep("Images", images, float(expit(logit(prior) + result.image_evidence))),
    ]
    if settings.words:
        says = f"{_texts(result)}; this is {likelihood(result.word_evidence, target)}"
        return [*steps, EvidenceStep("Words", says, result.offered)]
    has_none = result.origins is None
    says = "not read: the images came without texts" if has_none else "not read: switched off"
    return [*steps, EvidenceStep("Words", says, None)]


def _by_references(result: SiteRelevance) -> str:
    """Return which references the best image resembles, if there are names among them."""
    text = result.settings.text
    if text is None:
        return ""
    best = result.deciding(1)
    if text.weight == 1 or best.empty:
        return ", judged by names of it alone"
    by_photos, by_names = best["photo_score"].iloc[0] > 0, best["text_score"].iloc[0] > 0
    if by_photos and by_names:
        return "; the best one resembles both reference images and names"
    if by_photos or by_names:
        kinds = ("reference images", "names") if by_photos else ("names", "reference images")
        return f"; the best one resembles the {kinds[0]}, not the {kinds[1]}"
    return "; the best one resembles neither reference images nor names clearly"


def _texts(result: SiteRelevance) -> str:
    """Return how many texts name the target (of copies too), and other products."""
    kinds = result.images["word_kind"][result.images["status"] == "scored"]
    n_target = result.n_named
    n_unclear = int(kinds.isin(["target and other", "ambiguous"]).sum())
    n_other = int(kinds.isin(["other", "other form"]).sum())
    numbers = {0: "no text names", 1: "1 text names"}
    text = f"{numbers.get(n_target, f'{n_target} texts name')} {result.target}"
    text += f", {n_unclear} may" if n_unclear else ""
    return text + (f", {n_other} name{'s' * (n_other == 1)} another product" if n_other else "")


def likelihood(log_ratio: float, target: str) -> str:
    """Return evidence as a phrase.

    Parameters
    ----------
    log_ratio : float
        Log likelihood ratio; 0 = no evidence, higher = in favour.
    target : str

    Examples
    --------
    >>> likelihood(2.5, "almonds")
    '12 times as likely if the site sells almonds'
    >>> likelihood(-0.9, "almonds")
    '2.5 times as likely if the site does not sell almonds'
    >>> likelihood(0.0, "almonds")
    'as likely if the site sells almonds as if it does not'
    """
    factor = format_factor(log_ratio)
    if not factor:
        return f"as likely if the site sells {target} as if it does not"
    verb = "sells" if log_ratio > 0 else "does not sell"
    return f"{factor} times as likely if the site {verb} {target}"


def format_factor(log_ratio: float) -> str:
    """Return the factor of a log likelihood ratio, at least 1, to two digits; empty if about 1.

    Examples
    --------
    >>> format_factor(2.5), format_factor(-4.9), format_factor(27.0), format_factor(0.01)
    ('12', '130', 'over 1000', '')
    """
    factor = exp(min(abs(log_ratio), 50))
    if factor < 1.05:
        return ""
    if factor > _MAX_FACTOR:
        return f"over {_MAX_FACTOR}"
    return f"{float(f'{factor:.2g}'):g}"


def has_share(result: SiteRelevance) -> bool:
    """Return whether the images say anything of the share: its interval is not nearly all of 0…1.

    Otherwise the most probable share is an accident.
    """
    low, high = result.interval
    return high - low < _ANY_SHARE


def brief_share(result: SiteRelevance) -> str:
    """Return the estimated share of the catalogue without its interval; empty if it is unknown.

    A share that rounds to 0% is given by its upper bound: the site may well sell the target.
    """
    if not has_share(result):
        return ""
    if result.share < _TINY:
        return f"at most {percent_at_most(max(result.interval[1], 0.01))}"
    return format_share(result)


def describe_share(result: SiteRelevance) -> str:
    """Return the estimated share of the catalogue as text, as far as the images tell it."""
    low, high = result.interval
    share = brief_share(result) or "unknown"
    if share.startswith("at most"):
        return f"{share} (95% CI)"
    return f"{share} (95% CI {100 * low:.0f}–{high:.0%})"


def basis(settings: DecisionSettings, target: str) -> str:
    """Return what the learned rule knows about a target, as a sentence; empty for other rules.

    Examples
    --------
    >>> basis(DecisionSettings("mean-distance", "lite0", 0.65, 0.25), "almonds")
    ''
    """
    known, text_basis = settings.calibration, settings.text
    if known is None:
        return ""
    if text_basis is not None and text_basis.weight == 1:
        return _basis_of_names(text_basis, known, target)
    references = format_count(known.n_references, "reference image")
    products = format_count(known.n_products, "other product")
    other = "an image of another product"
    if not known.n_products:
        products, other = "generated images, for want of other products", "a generated image"
    text = f"Learned from {references} of {target} and {products}."
    if known.n_references > 1:
        text += (
            f" A reference image that was held out scores above {other} with probability "
            f"{known.separability:.2f} (0.5 is chance)."
        )
    if text_basis is not None:
        text += (
            f" {_names(text_basis)} are references as well, with a weight of "
            f"{text_basis.weight:.0%}; by names alone, that probability is "
            f"{text_basis.separability or 0:.2f}."
        )
    if _lack(known) and not has_too_few(known):
        text += f" With at least {_lack(known)}, fewer decisions are unsure."
    return text


def _basis_of_names(text: TextBasis, known: Calibration, target: str) -> str:
    """Return what names alone know about a target."""
    start = f"{target} is known by names only. {_names(text)} are the references"
    measured = f"with probability {known.separability or 0:.2f} (0.5 is chance)"
    if text.measured_on == "references":
        return (
            f"{start}; {known.n_references} reference images only measured them: one scores above "
            f"a drawn image of something else {measured}."
        )
    if text.measured_on == "other products":
        return (
            f"{start}. How well names find products was measured on the {known.n_products} other "
            "products of the library: an image scores by the name of its product above what the "
            f"names of {target} reach on other images {measured}."
        )
    return (
        f"{start}. A probability rests on what other names reach on the same images. How often the "
        f"names miss {target} was not measured, so images alone never say that a site does not "
        "sell it; reference images change that."
    )


def _names(text: TextBasis) -> str:
    """Return the names of the target and the number of others, as the subject of a sentence."""
    *first, last = (f"“{name}”" for name in text.names)
    names = f"{', '.join(first)} and {last}" if first else f"The name {last}"
    return f"{names} (against {text.n_other_names} other names)"


def advice(settings: DecisionSettings, target: str) -> str:
    """Return what to do about a target of which too little was learned; empty if it is enough."""
    known = settings.calibration
    if known is None:
        return ""
    if settings.text is not None and settings.text.weight == 1:
        if known.is_learned:
            return ""
        return (
            f"The embedder does not find {target} by its names, so images alone decide nothing. "
            "Add reference images, or other names."
        )
    if has_too_few(known):
        return (
            f"Too little is known about {target}, so images alone decide nothing. Extend the "
            f"library to at least {_lack(known)}."
        )
    if known.is_learned:
        return ""
    return (
        f"{target} was not learned: its reference images, when held out, look like other products. "
        "Images alone therefore decide nothing. Split the class into products that look alike, or "
        "add reference images."
    )


def _lack(known: Calibration) -> str:
    """Return how much a library should have of what it has too little of."""
    lacks = []
    if known.n_references < FEW_REFERENCES:
        lacks.append(f"{FEW_REFERENCES} reference images")
    if known.n_products < FEW_PRODUCTS:
        lacks.append(f"{FEW_PRODUCTS} other products")
    return " and ".join(lacks)
