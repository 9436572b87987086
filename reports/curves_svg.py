"""The page's curves as SVG, for papers: the same data, light, with the legend beside."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#00875a",
    "#aa3f8f",
    "#b88700",
    "#2c9fd6",
    "#7a4fd0",
    "#6b6b6b",
)
"""Those of reports/page/style.css in the light."""

DASHES = ("", "7 3", "2 3")
LABELS = {
    "n": "N (completions)",
    "tokens": "tokens generated a problem",
    "flops": "FLOPs a problem",
    "seconds": "seconds a problem",
}

_WIDTH, _HEIGHT, _LEGEND = 560, 380, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 46
_Z = 1.96  # standard errors on each side of a 95 % interval
_UNITS = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, slots=True)
class Curve:
    """A line; `points` are x, mean and standard error. `dashed` are numbers at n < N."""

    name: str
    colour: str
    dash: str
    dashed: bool
    points: tuple[tuple[float, float, float], ...]


def curves_svg(data: Mapping[str, Any], axis: str) -> str | None:
    """Accuracy by each strategy's own choice against `axis`; None where nothing tells it.

    `data` is that of the page (`sal.reports.page_data.page_data`).
    """
    curves = [curve for curve in _curves(data, axis) if curve.points]
    if not curves:
        return None
    levels = [level for level in data["levels"] if level["accuracy"][0] is not None]
    frame = _Frame.around(curves, [level["accuracy"][0] for level in levels])
    names = [(_said(c.name), c.colour, "3 4" if c.dashed else c.dash) for c in curves]
    names += [(_said(level["name"]), "#5b6470", "6 4") for level in levels]
    height = max(_HEIGHT, 24 + 18 * len(names))
    width = _WIDTH + max(_LEGEND, 48 + 7 * max(len(name) for name, _, _ in names))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="Helvetica, Arial, sans-serif" '
        'font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        *_axes(frame, axis),
    ]
    for level in levels:
        y = f"{frame.y(level['accuracy'][0]):.1f}"
        parts.append(
            f'<path d="M{_LEFT},{y}H{_WIDTH - _RIGHT}" stroke="#5b6470" stroke-width="1.5" '
            'stroke-dasharray="6 4"/>'
        )
    for curve in curves:
        parts += _drawn(curve, frame)
    for i, (name, colour, dash) in enumerate(names):
        middle = 20 + 18 * i
        parts.append(
            f'<path d="M{_WIDTH + 8},{middle}h22" stroke="{colour}" stroke-width="2"{_dash(dash)}/>'
            f'<text x="{_WIDTH + 36}" y="{middle + 4}">{escape(name)}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])


def _curves(data: Mapping[str, Any], axis: str) -> Iterator[Curve]:
    for dashed, lines in ((False, data["series"]), (True, data["samples"])):
        for line in lines:
            found = (
                (p["cost"][axis], p["accuracy"] if dashed else p["accuracy"]["chosen"])
                for p in line["points"]
            )
            points = tuple(
                (x, mean, stderr or 0.0) for x, (mean, stderr) in found if x and mean is not None
            )
            dash = DASHES[line["look"] // len(COLOURS) % len(DASHES)]
            yield Curve(line["name"], COLOURS[line["look"] % len(COLOURS)], dash, dashed, points)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where values lie in the picture: x by its logarithm."""

    x0: float
    x1: float
    y0: float
    y1: float
    step: float

    @classmethod
    def around(cls, curves: Sequence[Curve], levels: Sequence[float]) -> _Frame:
        xs = [x for curve in curves for x, _, _ in curve.points]
        ends = [end for curve in curves for p in curve.points for end in _ends(p)] + [*levels]
        low = max(0.0, min(*ends, max(ends) - 0.1))  # equal values need room, too
        high = min(1.0, max(*ends, low + 0.1))
        step = next((s for s in (0.01, 0.02, 0.05, 0.1, 0.2) if (high - low) / s <= 8), 0.25)
        y0 = math.floor(low / step) * step
        return cls(min(xs), max(xs), y0, max(math.ceil(high / step) * step, y0 + step), step)

    def x(self, value: float) -> float:
        spread = math.log(self.x1 / self.x0) or 1.0
        room = _WIDTH - _LEFT - _RIGHT - 16
        return _LEFT + 8 + math.log(value / self.x0) / spread * room

    def y(self, value: float) -> float:
        return _TOP + (self.y1 - value) / (self.y1 - self.y0) * (_HEIGHT - _TOP - _BOTTOM)

    def x_ticks(self, whole: bool) -> list[float]:
        """Powers of two of whole numbers, else 1, 2 and 5 times powers of ten; at most nine."""
        found: list[float] = [2.0**k for k in range(40)]
        if not whole:
            ends = [math.floor(math.log10(v)) for v in (self.x0, self.x1)]
            found = [m * 10.0**e for e in range(ends[0], ends[1] + 1) for m in (1, 2, 5)]
        inside = [v for v in found if self.x0 * 0.999 <= v <= self.x1 * 1.001]
        return inside[:: max(1, math.ceil(len(inside) / 9))]

    def y_ticks(self) -> list[float]:
        return [self.y0 + i * self.step for i in range(round((self.y1 - self.y0) / self.step) + 1)]


