r"""Boxed answers: `\boxed{5}` in every spelling that models produce, damaged ones too.

Linear in the text: only the last few boxes are read, each at most `_TAIL` characters deep.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

_TAIL = 8192
"""Characters read after a box opens."""
_BOXES = 8
"""Boxes kept from the end. Reading all is quadratic on a text of unclosed boxes."""

_COMMAND = re.compile(r"\\(?:boxed|Boxed|fbox|framebox|bbox|ovalbox|tcbox)(?![a-zA-Z])")
_LOST = re.compile(r"(?:\x08|(?<![a-zA-Z\\])b?)oxed(?=\s?[{\[(])")
"""What is left of the command after a lost backslash, or `\b` read as a control character."""
_BARE = re.compile(
    r"[ \t]*(-?\d[\d,.]*\d|-?\d|-?\\[a-zA-Z]+(?:\[\w+\])?(?:\{[^{}]*\}){1,2}|[a-zA-Z](?![a-zA-Z]))"
)
"""The answer of a box without braces: `\boxed 5`, `\boxed\frac{1}{2}`."""
_MATH_CLOSED = re.compile(r"\$|\\[\])]")
_JOIN = re.compile(
    r"(?:[\s$.]|\\[\[\]()])*"
    r"(?:,?\s*(?:\\(?:text|mathrm|textrm|mbox)\s*\{\s*,?\s*(?:and|or)\s*\}|(?:and|or)(?![a-zA-Z]))|[,;])"
    r"(?:[\s$]|\\[\[\](),;: ]|\\q?quad(?![a-zA-Z]))*(?:(?P<name>[a-zA-Z](?:_\{?\w\}?)?)\s*=\s*)?"
)
"""What stands between boxes that are one answer together: `\boxed{2} \text{ or } x = \boxed{3}`."""
_NAMED = re.compile(r"(?<![a-zA-Z\\])([a-zA-Z](?:_\{?\w\}?)?)\s*=\s*$")


@dataclass(frozen=True, slots=True)
class Box:
    """Where a box begins and ends, and what it holds; `closed` is false for one cut off."""

    start: int
    end: int
    content: str
    closed: bool


@dataclass(frozen=True, slots=True)
class Boxed:
    """The boxed answer of a text, "" where it has none; `end` is where its last box ends."""

    answer: str
    end: int


def has_box(text: str) -> bool:
    """Whether `text` holds a box of any spelling."""
    return "ox" in text and next(_commands(text), None) is not None


def _commands(text: str) -> Iterator[re.Match[str]]:
    if "oxed" not in text and "box" not in text:
        return
    found = None
    for found in _COMMAND.finditer(text):
        yield found
    if found is None and "oxed" in text:
        yield from _LOST.finditer(text)


def boxed(text: str) -> Boxed | None:
    """What the last box holds; None for a text without boxes.

    A text whose last box never closes was cut off, and has no answer, whatever an earlier box
    holds. Boxes joined by nothing but a comma, "and" or "or" are one answer.
    """
    places = deque(_commands(text), maxlen=_BOXES)
    if not places:
        return None
    boxes: list[Box] = []
    found: Box | None = None
    for place in reversed(places):
        box = _read(text, place.start(), place.end())
        if box is None:
            continue  # the word alone: "put it in a \boxed environment"
        if not box.closed and found is None:
            return Boxed("", len(text))
        if found is None and box.content:
            found = box
            boxes.append(box)
        elif found is not None:
            if not box.closed or not box.content or box.end > boxes[-1].start:
                break
            if _JOIN.fullmatch(text[box.end : boxes[-1].start]) is None:
                break
            boxes.append(box)
    if found is None:
        return Boxed("", len(text))
    return Boxed(_together(text, boxes[::-1]), found.end)


def _together(text: str, boxes: list[Box]) -> str:
    """The contents as one list, with the names that stand before them where these differ."""
    contents = list(dict.fromkeys(box.content for box in boxes))
    if len(contents) < 2:
        return contents[0]
    names = [_NAMED.search(text, max(0, box.start - 16), box.start) for box in boxes]
    given = [name[1] for name in names if name is not None]
    if len(set(given)) == len(boxes):
        contents = [f"{name} = {box.content}" for name, box in zip(given, boxes, strict=True)]
    return ", ".join(contents)


def _read(text: str, start: int, at: int) -> Box | None:
    tail = text[at : at + _TAIL]
    begin = len(tail) - len(tail.lstrip())
    opening = tail[begin : begin + 1]
    if opening == "[":  # the size of a \framebox, or a bracket in place of a brace
        close = tail.find("]", begin)
        if close >= 0 and tail[close + 1 : close + 2] in ("{", "["):
            return _read(text, start, at + close + 1)
    if opening in ("{", "[", "("):
        content = _closed(tail, begin)
        if content is not None:
            return Box(start, at + begin + len(content) + 2, content.strip(), True)
        content = _damaged(text, start, tail[begin + 1 :]) if opening == "{" else None
        if content is not None:
            return Box(start, at + begin + 1 + len(content), content.strip(), True)
        return Box(start, len(text), "", False)
    bare = _BARE.match(tail)
    if bare is not None:
        return Box(start, at + bare.end(), bare[1], True)
    return Box(start, len(text), "", False) if begin == len(tail) else None


def _closed(tail: str, start: int) -> str | None:
    """The group that opens at `start`; None when it never closes."""
    opening = tail[start]
    closing = {"{": "}", "[": "]", "(": ")"}[opening]
    depth = 0
    at = start
    while at < len(tail):
        char = tail[at]
        if char == "\\":
            at += 1  # an escaped brace is content, not structure
        elif char == opening:
            depth += 1
        elif char == closing:
            depth -= 1
            if depth == 0:
                return tail[start + 1 : at]
        at += 1
    return None


def _damaged(text: str, start: int, rest: str) -> str | None:
    """A box whose formula was closed although a brace is missing: `$\\boxed{\\frac{1}{2}$`."""
    line = rest.partition("\n")[0]
    end = _MATH_CLOSED.search(line)
    before = text[max(0, start - 256) : start]
    if end is None or not ("$" in before or r"\[" in before or r"\(" in before):
        return None
    content = line[: end.start()]
    return content if "box" not in content else None
