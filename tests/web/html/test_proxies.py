# ruff: noqa: E501 - one URL per line
import time

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.web import find_images
from similarity_lab.web.html.proxies import original_url

S = "https://shop.example"


@pytest.mark.parametrize(
    ("url", "original"),
    [
        # the original's URL in a parameter
        (f"{S}/_next/image?url=%2Fmedia%2Fa.jpg&w=64&q=75", f"{S}/media/a.jpg"),
        (f"{S}/_next/image?url=https%3A%2F%2Fcdn.example%2Fa%3Fid%3D1&w=64", "https://cdn.example/a?id=1"),
        (f"{S}/_vercel/image?url=%2Fa.jpg&w=64", f"{S}/a.jpg"),
        (f"{S}/_image?href=%2F_astro%2Fa.webp&w=64", f"{S}/_astro/a.webp"),
        (f"{S}/.netlify/images?url=/a.jpg&w=64", f"{S}/a.jpg"),
        (f"{S}/timthumb.php?src=/img/a%20b.jpg&w=80", f"{S}/img/a%20b.jpg"),
        ("https://images.weserv.nl/?url=shop.example/a.jpg&w=80", f"{S}/a.jpg"),
        # in the path
        (f"{S}/cdn-cgi/image/width=80,quality=75/media/a.jpg", f"{S}/media/a.jpg"),
        (f"{S}/cdn-cgi/image/w=80/https://cdn.example/a.jpg", "https://cdn.example/a.jpg"),
        (f"{S}/_ipx/w_200&f_webp/img/a.jpg", f"{S}/img/a.jpg"),
        ("https://i0.wp.com/shop.example/wp-content/a.jpg?resize=80%2C80", f"{S}/wp-content/a.jpg"),
        ("https://res.cloudinary.com/x/image/fetch/w_80,f_auto/https://shop.example/a.jpg", f"{S}/a.jpg"),
        ("https://thumbs.example/unsafe/80x80/smart/https://shop.example/a.jpg", f"{S}/a.jpg"),
        ("https://res.cloudinary.com/x/image/fetch/w_80/https%3A%2F%2Fshop.example%2Fa.jpg", f"{S}/a.jpg"),
        # instructions that are known
        ("https://static.wixstatic.com/media/f~mv2.jpg/v1/fill/w_49,h_33,blur_2/a.jpg", "https://static.wixstatic.com/media/f~mv2.jpg"),
        (f"{S}/media/f.png/v1/fit/w_80,h_80/f.png", f"{S}/media/f.png"),
        ("https://images.squarespace-cdn.com/content/v1/a.jpg?format=100w", "https://images.squarespace-cdn.com/content/v1/a.jpg?format=1500w"),
        ("https://res.cloudinary.com/x/image/upload/w_80,c_fill/e_blur:900/v12/nuts/a_b.jpg", "https://res.cloudinary.com/x/image/upload/v12/nuts/a_b.jpg"),
        ("https://x.imgix.net/a.jpg?w=80&blur=50&ixlib=js", "https://x.imgix.net/a.jpg"),
        ("https://ik.imagekit.io/x/tr:w-80,bl-10/a.jpg", "https://ik.imagekit.io/x/a.jpg"),
        # names derived from the original's
        ("https://cdn.shopify.com/s/files/1/2/products/a_100x100_crop_center.jpg?v=1", "https://cdn.shopify.com/s/files/1/2/products/a.jpg?v=1"),
        (f"{S}/cdn/shop/files/a.jpg?v=1&width=80", f"{S}/cdn/shop/files/a.jpg?v=1"),
        (f"{S}/media/catalog/product/cache/9df78eab33525d08d6e5fb8d27136e95/a/b/a.jpg", f"{S}/media/catalog/product/a/b/a.jpg"),
        (f"{S}/wp-content/uploads/2020/a-150x150.jpg", f"{S}/wp-content/uploads/2020/a.jpg"),
        ("https://m.media-amazon.com/images/I/71a._AC_SL100_.jpg", "https://m.media-amazon.com/images/I/71a.jpg"),
        (f"{S}/image/cache/catalog/nuts/a-228x228.jpg", f"{S}/image/catalog/nuts/a.jpg"),
        # a proxy behind a proxy
        (f"{S}/_next/image?url=https%3A%2F%2Fx.imgix.net%2Fa.jpg%3Fblur%3D9&w=64", "https://x.imgix.net/a.jpg"),
    ],
)  # fmt: skip
def test_original_behind_a_proxy(url, original):
    assert original_url(url) == original


@pytest.mark.parametrize(
    "url",
    [
        f"{S}/a.jpg?v=3", f"{S}/a.jpg?width=300", f"{S}/wp-content/uploads/a-600x600.jpg", f"{S}/a-150x150.jpg",
        f"{S}/image/upload/a.jpg", f"{S}/_next/image?url=data:x", f"{S}/_next/image?url=//[bad", f"{S}/a?u=abc",
        f"{S}/share?url=https://shop.example/page", "data:image/gif;base64,R0lG", f"{S}/unsafe/a.jpg",
    ],
)  # fmt: skip
def test_url_without_a_proxy_stays(url):
    assert original_url(url) == url


def test_url_of_the_proxy_is_a_fallback():
    proxy = f"{S}/_next/image?url=%2Fa.jpg&w=64"
    (image,) = find_images(f'<img src="{proxy}">', S)
    assert (image.url, image.fallbacks) == (f"{S}/a.jpg", (proxy,))


@pytest.mark.parametrize("piece", ["/unsafe", "/image/fetch/_", "_", "/cdn-cgi/image/a=b", "w_1,"])
def test_hostile_url_is_read_in_linear_time(piece):
    start = time.process_time()
    for length in (1_900, 10**6):
        original_url(f"{S}/{piece * (length // len(piece))}")
    assert time.process_time() - start < 5
