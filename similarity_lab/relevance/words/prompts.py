"""Names as prompts: how a target, and what else a shop shows, is put to a text tower.

A name is embedded in the sentences of `TEMPLATES`, whose vectors are averaged. The built-in
counter-examples are the foods of ``food_names.csv`` and the other things of ``thing_names.csv``, by
their English names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from similarity_lab.embedders import Embedder
from similarity_lab.embedders.base import Vectors
from similarity_lab.errors import InputError
from similarity_lab.relevance.words.evidence import TargetWords
from similarity_lab.relevance.words.food_names import FoodNames, read_rows
from similarity_lab.relevance.words.tokens import tokens
from similarity_lab.store import unit

TEMPLATES = ("a photo of {}.", "a product photo of {}.")
"""Sentences around a name.

The first is the prompt of A. Radford et al., "Learning Transferable Visual Models From Natural
Language Supervision", ICML 2021, https://arxiv.org/abs/2103.00020, section 3.1.4, which also shows
that averaging the vectors of several prompts helps; SigLIP was evaluated in the same way.
"""

_FORMS = ("oil", "butter", "milk", "flour", "tree")  # what is made of a food, and what it grows on
_PLANTS = frozenset({"nuts", "seeds", "grains", "pulses", "dried fruit", "fruit"})
_ALIKE = 1e-3  # distance from the mean of unit vectors; below, rounding decides
_MAX_SYNONYMS = 4  # built-in English names of the target
_THINGS = Path(__file__).with_name("thing_names.csv")


def has_text(embedder: object) -> bool:
    """Return whether an embedder also embeds texts."""
    return callable(getattr(embedder, "embed_text", None))


def embed_texts(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    """Return one unit vector per text, float32 ``(m, dimension)``.

    Raises
    ------
    InputError
        The embedder has no text tower, or returned something else than finite vectors of its
        dimension.
    """
    if not has_text(embedder):
        raise InputError(
            f"The embedder {embedder.name!r} embeds images only, no texts; pass one with a text "
            'tower, such as embedder="siglip2-base"'
        )
    found: object = embedder.embed_text(list(texts))  # type: ignore[attr-defined]
    vectors = np.asarray(found, np.float32)
    if vectors.shape != (len(texts), embedder.dimension) or not np.isfinite(vectors).all():
        raise InputError(
            f"embed_text of {embedder.name!r} returned {vectors.shape} for {len(texts)} texts; "
            f"expected finite vectors ({len(texts)}, {embedder.dimension})"
        )
    return unit(vectors)


def embed_names(embedder: Embedder, names: Sequence[str]) -> Vectors:
    """Return the direction of each name, the mean of its prompts, float32 ``(n, dimension)``."""
    prompts = [template.format(name) for name in names for template in TEMPLATES]
    vectors = embed_texts(embedder, prompts).reshape(len(names), len(TEMPLATES), -1)
    return unit(vectors.mean(axis=1))


def is_multilingual(embedder: object) -> bool:
    """Return whether an embedder says that its text tower knows many languages."""
    return bool(getattr(embedder, "is_multilingual", False))


def target_names(
    words: TargetWords, given: Sequence[str] | None = None, *, is_multilingual: bool = False
) -> tuple[str, ...]:
    """Return the names of a target that are embedded.

    They are those that the user gave, as written, and English ones; if the text tower knows many
    languages, the class name as written as well, in whatever language it is.

    Parameters
    ----------
    words : TargetWords
        Of the class name and of `given`.
    given : sequence of str, optional
        Names by the user, in any language that the text tower knows; used as they are.
    is_multilingual : bool
        Whether the text tower knows many languages.

    Examples
    --------
    >>> target_names(TargetWords.of("almonds_raw"))
    ('almonds', 'almond', 'almond kernel', 'almond kernels')
    >>> target_names(TargetWords.of("sku-17", ["felt slippers"]), ["felt slippers"])
    ('felt slippers',)
    >>> target_names(TargetWords.of("Haselnüsse"), is_multilingual=True)
    ('hazelnuts', 'hazelnut', 'filbert', 'filberts', 'Haselnüsse')
    """
    names = [" ".join(name.split()) for name in given or ()]
    for product in words.products:
        english = words.table.names(product.food, "en") if product.food in words.table else []
        names.append(words.table.title(product))
        names += english[:_MAX_SYNONYMS] if given is None and not product.forms else []
    chosen = list(dict.fromkeys(names or [words.title]))[: max(_MAX_SYNONYMS, len(given or ()) + 1)]
    if is_multilingual and given is None and words.products and not _is_english(words):
        chosen.append(" ".join(words.target.replace("_", " ").split()))
    return tuple(dict.fromkeys(chosen))


def _is_english(words: TargetWords) -> bool:
    """Return whether the class name contains a word of an English name of the target."""
    foods = [product.food for product in words.products if product.food in words.table]
    english = {
        word for food in foods for name in words.table.names(food, "en") for word in _stems(name)
    }
    return not english.isdisjoint(_stems(words.target))


@dataclass(frozen=True, eq=False)
class BuiltInNames:
    """The directions of all built-in names, for any target.

    Attributes
    ----------
    embedder : str
        Name of the embedder.
    foods, things : tuple of str
    vectors : ndarray of float32, shape (n foods + n things, d)
    """

    embedder: str
    foods: tuple[str, ...]
    things: tuple[str, ...]
    vectors: Vectors

    @classmethod
    def of(cls, embedder: Embedder) -> "BuiltInNames":
        """Embed the names; some 1,500 prompts, so that it takes a while without a store.

        Raises
        ------
        InputError
            The embedder embeds no texts, or all alike.
        """
        table = FoodNames.builtin()
        names = [table.names(food, "en")[0] for food in table]
        vectors = embed_names(embedder, [*names, *things()])
        if np.linalg.norm(vectors - vectors.mean(0), axis=1).max() < _ALIKE:
            raise InputError(
                f"embed_text of {embedder.name!r} returns nearly the same vector for every name, "
                "so that names tell nothing apart; check its tokenizer and weights, and that its "
                f"text tower takes more tokens than {TEMPLATES[-1]!r} has before the name"
            )
        return cls(embedder.name, tuple(table), things(), vectors)

    def others(self, words: TargetWords) -> tuple[tuple[str, ...], Vectors]:
        """Return the names that are no names of the target, and their directions."""
        own = {word for name in (words.title, *words.names) for word in _stems(name)}
        is_other = [words.is_other_food(food) for food in self.foods]
        # "chairs" is no counter-example for office chairs
        is_other += [not _stems(thing) <= own for thing in self.things]
        kept = np.flatnonzero(is_other)
        names = (*self.foods, *self.things)
        return tuple(names[index] for index in kept), self.vectors[kept]


def form_names(words: TargetWords) -> tuple[str, ...]:
    """Return what is made of a target and is another product: counter-examples of its own.

    Examples
    --------
    >>> form_names(TargetWords.of("almonds"))[:3]
    ('almond oil', 'almond butter', 'almond milk')
    """
    table = words.table
    made = {
        product.food: [form for form in _FORMS if table.apply_form(product, form) != product]
        for product in words.products
        if not product.forms and table.group(product.food) in _PLANTS
    }
    return tuple(
        f"{table.names(food, 'en')[0]} {form}" for food, forms in made.items() for form in forms
    )


@cache
def things() -> tuple[str, ...]:
    """Return the names of what shops show besides foods."""
    return tuple(row["thing"] for row in read_rows(_THINGS, "thing"))


def _stems(name: str) -> set[str]:
    """Return the words of an English name without the endings of the plural."""
    return {word[:-2] if word.endswith("es") else word.rstrip("s") for word in tokens(name) if word}
