"""Texts and names as words: Unicode forms, case, diacritics, scripts without spaces."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

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
_UNSPACED = re.compile(rf"[{_HAN}]+|[{_HIRAGANA}]+|[{_KATAKANA}]+")
_SPACES = re.compile("  +")
_CAMEL_CASE = re.compile(
    r"(?<=[a-zà-öø-ÿ])(?=[A-ZÀ-ÖØ-Þ])|(?<=[A-ZÀ-ÖØ-Þ])(?=[A-ZÀ-ÖØ-Þ][a-zà-öø-ÿ])"
)

# Invisible characters, optional vowels and stretched letters of Arabic, the dot of borrowed sounds
# in Devanagari: texts write them or not. Letters that differ between Arabic, Persian and Urdu, and
# between writers, become one.
_INVISIBLE = "\u00ad\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
_OPTIONAL = re.compile(f"[{_INVISIBLE}\u0640\u064b-\u065f\u0670\u093c]")
# Persian joins the parts of a word without a space: "سیب‌زمینی" (potatoes), "سیب‌ها" (apples).
_HALF_SPACE = re.compile("(?<=[\u0620-\u06d3])\u200c(?=[\u0620-\u06d3])")
# Devanagari writes a nasal before a consonant as a letter or as a dot: "अण्डा", "अंडा".
_NASAL = re.compile("[ङञणनम]\u094d(?=[क-म])")
# Traditional and simplified characters in names of foods; Japanese ones are either.
_TRADITIONAL = (
    "鮭魚龍開種薑鮮鮪鰻雞鴨鵝豬蝦貝醬麵麥鹽鹹乾葉蘿蔔蔥蘆筍蘋檸鳳獼櫻棗無堅楊蓮亞蕎糧雜湯餅餡飲膠凍優黃紅綠藍"
    "銀蘭羅蒔鬱風漿穀達鷹鱈鯖鱒鱸魷烏賊蠣藥參馬鈴絲圓滷臘腸頭蠶荳薺豔膽歐蔘醃漬樹實瓊鳥顆條塊殼槤蓋鳶蘇濃縮"
)
_SIMPLIFIED = (
    "鲑鱼龙开种姜鲜鲔鳗鸡鸭鹅猪虾贝酱面麦盐咸干叶萝卜葱芦笋苹柠凤猕樱枣无坚杨莲亚荞粮杂汤饼馅饮胶冻优黄红绿蓝"
    "银兰罗莳郁风浆谷达鹰鳕鲭鳟鲈鱿乌贼蛎药参马铃丝圆卤腊肠头蚕豆荠艳胆欧参腌渍树实琼鸟颗条块壳梿盖鸢苏浓缩"
)
_SAME_LETTER = {
    **dict.fromkeys("أإآٱ", "ا"),
    **dict.fromkeys("ىی", "ي"),
    **dict.fromkeys("ةہھۀە", "ه"),
    "ک": "ك",
    "ؤ": "و",
    "ँ": "ं",
    "ё": "е",
    "i\u0307": "i",  # what `casefold` makes of the Turkish İ
    **dict(zip(_TRADITIONAL, _SIMPLIFIED, strict=True)),
}
_OTHER_LETTER = re.compile("|".join(_SAME_LETTER))
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
    words = _SPACES.sub(" ", _UNSPACED.sub(r" \g<0> ", text)).split("\n")
    return [name.strip() for name in words]


def _normalise(text: str) -> str:
    """Return a text in lower case, with one spelling of what looks or means the same."""
    if text.isascii():
        return text.lower()
    text = _OPTIONAL.sub("", _HALF_SPACE.sub(" ", text))
    text = unicodedata.normalize("NFKC", text).casefold()
    text = _NASAL.sub("ं", _OPTIONAL.sub("", text))
    return _OTHER_LETTER.sub(lambda letter: _SAME_LETTER[letter[0]], text)


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
    for umlaut, letters in _UMLAUTS.items():
        text = text.replace(umlaut, letters)
    return text


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
