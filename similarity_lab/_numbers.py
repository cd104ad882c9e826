"""How counts, percentages and probabilities are written in messages, tables and reports."""

from collections.abc import Sequence
from math import ceil

__all__ = ["format_count", "format_probability", "percent", "percent_at_most", "percent_beside"]

_EQUAL = 1e-9  # numbers that differ by less are the same


def format_count(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is 1.

    Examples
    --------
    >>> format_count(1, "image"), format_count(0, "image"), format_count(1234, "site")
    ('1 image', '0 images', '1,234 sites')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def percent(value: float) -> str:
    """Return a limit or a confidence as a percentage, without rounding it to a whole number.

    Examples
    --------
    >>> percent(0.1), percent(0.975), percent(0.005)
    ('10%', '97.5%', '0.5%')
    """
    return f"{100 * value:.6g}%"


def percent_at_most(bound: float) -> str:
    """Return an upper bound as a whole percentage, rounded up: what it says stays true.

    Examples
    --------
    >>> percent_at_most(0.1015), percent_at_most(0.1), percent_at_most(0.0981)
    ('11%', '10%', '10%')
    """
    return f"{ceil(round(100 * bound, 9))}%"


def format_probability(value: float, *limits: float) -> str:
    """Return a probability as a percentage; one that is not certain never becomes 0% or 100%.

    Parameters
    ----------
    value : float
    *limits : float
        Numbers that the value is compared with: it never looks equal to one unless it is.

    Examples
    --------
    >>> format_probability(0.4149), format_probability(0.99996), format_probability(1.0)
    ('41.5%', '>99.9%', '100.0%')
    >>> format_probability(0.8998), format_probability(0.8998, 0.9)
    ('90.0%', '89.98%')
    """
    if 0.9995 <= value < 1:
        return ">99.9%"
    if 0 < value < 0.0005:
        return "<0.1%"
    return percent_beside(value, 1, limits)


def percent_beside(value: float, digits: int, limits: Sequence[float]) -> str:
    """Return a percentage with as many digits as tell it from the limits, at most four more."""
    text = ""
    for n_digits in range(digits, digits + 5):
        text = f"{value:.{n_digits}%}"
        shown = float(text[:-1]) / 100
        if all(_side(shown - limit) == _side(value - limit) for limit in limits):
            break
    return text


def _side(difference: float) -> int:
    """Return 1 above a limit, -1 below it, 0 on it."""
    return int(difference > _EQUAL) - int(difference < -_EQUAL)
