"""Which products a text names."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import reduce
from itertools import islice
from typing import NamedTuple

from similarity_lab.relevance.words.food_names import (
    Entry,
    FoodNames,
    Index,
    Product,
    Sense,
    form_words,
)
from similarity_lab.relevance.words.tokens import SEPARATOR, fold, script

_MAX_GAP = 3  # unknown words between a food and its form: "almond pure cold pressed oil"
_MAX_INFLECTION = 3  # letters after the stem of an adjective
_MIN_PART, _MIN_FORM = 3, 2  # letters of the food and of the form in a compound: "reis|mehl"
_MIN_OWN = 5  # letters of a given name that ends a compound: "kamille|seife", not "butter|cup"
_MIN_KATAKANA = 4  # characters of a name beside unknown ones: "ライス" is in "プライス" (price)
_MAX_CHARACTERS = 16  # of a name in a script without spaces
_MAX_LETTERS = 40  # of a compound
_COMPOUND_ROLES = frozenset(["free", "nothing"])
_FOOD_SCOPES = frozenset(["mixture", "product", "state"])
_PRODUCT_SCOPES = frozenset(["mixture", "product"])
_BREAKS = frozenset(["and", "free", "separator", "without"])


class Mention(NamedTuple):
    """A product that a text names.

    Attributes
    ----------
    senses : tuple of Sense
        Several if the name has several meanings.
    text : str
    phrase : int
        Which part of the text names it; commas, "and" and "without" begin another one.
    mixtures : tuple of str
        Its words for forms that gather different products: "croissant" for cakes.
    """

    senses: tuple[Sense, ...]
    text: str
    phrase: int = 0
    mixtures: tuple[str, ...] = ()

    def names(self, food: str) -> bool:
        """Return whether it is a food or what is made of it."""
        return any(product.food == food for product, _ in self.senses)


def find_mentions(
    words: Sequence[str],
    table: FoodNames,
    index: Index | None = None,
    forms: Collection[str] = (),
) -> list[Mention]:
    """Return the products that a text names, in order.

    Parameters
    ----------
    words : sequence of str
        The text, as `tokens` returns it.
    table : FoodNames
    index : Index, optional
        Names of products; default: those of the table.
    forms : collection of str
        Forms that are products of their own beside a food. Without a food, every form of the text
        is; so is one that gathers different products before all foods: "cake with almonds".
    """
    items = _find_items(words, index or table.index)
    if not any(item.entry is not _UNKNOWN for item in items):
        return []
    _drop_negated(items)
    _bind_forms(items)
    contexts = [item.entry.form for item in items if item.scope == "context"]
    mentions: list[Mention] = []
    phrase = 0
    for position, item in enumerate(items):
        phrase += item.entry.role in _BREAKS
        if item.is_used or not item.entry.senses:
            continue
        own_forms = item.forms or (["product"] if item.entry.is_adjective else [])
        # One meaning, and words for food beside it: "date" in "date and almond bar".
        is_clear = len(item.entry.senses) == 1 and (
            item.entry.senses[0].is_sure
            or any(form_words()[form].scope in _FOOD_SCOPES for form in item.forms)
            or _is_one_of_several(items, position)
        )
        senses = tuple(
            Sense(
                reduce(table.apply_form, [*own_forms, *contexts[:1]], product), is_sure or is_clear
            )
            for product, is_sure in item.entry.senses
        )
        mentions.append(Mention(senses, item.text, phrase, tuple(item.mixtures)))
    has_food, is_before = bool(mentions), True
    ends = _Item("", _UNKNOWN)
    for before, item, after in zip([ends, *items], items, [*items[1:], ends], strict=False):
        is_before &= not item.entry.senses
        if item.is_used or item.entry.senses or item.scope not in _PRODUCT_SCOPES:
            continue
        if after.scope == "thing" or before.scope in _PRODUCT_SCOPES:  # "cake stand", "tea powder"
            continue
        is_mixture = item.scope == "mixture"
        if not has_food or item.entry.form in forms or (is_mixture and is_before):
            product = Product("", (item.entry.form, *contexts[:1]))
            mixtures = (item.text,) if is_mixture else ()
            mentions.append(Mention((Sense(product, True),), item.text, 0, mixtures))
    return mentions


class _Item:
    """A word or phrase of a text.

    Attributes
    ----------
    text : str
    entry : Entry
        Empty for an unknown word.
    scope : str
        Of the form that it names, or ``""``.
    is_used : bool
        Whether it is the form of a food.
    forms, mixtures : list of str
        The forms of a food, and the words for those that gather different products.
    """

    __slots__ = ("entry", "forms", "is_used", "mixtures", "scope", "text")

    def __init__(self, text: str, entry: Entry) -> None:
        self.text = text
        self.entry = entry
        self.scope = form_words()[entry.form].scope if entry.form else ""
        self.is_used = False
        self.forms: list[str] = []
        self.mixtures: list[str] = []

    def bind(self, form: _Item) -> None:
        """Make a word the form of this food."""
        self.forms.append(form.entry.form)
        if form.scope == "mixture":
            self.mixtures.append(form.text)
        form.is_used = True


_UNKNOWN = Entry()
_SEPARATOR = Entry(role="separator")


def _find_items(words: Sequence[str], index: Index) -> list[_Item]:
    """Split a text into the longest phrases that an index has, and unknown words."""
    folded = [fold(word) for word in words]
    phrases, longest = index.phrases, index.longest
    items = []
    position, end = 0, len(words)
    while position < end:
        word, exact_word = folded[position], words[position]
        position += 1
        if word == SEPARATOR:
            items.append(_Item("", _SEPARATOR))
            continue
        size = max(longest.get(word, 1), longest.get(exact_word, 1))
        entry = None
        while size > 1 and not entry:
            last = position - 1 + size
            exact, key = " ".join(words[position - 1 : last]), " ".join(folded[position - 1 : last])
            entry = phrases.get(exact) or phrases.get(key)
            if entry:
                items.append(_Item(exact, entry))
                position = last
            size -= 1
        if entry:
            continue
        entry = phrases.get(exact_word) or phrases.get(word)
        kind = "spaced" if word.isascii() else script(word)
        if entry:
            items.append(_Item(exact_word, entry))
        elif kind == "han":
            items.extend(_split_han(word, index))
        elif kind != "spaced":
            items.extend(_split_kana(word, index))
        elif len(word) > 1:
            items.extend(_split_word(word, index))
    return items


def _split_word(word: str, index: Index) -> Iterator[_Item]:
    """Split a compound ("mandelöl"), or recognise an inflected adjective ("миндальное")."""
    if len(word) > _MAX_LETTERS:
        yield _Item(word, _UNKNOWN)
        return
    for size in range(len(word), max(len(word) - _MAX_INFLECTION, _MIN_PART) - 1, -1):
        if word[:size] in index.stems:
            yield _Item(word, index.stems[word[:size]])
            return
    for size in range(len(word) - _MIN_FORM, _MIN_PART - 1, -1):
        last = index.phrases.get(word[size:])
        if last and last.is_compound_part:
            first = _first_part(word[:size], index)
            is_own = last.is_given and len(word) - size >= _MIN_OWN
            if first and (_are_compound(first, last) or is_own):
                yield _Item(word[:size], first)
                yield _Item(word[size:], last)
                return
    for size in range(_MIN_PART, len(word) - _MIN_PART):
        if word[size:] in index.heads:
            yield _Item(word, Entry(senses=index.heads[word[size:]]))
            return
    yield _Item(word, _UNKNOWN)


def _first_part(part: str, index: Index) -> Entry | None:
    """Return the first word of a compound, which may gain an "n" or lose its "e"."""
    for word in (part, part[:-1] if part.endswith("en") else "", f"{part}e"):
        entry = index.phrases.get(word)
        if entry and entry.is_compound_part and len(word) > _MIN_PART - (word == part):
            return entry
    return None


def _are_compound(first: Entry, last: Entry) -> bool:
    """Return whether two words make a compound: "mandel|öl", "bio|mandeln"."""
    if first.senses:
        return bool(last.form or last.role in _COMPOUND_ROLES)
    return first.role == "nothing" and bool(last.senses)


def _split_han(run: str, index: Index) -> Iterator[_Item]:
    """Find the longest names in a run of Han characters.

    A name of one character counts as a food only if it is the whole run, as a form only right
    after a food.
    """
    position = start = 0
    is_after_food = False
    while position < len(run):
        for size in range(min(_MAX_CHARACTERS, len(run) - position), 0, -1):
            text = run[position : position + size]
            entry = index.phrases.get(text)
            if entry and size == 1 and is_after_food and (entry.form or entry.role):
                entry = Entry(form=entry.form, role=entry.role)
            elif size == 1 and not (entry and entry.role):
                entry = None
            if entry:
                break
        if entry:
            if start < position:
                yield _Item(run[start:position], _UNKNOWN)
            yield _Item(text, entry)
            start = position + size
        is_after_food = bool(entry)
        position += size
    if start < len(run):
        yield _Item(run[start:], _UNKNOWN)


def _split_kana(run: str, index: Index) -> Iterator[_Item]:
    """Split a run of kana into names; beside unknown characters only long ones count."""
    items: list[_Item] = []
    position = 0
    while position < len(run):
        for size in range(min(_MAX_CHARACTERS, len(run) - position), 0, -1):
            entry = index.phrases.get(run[position : position + size])
            if entry:
                items.append(_Item(run[position : position + size], entry))
                position += size
                break
        else:
            break
    if position == len(run):
        yield from items
        return
    for size in range(min(_MAX_CHARACTERS, len(run) - 1), _MIN_KATAKANA - 1, -1):
        for text, is_start in ((run[:size], True), (run[-size:], False)):
            entry = index.phrases.get(text)
            if entry and entry.senses:
                unknown = _Item(run[size:] if is_start else run[:-size], _UNKNOWN)
                name = _Item(text, entry)
                yield from (name, unknown) if is_start else (unknown, name)
                return
    yield _Item(run, _UNKNOWN)


def _drop_negated(items: list[_Item]) -> None:
    """Forget what a text says is not there: "no oil", "sugar-free"."""
    for position, item in enumerate(items):
        if item.entry.role == "without":
            for other in items[position + 1 : position + 3]:
                if other.entry.role:
                    break
                other.entry, other.scope = _UNKNOWN, ""
        elif item.entry.role == "free" and position and not items[position - 1].entry.role:
            items[position - 1].entry, items[position - 1].scope = _UNKNOWN, ""


def _bind_forms(items: list[_Item]) -> None:
    """Find the forms of every food: after it, or before it with "of"."""
    foods = [position for position, item in enumerate(items) if item.entry.senses]
    for position in foods:
        if not items[position].is_used:
            _bind_after(items, position)
    for position in foods:
        if not items[position].is_used and not items[position].forms:
            _bind_before(items, position)


def _bind_after(items: list[_Item], position: int) -> None:
    """Bind the forms that follow a food; after the first one, those that follow directly."""
    item, gap = items[position], 0
    for other in islice(items, position + 1, None):
        role, scope = other.entry.role, other.scope
        if role in _BREAKS or role == "of":
            return
        if scope == "mixture" and not item.forms and _is_one_of_several(items, position, other):
            return
        if scope and scope != "context":
            item.bind(other)
            gap = _MAX_GAP
        elif other.entry.senses:
            return
        elif not role:
            gap += 1
            if gap > _MAX_GAP:
                return


def _bind_before(items: list[_Item], position: int) -> None:
    """Bind the form that precedes a food: directly, with "of", or in languages that do so."""
    item, gap, has_of = items[position], 0, False
    for other in _before(items, position):
        role, scope = other.entry.role, other.scope
        if role in _BREAKS or other.is_used:
            return
        if scope and scope != "context":
            if scope == "mixture" and _is_one_of_several(items, position, other):
                return
            is_beside = gap == 0 and scope == "product" and not item.entry.is_given
            if has_of or other.entry.is_form_first or is_beside:
                item.bind(other)
            return
        if other.entry.senses:
            return
        has_of |= role == "of"
        gap += not role
        if gap > _MAX_GAP:
            return


def _before(items: list[_Item], position: int) -> Iterator[_Item]:
    return (items[before] for before in range(position - 1, -1, -1))


def _is_one_of_several(items: list[_Item], position: int, form: _Item | None = None) -> bool:
    """Return whether another food stands beside a food, apart from a form: "almond, date bar"."""
    for others in (_before(items, position), islice(items, position + 1, None)):
        gap = 0
        for other in others:
            if other.entry.role in _BREAKS - {"and"} or gap > _MAX_GAP:
                break
            if other.entry.senses and not other.is_used and other is not form:
                return True
            gap += not other.entry.role
    return False
