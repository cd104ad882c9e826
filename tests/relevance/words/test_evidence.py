"""What the texts of an image say about a target."""

import pytest

from similarity_lab.relevance.words import TargetWords


@pytest.mark.parametrize(
    ("target", "alt", "kind"),
    [
        ("almonds_raw", "Organic raw almonds 500 g", "target"),
        ("almonds", "Almond oil", "other form"),
        ("almond_oil", "Almond oil", "target"),
        ("almond_oil", "Raw almonds", "other"),
        ("almonds", "Almond and raisin bar", "target and other"),
        ("rice", "Onions (minced)", "other"),
        ("dates", "date", "ambiguous"),
        ("almonds", "Our team", ""),
    ],
)
def test_evidence_kind(target, alt, kind):
    assert TargetWords.of(target).read({"alt": alt}).kind == kind
