"""What a scorer's parameters may be, and the comparator that they choose."""

from similarity_lab.distances.comparators import (
    Comparator,
    ComparatorSource,
    EmbeddingComparator,
    as_comparator,
    stored,
)
from similarity_lab.embedders import load_embedder
from similarity_lab.errors import InputError
from similarity_lab.relevance.clutter import KINDS
from similarity_lab.relevance.decision import check_thresholds
from similarity_lab.relevance.rules.learned import QUALITIES
from similarity_lab.relevance.rules.mean_distance import ORIGINAL_EMBEDDER
from similarity_lab.store import StoreSource, VectorStore

METHODS = ("learned", "mean-distance")


def check_parameters(
    *,
    method: str,
    quality: str,
    similarity_threshold: object,
    relevance_threshold: float,
    prior_share: float,
    certainty: float,
    leave_out: object,
    **_others: object,
) -> None:
    """Raise ValueError at the first parameter that cannot be meant."""
    if method not in METHODS:
        raise InputError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if quality not in QUALITIES:
        raise InputError(f"quality must be one of {', '.join(QUALITIES)}, got {quality!r}")
    given = similarity_threshold
    number = given if isinstance(given, (int, float)) else 0.5
    check_thresholds(number, relevance_threshold)
    if method == "learned" and (isinstance(given, str) or not 0 <= number <= 1):
        raise InputError(
            "under the learned rule similarity_threshold is the probability from which an image "
            f"is called a match, 0 to 1; got {given!r}"
        )
    if isinstance(given, str) and given != "from-library":
        raise InputError(f'similarity_threshold is a number or "from-library", got {given!r}')
    if not 0 < prior_share < 1:
        raise InputError(f"prior_share must lie between 0 and 1, got {prior_share}")
    if not 0.5 <= certainty <= 1:
        raise InputError(f"certainty is a probability from 0.5 to 1, got {certainty}")
    if isinstance(leave_out, str) or set(leave_out) - set(KINDS):  # type: ignore[call-overload]
        raise InputError(f"leave_out lists some of {', '.join(KINDS)}; got {leave_out!r}")


def chosen_comparator(
    method: str,
    quality: str,
    embedder: ComparatorSource | None,
    store: StoreSource | None = None,
) -> Comparator:
    """Return what was passed as a comparator, or the method's own, with its vectors stored."""
    chosen = _chosen(method, quality, embedder)
    return chosen if store is None else stored(chosen, VectorStore.of(store))


def _chosen(method: str, quality: str, embedder: ComparatorSource | None) -> Comparator:
    if embedder is not None:
        comparator = as_comparator(embedder)
        if method == "learned" and getattr(comparator, "only_distances", False):
            raise InputError(
                f"{comparator!r} gives distances but no vectors to learn on; pass "
                'method="mean-distance" and a similarity_threshold'
            )
        return comparator
    if method == "mean-distance":
        # exactly the study's: not rounded to int8
        return EmbeddingComparator(
            load_embedder(ORIGINAL_EMBEDDER, color="gray", runtime="auto-float32")
        )
    name, size = QUALITIES[quality]
    return EmbeddingComparator(load_embedder(name, input_size=size))
