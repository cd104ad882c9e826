"""What pages say of their products for search engines: JSON-LD and microdata."""

import json
from collections.abc import Iterator
from itertools import islice

from similarity_lab.web.html.found import Found
from similarity_lab.web.html.markup import Page

_MAX_NODES = 20_000  # of all JSON-LD of a page, and of its microdata
_OPENING, _CLOSING = ("//", "<!--", "<![CDATA["), ("-->", "]]>", "//")  # around JSON-LD, of old


def product_images(page: Page) -> list[Found]:
    """Return the images that belong to a product by the page's own word, in order."""
    return [*_json_ld(page), *islice(_microdata(page), _MAX_NODES)]


def _json_ld(page: Page) -> Iterator[Found]:
    nodes = list(islice(_nodes(page), _MAX_NODES))
    named = {node["@id"]: node for node in nodes if isinstance(node.get("@id"), str)}
    for node in nodes:
        if _is_product(node.get("@type")):
            alt = node.get("name")
            for address in _addresses(node.get("image"), named):
                if absolute := page.absolute(address):
                    yield Found(absolute, "json-ld", alt if isinstance(alt, str) else "")


def _nodes(page: Page) -> Iterator[dict]:
    for script in page.root.iter("script"):
        if (script.get("type") or "").split(";")[0].strip().lower() != "application/ld+json":
            continue
        try:
            waiting = [json.loads(_unwrapped(script.text or ""), strict=False)]
        except (ValueError, RecursionError):  # broken, or nested to break us; others may be well
            continue
        while waiting:  # last in, first out, so put in backwards
            value = waiting.pop()
            if isinstance(value, dict):
                yield value
                waiting.extend(reversed(value.values()))
            elif isinstance(value, list):
                waiting.extend(reversed(value))


def _unwrapped(text: str) -> str:
    # No regular expression: none that allows for white space is quick on a page full of it
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


def _addresses(image: object, named: dict[str, dict]) -> Iterator[str]:
    for value in image if isinstance(image, list) else [image]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            whole = value if {"url", "contentUrl"} & value.keys() else named.get(_id(value), value)
            for key in ("contentUrl", "url"):
                texts = whole.get(key)
                first = texts[0] if isinstance(texts, list) and texts else texts
                if isinstance(first, str):
                    yield first
                    break


def _id(node: dict) -> str:
    return node["@id"] if isinstance(node.get("@id"), str) else ""


def _microdata(page: Page) -> Iterator[Found]:
    for scope in page.root.iterfind(".//*[@itemtype]"):
        if not _is_product(scope.get("itemtype", "").split()):
            continue
        for node in scope.iterfind(".//*[@itemprop]"):
            if "image" in node.get("itemprop", "").split():
                for attribute in ("content", "href", "src", "data-src"):
                    if absolute := page.absolute(node.get(attribute)):
                        yield Found(absolute, "microdata", node.get("alt") or "")
                        break
