"""The table of goods besides foods: its rules, and finding all names by one."""

import csv
from collections import defaultdict
from importlib.resources import files

import pytest

from similarity_lab.relevance.words import FoodNames, TargetWords
from similarity_lab.relevance.words.goods_names import goods_names
from similarity_lab.relevance.words.tokens import fold, names_as_words


def read_goods():
    text = (files("similarity_lab.relevance.words") / "goods_names.csv").read_text("utf-8")
    assert "Apache-2.0" in text.splitlines()[0]
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {row.pop("good"): row for row in rows}


def test_table_is_sorted_and_complete():
    goods = read_goods()
    assert list(goods) == sorted(goods)
    for good, row in goods.items():
        for language, cell in row.items():
            names = cell.split(";")
            assert all(names), (good, language)
            assert len(names) == len(set(names)), (good, language)
            assert all(name == name.strip().lower() for name in names), (good, language)


def test_name_belongs_to_one_good():
    owners = defaultdict(set)
    for good, row in read_goods().items():
        for name in ";".join(row.values()).split(";"):
            owners[fold(names_as_words([name])[0])].add(good)
    assert not {name: goods for name, goods in owners.items() if len(goods) > 1}


def test_name_is_no_food_and_no_function_word():
    phrases = FoodNames.builtin().index.phrases
    for good, row in read_goods().items():
        for name in ";".join(row.values()).split(";"):
            exact = names_as_words([name])[0]
            entry = phrases.get(exact) or phrases.get(fold(exact))
            assert entry is None or not (entry.senses or entry.role), (good, name)


@pytest.mark.parametrize("name", ["soap", "Seifen", "SABÃO", "мыло", "صابون", "xà phòng", "肥皂"])
def test_goods_names_by_any_name(name):
    assert {"soap", "jabón", "sabun", "石鹸"} <= set(goods_names(name))


@pytest.mark.parametrize("name", ["", "!", "gold earrings", "almonds"])
def test_goods_names_of_unknown_name(name):
    assert goods_names(name) == ()


def test_names_of_target_stay_those_of_its_class():
    words = TargetWords.of("soap")
    assert words.names == ("soap", "soaps")
    assert words.title == "soap"
    assert TargetWords.of("sku-7", ["jabón"]).read({"alt": "Naturseife"}).kind == "target"


def test_compound_ends_with_a_long_name_of_the_target():
    assert TargetWords.of("soap").read({"alt": "Olivenseife"}).kind == "target"
    assert TargetWords.of("cups").read({"alt": "buttercup"}).kind == ""
