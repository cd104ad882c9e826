import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.web.html.srcset import candidates, largest


def test_candidates_follow_the_html_standard():
    assert list(candidates(" a.jpg , b.jpg 1.5x,c.jpg nonsense, d.jpg 1e3w,")) == [
        ("a.jpg", 1000.0), ("b.jpg", 1500.0), ("c.jpg", 1000.0), ("d.jpg", 1000.0),
    ]  # fmt: skip


def test_descriptor_that_is_not_a_number_is_ignored():
    assert next(candidates("a.jpg nanx 7w, b.jpg -infw")) == ("a.jpg", 7.0)


@pytest.mark.parametrize(
    ("srcset", "expected"),
    [
        ("", ""),
        ("a.jpg 1x, b.jpg 1x", "a.jpg"),
        ("a.jpg nanw, b.jpg 2000w, c.jpg infx", "c.jpg"),
    ],
)
def test_largest_candidate_is_the_first_of_equals(srcset, expected):
    assert largest(srcset)[0] == expected
