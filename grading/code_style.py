r"""Answers in the style of code or SymPy's printer, as LaTeX: `2**10`, `exp(16) - 1`, `sqrt(140)`.

Nothing is evaluated: a table of rewrites on the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sal.grading.brackets import closing

_MODULE = re.compile(r"(?<![a-zA-Z\\.])(?:math|np|numpy|sympy|sp|cmath)\.(?=[a-zA-Z])")
_POWER = re.compile(r"\s*\*\*\s*|\s*\^\s*(?=\()")
_OPERAND = re.compile(r"[-+]?(?:\d+\.?\d*|\\?[a-zA-Z]+)")
_CALL = re.compile(
    r"(?<![a-zA-Z\\])(sqrt|cbrt|root|exp|log2|log10|log|ln|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc"
    r"|asin|acos|atan|arcsin|arccos|arctan|[aA]bs|factorial|binomial|comb|floor|ceil(?:ing)?"
    r"|Rational|Fraction|Integer|Float|Matrix|array|FiniteSet|set"
    r"|Interval(?:\.(?:open|Lopen|Ropen))?"
    r"|Union|Eq|Point|Tuple|tuple|vector|gcd|lcm|max|min|Max|Min)\s*\("
)
_SQRT_CALL = re.compile(r"\\sqrt(\[[^\[\]]*\])?\s*\(")
_BARE_ROOT = re.compile(r"(?<![a-zA-Z\\])sqrt\s*(?=\d|\{)")
_CONSTANT = re.compile(r"(?<![a-zA-Z\\])(?:pi|Pi|PI)(?![a-zA-Z])")
_GREEK = re.compile(
    r"(?<![a-zA-Z\\{])(alpha|beta|gamma|delta|theta|lambda|sigma|omega|phi|infty)(?![a-zA-Z}])"
)
_INFINITE = re.compile(r"(?<![a-zA-Z\\])(?:oo|inf|infinity)(?![a-zA-Z])")
_EULER = re.compile(r"(?<![a-zA-Z\\])E(?=\s*(?:\^|\*\*))")
_SCALED = re.compile(
    r"(?<![\w.}/^)])(?<!\d )(-?\d+)\s*/\s*(\d+)\s+(?=[a-zA-Z]\b"
    r"|[a-zA-Z]\^|\\(?:sqrt|pi|sin|cos|ln|log))"
)
_UNION = re.compile(r"(?<=[\])])\s*(?:U|u|\\text\{\s*(?:U|union)\s*\}|union)\s*(?=[(\[\]])")
_STAR = re.compile(r"(?<=[\w)}\]])\s*\*\s*(?=[\w(\\])")


def from_code(text: str) -> str:
    """`text` with its code spelled in LaTeX; text without code comes back as it is."""
    if "." in text:
        text = _MODULE.sub("", text)
    if "(" in text:
        text = _calls(text)
        if "\\sqrt" in text:
            text = _roots(text)
    text = _EULER.sub("e", text)
    if "**" in text or "^" in text:
        text = _powers(text)
    if "pi" in text or "Pi" in text or "PI" in text:
        text = _CONSTANT.sub(r"\\pi ", text)
    text = _GREEK.sub(r"\\\1 ", text)
    text = _INFINITE.sub(r"\\infty ", text) if "oo" in text or "inf" in text else text
    if "sqrt" in text:
        text = _BARE_ROOT.sub(r"\\sqrt", text)
    if "/" in text:
        text = _SCALED.sub(r"\\frac{\1}{\2} ", text)
    if "U" in text or "u" in text:
        text = _UNION.sub(r" \\cup ", text)
    return _STAR.sub(r"\\cdot ", text) if "*" in text else text


def _calls(text: str) -> str:
    """Innermost last: each call's arguments are rewritten before the call itself."""
    match = _CALL.search(text)
    if match is None:
        return text
    end = closing(text, match.end() - 1)
    if not end:
        return text
    arguments = [_calls(piece.strip()) for piece in _split(text[match.end() : end - 1])]
    written = _FUNCTIONS[match[1]](arguments)
    if written is None:
        return text[: match.end()] + _calls(text[match.end() :])
    return text[: match.start()] + written + _calls(text[end:])


def _split(inside: str) -> list[str]:
    pieces: list[str] = []
    depth = begin = 0
    for at, char in enumerate(inside):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            pieces.append(inside[begin:at])
            begin = at + 1
    return [*pieces, inside[begin:]]


def _roots(text: str) -> str:
    r"""`\sqrt(2)` is the root of 2; LaTeX would take the bracket alone."""
    for _ in range(8):
        match = _SQRT_CALL.search(text)
        end = closing(text, match.end() - 1) if match is not None else 0
        if match is None or not end:
            break
        inside = text[match.end() : end - 1]
        text = rf"{text[: match.start()]}\sqrt{match[1] or ''}{{{inside}}}{text[end:]}"
    return text


