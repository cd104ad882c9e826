import html
import re
from dataclasses import replace

import pytest

from similarity_lab import RelevanceScorer
from similarity_lab.errors import InputError, InputTypeError
from similarity_lab.relevance import MeanDistanceRule, SiteFailure, mark_values
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
    return labelling.widget.children[0].children[:2]


def summary(labelling):
    return labelling.widget.children[1].value


def cards(labelling):
    """Return the cards in use: the others keep their place, hidden."""
    return [card for card in labelling.widget.children[2].children
            if card.layout.visibility == "visible"]  # fmt: skip


def buttons(labelling):
    return [
        card.children[1]
        for card in cards(labelling)
        if card.children[1].layout.visibility == "visible"
    ]


def test_click_updates_the_decision_and_is_saved(results, tmp_path):
    file = tmp_path / "marks.json"
    labelling = label(results, file=file, order="best")
    assert len(labelling.results) == 2 and len(buttons(labelling)) == 10
    before = labelling.result
    for toggle in buttons(labelling):
        assert toggle.value is None
        toggle.value = False
    assert labelling.result.n_matches == 0 and before.n_matches > 0
    assert labelling.results[0].decision == "irrelevant"
    assert "(was relevant)" in summary(labelling)
    assert "10 of 10 marked by hand" in summary(labelling)
    reopened = label(results, file=file, order="best")
    assert [toggle.value for toggle in buttons(reopened)] == [False] * 10
    assert reopened.result.n_matches == 0
    buttons(reopened)[0].value = None
    assert len(Marks.load(file)) == 9


def test_sites_and_pages_are_navigated(results):
    labelling = label(results, per_page=4, order="best")
    site, page = site_and_page(labelling)
    assert len(buttons(labelling)) == 4 and page.max == 3
    page.value = 3
    assert len(buttons(labelling)) == 2
    site.value = 1
    assert page.value == 1 and labelling.result.site == "date-shop"
    buttons(labelling)[0].value = True
    assert labelling.results[1].n_matches == 1


def test_images_have_probability_and_words(library, with_texts, stub):
    scorer = RelevanceScorer("almonds", embedder=stub, progress=False).fit(library)
    result = scorer.decide(with_texts("nut-shop", ["Almonds"]))
    views = [card.children[0].value for card in cards(label(result, order="best"))]
    for view, evidence in zip(
        views, format_evidence(result.ranked(), result.settings), strict=True
    ):
        assert f"<b>{html.escape(evidence)}</b></span>" in view and "data:image/jpeg" in view
    assert "names almonds (alt)" in views[0] and "names almonds" not in views[1]


def test_nothing_moves_while_images_are_marked(results):
    labelling = label(results, per_page=4, order="value")
    _, page = site_and_page(labelling)
    grid, height = labelling.widget.children[2].children, labelling.widget.children[1].layout.height
    before = [card.children[0].value for card in grid]
    for toggle in buttons(labelling)[:3]:
        toggle.value = True
        assert [card.children[0].value for card in grid] == before
    page.value = 3
    assert labelling.widget.children[2].children == grid and len(cards(labelling)) == 2
    assert labelling.widget.children[1].layout.height == height
    borders = {card.layout.border_top.split()[0] for card in grid}
    assert borders == {"3px"}


def type_keys(labelling, keys):
    labelling.widget.children[0].children[3].value += keys


def frames(labelling):
    """Return whether each card has the frame of the selected one."""
    return ["transparent" not in card.layout.border_top for card in cards(labelling)]


def test_keys_mark_and_move(results):
    labelling = label(results[0], per_page=4, order="best")
    type_keys(labelling, "y")
    type_keys(labelling, "nyy ")
    values = [toggle.value for toggle in buttons(labelling)]
    _, page = site_and_page(labelling)
    assert page.value == 2 and values == [None] * 4
    type_keys(labelling, "bbbu")
    page.value = 1
    assert [toggle.value for toggle in buttons(labelling)] == [True, False, None, True]
    type_keys(labelling, "?xQ\u202e")
    assert len(labelling.marks) == 3


def test_fast_keys_count_once(results):
    """A browser sends all of the field, with the keys that came since it last did."""
    labelling = label(results[0], order="best")
    field = labelling.widget.children[0].children[3]
    for value in ("y", "yy", "yyn", "yyny"):
        field.value = value
        assert field.value == value  # clearing it would race with the next key
    assert [toggle.value for toggle in buttons(labelling)][:5] == [True, True, False, True, None]
    field.value = "yyn"  # backspace
    field.value = "yzyn"  # the cursor was in the middle
    assert [toggle.value for toggle in buttons(labelling)][:4] == [True, True, False, None]
    buttons(labelling)[0].value = False
    assert field.value == ""


