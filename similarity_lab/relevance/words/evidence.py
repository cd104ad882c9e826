"""Words as evidence: does the text of an image name the target?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from similarity_lab.errors import InputError, InputTypeError
from similarity_lab.relevance.words.food_names import (
    FoodNames,
    Product,
    form_words,
    names_form,
)
from similarity_lab.relevance.words.goods_names import goods_names
from similarity_lab.relevance.words.mentions import Mention, find_mentions
from similarity_lab.relevance.words.tokens import fold, script, tokens
from similarity_lab.relevance.words.urls import file_words, is_file_name, url_parts

FIELDS = ("product", "alt", "url", "folder")
"""Where words are found: the name of the product, the alternative text, the file name in the
image's url, the folders in that url."""

KINDS = ("target", "target and other", "ambiguous", "other form", "other", "")
"""What words can say; see `WordEvidence`."""

_NAMING_KINDS = frozenset({"target", "target and other", "ambiguous"})
_MAX_LISTED = 5  # products in a sentence
_PRIMARY_FIELDS = FIELDS[:3]
_FEW_TEXTS = 5  # of fewer images, one text may well be about all of them
_NEARLY_ALL = 0.9  # of the images
# What class names contain beside the product: "almonds_images", "product-photos-rice".
_GENERIC_WORDS = frozenset(tokens("class classes dataset image images img item items label"))
_GENERIC_WORDS |= frozenset(tokens("library photo photos picture pictures product products"))


@dataclass(frozen=True)
class WordEvidence:
    """What the texts of one image say about the target.

    The folders of the url count only if the other texts name nothing.

    Attributes
    ----------
    kind : str
        ``"target"``: only the target is named. ``"target and other"``: another product is named
        as well. ``"ambiguous"``: a word that may mean the target ("date") and nothing clearer.
        ``"other form"``: something made of the target, or in its name ("almond oil", "date
        picker"). ``"other"``: another product. ``""``: nothing is named.
    names : tuple of str
        The names of the target as the texts have them, in lower case.
    others : tuple of str
        The other products, by their English names.
    fields : tuple of str
        The `FIELDS` where `names` were found; where there are none, those of `others`.
    by_field : tuple of (field, kind)
        The kind of each field alone, for every field that names something.
    sentence : str
        For tables and reports: ``"names almonds (alt)"``, ``"names onions, not rice (url)"``.
    """

    kind: str = ""
    names: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    by_field: tuple[tuple[str, str], ...] = ()
    sentence: str = ""


@dataclass
class _Reading:
    """What one text says, or several."""

    names: dict[str, None] = field(default_factory=dict)
    maybe_names: dict[str, None] = field(default_factory=dict)
    forms: dict[str, None] = field(default_factory=dict)
    others: dict[str, None] = field(default_factory=dict)
    maybe_others: dict[str, None] = field(default_factory=dict)

    def update(self, other: _Reading) -> None:
        """Add what another text says."""
        for mine, more in zip(vars(self).values(), vars(other).values(), strict=True):
            mine.update(more)

    @property
    def kind(self) -> str:
        """The kind of evidence, as `WordEvidence` describes it."""
        is_mixed = bool(self.forms or self.others)
        if self.names or self.maybe_names:
            return "target and other" if is_mixed else "target" if self.names else "ambiguous"
        if self.forms:
            return "other form"
        return "other" if self.others or self.maybe_others else ""

    @property
    def all_others(self) -> list[str]:
        """Other products; ambiguous words only if nothing else is named."""
        named = [*self.forms, *self.others]
        return named if named or self.names or self.maybe_names else list(self.maybe_others)


