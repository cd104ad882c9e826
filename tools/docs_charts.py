"""Draw charts of results as SVG, for pages that include them as text.

Texts take the colour of the page, so that a chart fits its light and its dark form; sizes fit a
phone.
"""

from collections.abc import Sequence
from html import escape

WIDTH = 360  # of the view; style.css limits how far it is scaled
LEFT, RIGHT = 6, 354
COLORS = {"relevant": "#1b8a5a", "unsure": "#9a7400", "irrelevant": "#6b7a90"}


def interval_chart(
    rows: Sequence[tuple[str, float, float, float]], *, title: str, low: float, high: float
) -> str:
    """Return a dot and a line for each row: a value with its interval.

    Parameters
    ----------
    rows : sequence of (label, value, lower end, upper end)
    title : str
        What is measured, and what is better.
    low, high : float
        Ends of the axis.
    """
    parts, y = [], 14
    for label, value, start, end in rows:
        middle = y + 15
        left, right, dot = (_x(number, low, high) for number in (start, end, value))
        parts += [
            _text(LEFT, y + 4, label),
            _text(RIGHT, y + 4, f"{value:.3f}", anchor="end"),
            f'<line x1="{LEFT}" x2="{RIGHT}" y1="{middle}" y2="{middle}" class="rail"/>',
            f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{middle}" y2="{middle}" class="span"/>',
            f'<circle cx="{dot:.1f}" cy="{middle}" r="4" class="dot"/>',
        ]
        y += 34
    for number in (low, (low + high) / 2, high):
        anchor = {low: "start", high: "end"}.get(number, "middle")
        parts.append(_text(_x(number, low, high), y + 2, f"{number:g}", anchor=anchor, small=True))
    return _svg(parts, y + 10, title)


def decision_chart(rows: Sequence[tuple[str, dict[str, int]]], *, title: str) -> str:
    """Return a bar for each row: how many of its sites got which decision."""
    parts, y = [], 14
    for label, counts in rows:
        total = sum(counts.values())
        parts.append(_text(LEFT, y + 4, f"{label} ({total})"))
        x = float(LEFT)
        for decision, count in counts.items():
            width = (RIGHT - LEFT) * count / total
            parts.append(
                f'<rect x="{x:.1f}" y="{y + 9}" width="{width:.1f}" height="18" '
                f'fill="{COLORS[decision]}"><title>{decision}: {count}</title></rect>'
            )
            if width > 14:
                parts.append(
                    f'<text x="{x + width / 2:.1f}" y="{y + 22}" text-anchor="middle" '
                    f'class="inside">{count}</text>'
                )
            x += width
        y += 42
    x = float(LEFT)
    for decision, color in COLORS.items():
        parts += [
            f'<rect x="{x}" y="{y - 7}" width="10" height="10" fill="{color}"/>',
            _text(x + 15, y + 2, decision, small=True),
        ]
        x += 90
    return _svg(parts, y + 12, title)


def _x(number: float, low: float, high: float) -> float:
    part = min(max((number - low) / (high - low), 0.0), 1.0)
    return LEFT + 4 + part * (RIGHT - LEFT - 8)


def _text(x: float, y: float, text: str, *, anchor: str = "start", small: bool = False) -> str:
    size = ' class="small"' if small else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{size}>{escape(text)}</text>'


def _svg(parts: list[str], height: float, title: str) -> str:
    name = escape(title, quote=True)
    drawing = "".join(parts)
    return (
        f'<figure class="chart"><figcaption>{name}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{name}" '
        f'xmlns="http://www.w3.org/2000/svg">{drawing}</svg></figure>\n'
    )
