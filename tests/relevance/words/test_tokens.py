"""Texts as words: scripts, case, diacritics, separators, limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from similarity_lab.relevance.words.tokens import (
    MAX_CHARACTERS,
    SEPARATOR,
    fold,
    names_as_words,
    tokens,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("Almonds 500g, raw", ["almonds", "g", SEPARATOR, "raw"]),
        ("snake_case-and.dots", ["snake", "case", "and", "dots"]),
        ("one - two", ["one", SEPARATOR, "two"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("BADEM İÇİ", ["badem", "içi"]),
        ("ｆｕｌｌ　ｗｉｄｔｈ", ["full", "width"]),
        ("soft\u00adhyphen zero\u200bwidth", ["softhyphen", "zerowidth"]),
        ("nul\x00byte", ["nul", "byte"]),
        ("لَوْز لـوز", ["لوز", "لوز"]),
        ("سیب\u200cزمینی", ["سيب", "زميني"]),
        ("क्\u200cष", ["क्ष"]),
        ("कढ़ी काजू", ["कढी", "काजू"]),
        ("अण्डा अंडा", ["अंडा", "अंडा"]),
        ("有機アーモンドの粉", ["有機", "アーモンド", "の", "粉"]),
        ("雞蛋", ["鸡蛋"]),
        ("ёлка", ["елка"]),
    ],
)
def test_tokens_of_text(text, words):
    assert tokens(text) == words


def test_tokens_of_camel_case():
    assert tokens("rawAlmondsUSAPack", has_camel_case=True) == ["raw", "almonds", "usa", "pack"]
    assert tokens("rawAlmonds") == ["rawalmonds"]


def test_tokens_stop_at_limit():
    text = "almonds " * MAX_CHARACTERS
    assert 0 < len(tokens(text)) <= MAX_CHARACTERS // len("almonds")
    assert set(tokens(text)) == {"almonds"}  # the last word is whole
    assert tokens("a" * (MAX_CHARACTERS + 1)) == []


@pytest.mark.parametrize(
    ("token", "folded"),
    [
        ("crème", "creme"),
        ("łosoś", "losos"),
        ("fıstık", "fistik"),
        ("œufs", "oeufs"),
        ("чай", "чай"),
        ("काजू", "काजू"),
        ("アーモンド", "アーモンド"),
        ("اللوز", "لوز"),
        ("واللوز", "لوز"),
        ("الم", "الم"),
    ],
)
def test_fold_keeps_letters_of_other_scripts(token, folded):
    assert fold(token) == folded


@given(st.lists(st.text(max_size=20).filter(lambda name: "\n" not in name), max_size=5))
def test_names_as_words_agrees_with_tokens(names):
    separate = [" ".join(word for word in tokens(name) if word) for name in names]
    together = [" ".join(name.split()) for name in names_as_words(names)]
    if names:
        assert together == separate


@given(st.text(max_size=200))
def test_tokens_of_any_text(text):
    words = tokens(text)
    assert all(word == word.strip() for word in words)
    assert [fold(fold(word)) for word in words] == [fold(word) for word in words]
