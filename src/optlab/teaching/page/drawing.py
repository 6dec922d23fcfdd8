"""Small pictures of numbers as SVG elements, in the colours of the page; they carry their numbers as titles."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from optlab.teaching.page.numbers import short, whole

WIDTH, HEIGHT = 320, 90  # units of the drawing, which is as wide as its place


def strip(values: Sequence[float | None], mean: float | None) -> Markup:
    """Each value a dot from left to right by size of its number, the mean a line: the losses of a batch."""
    found = [value for value in values if value is not None and math.isfinite(value)]
    if not found:
        return Markup("")
    low, high = min(found), max(found)

    def x(value: float) -> float:
        return 6 + (WIDTH - 12) * (value - low) / ((high - low) or 1)

    lanes = _lanes([x(value) for value in found])
    deep = max(lanes) + 1
    height = 22 + 6 * deep
    marks = [
        f'<circle cx="{x(value):.1f}" cy="{height - 20 - 6 * lane:.1f}" r="2.6"><title>{whole(value)}</title></circle>'
        for value, lane in zip(found, lanes, strict=True)
    ]
    if mean is not None and math.isfinite(mean):
        marks.append(f'<path class="mean" d="M{x(mean):.1f} 0V{height - 14}"><title>{whole(mean)}</title></path>')
    axis = f'<path class="axis" d="M0 {height - 15}H{WIDTH}"/>' + _ends(low, high, height)
    return _svg("strip", height, axis + "".join(marks))


def histogram(counts: Sequence[int], edges: Sequence[float], followed: float | None = None) -> Markup:
    """Bars of counts between edges; `followed` is marked on the axis."""
    if not counts or len(edges) != len(counts) + 1:
        return Markup("")
    most = max(*counts, 1)
    low, high = edges[0], edges[-1]
    span = high - low

    def x(value: float) -> float:  # where all are the same number, in the middle
        return 4 + (WIDTH - 8) * (value - low) / span if span else WIDTH / 2

    bars = []
    for count, left, right in zip(counts, edges, edges[1:], strict=False):
        if not count:
            continue
        tall = max(1.0, (HEIGHT - 22) * count / most)
        begin, wide = (x(left), max(0.6, x(right) - x(left) - 0.6)) if span else (x(left) - 6, 12)
        bars.append(
            f'<rect x="{begin:.1f}" y="{HEIGHT - 16 - tall:.1f}" width="{wide:.1f}" '
            f'height="{tall:.1f}"><title>{short(left)} … {short(right)}: {count:,}</title></rect>'
        )
    if low < 0 < high:
        bars.append(f'<path class="zero" d="M{x(0):.1f} 2V{HEIGHT - 15}"/>')
    if followed is not None and low <= followed <= high:
        triangle = f"M{x(followed):.1f} {HEIGHT - 15}l-4.5 -9h9z"
        bars.append(f'<path class="followed" d="{triangle}"><title>{whole(followed)}</title></path>')
    axis = f'<path class="axis" d="M0 {HEIGHT - 15.5}H{WIDTH}"/>' + _ends(low, high, HEIGHT)
    return _svg("histogram", HEIGHT, axis + "".join(bars))


def angle(degrees: float | None, length: float) -> Markup:
    """An arrow of an update, `length` of 0 to 1, beside the negative gradient, which points to the right."""
    if degrees is None or not math.isfinite(degrees):
        return Markup("")
    reach = 34
    turned = math.radians(min(max(degrees, 0), 180))
    long = reach * (0.25 + 0.75 * min(max(length, 0), 1))
    x, y = 40 + long * math.cos(turned), 42 - long * math.sin(turned)
    head = [
        f"L{x - 6 * math.cos(turned + side):.1f} {y + 6 * math.sin(turned + side):.1f}M{x:.1f} {y:.1f}"
        for side in (-0.45, 0.45)
    ]
    bow = f"M{40 + 14:.1f} 42A14 14 0 0 0 {40 + 14 * math.cos(turned):.1f} {42 - 14 * math.sin(turned):.1f}"
    return Markup(  # of numbers alone
        f'<svg class="angle" viewBox="0 0 80 48" aria-hidden="true"><path class="down" d="M40 42H78"/>'
        f'<path class="bow" d="{bow}"/><path class="arrow" d="M40 42L{x:.1f} {y:.1f}{"".join(head)}"/></svg>'
    )


def _lanes(places: Sequence[float]) -> list[int]:
    """Which row each dot stands in, so that none covers another."""
    rows: list[float] = []
    found = [0] * len(places)
    for index in sorted(range(len(places)), key=lambda i: places[i]):
        lane = next((row for row, end in enumerate(rows) if places[index] - end >= 5.6), len(rows))
        if lane == len(rows):
            rows.append(0.0)
        rows[lane] = places[index]
        found[index] = lane
    return found


def _ends(low: float, high: float, height: float) -> str:
    if low == high:
        return f'<text x="{WIDTH / 2}" y="{height - 3}" text-anchor="middle">{short(low, 3)}</text>'
    return (
        f'<text x="2" y="{height - 3}">{short(low, 3)}</text>'
        f'<text x="{WIDTH - 2}" y="{height - 3}" text-anchor="end">{short(high, 3)}</text>'
    )


def _svg(name: str, height: float, inside: str) -> Markup:
    return Markup(f'<svg class="{name}" viewBox="0 0 {WIDTH} {height}" aria-hidden="true">{inside}</svg>')