def _axes(frame: _Frame, axis: str) -> list[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = []
    for v in frame.y_ticks():
        y = f"{frame.y(v):.1f}"
        parts.append(
            f'<path d="M{_LEFT},{y}H{right}" stroke="#d9dee4"/>'
            f'<text x="{_LEFT - 6}" y="{frame.y(v) + 4:.1f}" text-anchor="end">{100 * v:.0f}</text>'
        )
    for v in frame.x_ticks(axis == "n"):
        x = f"{frame.x(v):.1f}"
        parts.append(
            f'<path d="M{x},{_TOP}V{bottom}" stroke="#d9dee4"/>'
            f'<text x="{x}" y="{bottom + 17}" text-anchor="middle">{short(v)}</text>'
        )
    middle = (_TOP + bottom) / 2
    return [
        *parts,
        f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">'
        f"{LABELS[axis]}</text>",
        f'<text x="14" y="{middle}" text-anchor="middle" '
        f'transform="rotate(-90 14 {middle})">accuracy, %</text>',
    ]


def _drawn(curve: Curve, frame: _Frame) -> list[str]:
    """Band, line, and for measured points a mark with its interval."""
    at = [(frame.x(x), frame.y(mean)) for x, mean, _ in curve.points]
    ends = [tuple(map(frame.y, _ends(point))) for point in curve.points]
    parts = []
    if len(at) > 1:
        above = [(x, high) for (x, _), (_, high) in zip(at, ends, strict=True)]
        below = [(x, low) for (x, _), (low, _) in zip(at, ends, strict=True)]
        dash = _dash("3 4" if curve.dashed else curve.dash)
        parts += [
            f'<path d="{_path(above + below[::-1])}Z" fill="{curve.colour}" fill-opacity="0.09"/>',
            f'<path d="{_path(at)}" fill="none" stroke="{curve.colour}" stroke-width="2"{dash}/>',
        ]
    if not curve.dashed:
        parts += [
            f'<path d="M{x:.1f},{low:.1f}V{high:.1f}" stroke="{curve.colour}" opacity="0.55"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{curve.colour}"/>'
            for (x, y), (low, high) in zip(at, ends, strict=True)
        ]
    return parts


def _ends(point: tuple[float, float, float]) -> tuple[float, float]:
    _, mean, stderr = point
    return max(0.0, mean - _Z * stderr), min(1.0, mean + _Z * stderr)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _dash(dash: str) -> str:
    return f' stroke-dasharray="{dash}"' if dash else ""


def _said(name: str) -> str:
    return name if len(name) <= 80 else f"{name[:79]}…"


def short(value: float) -> str:
    """`64`, `1.2k`, `3.5T`"""
    for size, letter in _UNITS:
        if value >= size * 0.9995:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"