class TargetWords:
    """The names of a target, to be found in the texts of images.

    Attributes
    ----------
    target : str
        The class.
    title : str
        The English name of the target: "almonds" for the class ``almonds_raw``.
    label : str
        The target in sentences: its title, or the class if that is another name: ``Mandeln``.
    products : tuple of Product
        The products of the table that the class name and `words` name.
    names : tuple of str
        Names that the table does not have. Those of a common good, such as soap, are looked for in
        other languages as well.

    Examples
    --------
    >>> words = TargetWords.of("almonds_raw")
    >>> words.read({"alt": "Organic almonds 500 g"}).sentence
    'names almonds (alt)'
    >>> words.read({"url": "https://shop.example/img/Mandeln-300x300.jpg"}).kind
    'target'
    >>> words.read({"alt": "Almond oil"}).sentence
    'names almond oil, not almonds (alt)'
    >>> words.read({"alt": "Onions (minced)"}).kind
    'other'
    """

    def __init__(
        self, target: str, products: Sequence[Product], names: Sequence[str], table: FoodNames
    ) -> None:
        self.target = target
        self.products = tuple(dict.fromkeys(products))
        self.names = tuple(dict.fromkeys(names))
        self.table = table
        own = Product(f"{target} (target)")
        self._matches = {*self.products, own} if self.names else set(self.products)
        # what words say of foods only, beside a name that is no food
        self._own = own.food if self.names and not self.products else ""
        self._own_contexts = _contexts(self.names, table) if self._own else frozenset()
        kinds = [table.kind(food) for food, forms in self.products if not forms]
        self._matches |= {Product("", (kind,)) for kind in kinds if kind}
        self._forms = frozenset(forms[-1] for food, forms in self._matches if not food)
        first = self.products[0] if self.products else None
        class_words = _class_words(target)
        self.title = table.title(first) if first else " ".join(class_words)
        forms = {form for word in class_words for form in _singular_and_plural([word])}
        is_title = not forms.isdisjoint(tokens(self.title))
        is_named = bool(_find_products(class_words, table)[0])
        self.label = target if is_named and not is_title else self.title
        self._index = table.index
        if self.names:
            names = [name.rstrip("?!~") for name in self.names]
            names += [other for name in names for other in goods_names(name)]
            self._index = table.index.with_names(names, own)
        self._relations: dict[Product, str] = {}

    def __repr__(self) -> str:
        return f"TargetWords({self.target!r}, {self.title!r})"

    def __bool__(self) -> bool:
        """Whether there is a name to look for."""
        return bool(self._matches)

    @classmethod
    def of(
        cls, target: str, words: Sequence[str] | None = None, *, table: FoodNames | None = None
    ) -> TargetWords:
        """Return the names of a class.

        Parameters
        ----------
        target : str
            The class name. Underscores, digits, capitals within it and words that name no food
            ("raw") are no obstacle: ``Brown-Cap-Mushroom`` names mushrooms. If it names no food of
            the table, it is looked for as a phrase, in singular and plural. So is one of several
            products that a form gathers: ``croissants`` are not all cakes.
        words : sequence of str, optional
            More names, in any language. A name of the table brings all other names of its food.
            ``()``: no words at all, nothing is ever named.
        table : FoodNames, optional
            Default: ``FoodNames.builtin()``. Extend it with ``with_names``.

        Raises
        ------
        InputTypeError
            `words` is a string, or contains something else than strings.
        InputError
            An element of `words` contains no word.
        """
        table = table or FoodNames.builtin()
        if isinstance(words, str):
            raise InputTypeError(f"expected a list of words, got a string; pass [{words!r}]")
        if words is not None and not isinstance(words, Sequence):
            raise InputTypeError(f"expected a list of words, () for none; got {words!r}")
        if words is not None and len(words) == 0:
            return cls(target, (), (), table)
        products, phrases = _find_products(_class_words(target), table)
        names = [name for phrase in phrases for name in _singular_and_plural(phrase.split())]
        for word in words or ():
            if not isinstance(word, str):
                raise InputTypeError(f"expected words as strings, got {type(word).__name__}")
            if not word.strip():
                raise InputError(f"expected names of {target!r} in words, got {word!r}")
            found, phrases = _find_products(tokens(word), table, is_clear=True)
            products += found
            names += phrases
        return cls(target, products, names, table)

    def read(self, texts: Mapping[str, object]) -> WordEvidence:
        """Return what the texts of one image say.

        Parameters
        ----------
        texts : mapping of str to str
            ``"alt"`` (alternative text), ``"product"`` (name of the product), ``"url"`` (of the
            image). Missing ones, None and NaN name nothing; of long ones the first 10,000
            characters are read (urls: 4,000).

        Raises
        ------
        InputError
            Another key.
        """
        for key in texts:
            if key not in {"alt", "product", "url"}:
                raise InputError(f"expected texts 'alt', 'product' and 'url', got {key!r}")
        if not self._matches:
            return WordEvidence()
        readings = {name: self._reading(words) for name, words in _field_tokens(texts).items()}
        total = _Reading()
        for name in _PRIMARY_FIELDS:
            if name in readings:
                total.update(readings[name])
        if not total.kind:
            total = readings.get("folder", total)
        return self._evidence(total, readings)

    def read_table(self, origins: pd.DataFrame) -> list[WordEvidence]:
        """Return what is said of every row of a site's origins, in order.

        A text beside nearly all images is about the shop ("The Almond Company") and is not read.

        Parameters
        ----------
        origins : DataFrame
            Columns ``url``, ``alt`` and ``product``, of which any may be missing, as may values.
        """
        columns = [name for name in ("alt", "product", "url") if name in origins]
        if not columns:
            return [WordEvidence() for _ in range(len(origins))]
        texts = [
            origins[name] if name == "url" else _without_slogan(origins[name]) for name in columns
        ]
        rows = zip(*texts, strict=True)
        return [self.read(dict(zip(columns, row, strict=True))) for row in rows]

    def is_other_food(self, food: str) -> bool:
        """Return whether a food of the table is another product than the target.

        Neither the target's group ("nuts" for almonds) nor what may mean the target is.
        """
        if self._relation(self.table.product(food)) not in ("form", "other"):
            return False
        return self.read({"alt": self.table.names(food, "en")[0]}).kind not in _NAMING_KINDS

    def _reading(self, words: Sequence[str]) -> _Reading:
        reading = _Reading()
        for mention in self._mentions(words):
            senses = [(self._relation(product), is_sure) for product, is_sure in mention.senses]
            relations = {relation for relation, _ in senses}
            if ("target", True) in senses:
                reading.names[mention.text] = None
            elif relations & {"target", "maybe"}:
                reading.maybe_names[mention.text] = None
            elif "form" in relations:
                product = mention.senses[[relation for relation, _ in senses].index("form")].product
                title = self.table.title(product)
                reading.forms[title.replace(self._own, self.label) if self._own else title] = None
            elif "group" not in relations:
                product, is_sure = max(mention.senses, key=lambda sense: sense.is_sure)
                others = reading.others if is_sure else reading.maybe_others
                others[self.table.title(product)] = None
        return reading

    def _mentions(self, words: Sequence[str]) -> list[Mention]:
        """Return the products that a text names.

        Foods before a target that is no food say what it is made of, or its colour: "almond
        croissant", "olive green sofa". Beside cosmetics and clothing they do so
        anywhere: "soap with honey and oats" is a soap.
        """
        mentions = find_mentions(words, self.table, self._index, self._forms)
        own = [mention for mention in mentions if mention.names(self._own)] if self._own else []
        if not own:
            return mentions
        if self._own_contexts:
            return own
        ends = {mention.phrase: mentions.index(mention) for mention in own}
        return [
            mention
            for position, mention in enumerate(mentions)
            if mention in own or position > ends.get(mention.phrase, -1)
        ]

    def _relation(self, product: Product) -> str:
        """Return "target", "maybe", "form", "group" or "other" for a product."""
        if product not in self._relations:
            if product.food == self._own and self._own_contexts.issuperset(product.forms):
                product = Product(self._own)  # "earrings" beside "necklace": jewellery as well
            relations = {_relation(product, target, self.table) for target in self._matches}
            order = ("target", "maybe", "form", "group", "other")
            self._relations[product] = min(relations, key=order.index)
        return self._relations[product]

    def _evidence(self, total: _Reading, readings: Mapping[str, _Reading]) -> WordEvidence:
        kind = total.kind
        if not kind:
            return WordEvidence()
        by_field = {name: readings[name].kind for name in FIELDS if name in readings}
        by_field = {name: kind for name, kind in by_field.items() if kind}
        used = [name for name in by_field if name != "folder" or total is readings["folder"]]
        naming = [name for name in used if readings[name].names or readings[name].maybe_names]
        fields = tuple(naming or used)
        others = tuple(total.all_others)
        if kind == "ambiguous":
            said = f"may name {self.label}"
        elif kind.startswith("target"):
            said = f"names {_join([self.label, *others])}"
        else:
            said = f"names {_join(others)}, not {self.label}"
        return WordEvidence(
            kind,
            tuple(total.names or total.maybe_names),
            others,
            fields,
            tuple(by_field.items()),
            f"{said} ({', '.join(fields)})",
        )


