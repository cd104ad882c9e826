"""The table of foods: its rules, and extending it."""

import csv
import unicodedata
from collections import defaultdict
from importlib.resources import files

import pytest

from similarity_lab.errors import InputError, InputTypeError, PathNotFoundError
from similarity_lab.relevance.words import FoodNames, Product
from similarity_lab.relevance.words.food_names import form_words
from similarity_lab.relevance.words.tokens import fold, names_as_words

LANGUAGES = ["en", "de", "fr", "es", "it", "pt", "nl", "pl", "tr", "ru", "ar", "hi", "ur"]
LANGUAGES += ["hi-Latn", "zh", "ja", "id", "vi", "fa"]
MARKS = "?!~"
TABLES = ("food_names.csv", "form_words.csv")
SCRIPTS = {"ru": "CYRILLIC", "ar": "ARABIC", "ur": "ARABIC", "hi": "DEVANAGARI", "zh": "CJK"}
SCRIPTS["fa"] = "ARABIC"


def read_rows(name):
    text = (files("similarity_lab.relevance.words") / name).read_text("utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def names_of(row):
    for language in LANGUAGES:
        for name in filter(None, row[language].split(";")):
            yield language, name


@pytest.mark.parametrize("table", TABLES)
def test_table_states_licence_and_languages(table):
    text = (files("similarity_lab.relevance.words") / table).read_text("utf-8")
    assert "Apache-2.0" in text.splitlines()[0]
    rows = read_rows(table)
    assert list(rows[0])[-len(LANGUAGES) :] == LANGUAGES


def test_table_covers_foods_and_languages():
    rows = read_rows("food_names.csv")
    assert len(rows) >= 220
    for language in LANGUAGES:
        if language not in {"ur", "hi-Latn"}:
            assert sum(bool(row[language]) for row in rows) >= 0.95 * len(rows), language


@pytest.mark.parametrize("table", TABLES)
def test_table_is_sorted_without_duplicates(table):
    rows = read_rows(table)
    keys = [next(iter(row.values())) for row in rows]
    assert keys == sorted(set(keys))
    for row in rows:
        for language in LANGUAGES:
            names = row[language].split(";")
            assert len(names) == len(set(names)), (keys, language)
            assert all(name == name.strip() for name in names)


@pytest.mark.parametrize("table", TABLES)
def test_table_has_names_in_lower_case_with_marks_at_the_end(table):
    for row in read_rows(table):
        for language, name in names_of(row):
            bare = name.rstrip(MARKS)
            assert name[len(bare) :] in {"", "?", "!", "~", "!?"}, name
            assert not set(bare) & set(MARKS), name
            assert bare == bare.lower() or language in {"zh", "tr"}, name
            assert names_as_words([bare])[0], name


def test_table_has_names_in_the_script_of_their_language():
    for row in read_rows("food_names.csv"):
        for language, name in names_of(row):
            scripts = {unicodedata.name(letter).split()[0] for letter in name if letter.isalpha()}
            if language == "ja":
                scripts -= {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"}
            else:
                scripts -= {SCRIPTS.get(language, "LATIN")}
            assert not scripts, (row["food"], language, name)


def test_name_of_two_foods_is_sure_for_one_at_most():
    claims = defaultdict(lambda: defaultdict(set))
    for row in read_rows("food_names.csv"):
        for _, name in names_of(row):
            words = names_as_words([name])[0]
            key = words if "!" in name else fold(words)
            claims[key][row["food"]].add(name.endswith("?"))
    for name, foods in claims.items():
        assert all(len(marks) == 1 for marks in foods.values()), f"{name}: ambiguous and not"
        sure = [food for food, marks in foods.items() if marks == {False}]
        assert len(sure) <= 1, f"{name}: {sure}"


def test_function_words_name_no_food():
    for phrase, entry in FoodNames.builtin().index.phrases.items():
        assert not (entry.role and (entry.senses or entry.form)), phrase


def test_groups_of_forms_are_groups_or_foods():
    table = FoodNames.builtin()
    groups = {row["group"] for row in read_rows("food_names.csv")}
    for form in form_words().values():
        assert form.plain_for <= groups | set(table), form


def test_derived_foods_are_products_of_foods():
    table = FoodNames.builtin()
    assert table.title(Product("olives", ("oil",))) == "olive oil"
    assert table.title(Product("almonds", ("oil",))) == "almond oil"
    assert table.title(Product("mangoes", ("dried", "powder"))) == "dried mango powder"
    assert table.title(Product("almonds", ("cosmetics",))) == "almonds (cosmetics)"
    assert table.head(Product("almonds", ("oil",))) == "oil"
    assert table.head(Product("green tea")) == "tea"


def test_apply_form_keeps_what_it_does_not_change():
    table = FoodNames.builtin()
    assert table.apply_form(Product("turmeric"), "powder") == Product("turmeric")
    assert table.apply_form(Product("onions"), "powder") == Product("onions", ("powder",))
    assert table.apply_form(Product("figs"), "dried") == Product("figs")


def test_with_names_adds_foods_and_names():
    table = FoodNames.builtin()
    larger = table.with_names({"tamarillos": ["tamarillo"], "almonds": ["mandorline"]})
    assert "tamarillos" in larger and "tamarillos" not in table
    assert larger.names("almonds")[-1] == "mandorline"
    assert len(larger) == len(table) + 1


def test_read_own_table(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("# mine\nfood,group,name,sv\ntamarillos,fruit,tamarillo,\nfigs,,,fikon\n")
    own = FoodNames.read(path)
    assert list(own) == ["tamarillos", "figs"]
    table = FoodNames.builtin().with_names(own)
    assert table.group("tamarillos") == "fruit"
    assert table.group("figs") == "dried fruit"
    assert "fikon" in table.names("figs")


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n", "food,en\n,fig\n", "food,en\nfigs\n", b"food\n\xff"]
)
def test_read_refuses_other_files(tmp_path, text):
    path = tmp_path / "mine.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match="mine.csv"):
        FoodNames.read(path)


def test_read_missing_file(tmp_path):
    with pytest.raises(PathNotFoundError, match="no such file"):
        FoodNames.read(tmp_path / "none.csv")


def test_names_of_unknown_food_suggests_one():
    with pytest.raises(InputError, match="Did you mean 'almonds'"):
        FoodNames.builtin().names("almond")


def test_with_names_refuses_a_string():
    with pytest.raises(InputTypeError, match="pass \\['fikon'\\]"):
        FoodNames.builtin().with_names({"figs": "fikon"})
