"""Endings of Turkish nouns."""

import pytest

from similarity_lab.relevance.words.inflections import turkish_forms


# From a grammar: vowel harmony, "s" after a vowel, consonants that soften.
@pytest.mark.parametrize(
    ("name", "forms"),
    [
        ("kiraz", {"kirazı", "kirazlar", "kirazları"}),
        ("üzüm", {"üzümü", "üzümler", "üzümleri"}),
        ("limon", {"limonu", "limonlar", "limonları"}),
        ("ceviz", {"cevizi", "cevizler", "cevizleri"}),
        ("yumurta", {"yumurtası", "yumurtalar", "yumurtaları"}),
        ("fıstık", {"fıstığı", "fıstıklar", "fıstıkları"}),
        ("kitap", {"kitabı", "kitaplar", "kitapları"}),
        ("brz", set()),
        ("", set()),
    ],
)
def test_turkish_forms(name, forms):
    assert forms <= set(turkish_forms(name))
