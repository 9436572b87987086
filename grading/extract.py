r"""The final answer of a completion: its last closed box, else its last stated answer.

Everything here is linear in the text and never raises: completions are hostile by default.
"""

from __future__ import annotations

import re

_TAIL = 8192
"""Characters read after a box opens, and from the end of a text without boxes."""
_BOXES = 4
"""Boxes tried from the end. Trying all is quadratic on a text of unclosed boxes."""
_ANSWER = 2048
"""Longest text after `####`, `Answer:` and the like that is still read as one answer."""

_BOX = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])")
_STATED = re.compile(
    r"^[ \t]*\#{3,4}(?!\#)[ \t]*"
    r"|^[ \t*_>]{0,8}(?-i:A):[*_]{0,2}[ \t]*"
    r"|\b(?:final[ ])?answer[*_]{0,2}[ ]?:[*_]{0,2}[ \t]*"
    r"|\banswer(?:[ ]to[ ](?:the|this)[ ](?:problem|question))?[ ]is[ ]?:?[ \t]*",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_SENTENCE_END = re.compile(r"\.(?=\s|$)|\n|[;?](?=\s|$)")
_HEDGE = re.compile(r"[ ,]+(?:because|since|which|so that|as required|I hope)\b")
_EMPHASIS = re.compile(r"^[*_]{1,3}|(?<!\\)[*_]{1,3}$")
_PROSE = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{3,}")
_MACRO_TEXT = re.compile(r"\\(?:text|mathrm|mbox|textbf|operatorname|begin|end)\s*\{[^{}]*\}")


def extract(text: str) -> str | None:
    r"""The final answer of `text` as written there, or None.

    The last closed, non-empty `\boxed{}` (or `\fbox{}`) wins. A text with boxes none of which is
    closed was cut off and has no answer. Without a box: what follows the last `####`, `A:`,
    `Answer:` or "the answer is". A single line that is itself nothing but mathematics is its own
    answer.
    """
    if _BOX.search(text):
        return _last_box(text)
    tail = text[-_TAIL:]
    stated = None
    for stated in _STATED.finditer(tail):  # noqa: B007 (the last match is wanted)
        pass
    if stated is not None:
        return _phrase(tail[stated.end() : stated.end() + _ANSWER])
    bare = text.strip() if len(text) <= 256 else ""
    if bare and "\n" not in bare and not _PROSE.search(_MACRO_TEXT.sub("", bare)):
        return bare
    return None


def extract_gold(text: str) -> str | None:
    """The reference answer in a field that holds a full solution or the bare answer itself."""
    found = extract(text)
    if found is not None:
        return found
    bare = text.strip()
    return bare if bare and not _BOX.search(bare) else None


def _last_box(text: str) -> str | None:
    end = len(text)
    for _ in range(_BOXES):
        at = max(text.rfind(r"\boxed", 0, end), text.rfind(r"\fbox", 0, end))
        if at < 0:
            return None
        command = _BOX.match(text, at)
        content = _closed(text[command.end() : command.end() + _TAIL], 0) if command else None
        if content:
            return content
        end = at
    return None


def _closed(tail: str, start: int) -> str | None:
    """The braced group that opens at `start` (spaces skipped); None when it never closes."""
    while start < len(tail) and tail[start].isspace():
        start += 1
    if start == len(tail) or tail[start] != "{":
        return None
    depth = 0
    at = start
    while at < len(tail):
        char = tail[at]
        if char == "\\":
            at += 1  # an escaped brace is content, not structure
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return tail[start + 1 : at].strip()
        at += 1
    return None


def _phrase(rest: str) -> str | None:
    """The answer at the head of `rest`: up to the end of its sentence or line."""
    rest = rest.lstrip("* \t:\n")
    end = _SENTENCE_END.search(rest)
    if end is not None:
        rest = rest[: end.start()]
    hedge = _HEDGE.search(rest)
    if hedge is not None:
        rest = rest[: hedge.start()]
    rest = _EMPHASIS.sub("", rest.strip()).strip()
    return rest or None