def _powers(text: str) -> str:
    """`x**2`, `x**(1/2)` and `x^(1/2)`, with the whole bracket as the exponent."""
    pieces: list[str] = []
    begin = 0
    for match in _POWER.finditer(text):
        if match.start() < begin:
            continue
        at = match.end()
        operand = None if text[at : at + 1] in ("(", "{") else _OPERAND.match(text, at)
        if text[at : at + 1] == "(":
            end = closing(text, at)
            inside = text[at + 1 : end - 1] if end else ""
        elif operand is not None:
            end, inside = operand.end(), operand[0]
        else:
            end, inside = at, ""
        if not end or "**" in text[end : end + 3] or "^" in text[end : end + 2]:
            return text  # a tower: its order is the reader's
        pieces.append(text[begin : match.start()])
        pieces.append(f"^{{{_powers(inside)}}}" if inside else "^")
        begin = end
    return "".join(pieces) + text[begin:]


Write = Callable[[list[str]], str | None]


def _one(form: str) -> Write:
    return lambda given: form.replace("#", given[0]) if len(given) == 1 and given[0] else None


def _two(form: str) -> Write:
    return lambda given: (
        form.replace("#1", given[0]).replace("#2", given[1]) if len(given) == 2 else None
    )


def _log(given: list[str]) -> str | None:
    if len(given) == 2:
        return rf"\log_{{{given[1]}}}({given[0]})"
    return rf"\log({given[0]})" if len(given) == 1 else None


def _listed(opening: str, end: str) -> Write:
    def write(given: list[str]) -> str | None:
        items = ",".join(given)
        if items[:1] in "[{" and items[-1:] in "]}" and len(given) == 1:
            items = items[1:-1]
        return f"{opening}{items}{end}"

    return write


def _matrix(given: list[str]) -> str | None:
    return given[0] if given and given[0].startswith("[") else None


def _rational(given: list[str]) -> str | None:
    if len(given) == 1 and given[0]:
        return given[0].strip("'\"")
    return rf"\frac{{{given[0]}}}{{{given[1]}}}" if len(given) == 2 else None


def _interval(opening: str, end: str) -> Write:
    def write(given: list[str]) -> str | None:
        left = "(" if len(given) > 2 and given[2] == "True" else opening
        right = ")" if len(given) > 3 and given[3] == "True" else end
        return f"{left}{given[0]},{given[1]}{right}" if 2 <= len(given) <= 4 else None

    return write


_FUNCTIONS: dict[str, Write] = {
    "sqrt": _one(r"\sqrt{#}"), "cbrt": _one(r"\sqrt[3]{#}"), "root": _two(r"\sqrt[#2]{#1}"),
    "exp": _one("e^{#}"), "log": _log, "ln": _one(r"\ln(#)"), "log2": _one(r"\log_{2}(#)"),
    "log10": _one(r"\log_{10}(#)"), "abs": _one("|#|"), "Abs": _one("|#|"),
    "factorial": _one("(#)!"), "binomial": _two(r"\binom{#1}{#2}"),
    "comb": _two(r"\binom{#1}{#2}"), "floor": _one(r"\lfloor #\rfloor "),
    "ceil": _one(r"\lceil #\rceil "), "ceiling": _one(r"\lceil #\rceil "),
    "asin": _one(r"\arcsin(#)"), "acos": _one(r"\arccos(#)"), "atan": _one(r"\arctan(#)"),
    **{name: _one(rf"\{name}(#)") for name in (
        "sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "arcsin", "arccos",
        "arctan")},
    "Rational": _rational, "Fraction": _rational, "Integer": _one("#"), "Float": _one("#"),
    "Matrix": _matrix, "array": _matrix, "vector": _matrix,
    "FiniteSet": _listed(r"\{", r"\}"), "set": _listed(r"\{", r"\}"),
    "Point": _listed("(", ")"), "Tuple": _listed("(", ")"), "tuple": _listed("(", ")"),
    "Interval": _interval("[", "]"), "Interval.open": _interval("(", ")"),
    "Interval.Lopen": _interval("(", "]"), "Interval.Ropen": _interval("[", ")"),
    "Union": lambda given: r" \cup ".join(given), "Eq": _two("#1=#2"),
    "gcd": lambda given: rf"\gcd({','.join(given)})",
    "lcm": lambda given: rf"\text{{lcm}}({','.join(given)})",
    "max": lambda given: rf"\max({','.join(given)})",
    "Max": lambda given: rf"\max({','.join(given)})",
    "min": lambda given: rf"\min({','.join(given)})",
    "Min": lambda given: rf"\min({','.join(given)})",
}  # fmt: skip
