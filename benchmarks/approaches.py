"""Every approach of the study, each as one uses it and as its quality is measured.

Quality is measured on vectors that Keras made in float32 and that are kept between runs; cost on
what a user runs: the packaged networks in int8, everything else by Keras. What needs TensorFlow is
imported where it is used, since the memory of those that do not is measured as well.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from similarity_lab import RelevanceScorer, Site, load_embedder
from similarity_lab.distances.comparators import Comparator, EmbeddingComparator
from similarity_lab.relevance import MeanDistanceRule
from similarity_lab.relevance.rules.learned import QUALITIES

TRAIN_PHOTOS = 2640  # of the Grocery Store's train split, 43 coarse classes

LEARNED = {"rule": "learned"}
PUBLISHED = {"rule": "mean-distance"}  # 0.65 and 0.25
CHOSEN = {"rule": MeanDistanceRule("from-library")}


@dataclass(frozen=True)
class Approach:
    """One way to decide.

    Attributes
    ----------
    precise, used : callable
        Make the comparator whose vectors are kept, and the one whose cost is measured.
    scoring : dict
        Parameters of `RelevanceScorer`.
    trained_on : int
        Labelled photos that its network was trained on, the targets' among them; 0: none.
    minutes : callable or None
        Tells how long that training took.
    looped : bool
        Costs what the study's loop costs: sixteen predictions of one image.
    """

    precise: Callable[[], Comparator]
    used: Callable[[], Comparator]
    scoring: dict[str, object] = field(default_factory=lambda: CHOSEN)
    trained_on: int = 0
    minutes: Callable[[], float] | None = None
    looped: bool = False


def packaged(
    distance: str = "cosine", *, quality: str = "standard", color: str = "rgb", **more: object
) -> Approach:
    """Return an approach on the vectors of a packaged network."""
    name, size = QUALITIES[quality]

    def make_with(runtime: str) -> Callable[[], Comparator]:
        def make() -> Comparator:
            # the network's own size has no size in its name, by which vectors are kept
            own = None if quality == "standard" else size
            embedder = load_embedder(name, color=color, runtime=runtime, input_size=own)
            return EmbeddingComparator(embedder, distance)

        return make

    fast = "openvino" if color == "gray" else "openvino-int8"  # as the defaults are
    return Approach(make_with("keras"), make_with(fast), **more)


def siamese(name: str, *, faulty: bool = False, photos: int = TRAIN_PHOTOS) -> Approach:
    """Return a Siamese network as a comparator; a faulty one after its last epoch, as published."""

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

    def used() -> Comparator:
        from similarity_lab.metric_learning import HeadEmbedder

        return EmbeddingComparator(HeadEmbedder(load_embedder(), precise().embedder.head))

    return Approach(precise, used, trained_on=TRAIN_PHOTOS)


APPROACHES: dict[str, Approach] = {
    "cosine gray, as published": packaged(color="gray", scoring=PUBLISHED, looped=True),
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
    "learned": packaged(scoring=LEARNED),
    "learned, best": packaged(quality="best", scoring=LEARNED),
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
    """Fit on a library and score one site, as a process that does nothing else would."""
    approach = APPROACHES[name]
    scorer = RelevanceScorer(
        target, embedder=approach.used(), progress=False, **approach.scoring
    ).fit(library)
    scorer.decide(Site.from_paths(images, name="all"))
