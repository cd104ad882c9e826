"""Text of unknown encoding: names in old zip archives, tables that a spreadsheet exported.

Unicode is recognised with certainty. Legacy encodings can only be guessed: each candidate decodes
the bytes, and the text that is most plausible as words wins. That is right for most single names
and for nearly all lists of names; whoever knows better passes the encoding.
"""

import codecs
import math
import unicodedata
from collections.abc import Iterable, Sequence

from similarity_lab.errors import InputError

__all__ = ["NAME_ENCODINGS", "TEXT_ENCODINGS", "check_encoding", "decode_text", "guess_encoding"]

_WESTERN = "äöüßéèêëàâáîïíìôóòùûúçñãõåæøœ"
_CENTRAL = "áéíóúýčďěňřšťůžäöüôĺľŕąćęłńśźżăâîşţșțőűđ"
_CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюяёєіїґ"
_GREEK = "αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώϊϋ"
_TURKISH = "çğıöşüâîi̇"
_HEBREW = "".join(map(chr, range(0x5D0, 0x5EB)))
_THAI = "".join(map(chr, [*range(0xE01, 0xE3B), *range(0xE40, 0xE4F)]))
_BALTIC = "āčēģīķļņšūžąęėįųõäöü"
_ARABIC = "".join(map(chr, range(0x621, 0x64B))) + "پچژگ"
_COMMON = frozenset(
    "éüäöèàêâîôñóáíçß"
    + "ěšřžýčęąłóż"
    + "ıüşçö"  # of Latin alphabets
    + "оеаинтсрвлкмдпуяы"
    + "αοιετσνηυρπκλ"
    + "יוהלמרתאבש"
    + "ايلنمترزةو"
    + "ėįųū"
    + "านรกอเงยลมวตสทดป่้ี"
)
_PUNCTUATION = frozenset("–—’‘“”„…®™°½¼¾№«»·")
_ASCII_SYMBOLS = frozenset("[]{}|\\^~@`")

# Letters of the languages that were written in an encoding of one byte per letter
_ALPHABETS = {
    "cp437": _WESTERN, "cp850": _WESTERN, "cp1252": _WESTERN, "mac_roman": _WESTERN,
    "cp874": _THAI, "cp737": _GREEK, "cp857": _TURKISH, "cp862": _HEBREW, "cp1257": _BALTIC,
    "cp775": _BALTIC, "cp852": _CENTRAL, "cp1250": _CENTRAL, "cp866": _CYRILLIC,
    "cp1251": _CYRILLIC, "koi8_r": _CYRILLIC, "cp1253": _GREEK, "cp1254": _TURKISH,
    "cp1255": _HEBREW, "cp1256": _ARABIC,
}  # fmt: skip

# Encodings of two bytes per letter: lead bytes of the common characters, whether the second byte
# is at least 0xA1, and about how many of these characters are in use
_COMMON_DOUBLES = {
    "cp932": (range(0x88, 0x98), False, 1500),
    "gbk": (range(0xB0, 0xD8), True, 900),
    "big5": (range(0xA4, 0xC7), False, 1200),
    "cp949": (range(0xB0, 0xC9), True, 700),
    "euc_jp": (range(0xB0, 0xD0), True, 1500),
}

NAME_ENCODINGS = (
    "cp437", "cp932", "gbk", "cp850", "cp866", "cp1252", "cp1251", "big5", "cp949", "cp852",
    "cp1250", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r", "mac_roman", "cp874", "cp737",
    "cp857", "cp862", "cp1257", "cp775", "euc_jp",
)  # fmt: skip
"""Legacy encodings of names in zip archives, the usual ones first: of DOS, then of Windows."""

TEXT_ENCODINGS = (
    "cp1252", "cp1251", "cp932", "gbk", "cp1250", "big5", "cp949", "cp1253", "cp1254", "cp1255",
    "cp1256", "cp850", "cp866", "koi8_r", "mac_roman", "cp874", "cp1257", "euc_jp",
)  # fmt: skip
"""Legacy encodings of text files, the usual ones first."""


def check_encoding(encoding: str) -> str:
    """Return the encoding if Python knows it; else raise an `InputError`."""
    try:
        b"a".decode(encoding)
    except (LookupError, TypeError, ValueError):
        raise InputError(
            f"Unknown encoding {encoding!r}; expected a name such as 'cp437', 'cp932' or 'gbk'"
        ) from None
    return encoding


def decode_text(data: bytes) -> str:
    r"""Return the text of a file: UTF-8, UTF-16 or UTF-32 if it is one of them, else guessed.

    Raises
    ------
    InputError
        The content is not text.

    Examples
    --------
    >>> decode_text("url\nhttps://nüsse.example".encode("utf-16"))
    'url\nhttps://nüsse.example'
    >>> decode_text("url,name\nnuts.example,Nüsse & Café".encode("cp1252"))
    'url,name\nnuts.example,Nüsse & Café'
    """
    encoding = _unicode_encoding(data)
    if encoding is None and b"\0" in data:
        raise InputError("is not text (it has NUL bytes)")
    if encoding is None:
        is_mac = b"\r" in data and b"\n" not in data  # line ends of spreadsheets on old Macs
        candidates = ("mac_roman", *TEXT_ENCODINGS) if is_mac else TEXT_ENCODINGS
        encoding = guess_encoding(data.splitlines(), candidates)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"is not text ({error})") from None
    if "\0" in text:
        raise InputError("is not text (it has NUL characters)")
    return text


