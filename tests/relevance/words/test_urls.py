"""What the url of an image names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from similarity_lab.relevance.words.urls import is_file_name, url_parts

HOST = "https://almond-company.com"


@pytest.mark.parametrize(
    ("url", "file_name", "folders"),
    [
        (f"{HOST}/logo.png", "logo", ""),
        (f"{HOST}/media/nuts/brazil%20nuts.jpg?v=2#x", "brazil nuts", "media, nuts"),
        (f"{HOST}/n%C3%BCsse.jpg", "nüsse", ""),
        (f"{HOST}/n%FCsse.jpg", "nüsse", ""),
        (f"{HOST}/dates%2520medjool.jpg", "dates medjool", ""),
        (f"{HOST}/figs.jpg.webp", "figs", ""),
        (f"{HOST}/figs.jpg/600x600/webp", "figs", ""),
        (f"{HOST}/figs.jpg?fallback=%2Frice.jpg", "figs", ""),
        (f"{HOST}/_next/image?url=%2Fimg%2Ffigs.jpg&w=640", "figs", "img"),
        (f"{HOST}/resize.php?src=http://rice.example/img/figs.png%3Fv%3D1", "figs", "img"),
        (f"{HOST}/fetch/w_300/https://rice.example/nuts/figs.jpg", "figs", "nuts"),
        ("https://cdn.example/rice.example.com/2020/figs.jpg", "figs", "2020"),
        (f"{HOST}/a1b2c3d4e5f6a7b8/figs-3f9a1c7e2b4d.jpg", "figs-", ""),
        ("HTTP://SHOP.EXAMPLE/FIGS.JPG", "FIGS", ""),
        ("data:image/png;base64,figs", "", ""),
        ("/home/me/figs/1.jpg", "", ""),
        ("C:\\figs.jpg", "", ""),
        ("file:///figs.jpg", "", ""),
        ("http://[bad/figs.jpg", "", ""),
        ("https://", "", ""),
        ("", "", ""),
    ],
)
def test_url_parts(url, file_name, folders):
    name, found = url_parts(url)
    assert (name, found.strip(" ,")) == (file_name, folders)


@given(st.text(max_size=300))
def test_url_parts_of_any_text(text):
    url_parts(text)
    url_parts(f"https://shop.example/{text}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("raw_almonds.jpg", True), ("raw almonds.jpg", False), ("almonds", False), ("", False)],
)
def test_is_file_name(text, expected):
    assert is_file_name(text) is expected
