"""The calibration plot: of steps with a score, how many are right, as an SVG file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

_COLOURS = ("#0072b2", "#d55e00", "#00875a", "#aa3f8f", "#b88700", "#2c9fd6", "#7a4fd0", "#6b6b6b")
_SIDE, _LEFT, _TOP, _LEGEND = 320, 52, 12, 190
_LEAST, _MOST = 2.0, 9.0
"""Radius of a bin's dot, whose area grows with the bin's share of the steps."""


def calibration_svg(sets: Mapping[str, Mapping[str, Any]]) -> str:
    """A line a set, by the bins of its calibration; the diagonal is a PRM that says what is so."""
    width, height = _LEFT + _SIDE + _LEGEND, _TOP + _SIDE + 46
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="Helvetica, Arial, sans-serif" '
        'font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        *_axes(),
    ]
    for i, (name, told) in enumerate(sets.items()):
        colour, y = _COLOURS[i % len(_COLOURS)], _TOP + 16 + 18 * i
        parts += _line(told["bins"], colour)
        ece = "" if told["ece"] is None else f" (ECE {told['ece']:.3f})"
        parts.append(
            f'<path d="M{_LEFT + _SIDE + 12},{y - 4}h16" stroke="{colour}" stroke-width="2"/>'
            f'<text x="{_LEFT + _SIDE + 34}" y="{y}">{escape(name)}{ece}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])


def _axes() -> list[str]:
    parts = []
    for tenths in range(0, 11, 2):
        x, y = _at(tenths / 10, tenths / 10)
        parts += [
            f'<path d="M{_LEFT},{y:.1f}h{_SIDE}M{x:.1f},{_TOP}v{_SIDE}" stroke="#d9dee4"/>',
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10 * tenths}</text>',
            f'<text x="{x:.1f}" y="{_TOP + _SIDE + 16}" text-anchor="middle">'
            f"{tenths / 10:.1f}</text>",
        ]
    middle = _TOP + _SIDE / 2
    return [
        *parts,
        f'<path d="M{_LEFT},{_TOP + _SIDE}L{_LEFT + _SIDE},{_TOP}" stroke="#5b6470" '
        'stroke-dasharray="6 4"/>',
        f'<text x="{_LEFT + _SIDE / 2}" y="{_TOP + _SIDE + 36}" text-anchor="middle">score</text>',
        f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">'
        "% of steps that are right</text>",
    ]


def _line(bins: Sequence[Mapping[str, Any]], colour: str) -> list[str]:
    places = [_at(b["score"], b["right"]) for b in bins]
    total = sum(b["steps"] for b in bins)
    if not places:
        return []
    path = "L".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" '
        f'r="{_LEAST + (_MOST - _LEAST) * (b["steps"] / total) ** 0.5:.1f}" fill="{colour}">'
        f"<title>{b['steps']:,} steps: {100 * b['right']:.1f} % right</title></circle>"
        for (x, y), b in zip(places, bins, strict=True)
    ]
    return [f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots]


def _at(score: float, right: float) -> tuple[float, float]:
    return _LEFT + score * _SIDE, _TOP + (1 - right) * _SIDE