def _unicode_encoding(data: bytes) -> str | None:
    marks = {
        codecs.BOM_UTF8: "utf-8-sig",
        codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
        codecs.BOM_UTF32_BE: "utf-32",
        codecs.BOM_UTF16_LE: "utf-16",
        codecs.BOM_UTF16_BE: "utf-16",
    }
    for mark, encoding in marks.items():
        if data.startswith(mark):
            return encoding
    start = data[:1000]
    for encoding, zeros in (("utf-16-le", start[1::2]), ("utf-16-be", start[::2])):
        if len(start) >= 4 and zeros.count(0) > 0.7 * len(zeros):
            return encoding
    if b"\0" in data:
        return None
    try:
        data.decode()
    except UnicodeDecodeError:
        return None
    return "utf-8"


def guess_encoding(texts: Iterable[bytes], candidates: Sequence[str]) -> str:
    """Return the encoding in which these texts, taken together, are most plausible.

    Parameters
    ----------
    texts : iterable of bytes
        Names or lines, all in one encoding.
    candidates : sequence of str
        `NAME_ENCODINGS` or `TEXT_ENCODINGS`; earlier ones are favoured a little.

    Returns
    -------
    str
        ``"utf-8"`` if all texts are valid UTF-8, else one of `candidates`; the first one if no
        candidate can decode all texts.

    Examples
    --------
    >>> guess_encoding(["アーモンド".encode("cp932"), "くるみ".encode("cp932")], NAME_ENCODINGS)
    'cp932'
    """
    unique = sorted({text for text in texts if not text.isascii()})[:2000]  # enough to tell
    if all(_decoded(text, "utf-8") is not None for text in unique):
        return "utf-8"

    def plausibility(rank: int) -> float:
        return sum(_plausibility(text, candidates[rank]) for text in unique) - 0.12 * rank

    return candidates[max(range(len(candidates)), key=plausibility)]


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _plausibility(data: bytes, encoding: str) -> float:
    """Return about the log probability of a text's letters beyond ASCII; −∞ if not decodable."""
    text = _decoded(data, encoding)
    if text is None:
        return -math.inf
    total, run, before = 0.0, 0, " "
    for position, letter in enumerate(text):
        after = text[position + 1 : position + 2]
        if letter.isascii():
            run = 0
            if not before.isascii():
                total -= 6 * (letter in _ASCII_SYMBOLS) + _mixture(before, letter)
        elif encoding in _COMMON_DOUBLES:
            total -= _cost_of_double(letter, encoding)
        else:
            run += 1
            total -= _cost_of_single(letter, before, after, encoding) + _mixture(letter, before)
            # No Latin alphabet has long runs of letters beyond ASCII
            total -= 3 * (run > 2 and unicodedata.name(letter, "").startswith("LATIN"))
        before = letter
    return total


def _mixture(letter: str, neighbour: str) -> float:
    """Return the cost of an ASCII letter beside one of another script."""
    if not (neighbour.isascii() and neighbour.isalpha()):
        return 0
    scripts = ("CYRILLIC", "GREEK", "HEBREW", "ARABIC")
    return 6 * unicodedata.name(letter, "").startswith(scripts)


def _cost_of_single(letter: str, before: str, after: str, encoding: str) -> float:
    if not letter.isalpha() and letter not in _THAI:  # vowels above and below are not letters
        return math.log(250 if letter in _PUNCTUATION else 5000)
    cost = math.log(900)
    if letter.lower() in _ALPHABETS[encoding]:
        cost = math.log(14 if letter.lower() in _COMMON else 45)
    if letter.isupper():
        cost += 1.2 + 5 * before.islower()
    elif before.isupper() and after.isupper():
        cost += 2
    return cost


def _cost_of_double(letter: str, encoding: str) -> float:
    if "\u3041" <= letter <= "\u30ff":  # kana
        return math.log(90) if encoding in ("cp932", "euc_jp") else math.log(60_000)
    if "\uff61" <= letter <= "\uff9f":  # kana of one byte, rare today
        return math.log(60) + 1.2
    if 0xE000 <= ord(letter) <= 0xF8FF:  # private use
        return math.log(1_000_000)
    code = letter.encode(encoding)
    leads, second_is_high, count = _COMMON_DOUBLES[encoding]
    if len(code) == 2 and code[0] in leads and (code[1] >= 0xA1 or not second_is_high):
        return math.log(count)
    return math.log(20_000 if encoding == "cp932" else 60_000)
