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
        # Sign and number apart; the current one of two prices
        (
            "<li><img src=/a.jpg><h3>Almonds</h3><b><i>€</i><i>4.50</i></b></li>",
            ("Almonds", 4.5, "EUR"),
        ),
        (
            "<li><img src=/a.jpg><h3>Almonds</h3><bdi>4,50&nbsp;<span>zł</span></bdi></li>",
            ("Almonds", 4.5, "PLN"),
        ),
        (
            "<li><img src=/a.jpg><h3>Almonds</h3><del>€ 9</del> <ins>€ 4.50</ins></li>",
            ("Almonds", 4.5, "EUR"),
        ),
        (
            "<li><img src=/a.jpg><h3>Almonds</h3><b class=price-old>₺9</b><b>₺4,50</b></li>",
            ("Almonds", 4.5, "TRY"),
        ),
        (
            "<li><img src=/a.jpg><h3>Almonds</h3><p>0.5 kg (9,00 € / 1 kg)</p><b>4,50 €*</b></li>",
            ("Almonds", 4.5, "EUR"),
        ),
        (
            "<li><img src=/a.jpg><h3>Almonds</h3><p>250 g for 1 200 <i>₸</i></p></li>",
            ("Almonds", 1200, "KZT"),
        ),
        (
            "<li><img src=/a.jpg><span>Almonds</span><span>4,50 €</span><button>Buy</button></li>",
            ("Almonds", 4.5, "EUR"),
        ),
        # Without a heading: the text that repeats the image's, or another link to its page
        (
            "<a href=/a><img src=/a.jpg alt=Almonds><p>New!</p><p>Almonds</p><p>€4.50</p></a>",
            ("Almonds", 4.5, "EUR"),
        ),
        (
            "<div><a href=/a><img src=/a.jpg></a><a href=/b>Sale</a><a href=/a class=btn>Buy</a>"
            "<a href=/a>Almonds</a> 4,50 лв</div>",
            ("Almonds", 4.5, "BGN"),
        ),
        (
            "<dl><dt><img src=/a.jpg></dt><dd class=name>Almonds</dd><dd>CHF 4.50</dd></dl>",
            ("Almonds", 4.5, "CHF"),
        ),
        (
            '<div class=product style="background: url(/a.jpg)"><h2>Save 25%</h2></div>',
            ("", None, ""),
        ),
        # Name and price in one heading, before a sentence; a badge is no name
        (
            "<article><img src=/a.jpg><h3>Almonds, raw - 3,50€</h3><p>Try them.</p></article>",
            ("Almonds, raw", 3.5, "EUR"),
        ),
        (
            "<div class=card><img src=/a.jpg><h4 class=card-title>₹ 300 <s>₹ 399</s> Almonds</h4></div>",
            ("Almonds", 300, "INR"),
        ),
        (
            "<div class=card><img src=/a.jpg><h5>30% off!</h5><p>Almonds</p><b>₹ 300</b></div>",
            ("Almonds", 300, "INR"),
        ),
        (
            "<div class=card><img src=/a.jpg><h4>from 3 € per 100 g</h4><h6>Almonds</h6></div>",
            ("Almonds", 3, "EUR"),
        ),
        (
            '<div style="background: url(/a.jpg)"><h4>Almonds</h4> 4.50 грн</div>',
            ("Almonds", 4.5, "UAH"),
        ),
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


def card_with_text(text):
    return (
        f"<div class=column><a><img src=/{len(text)}.jpg></a><div class=overlay>{text}</div></div>"
    )


def test_only_text_of_repeated_cards_is_a_name():
    cards = map(card_with_text, ["Figs", "Dates", "Almonds"])
    assert [name for name, _, _ in products("".join(cards))] == ["Figs", "Dates", "Almonds"]


@pytest.mark.parametrize(
    "html",
    [
        card_with_text("Almonds"),  # alone
        "".join(map(card_with_text, ["Sale!", "3 €", "a long sentence about us " * 4])),
        f"<section class=team>{''.join(map(card_with_text, ['Ann', 'Robert', 'Cy']))}</section>",
    ],
)
def test_other_texts_beside_images_are_no_names(html):
    assert {name for name, _, _ in products(html)} == {""}


def test_team_is_not_for_sale():
    assert {name for name, _, _ in products(TEAM)} == {""}


def test_copies_for_browsers_without_scripts_are_no_further_images():
    view = "<img src=/{0}.jpg><noscript><img src=/{0}.jpg></noscript>"
    html = f"<li class=product>{''.join(map(view.format, 'abc'))}<h3>Almonds</h3></li>"
    assert {name for name, _, _ in products(html)} == {"Almonds"}
