"""Names of foods in many languages, and the words that make another product of a food.

The tables are two CSV files beside this module, written for this package from general knowledge
and under its licence: ``food_names.csv`` has one row per food, ``form_words.csv`` one row per
form ("oil", "shampoo") or function word ("and", "without"). One column per language; the names of
a cell are separated by semicolons. (``thing_names.csv`` is for `prompts`.) Marks at the end of a
name:

``?``  also means something else, or another food ("date", "turkey")
``!``  counts only with its diacritics ("thé" is tea, "the" is not); "bơ!?" may be avocado or butter
``~``  the stem of an adjective, followed by at most three letters ("миндальн~"): it names a product
       made of the food, not the food
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from similarity_lab.errors import (
    InputError,
    InputTypeError,
    PathNotFoundError,
    did_you_mean,
    one_line,
)
from similarity_lab.relevance.words.inflections import turkish_forms
from similarity_lab.relevance.words.tokens import fold, names_as_words, spell_umlauts

_FOLDER = Path(__file__).parent
_MARKS = "?!~"
_COMPOUND_LANGUAGES = frozenset(["de", "en", "nl", ""])
_FORM_FIRST_LANGUAGES = frozenset(["ar", "es", "fa", "fr", "id", "it", "pl", "pt", "ru", "vi"])
_NAMESAKES = frozenset(["butter", "cream", "milk"])
_ROLES = frozenset(["and", "free", "nothing", "of", "whose", "without"])
_END_OF_LATIN = "\u0250"
_FORM_COLUMNS = frozenset(["form", "plain_for", "scope"])
_GATHERED = frozenset(["dish", "sweets"])  # forms of which no word names all: soup, salad, curry
_MIN_STEM = 3  # letters that singular and plural share
_MIN_HEAD = 5  # letters of a food at the end of a compound: "Waldhonig", never "Preis" for "Reis"
_MIN_INFLECTED = 4  # letters of a name that gets endings: "et" is meat, "Eti" a brand
_MIN_JOINED = 7  # letters: "brazilnuts" is read as two words, "oats" never as "o ats"


class Product(NamedTuple):
    """A food, or what was made of it.

    Attributes
    ----------
    food : str
        A food of the table; empty for a form alone ("cake").
    forms : tuple of str
        ``()`` for the food itself, ``("oil",)`` for its oil.
    """

    food: str
    forms: tuple[str, ...] = ()


class Sense(NamedTuple):
    """One meaning of a name; `is_sure` is False if the name often means something else."""

    product: Product
    is_sure: bool


@dataclass(frozen=True)
class Form:
    """A row of ``form_words.csv`` that makes another product of a food.

    Attributes
    ----------
    name : str
    scope : str
        "product" and "mixture" are products themselves; a mixture of several foods ("almond and
        date bar") names them all. "state" is an adjective ("dried"), "thing" a noun that is not
        for sale with foods ("tree", "street"). "context" concerns the whole text ("shampoo",
        "recipe").
    plain_for : frozenset of str
        Foods and groups of foods that it does not change: "turmeric powder" is turmeric.
    """

    name: str
    scope: str
    plain_for: frozenset[str]


@dataclass(slots=True)
class Entry:
    """Everything that a word or a phrase may stand for.

    Attributes
    ----------
    senses : tuple of Sense
        Foods that it names.
    form : str
        The form that it names, or ``""``.
    is_form_first : bool
        Whether the form may stand before the food without "of", as in French and Arabic.
    role : str
        Of a function word: "and" and other words that separate products, "of", "whose" (an "of"
        that follows its word: "बादाम का तेल"), "without", "free" (as in "sugar-free"), "nothing"
        (changes nothing); else ``""``.
    is_adjective : bool
        It names a product made of the food.
    is_compound_part : bool
        Whether compounds consist of it: "mandel" and "öl" of "Mandelöl".
    is_given : bool
        It was given as a name, and may be no food: a form right before it ("butter croissant") is
        no form of it.
    """

    senses: tuple[Sense, ...] = ()
    form: str = ""
    is_form_first: bool = False
    role: str = ""
    is_adjective: bool = False
    is_compound_part: bool = False
    is_given: bool = False


class FoodNames:
    """Foods with their names in many languages; immutable.

    Parameters
    ----------
    foods : mapping of str to mapping of str to sequence of str
        Names of each food by language.
    groups : mapping of str to str, optional
        The group of a food, such as "nuts". A group that is also a food of the table names its
        members: an image of almonds shows nuts.

    Examples
    --------
    >>> table = FoodNames.builtin()
    >>> "almonds" in table, table.names("almonds")[:2]
    (True, ['almond', 'almonds'])
    >>> larger = table.with_names({"tamarillos": ["tamarillo", "tamarillos", "tree tomato"]})
    >>> larger.names("tamarillos")
    ['tamarillo', 'tamarillos', 'tree tomato']
    """

    def __init__(
        self,
        foods: Mapping[str, Mapping[str, Sequence[str]]],
        groups: Mapping[str, str] | None = None,
    ) -> None:
        self._foods = {food: dict(names) for food, names in foods.items()}
        self._groups = dict(groups or {})

    def __contains__(self, food: object) -> bool:
        return food in self._foods

    def __iter__(self) -> Iterator[str]:
        return iter(self._foods)

    def __len__(self) -> int:
        return len(self._foods)

    def __repr__(self) -> str:
        return f"FoodNames({len(self)} foods)"

    @staticmethod
    @cache
    def builtin() -> FoodNames:
        """Return the table of the package; it is read once, on first use."""
        return FoodNames.read(_FOLDER / "food_names.csv")

    @classmethod
    def read(cls, path: str | PathLike[str]) -> FoodNames:
        """Return the table in a CSV file (UTF-8).

        The column ``food`` is required and ``group`` optional; every other column contains names,
        separated by semicolons. Lines that start with ``#`` are comments.

        Raises
        ------
        PathNotFoundError
            There is no such file.
        InputError
            The file is not such a table.
        """
        foods: dict[str, dict[str, list[str]]] = {}
        groups = {}
        for row in read_rows(Path(path), "food"):
            food = row.pop("food")
            if group := row.pop("group", ""):
                groups[food] = group
            names = foods.setdefault(food, {})
            for language, cell in row.items():
                if cell:
                    names.setdefault(language, []).extend(cell.split(";"))
        return cls(foods, groups)

    def with_names(self, names: Mapping[str, Sequence[str]] | FoodNames) -> FoodNames:
        """Return a table that also has these names.

        Parameters
        ----------
        names : mapping of str to sequence of str, or FoodNames
            Names of foods, which may be new ones; or a table to add, such as
            ``FoodNames.read("mine.csv")``.
        """
        if isinstance(names, FoodNames):
            added, groups = names._foods, names._groups
        else:
            for food, words in names.items():
                if isinstance(words, str):
                    raise InputTypeError(
                        f"expected a list of names for {food!r}, got a string; pass [{words!r}]"
                    )
            added, groups = {food: {"": list(words)} for food, words in names.items()}, {}
        foods: dict[str, dict[str, Sequence[str]]] = {
            food: dict(by_language) for food, by_language in self._foods.items()
        }
        for food, by_language in added.items():
            known = foods.setdefault(food, {})
            for language, words in by_language.items():
                known[language] = [*known.get(language, ()), *words]
        return FoodNames(foods, {**self._groups, **groups})

    def names(self, food: str, language: str | None = None) -> list[str]:
        """Return names of a food, in the order of the table, without their marks.

        Parameters
        ----------
        food : str
        language : str, optional
            A column of the table, such as ``"en"``; default: all.

        Raises
        ------
        InputError
            The table does not have this food.
        """
        if food not in self._foods:
            raise InputError(
                f"Unknown food {food!r}.{did_you_mean(food, self._foods)} `with_names` adds one"
            )
        by_language = self._foods[food]
        found = by_language.values() if language is None else [by_language.get(language, ())]
        return list(dict.fromkeys(name.rstrip(_MARKS) for names in found for name in names))

    def product(self, food: str) -> Product:
        """Return the product that a food is: olives with the form "oil" for "olive oil"."""
        return self._products[food]

    def group(self, food: str) -> str:
        """Return the group of a food, such as "nuts"; empty if it has none."""
        return self._groups.get(food, "")

    def title(self, product: Product) -> str:
        """Return the English name of a product: "almonds", "almond oil"."""
        forms = form_words()
        by_scope: dict[str, list[str]] = {"state": [], "product": [], "thing": []}
        for form in product.forms:
            scope = forms[form].scope if form in forms else "product"
            by_scope[{"mixture": "product", "context": "thing"}.get(scope, scope)].append(form)
        made = Product(product.food, tuple(by_scope["state"] + by_scope["product"]))
        title = self._titles.get(made) or " ".join(
            word
            for word in (*by_scope["state"], self._base(product.food), *by_scope["product"])
            if word
        )
        return f"{title} ({', '.join(by_scope['thing'])})" if by_scope["thing"] else title

    def head(self, product: Product) -> str:
        """Return the form that a product is: "oil" for almond oil, "tea" for green tea."""
        return product.forms[-1] if product.forms else self._heads.get(product.food, "")

    def kind(self, food: str) -> str:
        """Return the form of which a food is the general name: "bread", which garlic bread is.

        Almond milk and almond butter are not kinds of milk and butter.
        """
        form = _english_forms().get(self._base(food), "")
        return "" if form in _NAMESAKES else form

    def apply_form(self, product: Product, form: str) -> Product:
        """Return what a form makes of a product; the same one if it changes nothing."""
        is_plain = {product.food, self.group(product.food)} & form_words()[form].plain_for
        if not product.forms and (is_plain or (product.food, form) in self._usual_states):
            return product
        return Product(product.food, (*product.forms, form))

    def _base(self, food: str) -> str:
        """Return the first English name, which stands before a form: "almond"."""
        names = self._foods.get(food, {}).get("en")
        return names[0].rstrip(_MARKS) if names else food

    @cached_property
    def _products(self) -> dict[str, Product]:
        """The product of each food: ("olives", ("oil",)) for "olive oil"."""
        bases = {self._base(food): food for food in reversed(list(self._foods))}
        english = _english_forms()
        products = {}
        for food in self._foods:
            first, _, end = self._base(food).partition(" ")
            start, _, last = self._base(food).rpartition(" ")
            products[food] = Product(food)
            if food in self._groups.values():  # "dried fruit" has members, like "fruit"
                continue
            if start in bases and last in english:
                products[food] = Product(bases[start], (english[last],))
            elif (
                end in bases and first in english and form_words()[english[first]].scope == "state"
            ):
                products[food] = Product(bases[end], (english[first],))
        return products

    @cached_property
    def _titles(self) -> dict[Product, str]:
        return {product: food for food, product in self._products.items()}

    @cached_property
    def _usual_states(self) -> frozenset[tuple[str, str]]:
        """Foods and the states that their names have: "dried ginger" is ginger, so is "dry"."""
        states = [form for form, each in form_words().items() if each.scope == "state"]
        return frozenset(
            (food, state)
            for food in self._foods
            for state in states
            if f"{state} {self._base(food)}" in self.names(food, "en")
        )

    @cached_property
    def _heads(self) -> dict[str, str]:
        ends = {food: self._base(food).rpartition(" ")[2] for food in self._foods}
        forms = _english_forms()
        return {food: forms[end] for food, end in ends.items() if end in forms}

    @cached_property
    def index(self) -> Index:
        """All names of the table and all form words, by their spelling."""
        index = Index()
        rows = list(_form_names())
        names = [name for _, _, _, name in rows]
        languages = [language for _, _, language, _ in rows]
        for (form, scope, language, _), entries in zip(
            rows, index.add(names, languages), strict=True
        ):
            for entry in entries:
                if scope in _ROLES:
                    entry.role = entry.role or scope
                else:
                    entry.form = entry.form or form
                    entry.is_form_first |= language in _FORM_FIRST_LANGUAGES or scope == "state"
        names, languages = [], []
        senses: list[Sense] = []
        for food, by_language in self._foods.items():
            sure, unsure = Sense(self._products[food], True), Sense(self._products[food], False)
            for language, some in by_language.items():
                names.extend(some)
                languages.extend([language] * len(some))
                senses.extend(unsure if "?" in name[-2:] else sure for name in some)
        for sense, entries in zip(senses, index.add(names, languages), strict=True):
            for entry in entries:
                if sense not in entry.senses:
                    entry.senses = (*entry.senses, sense)
        self._add_turkish_forms(index)
        self._add_heads(index)
        return index

    def _add_turkish_forms(self, index: Index) -> None:
        """Let names with Turkish endings mean what the names mean, where they mean nothing yet."""
        for by_language in self._foods.values():
            for name in (marked.rstrip("?") for marked in by_language.get("tr", ())):
                entry = index.phrases.get(fold(name))
                if entry is None or len(name) < _MIN_INFLECTED:
                    continue
                for form in turkish_forms(name):
                    index.phrases.setdefault(form, entry)
                    if len(name) > _MIN_INFLECTED:
                        index.phrases.setdefault(fold(form), entry)

    def _add_heads(self, index: Index) -> None:
        """Collect the German names that may end an unknown compound, English ones apart."""
        for food, by_language in self._foods.items():
            english = {fold(name.rstrip(_MARKS)) for name in by_language.get("en", ())}
            for name in by_language.get("de", ()):
                if not name.isalpha() or len(spell_umlauts(name)) < _MIN_HEAD:
                    continue
                sense = Sense(self._products[food], False)
                for key in {fold(name), fold(spell_umlauts(name))} - english:
                    index.heads[key] = tuple(dict.fromkeys((*index.heads.get(key, ()), sense)))


class Index:
    """Entries by the spelling of their names.

    Attributes
    ----------
    phrases : dict of str to Entry
        By folded words with spaces between them; names that need their diacritics, by exact ones.
    longest : dict of str to int
        The number of words of the longest phrase that starts with a word, if it is above 1.
    stems : dict of str to Entry
        Stems of adjectives.
    heads : dict of str to tuple of Sense
        Foods that a German compound of unknown words may name by its end: "Waldhonig".
    """

    def __init__(self) -> None:
        self.phrases: dict[str, Entry] = {}
        self.longest: dict[str, int] = {}
        self.stems: dict[str, Entry] = {}
        self.heads: dict[str, tuple[Sense, ...]] = {}

    def add(self, names: Sequence[str], languages: Sequence[str]) -> Iterator[list[Entry]]:
        """Yield the entries of every name, one per spelling; they may be new and empty."""
        words = names_as_words(names)
        folded = fold("\n".join(words)).split("\n")
        for name, language, exact, key in zip(names, languages, words, folded, strict=True):
            marks = name[-2:]
            if "~" in marks:
                yield [self.stems.setdefault(key, Entry(is_adjective=True))]
                continue
            is_part = language in _COMPOUND_LANGUAGES
            entries = [self._entry(exact if "!" in marks else key, is_part)]
            if exact != key and (language == "de" or not language):
                entries.append(self._entry(fold(spell_umlauts(exact)), is_part))
            if " " in key and len(key) > _MIN_JOINED and key < _END_OF_LATIN:
                entries.append(self._entry(key.replace(" ", ""), is_part))
            yield entries

    def with_names(self, names: Sequence[str], product: Product) -> Index:
        """Return an index in which these names stand for a product and for nothing else."""
        index = Index()
        for entries in index.add(names, [""] * len(names)):
            for entry in entries:
                entry.senses = (Sense(product, True),)
                entry.is_given = True
        index.phrases = self.phrases | index.phrases
        index.stems, index.heads = self.stems, self.heads
        for word, size in self.longest.items():
            index.longest[word] = max(size, index.longest.get(word, 1))
        return index

    def _entry(self, key: str, is_compound_part: bool) -> Entry:
        entry = self.phrases.get(key)
        if entry is None:
            entry = self.phrases[key] = Entry()
            if " " in key:
                first, size = key[: key.index(" ")], key.count(" ") + 1
                if size > self.longest.get(first, 1):
                    self.longest[first] = size
        if is_compound_part:
            entry.is_compound_part = True
        return entry


@cache
def form_words() -> dict[str, Form]:
    """Return the forms of ``form_words.csv`` by name."""
    return {
        row["form"]: Form(row["form"], row["scope"], frozenset(row["plain_for"].split(";")) - {""})
        for row in _form_rows()
        if row["scope"] not in _ROLES
    }


def names_form(word: str) -> bool:
    """Return whether a word is a general name of a form: "cake", "Kuchen", not "croissant".

    A general name comes first among those of its language, or begins like the first one.

    Examples
    --------
    >>> [names_form(word) for word in ("cakes", "gâteau", "croissant", "soup")]
    [True, True, False, False]
    """
    return fold(word) in _general_names()


@cache
def _general_names() -> frozenset[str]:
    """Return the general names of all forms, folded."""
    general: set[str] = set()
    for row in _form_rows():
        if row["form"] in form_words() and row["form"] not in _GATHERED:
            for cell in (row[column] for column in row if column not in _FORM_COLUMNS):
                names = [fold(name.rstrip(_MARKS)) for name in cell.split(";")]
                stem = names[0][: max(_MIN_STEM, len(names[0]) - 2)]
                general.update(name for name in names if name.startswith(stem))
    return frozenset(general - {""})


@cache
def _form_rows() -> list[dict[str, str]]:
    return read_rows(_FOLDER / "form_words.csv", "form")


def _form_names() -> Iterator[tuple[str, str, str, str]]:
    """Yield form, scope, language and name of every word in ``form_words.csv``."""
    for row in _form_rows():
        for language, cell in row.items():
            if cell and language not in _FORM_COLUMNS:
                for name in cell.split(";"):
                    yield row["form"], row["scope"], language, name


@cache
def _english_forms() -> dict[str, str]:
    """Return the forms by their English words."""
    forms = form_words()
    return {
        name: form
        for form, _, language, name in _form_names()
        if language == "en" and form in forms
    }


def read_rows(path: Path, key: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file with a header, without comments and empty rows."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    except FileNotFoundError as error:
        raise PathNotFoundError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: expected a CSV file in UTF-8 ({one_line(error)})") from error
    for line, row in enumerate(rows, 1):
        if None in row or None in row.values() or not row.get(key):
            raise InputError(
                f"{path}, row {line}: expected a value in column {key!r} and as many cells as the "
                "header has"
            )
    return rows
