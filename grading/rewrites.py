r"""The table of LaTeX spellings: what is written, and the one way in which it is read.

Rows are applied in their order: styles and spaces first, then symbols, then units and numerals.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_END = r"(?![a-zA-Z])"
REWRITES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # `\!` closes gaps (`10,\! 000` is one number); the other spacing commands are spaces.
        (r",\s*\\!\s*(?=\d)", "{,}"),
        (r"\\!", ""),
        (r"(?<!\\)\\[,;: ]|~|\\(?:quad|qquad|thinspace|enspace|hfill|newline)" + _END, " "),
        (r"\\[hv]space\*?\{[^{}]*\}|\\phantom\{[^{}]*\}", " "),
        (r"\\(?:left|right)\.", ""),
        (r"\\left\s*<", r"\\langle "),
        (r"\\right\s*>", r"\\rangle "),
        (r"\\(?:left|right|[bB]igg?[lrm]?|middle)(?![a-zA-Z])\s*", ""),
        (r"\\(?:displaystyle|textstyle|scriptstyle|limits|nolimits|rm|it|bf|bold)" + _END, ""),
        (r"\\[dtc]frac" + _END, r"\\frac"),
        (r"\\[dt]binom" + _END, r"\\binom"),
        (
            r"\\(?:mathrm|mathit|mathsf|mathtt|textrm|textbf|textit|textnormal|textsf|mbox|hbox"
            r"|operatorname\*?|mathop|emph|text)\s*\{",
            r"\\text{",
        ),
        (r"\\(?:mathbf|boldsymbol|bm|mathcal|mathscr|mathfrak|mathbb)\s*\{(\d+)\}", r"\1"),
        (r"\^\s*\{\s*\}|_\s*\{\s*\}|(?<![a-zA-Z}\]\\])\{\s*\}", ""),
        (r"(?<!text)\{\s*([<>=]|\\\$|\\times|\\cdot)\s*\}", r"\1 "),
        (r"(?<=\d)\s*\\text\{\s*[eE]\s*\}\s*(?=[+-]?\d)", "e"),
        (r"\\text\{\s*([ie])\s*\}", r"\1"),
        (r"\\text\{\s*([,;:])\s*\}", r"\1"),
        (r"^([a-zA-Z])\s*:\s*([a-z])\s*\\mapsto" + _END, r"\1(\2)="),
        (r"\\text\{\s*plus or minus\s*\}", r"\\pm "),
        (r"\\genfrac\s*(?:\{[^{}]*\}\s*){4}", r"\\frac"),
        (r"(\\text\{[^{}\\]*)\\cdot\s*(?=[a-zA-Z^{} \-\d]*\})", r"\1 "),
        (r"\\(?:mathbf|boldsymbol|bm|mathcal|mathscr|mathfrak)\s*\{([a-zA-Z])\}", r"\1"),
        (r"\\(?:mathbf|boldsymbol|bm)\s*\{", r"\\text{"),
        (
            r"\\text\{\s*(sin|cos|tan|cot|sec|csc|log|ln|exp|arcsin|arccos|arctan|gcd|max|min)\}",
            r"\\\1 ",
        ),
        (r"\\(?:leq|leqslant|leqq)" + _END, r"\\le "),
        (r"\\(?:geq|geqslant|geqq)" + _END, r"\\ge "),
        (r"\\neq" + _END + r"|\\not\s*=|(?<=\s)!=(?=\s)", r"\\ne "),
        (r"\\lt" + _END, "<"),
        (r"\\gt" + _END, ">"),
        (r"<=", r"\\le "),
        (r">=", r"\\ge "),
        (r"\\vee" + _END, r"\\lor "),
        (r"\\wedge" + _END, r"\\land "),
        (r"\\(?:varnothing|empty)" + _END, r"\\emptyset "),
        (r"\\(?:infin|infty)" + _END, r"\\infty "),
        (r"\\(?:Reals|reals|R)" + _END, r"\\mathbb{R}"),
        (r"\\mathbb\s*\{?\s*([A-Z])\s*\}?", r"\\mathbb{\1}"),
        (r"\\(?:lvert|rvert|vert|mid)" + _END, "|"),
        (r"\\(?:lbrace)" + _END, r"\\{"),
        (r"\\(?:rbrace)" + _END, r"\\}"),
        (r"\\(?:lbrack)" + _END, "["),
        (r"\\(?:rbrack)" + _END, "]"),
        (r"\\(?:backslash|smallsetminus)" + _END, r"\\setminus "),
        (r"\\colon" + _END, ":"),
        (r"\\degrees?" + _END + r"|(?<=[\d)}])\s*\\deg" + _END, r"^\\circ "),
        (
            r"(?<=[\d)}])\s*\^\s*(?:\{\s*)?(?:\\text\{\s*o\s*\}|o(?![a-zA-Z]))(?:\s*\})?",
            r"^\\circ ",
        ),
        (r"\\text\{\s*\^\\circ\s*\}", r"^\\circ "),
        (r"\^\s*\{\s*\\circ\s*\}|\^\s*\\circ" + _END, r"^\\circ "),
        (r"\\ast" + _END, "*"),
        (r"\\(?:ldots|dots|cdots|dotsc)" + _END, r"\\ldots "),
        (r"\\%", "%"),
        (r"\\text\{\s*(\\\$|%)\s*\}", r"\1"),
        (r"\{\s*,\s*\}", "{,}"),
        (r"\{\s*:\s*\}", ":"),
        (r"(?<!\.)\.{3}(?!\.)", r"\\ldots "),
        # units: `\text{m s^{-1}}`, a fraction of two, a number over one
        (r"(\\text\{[^{}\\]*\^)\{\s*(-?\d)\s*\}(?:([^{}\\]*\^)\{\s*(-?\d)\s*\})?", r"\1\2\3\4"),
        (
            r"\\frac\s*\{([^{}]*)\\text\{([^{}]*)\}\s*\}\s*"
            r"\{\s*\\text\{([^{}]*)\}\s*(?:\^\s*\{?\s*(\d)\s*\}?)?\s*\}",
            lambda m: rf"{m[1]}\text{{{m[2]}/{m[3]}{'^' + m[4] if m[4] else ''}}}",
        ),
        (r"\\text\{\s*(\d+)\s*\}", r"\1"),
        (r"_\s*\{\s*\(\s*(\d+)\s*\)\s*\}", r"_{\1}"),
        (
            r"_\s*\{\s*\(?\s*\\text\{\s*\(?\s*base[ -]*(?:\}\s*)?(\d+)\s*\)?\s*(?:\}\s*)?\)?\s*\}",
            r"_{\1}",
        ),
        (r"^(?:\\overline)?\{\s*(\d[0-9A-F]*)\s*\}\s*(?=_)", r"\1"),
        (r"\\imath" + _END, "i"),
    )
)
