import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.web.html.srcset import candidates, largest


def test_candidates_follow_the_html_standard():
    assert list(candidates(" a.jpg , b.jpg 1.5x,c,d.jpg 300w 200h,e.jpg (a, b) 2x, f.jpg 2x,")) == [
        ("a.jpg", 1000.0), ("b.jpg", 1500.0), ("c,d.jpg", 300.0), ("f.jpg", 2000.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "candidate",
    [
        "a.jpg nonsense", "a b.jpg 400w", "a.jpg 1e3w", "a.jpg 1.5w", "a.jpg nanx", "a.jpg -1x",
        "a.jpg 2x 3x", "a.jpg 2x 300w", "a.jpg 0w", "a.jpg 200h", "a.jpg 400px", "a.jpg infx",
    ],
)  # fmt: skip
def test_candidate_that_browsers_drop_is_dropped(candidate):
    assert list(candidates(f"{candidate}, good.jpg 7w")) == [("good.jpg", 7.0)]


@pytest.mark.parametrize(
    ("srcset", "expected"),
    [
        ("", ""),
        ("a.jpg 1x, b.jpg 1x", "a.jpg"),
        ("a.jpg 900w, b.jpg 2000w, c.jpg 100w", "b.jpg"),
        ("a.jpg 9x 9x", ""),
    ],
)
def test_largest_candidate_is_the_first_of_equals(srcset, expected):
    assert largest(srcset)[0] == expected
