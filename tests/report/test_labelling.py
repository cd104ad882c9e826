import pytest

from similarity_lab import RelevanceScorer
from similarity_lab.errors import InputError
from similarity_lab.relevance import MeanDistanceRule, SiteFailure
from similarity_lab.relevance.decision import format_evidence
from similarity_lab.relevance.marks import Marks
from similarity_lab.report import label

pytest.importorskip("ipywidgets")


@pytest.fixture
def results(library, sites, stub, tmp_path):
    scorer = RelevanceScorer(
        "almonds", rule=MeanDistanceRule(0.001), embedder=stub, progress=False
    ).fit(library)
    shops = [sites / "nut-shop", sites / "date-shop"]
    return [*scorer.decide_each(shops), SiteFailure("broken", "almonds", "no answer")]


def site_and_page(labelling):
    return labelling.widget.children[0].children


def summary(labelling):
    return labelling.widget.children[1].value


def boxes(labelling):
    return labelling.widget.children[2].children


def buttons(labelling):
    return [box.children[-1] for box in boxes(labelling)]


def test_click_updates_the_decision_and_is_saved(results, tmp_path):
    file = tmp_path / "marks.json"
    labelling = label(results, file=file)
    assert len(labelling.results) == 2 and len(buttons(labelling)) == 10
    before = labelling.result
    for toggle in buttons(labelling):
        assert toggle.value is None
        toggle.value = False
    assert labelling.result.n_matches == 0 and before.n_matches > 0
    assert labelling.results[0].decision == "irrelevant"
    assert "(was relevant)" in summary(labelling)
    assert "10 marked by hand" in summary(labelling)
    reopened = label(results, file=file)
    assert [toggle.value for toggle in buttons(reopened)] == [False] * 10
    assert reopened.result.n_matches == 0
    buttons(reopened)[0].value = None
    assert len(Marks.load(file)) == 9


def test_sites_and_pages_are_navigated(results):
    labelling = label(results, per_page=4)
    site, page = site_and_page(labelling)
    assert len(buttons(labelling)) == 4 and page.max == 3
    page.value = 3
    assert len(buttons(labelling)) == 2
    site.value = 1
    assert page.value == 1 and labelling.result.site == "date-shop"
    buttons(labelling)[0].value = True
    assert labelling.results[1].n_matches == 1


def test_captions_have_probability_and_words(library, with_texts, stub):
    scorer = RelevanceScorer("almonds", embedder=stub, progress=False).fit(library)
    result = scorer.decide(with_texts("nut-shop", ["Almonds"]))
    captions = [box.children[2].value for box in boxes(label(result))]
    evidence = format_evidence(result.ranked())
    assert captions == [f"{evidence[0]}, names almonds (alt)", *evidence[1:]]


def test_untrusted_text_is_escaped_and_missing_image_is_reported(results, library, sites):
    from dataclasses import replace

    (sites / "nut-shop" / "00.jpg").unlink()
    labelling = label(replace(results[0], site="<img src=x onerror=alert(1)>\u202e"))
    assert "<img" not in summary(labelling) and "\u202e" not in summary(labelling)
    texts = [box.children[0].value for box in boxes(labelling) if len(box.children) == 1]
    assert texts == ["00.jpg: no such file"]


def test_label_needs_a_decision(results):
    with pytest.raises(InputError, match="at least one decision"):
        label(results[2:])


def test_label_needs_an_image_per_page(results):
    with pytest.raises(InputError, match="per_page"):
        label(results, per_page=0)


def test_label_refuses_other_files(results, tmp_path):
    (tmp_path / "marks.json").write_text("{}")
    with pytest.raises(InputError, match="not a file of marks"):
        label(results, file=tmp_path / "marks.json")
