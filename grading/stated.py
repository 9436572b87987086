r"""Answers that are stated in words: `#### 18`, `**Final Answer:** 18`, "the answer is 18".

Reads the last `_TAIL` characters, in linear time.
"""

from __future__ import annotations

import re
import unicodedata

from sal.grading.tongues import CLOSING, english, foreign, weak_announcement

_TAIL = 8192
"""Characters read from the end of a text."""
_ANSWER = 2048
"""Longest text behind an announcement that is still read as one answer."""
_LINE = re.compile(
    r"^[ \t]*\#{2,4}(?!\#)[ \t]*(?P<heading>)|^[ \t*_>]{0,8}(?-i:A):[*_]{0,2}[ \t]*",
    re.MULTILINE,
)
_SENTENCE_END = re.compile(r"\.(?=\s|$)|\n|[;?](?=\s|$)|。|\.(?=[*_]{1,2}(?:\s|$))")
_HEDGE = re.compile(
    r"[ ,]+\(?(?:because|since|which|so that|as required|as desired|I hope|due to|where we"
    r"|after rounding|when rounded|given that)\b"
)
_FILLER = re.compile(
    r"(?:therefore|thus|hence|simply|just|then|indeed|clearly|actually|exactly|now|also|again|only"
    r"|given by|equal to|found to be|the number|as follows)[,:]?\s+(?=\S)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"^[Tt]he [a-z ]{1,40}? (?:is|are|was|equals) (?=[*_$\\\d-])")
_EMPHASIS = re.compile(r"^(?:\*{1,3}|_{1,3}(?=\S)|`)|(?<!\\)(?:\*{1,3}|_{1,3}|`)$")
_LEADING = re.compile(r"^(?:[\s*_`:：>→⇒➜•–}]|-(?=[ ])|\\(?:quad|qquad|;|,|:|[ ]))+")
_DISPLAY = re.compile(r"(\\\[|\$\$)\s*(.*?)\s*(?:\\\]|\$\$)", re.DOTALL)
_TRAILING = re.compile(r"\s*(?:\\\]|\$\$|\\\))$")
_MATHS = re.compile(r"^[-+*_\\(\[$€£]{0,4}[\\\d.$]|^\(?[A-Z]\)?$|^[a-zA-Z]\s*=")
_CALLED = re.compile(
    r"(?<!\w)([-+*$\\\d][^\n.!?]{0,60}?)\*{0,2} is (?:the|our|my)"
    r" (?:final |correct |required )?answer\b"
)
"""`73 is the answer`"""
_HEADED = re.compile(
    r"^[*_# ]{0,6}(?:Final |The )?(?:[Rr]esult|[Ss]olution|[Tt]otal)"
    r"[*_]{0,2}:[*_ ]{0,3}(?=[$\\\d-])",
    re.MULTILINE,
)
"""`Result: 73` on a line of its own."""
_CERTAIN = re.compile(r"^answer\b.*(?:[:：]|\bis)[*_\s]*$", re.IGNORECASE | re.DOTALL)
_SHORT = re.compile(r"^[-+*\\(\[$]{0,3}[\\\d.$][^.!?]{0,60}(?<![a-zA-Z] [a-z])$")
_PROSE = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{3,}")
_MACRO_TEXT = re.compile(r"\\(?:text|mathrm|mbox|textbf|operatorname|begin|end)\s*\{[^{}]*\}")
_COUNTED = re.compile(r"[-+]?(?:\\?\$)?\d[\d,.]*(?:\s+[a-zA-Z]+){1,3}\.?")
_STEP = re.compile(r"^\(?\d+[.)]\s+[^\W\d]|^\*?\*?(?:step|part|case)\b", re.IGNORECASE)
_WRAPPED = re.compile(r"^(\*{1,3}|__|`)\s*(.+?)\s*\1$", re.DOTALL)
_BRACKETED = re.compile(r"^(?:\\\[|\$\$)(.*)(?:\\\]|\$\$)$", re.DOTALL)


def stated(text: str, *, certain: bool = False) -> str | None:
    """The last stated answer of `text`; None where it states none.

    `certain` takes only a final answer that is announced as such and is a number or a formula.
    """
    tail = text[-_TAIL:]
    if certain:
        found = [match for match in english(tail) if _CERTAIN.search(match[0])]
        answers = (_phrase(tail[match.end() : match.end() + _ANSWER]) for match in found[::-1])
        return next((answer for answer in answers if answer and _SHORT.match(answer)), None)
    places = [(match.end(), False) for match in english(tail)]
    places += [(match.end(), match["heading"] is not None) for match in _LINE.finditer(tail)]
    if not places:
        places = [(match.end(), False) for match in foreign(tail)]
    for end, heading in sorted(places, reverse=True):
        answer = _heading(tail, end) if heading else _phrase(tail[end : end + _ANSWER])
        if answer:
            return answer
    called = list(_CALLED.finditer(tail))
    if called:
        return _phrase(called[-1][1])
    headed = list(_HEADED.finditer(tail))
    if headed:
        return _phrase(tail[headed[-1].end() : headed[-1].end() + _ANSWER])
    weak = weak_announcement(tail)
    return None if weak is None else _phrase(tail[weak : weak + _ANSWER])


def bare_answer(text: str) -> str | None:
    """A short text that is nothing but an answer: `12`, `**12**`, `x = 12`, `12 apples`."""
    bare = text.strip()
    if not bare or len(bare) > 256:
        return None
    wrapped = _WRAPPED.match(bare)
    if wrapped is not None and wrapped[1] not in wrapped[2]:
        bare = wrapped[2]
    display = _BRACKETED.match(bare)
    if display is not None:
        bare = display[1].strip()
    if not bare or "\n" in bare or _LINE.match(bare):
        return None
    if not _PROSE.search(_MACRO_TEXT.sub("", bare)) or _COUNTED.fullmatch(bare):
        return bare
    return None


def _heading(tail: str, end: int) -> str | None:
    """The answer in a `####` line, or None where the line is the heading of a section."""
    line, newline, rest = tail[end:].partition("\n")
    line = line.strip()
    if not line or any(english(line + "\n")) or any(foreign(line)):
        return None  # the announcement itself is read
    follows = bool(newline) and bool(rest.strip())
    if _STEP.search(line) and (follows or not line[:1].isdigit()):
        return None
    answer = _phrase(line)
    if answer is None or (follows and not _MATHS.search(answer)):
        return None
    return answer


def _phrase(rest: str) -> str | None:
    """The answer at the head of `rest`: up to the end of its sentence or line."""
    rest = _LEADING.sub("", rest)
    display = _DISPLAY.match(rest)
    if display is not None:
        return display[2].strip() or None
    rest = _FILLER.sub("", rest, count=1) if _FILLER.match(rest) else rest
    rest = _SENTENCE.sub("", rest, count=1)
    end = _SENTENCE_END.search(rest)
    if end is not None:
        rest = rest[: end.start()]
    hedge = _HEDGE.search(rest)
    if hedge is not None:
        rest = rest[: hedge.start()]
    if rest.startswith("#"):
        return None
    rest = CLOSING.sub("", _TRAILING.sub("", _undecorated(rest.strip())))
    while True:
        plain = _EMPHASIS.sub("", rest).strip()
        if plain == rest:
            break
        rest = plain
    rest = _undecorated(rest)
    opened = re.match(r"\\\[|\$\$", rest)
    return (rest[opened.end() :].strip() if opened else rest) or None


def _undecorated(text: str) -> str:
    """`text` without the check marks and emoji at its ends."""
    if text.isascii():
        return text
    begin, end = 0, len(text)
    while begin < end and _is_decoration(text[begin]):
        begin += 1
    while end > begin and _is_decoration(text[end - 1]):
        end -= 1
    return text[begin:end].strip()


def _is_decoration(char: str) -> bool:
    return char.isspace() or (
        not char.isascii() and (unicodedata.category(char) in ("So", "Cf", "Mn") and char != "°")
    )