def _without_slogan(texts: pd.Series) -> pd.Series:
    """Return texts with None instead of one that nearly all of five images or more have."""
    counts = texts.value_counts()
    if len(texts) < _FEW_TEXTS or counts.empty or counts.iloc[0] <= _NEARLY_ALL * len(texts):
        return texts
    return texts.where(texts != counts.index[0], None)


def _contexts(names: Sequence[str], table: FoodNames) -> frozenset[str]:
    """Return the contexts that names belong to: "cosmetics" for soap, "clothing" for earrings."""
    entries = [table.index.phrases.get(part) for name in names for part in (name, *name.split())]
    forms = {entry.form for entry in entries if entry and entry.form}
    return frozenset(form for form in forms if form_words()[form].scope == "context")


def _relation(product: Product, target: Product, table: FoodNames) -> str:
    """Return what a named product is to a target."""
    group = table.group(product.food)
    relation = "other"
    if product == target or (group == target.food and product.forms == target.forms):
        relation = "target"
    elif not target.food:
        if table.head(product) == target.forms[-1]:
            relation = "target"
        elif target.forms[-1] in product.forms:
            relation = "form"
    elif target.food in {product.food, group}:
        missing = target.forms[len(product.forms) :]
        if product.forms[: len(target.forms)] == target.forms:
            relation = "form"
        elif target.forms[: len(product.forms)] == product.forms and all(
            form_words()[form].scope == "state" for form in missing
        ):
            relation = "maybe"
    elif product.food:
        is_group = product.food == table.group(target.food) and not product.forms
        relation = "group" if is_group else "other"
    elif product.forms[0] == table.head(target):
        relation = "group"
    return relation


