import pytest
from PIL import Image
from threadpoolctl import threadpool_info, threadpool_limits

from similarity_lab import RelevanceScorer
from similarity_lab.distances.comparators import EmbeddingComparator
from similarity_lab.samples import load_image

from ..conftest import MeanColor


def blas_threads():
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


class ThreadRecorder(EmbeddingComparator):
    """A comparator that records the number of BLAS threads."""

    def __init__(self):
        super().__init__(MeanColor())
        self.n_threads = set()

    def between(self, a, b):
        self.n_threads |= blas_threads()
        return super().between(a, b)


def test_decide_uses_one_blas_thread_and_restores_the_number(tmp_path):
    with threadpool_limits(2, user_api="blas"):
        if blas_threads() != {2}:
            pytest.skip("this build of BLAS does not change its number of threads")
        for name in ("almonds", "dates", "hazelnuts"):
            (tmp_path / name).mkdir()
            for seed in range(3):
                image = Image.fromarray(load_image(name, seed, size=(32, 32)))
                image.save(tmp_path / name / f"{seed}.png")
        comparator = ThreadRecorder()
        scorer = RelevanceScorer("almonds", embedder=comparator, progress=False).fit(tmp_path)
        scorer.decide(tmp_path / "almonds")
        assert comparator.n_threads == {1}
        assert blas_threads() == {2}
