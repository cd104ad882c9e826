import pytest
from PIL import Image
from threadpoolctl import threadpool_info, threadpool_limits

from similarity_lab import RelevanceScorer
from similarity_lab.distances.comparators import EmbeddingComparator
from similarity_lab.samples import load_image

from ..conftest import MeanColor


def threads():
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


class Watched(EmbeddingComparator):
    """Notes on how many threads it compares."""

    def __init__(self):
        super().__init__(MeanColor())
        self.seen = set()

    def between(self, a, b):
        self.seen |= threads()
        return super().between(a, b)


def test_a_site_is_decided_on_one_thread_and_others_keep_theirs(tmp_path):
    with threadpool_limits(2, user_api="blas"):
        if threads() != {2}:
            pytest.skip("this build of BLAS does not change its number of threads")
        for name in ("almonds", "dates", "hazelnuts"):
            (tmp_path / name).mkdir()
            for seed in range(3):
                photo = Image.fromarray(load_image(name, seed, size=(32, 32)))
                photo.save(tmp_path / name / f"{seed}.png")
        comparator = Watched()
        scorer = RelevanceScorer("almonds", embedder=comparator, progress=False).fit(tmp_path)
        scorer.decide(tmp_path / "almonds")
        assert comparator.seen == {1}
        assert threads() == {2}