def _find_products(
    words: Sequence[str], table: FoodNames, *, is_clear: bool = False
) -> tuple[list[Product], list[str]]:
    """Return the products that a name of a target stands for, and phrases to look for beside them.

    "almonds and dates" stands for two products; "chocolate almonds" is a phrase, since neither
    all chocolate nor all almonds are meant. So is "croissants", since not all cakes are, and an
    ambiguous word if `is_clear`.
    """
    products, phrases = [], []
    for part in [words] if len(find_mentions(words, table)) == 1 else _split_at_and(words, table):
        found = find_mentions(part, table)
        senses = found[0].senses if len(found) == 1 else ()
        if senses and (_is_one_of_a_form(found[0]) or _is_by_chance(found[0], part, table)):
            senses = ()
        sure = [product for product, is_sure in senses if is_sure]
        products += sure or [product for product, _ in senses]
        phrase = " ".join(word for word in part if word)
        is_letter = len(phrase) < 2 and script(phrase or " ") == "spaced"
        if not is_letter and (not senses or (is_clear and not sure)):
            phrases.append(phrase)
    return products, phrases


def _is_one_of_a_form(mention: Mention) -> bool:
    """Return whether a name means one of the products that a form gathers: "tomato soup"."""
    is_form = not mention.senses[0].product.food
    names = (mention.text,) if is_form else mention.mixtures
    return not all(map(names_form, names))


def _is_by_chance(mention: Mention, words: Sequence[str], table: FoodNames) -> bool:
    """Return whether a class only contains a word of another language: the Spanish "pan" of pans.

    Such a word also means something else, and others beside it are unknown: "frying pan".
    """
    if any(is_sure for _, is_sure in mention.senses):
        return False
    foods = [product.food for product, _ in mention.senses if product.food in table]
    is_english = any(mention.text in table.names(food, "en") for food in foods)
    others = [word for word in words if word and word not in mention.text.split()]
    return not is_english and any(fold(word) not in table.index.phrases for word in others)


def _split_at_and(words: Sequence[str], table: FoodNames) -> Iterator[list[str]]:
    part: list[str] = []
    for word in words:
        entry = table.index.phrases.get(word)
        if entry and entry.role == "and":
            yield part
            part = []
        else:
            part.append(word)
    yield part


def _class_words(target: str) -> list[str]:
    words = [word for word in tokens(target, has_camel_case=True) if word]
    return [word for word in words if word not in _GENERIC_WORDS]


def _singular_and_plural(words: Sequence[str]) -> list[str]:
    """Return an English phrase in both numbers."""
    *start, last = words
    forms = [last]
    if last.isascii() and len(last) > 2:
        if last.endswith("ies"):
            forms += [f"{last[:-3]}y", last[:-1]]  # "berry", "pie"
        elif last.endswith("oes"):
            forms += [last[:-2], last[:-1]]  # "potato", "shoe"
        elif last.endswith("es") and last[:-2].endswith(("s", "x", "z", "ch", "sh")):
            forms.append(last[:-2])
        elif last.endswith("s") and not last.endswith("ss"):
            forms.append(last[:-1])
        elif last.endswith("y") and last[-2] not in "aeiou":
            forms.append(f"{last[:-1]}ies")
        else:
            forms.append(f"{last}es" if last.endswith(("s", "x", "z", "ch", "sh")) else f"{last}s")
    return [" ".join([*start, form]) for form in forms]


def _field_tokens(texts: Mapping[str, object]) -> dict[str, list[str]]:
    """Return the words of every field that has text."""
    found = {}
    for name in ("product", "alt"):
        text = texts.get(name)
        if isinstance(text, str) and text:
            is_file = is_file_name(text)
            found[name] = tokens(file_words(text) if is_file else text, has_camel_case=is_file)
    url = texts.get("url")
    if isinstance(url, str) and url:
        file_name, folders = url_parts(url)
        found["url"] = tokens(file_name, has_camel_case=True)
        found["folder"] = tokens(folders, has_camel_case=True)
    return found


def _join(names: Sequence[str]) -> str:
    """Return names as an enumeration of limited length."""
    if len(names) > _MAX_LISTED:
        names = [*names[: _MAX_LISTED - 1], f"{len(names) - _MAX_LISTED + 1} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
