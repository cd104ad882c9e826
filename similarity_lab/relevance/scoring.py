"""A fitted scorer applied to the images of a site."""

from typing import TYPE_CHECKING

from similarity_lab._version import versions
from similarity_lab.embedders import vector_space
from similarity_lab.errors import InputError
from similarity_lab.relevance.blas import one_thread
from similarity_lab.relevance.decision import SiteRelevance
from similarity_lab.relevance.library import EmbeddedLibrary
from similarity_lab.relevance.site import EmbeddedSite

if TYPE_CHECKING:
    from similarity_lab.relevance.scorer import RelevanceScorer


@one_thread
def decide(scorer: "RelevanceScorer", images: EmbeddedSite) -> SiteRelevance:
    """Return the decision of a fitted scorer with its evidence."""
    vectors, rule = images.embedded.vectors, scorer.rule_
    to_references = scorer.comparator_.between(vectors, scorer.reference_vectors_)
    columns = rule.columns(vectors, to_references, images.digests)
    return SiteRelevance.from_images(
        images.table(columns, to_references, scorer.reference_names_, once=rule.repeats_count_once),
        method=scorer.method,
        similarity_threshold=scorer.similarity_threshold_,
        relevance_threshold=scorer.relevance_threshold,
        settings={**rule.settings(), "references": len(scorer.reference_names_)},
        site=images.site.name,
        target=scorer.target,
        skipped=images.skipped,
        embedder=scorer.comparator_.embedder.name,
        versions=versions(),
        origins=images.site.origins,
    )


def check_same(made: EmbeddedLibrary | EmbeddedSite, embedder: str) -> None:
    """Raise unless vectors may be compared with those of the embedder of this name."""
    if vector_space(made.embedder) != vector_space(embedder):
        raise InputError(
            f"these vectors are of {made.embedder!r}, the scorer's are of {embedder!r}; embed the "
            "photos with it, or fit a scorer with the other one"
        )
