"""The templates, set up so that nothing of a stranger's reaches a page as it came."""

from functools import cache
from math import exp

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from similarity_lab.report.text import clip, visible, web_link

SYMBOLS = {"relevant": "✓", "irrelevant": "✕", "unsure": "?", "no decision": "–"}
_MOST = 1000  # beyond, a factor of odds only says "very much"


@cache
def environment() -> Environment:
    """Return the templates' environment: escapes all, and spells out what is not seen."""
    made = Environment(
        loader=PackageLoader("similarity_lab.report"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(percent=_percent, clip=clip, odds=odds, web_link=web_link)
    made.globals["symbols"] = SYMBOLS
    return made


def _shown(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _percent(value: float, digits: int = 0) -> str:
    return f"{value:.{digits}%}"


def odds(influence: float) -> str:
    """Return in words by how much an image moves the odds of "relevant".

    Examples
    --------
    >>> odds(1.9), odds(-0.7), odds(0.0)
    ('for: odds × 6.7', 'against: odds ÷ 2.0', 'odds unmoved')
    """
    factor = exp(min(abs(influence), 50))
    if factor < 1.05:
        return "odds unmoved"
    words = (
        f"over {_MOST}" if factor > _MOST else f"{factor:.0f}" if factor > 20 else f"{factor:.1f}"
    )
    return f"for: odds × {words}" if influence > 0 else f"against: odds ÷ {words}"
