"""The approaches of the study that `benchmarks.comparison` measures.

Quality is measured on float32 vectors by Keras, cached between runs; cost on the defaults of the
package: its networks in int8, everything else by Keras. TensorFlow is imported inside functions,
because the memory of approaches without it is measured too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.common import quality_embedder
from similarity_lab import RelevanceScorer, Site, load_embedder
from similarity_lab.distances.comparators import Comparator, EmbeddingComparator
from similarity_lab.relevance import MeanDistanceRule

TRAIN_PHOTOS = 2640  # of the Grocery Store's train split, 43 coarse classes

PUBLISHED = {"rule": "mean-distance"}  # 0.65 and 0.25
CHOSEN = {"rule": MeanDistanceRule("from-library")}
LEARNED = {"rule": "learned", "criterion": "share"}  # the question of the other approaches


@dataclass(frozen=True)
class Approach:
    """One approach to deciding on sites.

    Attributes
    ----------
    precise, default : callable
        Make the comparator whose quality, and the one whose cost, is measured.
    scoring : dict
        Parameters of `RelevanceScorer`.
    trained_on : int
        Labelled photos that its network was trained on, the targets' among them; 0: none.
    minutes : callable or None
        Returns how long that training took.
    is_loop : bool
        Its cost is that of the study's loop: sixteen predictions of one image.
    """

    precise: Callable[[], Comparator]
    default: Callable[[], Comparator]
    scoring: dict[str, object] = field(default_factory=lambda: CHOSEN)
    trained_on: int = 0
    minutes: Callable[[], float] | None = None
    is_loop: bool = False


def packaged(distance: str = "cosine", *, color: str = "rgb", **settings: object) -> Approach:
    """Return an approach on the vectors of Lite0."""

    def make_with(runtime: str) -> Callable[[], Comparator]:
        return lambda: EmbeddingComparator(load_embedder(color=color, runtime=runtime), distance)

    runtime = "openvino" if color == "gray" else "openvino-int8"  # the default of each
    return Approach(make_with("keras"), make_with(runtime), **settings)


def learned(quality: str) -> Approach:
    """Return the learned rule on the vectors of a quality."""

    def make_with(runtime: str) -> Callable[[], Comparator]:
        return lambda: EmbeddingComparator(quality_embedder(quality, runtime))

    return Approach(make_with("keras"), make_with("openvino-int8"), scoring=LEARNED)


def siamese(name: str, *, faulty: bool = False, photos: int = TRAIN_PHOTOS) -> Approach:
    """Return a trained Siamese network; a faulty one after its last epoch, as published."""

    def make() -> Comparator:
        from benchmarks.siamese_runs import trained

        return trained(name, keep="last" if faulty else "best").comparator

    def minutes() -> float:
        from benchmarks.siamese_runs import trained

        return float(trained(name).history["seconds"].sum()) / 60

    return Approach(make, make, trained_on=photos, minutes=minutes)


def metric_learning() -> Approach:
    """Return the head on features that TensorFlow Similarity trained."""

    def precise() -> Comparator:
        from benchmarks.metric_learning_runs import FEATURES, trained

        return trained(FEATURES).comparator

    def default() -> Comparator:
        from similarity_lab.metric_learning import HeadEmbedder

        return EmbeddingComparator(HeadEmbedder(load_embedder(), precise().embedder.head))

    return Approach(precise, default, trained_on=TRAIN_PHOTOS)


APPROACHES: dict[str, Approach] = {
    "cosine gray, as published": packaged(color="gray", scoring=PUBLISHED, is_loop=True),
    "cosine gray": packaged(color="gray"),
    "cosine colour": packaged(),
    "Euclidean colour": packaged("euclidean"),
    "dot product colour": packaged("dot"),
    "Siamese 1, as published": siamese("architecture 1, categorical cross-entropy", faulty=True),
    "Siamese 2, as published": siamese("architecture 2, every negative is image 0", faulty=True),
    "Siamese 1, fault-free": siamese("architecture 1"),
    "Siamese 2, fault-free": siamese("architecture 2"),
    "strong Siamese": siamese("strong"),
    "metric learning": metric_learning(),
    "learned, fast": learned("fast"),
    "learned": learned("standard"),
    "learned, best": learned("best"),
}

# The study's question: more data, and no restriction to one product
DATA: dict[str, Approach] = {
    f"Siamese 2, {name}": siamese(f"architecture 2, {name}", photos=photos)
    for name, photos in (
        ("pairs of one target only", TRAIN_PHOTOS),
        ("10 % of the photos", TRAIN_PHOTOS // 10),
        ("30 % of the photos", 3 * TRAIN_PHOTOS // 10),
    )
}


def score_once(name: str, library: dict[str, list[str]], target: str, images: list[str]) -> None:
    """Fit on a library and decide on one site; run in a process of its own to measure memory."""
    approach = APPROACHES[name]
    scorer = RelevanceScorer(
        target, embedder=approach.default(), progress=False, **approach.scoring
    ).fit(library)
    scorer.decide(Site.from_paths(images, name="all"))
