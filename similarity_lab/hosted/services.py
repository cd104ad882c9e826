"""What a service is sent, and how its answer is read."""

import base64
import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from similarity_lab.errors import InputError
from similarity_lab.files.downloads import is_secure_url
from similarity_lab.hosted.costs import Price


@dataclass(frozen=True)
class Service:
    """A service that takes two pictures and answers with one number.

    Attributes
    ----------
    name : str
    url : str
        https; http on this machine only.
    key_variable : str
        Environment variable that holds the key. The key itself is nowhere in this package's
        objects, files or messages.
    key_header : str
        Header the key is sent in.
    fields : (str, str)
        What the two pictures are called in a request.
    answer : tuple of str
        Where the number is in the JSON object that comes back, from the outside in.
    form : {"multipart", "json"}
        Files of a form, or base64 in a JSON object.
    is_similarity : bool
        The number is 1 for the same and 0 for nothing in common, so that the distance is 1 minus
        it; otherwise it is a distance from 0 = same.
    headers : mapping of str to str
        Further headers.
    price : Price, optional
        None where nobody publishes one.

    Raises
    ------
    ValueError
        For an address that is not https, or holds a name and password.
    """

    name: str
    url: str
    key_variable: str
    key_header: str
    fields: tuple[str, str]
    answer: tuple[str, ...]
    form: Literal["multipart", "json"] = "multipart"
    is_similarity: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    price: Price | None = None

    def __post_init__(self) -> None:
        if not is_secure_url(self.url):
            raise InputError(f"{self.url}: expected an https address")
        if "@" in urlsplit(self.url).netloc:
            raise InputError(
                f"{self.name}: the address holds no credentials, {self.key_variable} has the key"
            )
        if self.form not in ("multipart", "json"):
            raise InputError(f'form must be "multipart" or "json", got {self.form!r}')

    def body(self, first: bytes, second: bytes) -> tuple[str, bytes]:
        """Return content type and body of a request for two JPEGs."""
        pictures = dict(zip(self.fields, (first, second), strict=True))
        if self.form == "json":
            texts = {name: base64.b64encode(data).decode() for name, data in pictures.items()}
            return "application/json", json.dumps(texts).encode()
        boundary = secrets.token_hex(16)
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}.jpg"'
            "\r\nContent-Type: image/jpeg\r\n\r\n".encode()
            + data
            + b"\r\n"
            for name, data in pictures.items()
        ]
        end = f"--{boundary}--\r\n".encode()
        return f"multipart/form-data; boundary={boundary}", b"".join(parts) + end

    def distance(self, body: bytes) -> float:
        """Return the distance that an answer holds; ValueError if it holds none."""
        try:
            value = json.loads(body)
            for name in self.answer:
                value = value[name]
            number = float(value)
        except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
            raise InputError(f"holds no number at {'.'.join(self.answer)}") from None
        highest = 1.0 if self.is_similarity else math.inf
        if isinstance(value, bool) or not (0 <= number <= highest and math.isfinite(number)):
            wanted = "a similarity from 0 to 1" if self.is_similarity else "a distance of 0 or more"
            raise InputError(f"expected {wanted}, got {number}")
        return 1 - number if self.is_similarity else number


DEEPAI = Service(
    name="DeepAI image-similarity",
    url="https://api.deepai.org/api/image-similarity",
    key_variable="DEEPAI_API_KEY",
    key_header="api-key",
    fields=("image1", "image2"),
    answer=("output", "distance"),
)
"""The first one the study looked at. Without a price here: production needs a contract."""


def rapidapi(
    host: str,
    path: str,
    *,
    fields: tuple[str, str] = ("image_a", "image_b"),
    answer: tuple[str, ...] = ("similarity_score",),
    form: Literal["multipart", "json"] = "json",
    is_similarity: bool = True,
    price: Price | None = None,
) -> Service:
    """Return a service of the RapidAPI market place; the key is taken from ``RAPIDAPI_KEY``.

    Every provider there has its own host, fields and answers, which its page lists; the defaults
    are one provider's that takes base64 in JSON and answers with a similarity.

    Parameters
    ----------
    host : str
        ``"….p.rapidapi.com"``.
    path : str
        ``"/…"``.
    fields, answer, form, is_similarity
        See `Service`.
    price : Price, optional
        Default: what the study found, 1.99 USD a month for 6,000 requests.

    Examples
    --------
    >>> service = rapidapi("compare-pictures.p.rapidapi.com", "/score")
    >>> service.url, service.key_variable
    ('https://compare-pictures.p.rapidapi.com/score', 'RAPIDAPI_KEY')
    """
    return Service(
        name=f"RapidAPI {host}",
        url=f"https://{host}{path}",
        key_variable="RAPIDAPI_KEY",
        key_header="X-RapidAPI-Key",
        fields=fields,
        answer=answer,
        form=form,
        is_similarity=is_similarity,
        headers={"X-RapidAPI-Host": host},
        price=price or Price(per_month=1.99, included=6000),
    )
