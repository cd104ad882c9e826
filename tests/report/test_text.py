import re

import pytest

from similarity_lab.report.text import (
    display_names,
    escape_invisible,
    page_filename,
    safe_url,
    shorten,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Café नमस्ते 👩‍🍳 آجیل", "Café नमस्ते 👩‍🍳 آجیل"),
        ("Voll\u00adkorn \u200eשוק\u200f", "Voll\u00adkorn \u200eשוק\u200f"),
        ("a\u202eb\u2066c", "a[U+202E]b[U+2066]c"),
        ("a\x00\x1b", "a[U+0000][U+001B]"),
        ("two\r\nlines\there", "two lines here"),
        (b"\xff".decode("utf-8", "surrogateescape"), "[U+DCFF]"),
    ],
)
def test_escape_invisible_shows_control_characters_and_keeps_scripts(text, expected):
    assert escape_invisible(text) == expected
    escape_invisible(text).encode("utf-8")


def test_shorten_never_exceeds_the_maximum():
    for length in range(3, 12):
        assert len(shorten("abcdefghij", length)) == min(length, 10)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//host/x", "/local", "",
        "https://user:secret@host/", "https://a\tb/", "java\nscript:x", "https:\\\\host", "http://",
        "https://[::1", "https://x/\u202e", "https://x/\u200e", "https://x\u00ad/",
        "https://" + "x" * 3000, None, float("nan"),
    ],
)  # fmt: skip
def test_safe_url_rejects_everything_but_plain_web_urls(url):
    assert safe_url(url) is None


def test_page_filenames_are_ascii_and_distinct():
    sites = ["a", "A", "a b", "ab", "../../x", "CON", "💥", "", "x" * 500, "\udcff"]
    names = [page_filename(site) for site in sites] + [page_filename("a", 1)]
    assert len({name.lower() for name in names}) == len(names)
    assert all(re.fullmatch(r"[a-z0-9-]{10,60}\.html", name) for name in names)


def test_display_names_drop_only_the_common_folder(tmp_path):
    assert display_names([tmp_path / "a" / "1.jpg", str(tmp_path / "b" / "2.jpg")]) == [
        "a/1.jpg", "b/2.jpg"]  # fmt: skip
    assert display_names(["one.jpg"]) == ["one.jpg"]
    assert display_names(["/a/1.jpg", "b/2.jpg"]) == ["a/1.jpg", "b/2.jpg"]
    assert display_names([]) == []
