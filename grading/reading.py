r"""From an answer's text to a SymPy object, with every symbol kept apart from every other.

latex2sympy drops primes and transposes, ignores the case of letters and the arguments of `\gcd`,
and takes `\gamma` for Euler's constant. What it would confuse is handed to it as a variable whose
name says all of it. Worker side.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import sympy
from latex2sympy2_extended import NormalizationConfig, latex2sympy
from latex2sympy2_extended.latex2sympy2 import ConversionConfig
from math_verify.grader import should_treat_as_complex

from sal.grading.brackets import closing

# `units` off: units are compared by our own rules, and the library's list takes `5c` for 5.
_NORMALIZATION = NormalizationConfig(
    basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none"
)
_CONVERSION = ConversionConfig(lowercase_symbols=False)
_DEGREES = re.compile(r"(\d+\.?\d*|\.\d+|[a-z])\s*\^\\circ")
_QUOTIENT = re.compile(
    r"(\\(?:sin|cos|tan|cot|sec|csc|ln|log))\s*([a-zA-Z])\s*/\s*"
    r"(?=\\(?:sin|cos|tan|cot|sec|csc|ln|log)(?![a-zA-Z]))"
)
"""`\\sin x / \\cos x` is a quotient of two functions."""
_SCIENTIFIC = re.compile(r"(?<![a-zA-Z\\])(\d[\d.]*)[eE]([+-]?\d{1,3})(?![\d.a-zA-Z])")
_LETTER = (
    r"(?:[a-zA-Z]|\\(?:[a-z]?epsilon|alpha|beta|gamma|delta|zeta|eta"
    r"|theta|lambda|mu|nu|xi|rho|sigma|tau|(?:var)?phi|chi|psi|omega"
    r"|Gamma|Delta|Theta|Lambda|Xi|Sigma|Phi|Psi|Omega)(?![a-zA-Z]))"
)
_SCRIPT = r"(?:_(?:\w|\{[^{}]*\}))?"
_PRIMES = r"'+"
_PRIME_POWER = re.compile(r"\^\s*(?:\{\s*(?:\\prime\s*)+\}|\\prime(?![a-zA-Z])\s*)")
_APPLIED = re.compile(
    rf"(?:(?P<named>\\(?:gcd|lcm|det|dim|ker|arg|deg|Pr|Re|Im)(?![a-zA-Z])"
    r"|\\text\{\s*(?:gcd|lcm|tr|Tr|rank|ord|Re|Im|Var|Cov|sgn|sign|adj|arg)\s*\}|\\mathbb\{[EP]\})"
    rf"|(?P<prime>(?<![a-zA-Z\\]){_LETTER}{_SCRIPT}{_PRIMES})"
    rf"|(?P<plain>(?<![a-zA-Z\\])[fghFGH]{_SCRIPT}))"
    r"\s*(?P<open>[(\[])"
)
_PRIMED = re.compile(rf"({_LETTER}{_SCRIPT})({_PRIMES})")
_ACCENTED = re.compile(
    r"\\(vec|overrightarrow|hat|widehat|bar|overline|tilde|widetilde"
    r"|ddot|dot|check|breve)(?![a-zA-Z])"
    r"\s*(?:\{([^{}]*[a-zA-Z][^{}]*)\}|([a-zA-Z]))"
)
_ACCENTS = {"overrightarrow": "vec", "widehat": "hat", "overline": "bar", "widetilde": "tilde"}
_TRANSPOSED = re.compile(
    rf"({_LETTER}{_SCRIPT}|\([^()]*\)|\\end\{{\w*matrix\}})\s*"
    r"\^\s*(?:\{\s*)?(?:\\text\{\s*)?(T|\\top|\\intercal|\\dagger|\\ast"
    r"|\*|H)(?![a-z0-9])(?:\s*\})?(?:\s*\})?"
)
_CONJUGATED = ("\\dagger", "\\ast", "*", "H")
_SUMMED_SCRIPT = re.compile(r"([a-zA-Z])_\{([^{}]*[-+][^{}]*)\}")
_GREEK_CONSTANT = re.compile(r"\\[gG]amma(?![a-zA-Z])(?!\s*\()")
_SYMMETRIC = ("gcd", "lcm")


@lru_cache(maxsize=512)
def expression(text: str) -> Any:
    """`text` as a SymPy object, or None where it does not parse as mathematics."""
    if "^\\circ" in text:  # the sign would be dropped: sin 30 degrees would be sin of 30 radians
        text = _DEGREES.sub(r"(\\frac{\1\\pi}{180})", text)
    text = _QUOTIENT.sub(r"\1(\2)/", text)
    text = _SCIENTIFIC.sub(r"\1\\cdot10^{\2}", text)
    try:
        text = _apart(text)
        latex = _normalize(text)
        return latex2sympy(
            latex,
            is_real=not should_treat_as_complex(latex),
            normalization_config=None,
            conversion_config=_CONVERSION,
        )
    except Exception:  # the grammar's errors are of many types
        return None


def _normalize(text: str) -> str:
    from latex2sympy2_extended.math_normalization import normalize_latex

    return str(normalize_latex(text, _NORMALIZATION))


def _apart(text: str) -> str:
    """`text` with a variable of its own for each symbol that would be taken for another."""
    if not re.search(r"[a-zA-Z]", text):
        return text
    text = _applications(_PRIME_POWER.sub(lambda match: "'" * match[0].count("prime"), text))
    for pattern, name in _RULES:
        text = pattern.sub(name, text)
    return text


def _variable(*parts: str) -> str:
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()
    return rf"\variable{{q{digest[:16]}}}"


def _applications(text: str) -> str:
    """Functions of no known value, each with its arguments as one symbol: `\\gcd(a,b)`, `f'(x)`."""
    pieces: list[str] = []
    begin = 0
    for match in _APPLIED.finditer(text):
        if match.start() < begin:
            continue
        end = closing(text, match.start("open"))
        inside = text[match.end() : end - 1] if end else ""
        named = match["named"] is not None
        if not end or not inside or (named and not re.search(r"[a-zA-Z]", inside)):
            continue  # `\gcd(12, 18)` has a value
        name = re.sub(r"\\text|[\\{}\s]", "", match[0][:-1])
        arguments = [_canonical(piece) for piece in inside.split(",")]
        if name in _SYMMETRIC:
            arguments.sort()
        pieces += [text[begin : match.start()], _variable("apply", name, *arguments)]
        begin = end
    return "".join(pieces) + text[begin:]


def _canonical(text: str) -> str:
    """One spelling for equal arguments and subscripts: `n+1` and `1+n`."""
    read = expression(text.strip())
    if isinstance(read, sympy.Expr):
        try:
            return str(sympy.srepr(sympy.expand(read.doit())))
        except (TypeError, ValueError, ArithmeticError, AttributeError):
            pass
    return re.sub(r"\s", "", text)


def _primed(match: re.Match[str]) -> str:
    return _variable("prime", match[1], match[2])


def _accented(match: re.Match[str]) -> str:
    inside = re.sub(r"\s", "", match[2] or match[3])
    return _variable("accent", _ACCENTS.get(match[1], match[1]), inside)


def _transposed(match: re.Match[str]) -> str:
    if match[1].startswith("\\end"):
        return match[0]
    if match[2] == "T" and match[1] == "e":
        return match[0]  # a power of e
    kind = "conjugate" if match[2] in _CONJUGATED else "transpose"
    return _variable(kind, re.sub(r"\s", "", match[1]))


_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (_TRANSPOSED, _transposed),
    # the grammar takes any `^T` for a transpose, and drops it
    (
        re.compile(r"\^\s*(?:T(?![a-zA-Z])|\{\s*T\s*\})"),
        lambda _: "^{" + _variable("letter", "T") + "}",
    ),
    (_PRIMED, _primed),
    (_ACCENTED, _accented),
    (_SUMMED_SCRIPT, lambda match: _variable("script", match[1], _canonical(match[2]))),
    (_GREEK_CONSTANT, lambda match: _variable("letter", match[0])),
)