def test_one_card_has_a_frame_after_a_change_of_site(results):
    labelling = label(results, order="best")
    site, _ = site_and_page(labelling)
    type_keys(labelling, "   ")
    assert frames(labelling).index(True) == 3
    site.value = 1
    assert frames(labelling).index(True) == 0 and sum(frames(labelling)) == 1


def test_undo_restores_marks_in_reverse(results, tmp_path):
    labelling = label(results, per_page=4, order="best", file=tmp_path / "marks.json")
    site, page = site_and_page(labelling)
    type_keys(labelling, "y")
    buttons(labelling)[0].value = False
    page.value = 2
    type_keys(labelling, "y")
    site.value = 1
    type_keys(labelling, "n")
    assert len(Marks.load(tmp_path / "marks.json")) == 3
    type_keys(labelling, "z")
    assert site.value == 1 and len(labelling.marks) == 2
    labelling.undo()
    assert (site.value, page.value) == (0, 2) and buttons(labelling)[0].value is None
    labelling.undo()
    assert page.value == 1 and buttons(labelling)[0].value is True
    labelling.undo()
    labelling.undo()  # nothing left
    assert len(labelling.marks) == 0 and len(Marks.load(tmp_path / "marks.json")) == 0
    assert labelling.result is results[0]


def test_orders(library, sites, stub):
    scorer = RelevanceScorer("almonds", embedder=stub, progress=False).fit(library)
    found = list(scorer.decide_each([sites / "date-shop", sites / "nut-shop"]))
    labelling = label(found)
    first = labelling.widget.children[0].children[0].value
    assert found[first].site == max(found, key=lambda r: mark_values(r).max()).site
    assert [result.site for result in labelling.results] == ["date-shop", "nut-shop"]
    shown = {}
    for order in ("value", "best", "random"):
        views = [card.children[0].value for card in cards(label(found[1], order=order))]
        shown[order] = [re.search(r"(\d+)\.jpg", view).group(1) for view in views]
    assert sorted(shown["random"]) == sorted(shown["best"]) == sorted(shown["value"])
    assert shown["value"] == [f"{row:02}" for row in mark_values(found[1]).index]
    assert shown["best"] == [f"{row:02}" for row in found[1].ranked().index]
    again = [card.children[0].value for card in cards(label(found[1], order="random"))]
    assert shown["random"] == [re.search(r"(\d+)\.jpg", view).group(1) for view in again]
    assert shown["random"] != shown["best"]
    with pytest.raises(InputError, match="order is one of"):
        label(found, order="worst")


def test_untrusted_text_is_escaped_and_missing_image_is_reported(results, library, sites):
    (sites / "nut-shop" / "00.jpg").unlink()
    labelling = label(replace(results[0], site="<img src=x onerror=alert(1)>\u202e"))
    assert "<img" not in summary(labelling) and "\u202e" not in summary(labelling)
    broken = [card for card in cards(labelling) if card.children[1].layout.visibility == "hidden"]
    assert len(broken) == 1 and "<p>no such file</p>" in broken[0].children[0].value
    assert len(buttons(labelling)) == 9


def test_label_needs_a_decision(results):
    with pytest.raises(InputError, match="at least one decision"):
        label(results[2:])


def test_label_refuses_other_objects():
    with pytest.raises(InputTypeError, match="expected decisions on sites, as .*, got str"):
        label("folder")


def test_label_needs_an_image_per_page(results):
    with pytest.raises(InputError, match="per_page"):
        label(results, per_page=0)


def test_label_refuses_other_files(results, tmp_path):
    (tmp_path / "marks.json").write_text("{}")
    with pytest.raises(InputError, match="not a file of marks"):
        label(results, file=tmp_path / "marks.json")


def test_labelling_escapes_untrusted_text(hostile):
    labelling = label(hostile)
    values = [summary(labelling), *(card.children[0].value for card in cards(labelling))]
    assert len(values) == 4
    for value in values:
        tags = re.findall(r"<\s*/?\s*([a-z]+)", value)
        assert set(tags) <= {"b", "div", "img", "p", "span"}
        attributes = re.findall(r'\s([a-z-]+)="', value)
        assert set(attributes) <= {"style", "src", "width", "height", "alt"}
        assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e\u2066]", value)
    sources = re.findall(r'src="([^"]*)"', "".join(values))
    assert sources and all(source.startswith("data:image/jpeg;base64,") for source in sources)
    (option, _), *_ = labelling.widget.children[0].children[0].options
    assert "\u202e" not in option and len(option) < 120
