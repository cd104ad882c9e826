# ruff: noqa: E501 - one case of markup per line
import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.web import find_images

URL = "https://shop.example/"
TEAM = "<section class=our-team>{}</section>".format(
    "".join(f"<div class=card><img src=/{name}.jpg><h4>{name}</h4></div>" for name in ("Ann", "Bob", "Cy"))
)  # fmt: skip
GRID = "".join(
    f"<div class=col-4><div class=thumbnail><img src=/{name}.jpg><div class=caption><h4><a href=/{name}>{name}</a></h4>"
    "<p>Sold by the sack.</p></div></div></div>" for name in ("almonds", "dates", "figs")
)  # fmt: skip


def products(html):
    """Return name, price and currency of the product of each image, in the page's order."""
    images = sorted(find_images(html, URL), key=lambda image: image.position)
    return [(image.product.name, image.product.price, image.product.currency) for image in images]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<li><img src=/a.jpg><h3>Almonds</h3><p>€ 4.50</p></li>", ("Almonds", 4.5, "EUR")),
        (
            "<div class=product-card><a><img src=/a.jpg></a><a class=product-name>Almonds</a></div>",
            ("Almonds", None, ""),
        ),
        (
            "<section id=products><div><img src=/a.jpg><h2>Almonds</h2></div></section>",
            ("Almonds", None, ""),
        ),
        (
            "<td><img src=/a.jpg><br><b>Almonds</b> only 450 INR per kg</td>",
            ("Almonds", 450, "INR"),
        ),
        ("<div><img src=/a.jpg><h4>$ 4</h4><h3>Almonds</h3></div>", ("Almonds", 4, "$")),
        ("<div><img src=/a.jpg><h3>Our story</h3><p>We began small.</p></div>", ("", None, "")),
        ("<div><img src=/a.jpg></div>", ("", None, "")),
        (
            f"<div class=product><img src=/a.jpg><h3>Almonds</h3>{'long ' * 500}</div>",
            ("", None, ""),
        ),
    ],
)
def test_card_tells_the_product(html, expected):
    assert products(f"<body><main>{html}</main></body>") == [expected]


def test_repeated_cards_are_products():
    assert [name for name, _, _ in products(GRID)] == ["almonds", "dates", "figs"]


def test_team_is_not_for_sale():
    assert {name for name, _, _ in products(TEAM)} == {""}
