"""Texts and names as words: Unicode forms, case, diacritics, scripts without spaces."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import permutations

MAX_CHARACTERS = 10_000
"""Longer texts are read up to here; alternative texts and names of products are shorter."""

SEPARATOR = ""
"""The token of a comma, a full stop, a dash between spaces: what follows is another phrase."""

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3005"
_HIRAGANA = "\u3041-\u309f"
_KATAKANA = "\u30a1-\u30fa\u30fc-\u30ff"
# Vowel signs are combining marks in these scripts, not letters in the sense of `\w`.
_VOWEL_SIGNS = "\u0300-\u036f\u0900-\u0963\u0970-\u0d7f\u0e00-\u0e7f"
_TOKEN = re.compile(
    r"(?P<separator>[,;|/\\•·…!?\n\r、。，；！？]|\.(?=\s|$)|(?<=\s)[-–—](?=\s))"
    rf"|(?:[^\W\d_{_HAN}{_HIRAGANA}{_KATAKANA}]|[{_VOWEL_SIGNS}])+"
    rf"|[{_HAN}]+|[{_HIRAGANA}]+|[{_KATAKANA}]+"
)
_NO_LETTERS = re.compile(rf"(?:(?![{_VOWEL_SIGNS}])[\W\d_](?<!\n))+")
_SCRIPT_CHANGE = re.compile(
    "|".join(
        f"(?<=[{one}])(?=[{other}])" for one, other in permutations((_HAN, _HIRAGANA, _KATAKANA), 2)
    )
)
_CAMEL_CASE = re.compile(r"(?<=[a-zà-öø-ÿ])(?=[A-ZÀ-ÖØ-Þ])")

# Invisible characters, optional vowels and stretched letters of Arabic, the dot of borrowed sounds
# in Devanagari: texts write them or not. Letters that differ between Arabic, Persian and Urdu, and
# between writers, become one.
_INVISIBLE = "\u00ad\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
_OPTIONAL = re.compile(f"[{_INVISIBLE}\u0640\u064b-\u065f\u0670\u093c]")
_SAME_LETTER = {
    **dict.fromkeys("أإآٱ", "ا"),
    **dict.fromkeys("ىی", "ي"),
    **dict.fromkeys("ةہھۀە", "ه"),
    "ک": "ك",
    "ؤ": "و",
    "ँ": "ं",
    "ё": "е",
    "i\u0307": "i",  # what `casefold` makes of the Turkish İ
}
_ARTICLE = re.compile(r"(?<!\S)[وبكف]?ال(?=\S{3})")  # "the", also after "and", "with", "as", "so"
_LATIN = re.compile("[\u00c0-\u024f\u0300-\u036f\u1e00-\u1eff]")
_LATIN_LETTERS = {"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
_UMLAUTS = {"ä": "ae", "ö": "oe", "ü": "ue"}


def tokens(text: str, *, has_camel_case: bool = False) -> list[str]:
    """Return the words of a text in lower case, with their diacritics, in order.

    Digits and punctuation end a word. A run of Han, Hiragana or Katakana characters is one token.

    Parameters
    ----------
    text : str
        Read up to the last white space within `MAX_CHARACTERS`, if it is longer.
    has_camel_case : bool
        Whether a capital within a word begins another one, as in file names.

    Returns
    -------
    list of str
        Words, and `SEPARATOR` between phrases.

    Examples
    --------
    >>> tokens("Crème d'amande (250 g), BIO")
    ['crème', 'd', 'amande', 'g', '', 'bio']
    >>> tokens("AlmondButter2x", has_camel_case=True)
    ['almond', 'butter', 'x']
    """
    if len(text) > MAX_CHARACTERS:
        text = "".join(text[:MAX_CHARACTERS].rsplit(None, 1)[:-1])
    if has_camel_case:
        text = _CAMEL_CASE.sub(" ", text)
    text = _normalise(text)
    return [
        SEPARATOR if match["separator"] is not None else match[0] for match in _TOKEN.finditer(text)
    ]


def names_as_words(names: Sequence[str]) -> list[str]:
    """Return names as `tokens` would, with spaces between the words; all at once, which is faster.

    Examples
    --------
    >>> names_as_words(["Noix de Grenoble", "干し葡萄"])
    ['noix de grenoble', '干 し 葡萄']
    """
    text = _NO_LETTERS.sub(" ", _normalise("\n".join(names)))
    return [" ".join(name.split()) for name in _SCRIPT_CHANGE.sub(" ", text).split("\n")]


def _normalise(text: str) -> str:
    """Return a text in lower case, with one spelling of what looks or means the same."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", _OPTIONAL.sub("", text)).casefold()
    return _replace(_OPTIONAL.sub("", text), _SAME_LETTER)


def _replace(text: str, letters: Mapping[str, str]) -> str:
    for letter, same in letters.items():
        text = text.replace(letter, same)
    return text


def fold(text: str) -> str:
    """Return words without the diacritics of Latin letters and without the article of Arabic.

    Letters of other scripts keep their diacritics, which make other letters there.

    Examples
    --------
    >>> fold("nüsse"), fold("fıstık"), fold("crème"), fold("чай"), fold("اللوز")
    ('nusse', 'fistik', 'creme', 'чай', 'لوز')
    """
    if text.isascii():
        return text
    return _ARTICLE.sub("", _LATIN.sub(lambda letter: _fold_letter(letter[0]), text))


@cache
def _fold_letter(letter: str) -> str:
    parts = unicodedata.normalize("NFD", _LATIN_LETTERS.get(letter, letter))
    return "".join(part for part in parts if not "\u0300" <= part <= "\u036f")


def spell_umlauts(text: str) -> str:
    """Return words with German umlauts as two letters.

    Examples
    --------
    >>> spell_umlauts("nüsse")
    'nuesse'
    """
    return _replace(text, _UMLAUTS)


def script(token: str) -> str:
    """Return "han", "hiragana" or "katakana" for scripts without spaces, else "spaced"."""
    letter = token[0]
    if letter < "\u3005":
        return "spaced"
    if "\u3041" <= letter <= "\u309f":
        return "hiragana"
    if "\u30a1" <= letter <= "\u30ff":
        return "katakana"
    is_han = letter == "\u3005" or "\u3400" <= letter <= "\u9fff" or "\uf900" <= letter <= "\ufaff"
    return "han" if is_han else "spaced"
