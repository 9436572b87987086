r"""The outer form of an answer: lists, tuples, sets, matrices, relations, choices.

All functions take normalised text, are linear, and look at the top level only: a comma inside
brackets separates nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sal.grading.brackets import closing
from sal.grading.words import is_word

Kind = Literal["list", "tuple", "closed", "set", "vector"]
"""`list` is bare; `tuple` has ( ) or angles; `closed` has [ ]; `set` has braces."""

_OPEN = {"(": ")", "[": "]", r"\{": r"\}", r"\langle": r"\rangle"}
_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|.", re.DOTALL)
_AND_OR = re.compile(
    r"\s*,?\s*(?:\\text\{\s*,?\s*(?:and|or)\s*\}|(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z]))\s*"
)
_ENV = re.compile(
    r"\\begin\{([pbB]?(?:small)?matrix\*?|array|cases"
    r"|aligned)\}(?:\{[clr| ]*\}|\[[clr]\])?(.*)\\end\{\1\}",
    re.DOTALL,
)
_ROW_END = re.compile(r"\\\\(?:\[[^\[\]]*\])?")
_NAME = re.compile(
    r"(?:\\text\{[^{}]*\}|\\(?:angle|triangle|widehat|overline"
    r"|overrightarrow|hat|bar|vec|m)(?![a-zA-Z])"
    r"|[a-zA-Z]|\\(?:alpha|beta|gamma|delta|epsilon|theta|lambda|mu"
    r"|rho|sigma|tau|phi|varphi|psi|omega|Delta|ell)(?![a-zA-Z])|[\s{}|'_])+"
    r"(?:_(?:\w|\{[^{}]*\}))?'*(?:\^\{?-1\}?)?(?:\s*\([^()=<>]*\))?"
)
_PROBABILITY = re.compile(
    r"(?:P|E|\\Pr|\\mathbb\{[PE]\}|\\text\{(?:P|E|Pr|Var)\})\s*([(\[].*[)\]])"
)
_CALLED = re.compile(
    r"\[[A-Z]{3,}\]|\|\s*[A-Z](?:\s*\\(?:cup|cap|times|setminus)\s*[A-Z])+\s*\|"
    r"|\\(?:det|dim|lim|int|gcd)(?![a-zA-Z])[^=]*"
)
"""An area, a size, or what an operator makes: `[ABC]`, `|A \\cup B|`, `\\det A`."""
_RATIO = re.compile(r"\\frac\{([^{}]*)\}\{([^{}]*)\}|([^:/]+)[:/]([^:/]+)")
_DESCRIPTION = re.compile(r"[A-Za-z][a-zA-Z ]*[a-zA-Z]")
_CHOICE = re.compile(
    r"(?:\\text\{)?\s*(?:(?:[Oo]ption|[Cc]hoice|[Aa]nswer)\s*:?\s*)?"
    r"(?:\(([A-J])\)\s*[:.]?|([A-J])(?:[).:]| -(?= )))\s*\}?\s*(?=[^\s+\-*/^_=<>,)}(])(.+)",
    re.DOTALL,
)
_RELATION = re.compile(r"\\(?:le|ge|ne|in|approx|equiv|sim|cong)(?![a-zA-Z])|[=<>]")


@dataclass(frozen=True, slots=True)
class Group:
    """Several items: a list, tuple, set or column vector."""

    kind: Kind
    items: tuple[str, ...]


def split_top(text: str, at: Callable[[str], bool]) -> list[str]:
    """Pieces of `text` between the top-level tokens for which `at` holds."""
    pieces: list[str] = []
    depth = 0
    begin = 0
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in ("(", "[", "{", r"\{", r"\langle", r"\lfloor", r"\lceil", r"\begin"):
            depth += 1
        elif token in (")", "]", "}", r"\}", r"\rangle", r"\rfloor", r"\rceil", r"\end"):
            depth -= 1
        elif depth == 0 and at(token):
            pieces.append(text[begin : match.start()].strip())
            begin = match.end()
    pieces.append(text[begin:].strip())
    return pieces


def as_group(text: str) -> Group | None:
    """`text` as several items, or None when it is one thing. A single bracketed item counts."""
    text = _unwrap_listing(text)
    vector = as_matrix(text)
    if vector is not None:
        if len(vector) == 1 or all(len(row) == 1 for row in vector):
            return Group("vector", tuple(cell for row in vector for cell in row))
        return None
    cases = _ENV.fullmatch(text)
    if cases is not None and cases[1] in ("cases", "aligned", "array") and "&" not in cases[2]:
        rows = [row.strip(" ,") for row in cases[2].split(r"\\")]
        return Group("list", tuple(row for row in rows if row))
    inner = _bracketed(text)
    if inner is not None:
        opening, body = inner
        items = _commas(body)
        if opening == r"\{":
            return Group("set", _expand(items)) if body else None
        if len(items) > 1:
            return Group("closed" if opening == "[" else "tuple", tuple(items))
        return None
    joined = ",".join(_AND_OR.split(text)) if _AND_OR.search(text) else text
    items = _commas(joined)
    expanded = _expand(items)
    return Group("list", expanded) if len(expanded) > 1 else None


def as_matrix(text: str) -> list[list[str]] | None:
    """Rows of cells of a matrix environment; None for all else."""
    bracketed = text[:1] in ("(", "[") and text[1:].lstrip().startswith("\\begin")
    if bracketed and text[-1] in ")]":
        text = text[1:-1].strip()
    elif not text.startswith("\\begin"):
        return None
    match = _ENV.fullmatch(text)
    if match is None or "\\begin" in match[2]:
        return None
    if "matrix" not in match[1] and not (match[1] == "array" and bracketed):
        return None
    rows = [row for row in _ROW_END.split(match[2]) if row.strip()]
    return [[cell.strip() for cell in row.split("&")] for row in rows]


def split_relations(text: str) -> tuple[list[str], list[str]]:
    """Top-level sides and the relation signs between them: `a < x \\le b` has three and two."""
    signs: list[str] = []

    def is_sign(token: str) -> bool:
        found = _RELATION.fullmatch(token) is not None
        if found:
            signs.append(token)
        return found

    return split_top(text, is_sign), signs


def is_name(side: str) -> bool:
    r"""Whether a left side only names what follows: `x`, `f(x)`, `AB`, `\angle A`, `Area`."""
    side = side.strip()
    if not side or not re.search(r"[a-zA-Z]", side):
        return False
    if (
        "\\text" not in side
        and _DESCRIPTION.fullmatch(side)
        and any(is_word(run) for run in side.split())
    ):
        return True
    probability = _PROBABILITY.fullmatch(side)
    if probability is not None and closing(side, probability.start(1)) == len(side):
        return True
    if _CALLED.fullmatch(side):
        return True
    ratio = _RATIO.fullmatch(side)
    if ratio is not None:
        return all(is_name(part) and part.strip()[0].isupper() for part in ratio.groups() if part)
    if side[0] == "(" and side[-1] == ")" and "," in side:
        return all(is_name(part) for part in side[1:-1].split(","))
    if _NAME.fullmatch(side) is None:
        return False
    letters = re.sub(r"\\text\{[^{}]*\}|\\[a-zA-Z]+|_(?:\w|\{[^{}]*\})|\([^()]*\)", " ", side)
    runs = re.findall(r"[a-zA-Z]+", letters)
    greek = re.findall(
        r"\\(?:alpha|beta|gamma|delta|epsilon|theta|lambda|mu|rho|sigma|tau|phi|varphi"
        r"|psi|omega|Delta|ell)(?![a-zA-Z])",
        side,
    )
    if "\\text" in side or "\\angle" in side or "\\triangle" in side:
        return True
    if len(runs) + len(greek) != 1:
        return False  # `x y = 6` is an equation in two unknowns
    if "|" in side:
        return bool(runs) and runs[0].isupper() and len(runs[0]) > 1  # the length |AB|
    return not runs or len(runs[0]) == 1 or runs[0].isupper() or is_word(runs[0])


def is_description(side: str) -> bool:
    """A name in words says what the value is and is not compared: `Area = 5` is `A = 5`."""
    plain = side.replace("\\text", "")
    return any(is_word(run) for run in re.findall(r"[a-zA-Z]+", plain)) or "\\text" in side


def split_choice(text: str) -> tuple[str, str] | None:
    r"""Letter and content of a labelled choice such as `\text{(C) } 5`."""
    match = _CHOICE.fullmatch(text)
    if match is None:
        return None
    rest = match[3].strip()
    if rest.endswith("}") and rest.count("{") < rest.count("}"):
        rest = rest[:-1].strip()
    return (match[1] or match[2], rest)


def _unwrap_listing(text: str) -> str:
    r"""`\text{A, B and C}` lists phrases; mark each one instead of the whole."""
    match = re.fullmatch(r"\\text\{([^{}]*)\}", text)
    if match is None or not (("," in match[1]) or re.search(r"\b(?:and|or)\b", match[1])):
        return text
    parts = re.split(r"\s*,\s*(?:and |or )?|\s+(?:and|or)\s+", match[1])
    return ",".join(f"\\text{{{part.strip()}}}" for part in parts if part.strip())


def _commas(text: str) -> list[str]:
    return [item for item in split_top(text, lambda token: token in (",", ";")) if item]


def _bracketed(text: str) -> tuple[str, str] | None:
    """Opening bracket and body when one pair of brackets holds the whole text."""
    opening = next((mark for mark in _OPEN if text.startswith(mark)), None)
    if opening is None or not text.endswith(_OPEN[opening]):
        return None
    body = text[len(opening) : len(text) - len(_OPEN[opening])]
    depth = 0
    for match in _TOKEN.finditer(body):
        if match[0] in ("(", "[", r"\{", r"\langle", "{"):
            depth += 1
        elif match[0] in (")", "]", r"\}", r"\rangle", "}"):
            depth -= 1
            if depth < 0:
                return None
    return (opening, body.strip()) if depth == 0 else None


def _expand(items: list[str]) -> tuple[str, ...]:
    r"""Items with `\pm` written as the two values it stands for."""
    expanded: list[str] = []
    for item in items:
        if r"\pm" in item or r"\mp" in item:
            for upper, lower in (("+", "-"), ("-", "+")):
                text = re.sub(r"\\pm(?![a-zA-Z])", upper, item)
                text = re.sub(r"\\mp(?![a-zA-Z])", lower, text)
                expanded.append(re.sub(r"(^|[=(,{])\s*\+\s*", r"\1", text).strip())
        else:
            expanded.append(item)
    return tuple(expanded)
