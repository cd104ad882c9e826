"""Product data that pages embed for search engines: JSON-LD and microdata."""

import json
from collections.abc import Iterator
from itertools import islice

from similarity_lab.web.html.markup import Page

_MAX_NODES = 20_000  # JSON-LD nodes of a page; likewise images in microdata
_OPENING, _CLOSING = ("//", "<!--", "<![CDATA["), ("-->", "]]>", "//")  # old habits


def product_images(page: Page) -> list[tuple[str, str, str]]:
    """Return ``(url, kind, alt)`` of the images that the page declares as a product's, in order.

    The kind is ``"json-ld"`` or ``"microdata"``.
    """
    return [*_json_ld(page), *islice(_microdata(page), _MAX_NODES)]


def _json_ld(page: Page) -> Iterator[tuple[str, str, str]]:
    nodes = list(islice(_nodes(page), _MAX_NODES))
    by_id = {node["@id"]: node for node in nodes if isinstance(node.get("@id"), str)}
    for node in nodes:
        if _is_product(node.get("@type")):
            alt = node.get("name")
            for url in _image_urls(node.get("image"), by_id):
                if absolute := page.absolute(url):
                    yield absolute, "json-ld", alt if isinstance(alt, str) else ""


def _nodes(page: Page) -> Iterator[dict]:
    for script in page.root.iter("script"):
        if (script.get("type") or "").split(";")[0].strip().lower() != "application/ld+json":
            continue
        try:
            stack = [json.loads(_unwrapped(script.text or ""), strict=False)]
        except (
            ValueError,
            RecursionError,
        ):  # broken, or nested too deeply; other scripts may be fine
            continue
        while stack:  # last in, first out: pushed in reverse
            value = stack.pop()
            if isinstance(value, dict):
                yield value
                stack.extend(reversed(value.values()))
            elif isinstance(value, list):
                stack.extend(reversed(value))


def _unwrapped(text: str) -> str:
    # Not a regular expression: with white space allowed, it would backtrack on a page full of it
    text = text.strip()
    for mark in _OPENING:
        text = text.removeprefix(mark).lstrip()
    for mark in _CLOSING:
        text = text.removesuffix(mark).rstrip()
    return text


def _is_product(kind: object) -> bool:
    kinds = kind if isinstance(kind, list) else [kind]
    names = {str(name).rstrip("/").rpartition("/")[2] for name in kinds}
    return not names.isdisjoint({"Product", "ProductGroup", "ProductModel", "IndividualProduct"})


def _image_urls(image: object, by_id: dict[str, dict]) -> Iterator[str]:
    for value in image if isinstance(image, list) else [image]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            has_url = {"url", "contentUrl"} & value.keys()
            node = value if has_url else by_id.get(_id(value), value)
            for key in ("contentUrl", "url"):
                urls = node.get(key)
                first = urls[0] if isinstance(urls, list) and urls else urls
                if isinstance(first, str):
                    yield first
                    break


def _id(node: dict) -> str:
    return node["@id"] if isinstance(node.get("@id"), str) else ""


def _microdata(page: Page) -> Iterator[tuple[str, str, str]]:
    for scope in page.root.iterfind(".//*[@itemtype]"):
        if not _is_product(scope.get("itemtype", "").split()):
            continue
        for node in scope.iterfind(".//*[@itemprop]"):
            if "image" in node.get("itemprop", "").split():
                for attribute in ("content", "href", "src", "data-src"):
                    if absolute := page.absolute(node.get(attribute)):
                        yield absolute, "microdata", node.get("alt") or ""
                        break
