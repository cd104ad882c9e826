"""Turkish nouns with their endings: "Amasya elması" is an apple, "Gemlik zeytini" an olive."""

_VOWELS = "aıoueiöü"
_HARMONY = {"a": "ı", "ı": "ı", "o": "u", "u": "u", "e": "i", "i": "i", "ö": "ü", "ü": "ü"}
_SOFT = {"k": "ğ", "ç": "c", "p": "b", "t": "d"}  # before a vowel, in many words


def turkish_forms(name: str) -> list[str]:
    """Return a Turkish noun as the possessive ("its apple") and in the plural.

    The endings follow the last vowel (vowel harmony). A last consonant that some words soften and
    others do not is given both ways.

    Examples
    --------
    >>> turkish_forms("zeytin")
    ['zeytini', 'zeytinler', 'zeytinleri']
    >>> turkish_forms("kırmızı elma")
    ['kırmızı elması', 'kırmızı elmalar', 'kırmızı elmaları']
    >>> turkish_forms("havuç")
    ['havuçu', 'havucu', 'havuçlar', 'havuçları']
    """
    vowels = [letter for letter in name if letter in _VOWELS]
    if not vowels:
        return []
    vowel, last = _HARMONY[vowels[-1]], name[-1]
    if last in _VOWELS:
        forms = [f"{name}s{vowel}"]
    else:
        forms = [f"{name}{vowel}"]
        if last in _SOFT:
            forms.append(f"{name[:-1]}{_SOFT[last]}{vowel}")
    plural = f"{name}lar" if vowel in "ıu" else f"{name}ler"
    return [*forms, plural, f"{plural}{'ı' if plural.endswith('lar') else 'i'}"]
