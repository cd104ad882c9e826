"""Words for food in the encodings of old archives and tables; the oracle is Python's encoder."""

import pytest

from similarity_lab.errors import InputError
from similarity_lab.files.encodings import (
    NAME_ENCODINGS,
    TEXT_ENCODINGS,
    check_encoding,
    decode_text,
    guess_encoding,
)

WORDS = {
    "cp437": "Nüsse Äpfel Gemüse Süßigkeiten Haselnüsse piñones Käse Möhren",
    "cp850": "café pâtes épices crème pêche maïs gâteau plátano champiñones",
    "cp1252": "œufs café Nüsse pêche maïs piñones Süßigkeiten jamón",
    "cp852": "jabłka żurawina śliwki gruszki świeże truskawki mrożone mąka",
    "cp1250": "vlašské ořechy pražené švestky hrušky zelený pšeničná třešně",
    "cp866": "миндаль финики орехи мука яблоки сыр Фисташки кофе",
    "cp1251": "миндаль финики орехи мука яблоки сыр Фисташки кофе",
    "cp932": "アーモンド くるみ りんご 緑茶 醤油 ソース 米 十割そば 能登の塩",
    "gbk": "杏仁 核桃 苹果 绿茶 酱油 大枣 面粉 葡萄干 橄榄油 腰果",
    "big5": "杏仁 核桃 蘋果 綠茶 醬油 紅棗 麵粉 葡萄乾 橄欖油 功夫茶",
    "cp949": "아몬드 호두 사과 녹차 간장 대추 밀가루 건포도 올리브유",
    "cp874": "อัลมอนด์ อินทผลัม ถั่ว แป้ง แอปเปิ้ล กาแฟ",
    "cp737": "αμύγδαλα καρύδια ελιές λάδι τυρί φέτα σταφίδες",
    "cp857": "fındık ceviz içi kuru üzüm şeker çay yağ incir",
    "cp862": "שקדים תמרים אגוזים קמח",
    "cp1257": "migdolai riešutai obuolys žirniai šokoladas žemuogės",
    "cp775": "migdolai riešutai žirniai šokoladas žemuogės ėdalas",
    "euc_jp": "アーモンド くるみ りんご 緑茶 醤油 ソース 米 能登の塩",
    "cp1253": "αμύγδαλα καρύδια ελιές λάδι τυρί φέτα σταφίδες",
    "cp1254": "fındık ceviz içi kuru üzüm şeker çay yağ incir",
    "cp1255": "שקדים תמרים אגוזים קמח",
    "cp1256": "لوز تمر جوز زيت زيتون",
    "koi8_r": "миндаль финики орехи мука яблоки сыр Фисташки кофе",
    "mac_roman": "Nüsse café crème pêche maïs piñones jamón",
}


@pytest.mark.parametrize("encoding", WORDS)
def test_encoding_is_guessed_from_names(encoding):
    names = [word.encode(encoding) for word in WORDS[encoding].split()]
    guess = guess_encoding(names, NAME_ENCODINGS)
    assert [name.decode(guess) for name in names] == WORDS[encoding].split()


# Turkish of DOS differs from Western names in few letters: it takes more of them
@pytest.mark.parametrize("encoding", [encoding for encoding in WORDS if encoding != "cp857"])
def test_encoding_is_guessed_from_three_names(encoding):
    words = WORDS[encoding].split()
    triples = [words[start : start + 3] for start in range(len(words) - 2)]
    right = 0
    for triple in triples:
        names = [word.encode(encoding) for word in triple]
        guess = guess_encoding(names, NAME_ENCODINGS)
        right += [name.decode(guess) for name in names] == triple
    assert right >= len(triples) - 1


def test_unicode_and_ascii_are_recognised():
    assert guess_encoding(["Nüsse".encode(), "アーモンド".encode()], NAME_ENCODINGS) == "utf-8"
    assert guess_encoding([b"nuts"], NAME_ENCODINGS) == "utf-8"


def test_bytes_of_no_encoding_have_a_fallback():
    assert guess_encoding([b"\x81\xff\xfe\x90\x8d"], NAME_ENCODINGS) in NAME_ENCODINGS


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "mac_roman"],
)
def test_text_is_decoded(encoding):
    text = "name,url\nNüsse & Café,https://nuts.example\nMaïs,https://maïs.example\n"
    assert decode_text(text.encode(encoding)) == text


def test_line_ends_of_old_macs_tell_their_encoding():
    text = "name;url\rNüsse;a.example\r"
    assert decode_text(text.encode("mac_roman")) == text


@pytest.mark.parametrize(
    "encoding", ["cp1251", "cp932", "gbk", "cp1250", "cp874", "cp949", "cp1253", "cp1257", "euc_jp"]
)
def test_text_in_other_scripts_is_decoded(encoding):
    text = f"url;name\nhttps://nuts.example;{WORDS[encoding]}\n"
    assert decode_text(text.encode(encoding)) == text


@pytest.mark.parametrize("data", [b"\x00\x01\x02\x03" * 9, b"text\x00text", b"\xff\xfea"])
def test_bytes_that_are_no_text_are_refused(data):
    with pytest.raises(InputError, match="is not text"):
        decode_text(data)


@pytest.mark.parametrize("encoding", ["cp999", "base64", "", "x\0y"])
def test_unknown_encoding_is_refused(encoding):
    with pytest.raises(InputError, match="Unknown encoding"):
        check_encoding(encoding)


def test_known_encodings_are_accepted():
    assert check_encoding("Shift_JIS") == "Shift_JIS"
    for name in (*NAME_ENCODINGS, *TEXT_ENCODINGS):
        assert check_encoding(name) == name
