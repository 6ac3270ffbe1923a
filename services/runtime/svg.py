"""Charts as SVG, made here: pure text, no script, no colour of their own.

They inherit the page's colours (`currentColor`, and the classes of style.css), so they are readable in dark mode and in
high contrast. Each has a title and a description for those who hear the page; show the same numbers in a table too.
Positions stand in attributes: the content security policy allows no style attribute.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

_ROW = 30
_LABEL = 112
_WIDTH = 480
_CELL = 58
_HEAD = 44
_TIMES = 250
_WIDE = 720


@dataclass(frozen=True)
class Bar:
    """One line of a bar chart. `value` None: not shown, for `note` gives the reason (`under 11`)."""

    label: str
    value: int | None
    note: str = ""


def bars(key: str, title: str, description: str, rows: Sequence[Bar]) -> Markup:
    """Horizontal bars, longest = the largest value. `key` makes the ids unique on a page: [a-z0-9-]."""
    most = max((row.value or 0 for row in rows), default=0)
    parts = [_bar(i * _ROW, row, most) for i, row in enumerate(rows)]
    axis = Markup('<line class="chart-axis" x1="{0}" y1="0" x2="{0}" y2="{1}"/>').format(_LABEL, len(rows) * _ROW)
    return _drawing(key, title, description, (_WIDTH, len(rows) * _ROW), [*parts, axis])


def _bar(y: int, row: Bar, most: int) -> Markup:
    length = max(2.0, (_WIDTH - _LABEL - 76) * row.value / most) if row.value else 0.0
    shown = row.note if row.value is None else _grouped(row.value)
    label = _name(_LABEL - 10, y + 19, "end", row.label)
    return label + Markup(
        '<rect class="chart-bar" x="{}" y="{}" width="{}" height="18" rx="2"/>'
        '<text class="chart-value" x="{}" y="{}">{}</text>'
    ).format(_LABEL, y + 6, _length(length), _length(_LABEL + length + 8), y + 19, shown)


@dataclass(frozen=True)
class Cell:
    """One cell of a matrix. `value` None: not shown, for `note` gives the reason."""

    value: int | None
    note: str = ""


def matrix(
    key: str, title: str, description: str, names: Sequence[str], cells: Mapping[tuple[str, str], Cell]
) -> Markup:
    """A triangle of pairs of names; `cells` is keyed by two names, in either order.

    The darker, the more; the number stands in the cell. A pair without a cell is left out.
    """
    most = max((cell.value or 0 for cell in cells.values()), default=0)
    parts = []
    for i, row in enumerate(names[1:]):
        parts.append(_name(_HEAD - 10, _HEAD + i * _CELL + 33, "end", row))
        for j, column in enumerate(names[: i + 1]):
            cell = cells.get((row, column)) or cells.get((column, row))
            if cell is not None:
                parts.append(_cell(_HEAD + j * _CELL, _HEAD + i * _CELL, cell, most))
    parts += [_name(_HEAD + j * _CELL + 27, _HEAD - 14, "middle", column) for j, column in enumerate(names[:-1])]
    size = _HEAD + (len(names) - 1) * _CELL
    return _drawing(key, title, description, (size, size), parts)


def _cell(x: int, y: int, cell: Cell, most: int) -> Markup:
    shade = 0 if not cell.value else 0.12 + 0.38 * cell.value / most
    shown = cell.note if cell.value is None else _grouped(cell.value)
    return Markup(
        '<rect class="chart-frame" x="{0}" y="{1}" width="{3}" height="{3}" rx="3"/>'
        '<rect class="chart-bar" x="{0}" y="{1}" width="{3}" height="{3}" rx="3" fill-opacity="{2}"/>'
        '<text class="chart-value" x="{4}" y="{5}" text-anchor="middle">{6}</text>'
    ).format(x, y, f"{shade:.2f}", _CELL - 4, x + 27, y + 32, shown)


@dataclass(frozen=True)
class Span:
    """One line of a timeline, from a time to another, both in any one unit. `due`: when it should have ended."""

    label: str
    start: float
    end: float
    due: float | None = None
    is_open: bool = True
    """Whether it goes on; else it is drawn faintly."""


def timeline(key: str, title: str, description: str, spans: Sequence[Span], now: float) -> Markup:
    """Bars on one axis of time, each in a frame up to where it is due, and a line at `now`."""
    times = [t for s in spans for t in (s.start, s.end, s.due) if t is not None] + [now]
    first, last = min(times), max(times)

    def x(at: float) -> float:
        return _TIMES + (_WIDE - _TIMES - 12) * (at - first) / ((last - first) or 1)

    height = len(spans) * _ROW
    parts = [_span(i * _ROW, span, x) for i, span in enumerate(spans)]
    line = Markup('<line class="chart-axis" x1="{0}" y1="0" x2="{0}" y2="{1}"/>').format(_length(x(now)), height)
    return _drawing(key, title, description, (_WIDE, height), [*parts, line])


def _span(y: int, span: Span, x: Callable[[float], float]) -> Markup:
    left, width = x(span.start), max(2.0, x(span.end) - x(span.start))
    bar = Markup('<rect class="chart-bar" x="{}" y="{}" width="{}" height="18" rx="2" fill-opacity="{}"/>').format(
        _length(left), y + 6, _length(width), "1" if span.is_open else "0.3"
    )
    frame = Markup()
    if span.due is not None:
        frame = Markup('<rect class="chart-frame" x="{}" y="{}" width="{}" height="18" rx="2"/>').format(
            _length(left), y + 6, _length(max(2.0, x(span.due) - left))
        )
    return _name(_TIMES - 10, y + 19, "end", span.label) + bar + frame


def _name(x: int, y: int, anchor: str, text: str) -> Markup:
    return Markup('<text class="chart-label" x="{}" y="{}" text-anchor="{}">{}</text>').format(x, y, anchor, text)


def _drawing(key: str, title: str, description: str, size: tuple[int, int], parts: Sequence[Markup]) -> Markup:
    return Markup(
        '<figure class="chart-of"><figcaption aria-hidden="true">{1}</figcaption>'
        '<svg class="chart" role="img" aria-labelledby="{0}-title {0}-desc" '
        'viewBox="0 0 {3} {4}" width="{3}" height="{4}">'
        '<title id="{0}-title">{1}</title><desc id="{0}-desc">{2}</desc>{5}</svg></figure>'
    ).format(key, title, description, *size, Markup().join(parts))


def _length(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _grouped(value: int) -> str:
    return f"{value:,}".replace(",", "\u202f")
