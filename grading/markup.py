r"""Commands that change how an answer looks, and packages' ways to write numbers and units.

One table: `\underline{13}`, `\textcolor{red}{13}`, `\small 13`, `13 \checkmark` are all `13`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sal.grading.brackets import closing

_KEPT = {
    # command -> number of arguments before the one that is kept
    "underline": 0, "uline": 0, "uuline": 0, "uwave": 0, "underbar": 0, "mathop": 0, "mathbin": 0,
    "mathrel": 0, "mathord": 0, "mathopen": 0, "mathclose": 0, "mathpunct": 0, "mathinner": 0,
    "ensuremath": 0, "smash": 0, "fbox": 0, "boxed": 0, "framebox": 0, "bbox": 0, "pmb": 0,
    "mathnormal": 0, "rlap": 0, "llap": 0, "clap": 0, "mathclap": 0, "colorbox": 1, "textcolor": 1,
    "fcolorbox": 2, "scalebox": 1, "raisebox": 1, "href": 1, "style": 1, "class": 1, "cssId": 1,
    "enclose": 1, "num": 0, "numprint": 0, "np": 0, "hl": 0, "bm": -1, "url": 0, "texttt": -1,
    "makebox": 0, "parbox": 1, "ovalbox": 0, "textup": -1, "textmd": -1, "textsc": -1, "textsl": -1,
}  # fmt: skip
_TEXT_LIKE = {name for name, before in _KEPT.items() if before < 0} - {"bm"}
_DROPPED = {
    # command -> number of its arguments
    "color": 1, "vphantom": 1, "hphantom": 1, "phantom": 1, "hspace": 1, "vspace": 1, "label": 1,
    "tag": 1, "definecolor": 3, "rule": 2, "fontsize": 2, "pagecolor": 1, "hspace*": 1,
}  # fmt: skip
_PLAIN_NAMES = """
    Huge LARGE Large allowbreak because bfseries bigskip blacksquare boldmath bottomrule cal
    centering checkmark displaylimits em footnotesize hfil hfill hline huge ignorespaces
    itshape large mathchoice mathsmaller mathstrut mdseries medskip midrule nobreak noindent
    nonumber normalfont normalsize notag null par protect qed relax rmfamily sc
    scriptscriptstyle scriptsize selectfont sf sffamily sl slshape small smallskip strut
    therefore tiny toprule tt ttfamily unboldmath unskip upshape
"""
_NOTHING = frozenset(_PLAIN_NAMES.split())
_SPACING = frozenset(("kern", "mkern", "mskip", "hskip", "vskip"))
_SYMBOLS = {
    "minus": "-", "plus": "+", "dollar": r"\$", "textdollar": r"\$", "mathdollar": r"\$",
    "textdegree": r"^\circ ",
    "texteuro": r"\euro ", "euro": r"\euro ", "textsterling": r"\pounds ", "pound": r"\pounds ",
    "textyen": r"\yen ", "textcent": r"\cents ", "cent": r"\cents ", "percent": "%",
    "textpercent": "%", "O": r"\emptyset ", "textminus": "-", "textendash": "-", "surd": r"\sqrt ",
    "nless": r"\ge ", "ngtr": r"\le ", "nleq": ">", "ngeq": "<", "nleqslant": ">",
    "ngeqslant": "<", "eqslantless": r"\le ", "eqslantgtr": r"\ge ", "lneq": "<", "gneq": ">",
    "lesssim": r"\lesssim ", "nin": r"\notin ", "exponentialE": "e", "imaginaryI": "i",
    "imaginaryJ": "i", "textpi": r"\pi ", "bigcup": r"\cup ", "uplus": r"\uplus ",
    "lparen": "(", "rparen": ")", "textless": "<", "textgreater": ">",
    "textbackslash": "\\setminus ",
    "textasciitilde": " ", "nobreakspace": " ", "space": " ", "thickspace": " ", "medspace": " ",
    "negthinspace": "", "thinspace": r"\,", "textquotesingle": "'", "ang": r"\ang",
    "aleph": r"\aleph ", "infin": r"\infty ", "lang": r"\langle ", "rang": r"\rangle ",
    "lvec": r"\vec", "dotsb": r"\ldots ", "dotsm": r"\ldots ", "dotso": r"\ldots ",
}  # fmt: skip
_SI_UNITS = {
    "metre": "m", "meter": "m", "second": "s", "gram": "g", "hour": "h", "minute": "min",
    "litre": "L", "liter": "L", "newton": "N", "joule": "J", "watt": "W", "pascal": "Pa",
    "hertz": "Hz", "kelvin": "K", "mole": "mol", "degree": "deg", "percent": "%", "volt": "V",
    "ampere": "A", "celsius": "celsius", "degreeCelsius": "celsius", "day": "day", "ohm": "ohm",
    "coulomb": "coulomb", "radian": "rad", "kilogram": "kg", "kilo": "k", "centi": "c",
    "milli": "m", "micro": "u", "nano": "n", "mega": "M", "per": "/", "squared": "^2",
    "cubed": "^3", "square": "square ", "cubic": "cubic ", "kg": "kg", "km": "km", "cm": "cm",
    "mm": "mm", "m": "m", "s": "s", "g": "g", "N": "N", "J": "J", "W": "W",
    "Hz": "Hz", "mol": "mol",
}  # fmt: skip
_SI_PREFIXES = frozenset(("kilo", "centi", "milli", "micro", "nano", "mega"))
_COMMAND = re.compile(r"\\([a-zA-Z]+)\*?")
_KERN = re.compile(r"\s*-?[\d.]+\s*(?:pt|em|ex|mu|cm|mm|in)\b")
_ROOT_OF = re.compile(r"\\root\s*\{?\s*(\w+)\s*\}?\s*\\of\s*(\{[^{}]*\}|\w)")
_OVER = re.compile(r"\{([^{}]*)\\(over|choose|atop)(?![a-zA-Z])([^{}]*)\}")
_WHOLE_OVER = re.compile(r"([^{}]*)\\(over|choose)(?![a-zA-Z])([^{}]*)")
_PLAIN_MATRIX = re.compile(r"\\([pbvBV]?matrix)\s*\{")
_SLANTED = re.compile(r"(?<![\w}])\^\s*\{?\s*(-?\d+)\s*\}?\s*/\s*_\s*\{?\s*(\d+)\s*\}?")
_SUPER = re.compile(r"\\textsu(per|b)script\s*\{")


def plain(text: str) -> str:
    """`text` without the commands that only decorate it; linear."""
    if "^" in text and "/" in text:
        text = _SLANTED.sub(r"\\frac{\1}{\2}", text)
    if "\\" not in text:
        return text
    commands = set(_COMMAND.findall(text))
    if commands & _ALL:
        text = _decorations(text)
    if commands & {"over", "choose"}:
        text = _OVER.sub(_fraction, text)
        whole = _WHOLE_OVER.fullmatch(text)
        text = _fraction(whole) if whole is not None else text
    if "root" in commands:
        text = _ROOT_OF.sub(lambda match: rf"\sqrt[{match[1]}]{{{match[2].strip('{}')}}}", text)
    if "cr" in commands:
        text = re.sub(r"\\cr(?![a-zA-Z])", r"\\\\", text)
    for name in commands & _SLASHED:
        text = re.sub(rf"\\{name}(?![a-zA-Z])", r"\\frac", text)
    if any(name.endswith("matrix") for name in commands):
        text = _environments(text)
    if "textsuperscript" in commands or "textsubscript" in commands:
        text = _SUPER.sub(lambda match: ("^" if match[1] == "per" else "_") + "{", text)
    return text


def _fraction(match: re.Match[str]) -> str:
    name = "binom" if match[2] == "choose" else "frac"
    return rf"\{name}{{{match[1].strip()}}}{{{match[3].strip()}}}"


def _decorations(text: str) -> str:
    pieces: list[str] = []
    begin = 0
    for match in _COMMAND.finditer(text):
        if match.start() < begin:
            continue
        name = match[1]
        rewrite = _ACTIONS.get(name)
        if rewrite is None:
            continue
        replaced = rewrite(text, name, match.end())
        if replaced is None:
            continue
        written, end = replaced
        pieces += [text[begin : match.start()], written]
        begin = end
    joined = "".join(pieces) + text[begin:]
    # What was kept may hold more of the same: `\underline{\underline{13}}`.
    return _decorations(joined) if pieces and joined != text and len(joined) < len(text) else joined


Rewrite = Callable[[str, str, int], tuple[str, int] | None]
"""(text, command, index behind it) -> what is written instead, and where the rest begins."""


def _arguments(text: str, at: int, count: int) -> tuple[list[str], int] | None:
    """`count` braced arguments from `at` on; bracketed options between them are skipped."""
    found: list[str] = []
    while len(found) < count:
        while at < len(text) and text[at].isspace():
            at += 1
        if text[at : at + 1] == "[":
            at = closing(text, at)
            if not at:
                return None
            continue
        end = closing(text, at) if text[at : at + 1] == "{" else 0
        if not end:
            return None
        found.append(text[at + 1 : end - 1])
        at = end
    return found, at


def _keep(text: str, name: str, at: int) -> tuple[str, int] | None:
    read = _arguments(text, at, max(_KEPT[name], 0) + 1)
    if read is None:
        return None
    kept = read[0][-1]
    return (rf"\text{{{kept}}}" if name in _TEXT_LIKE else kept), read[1]


def _drop(text: str, name: str, at: int) -> tuple[str, int] | None:
    read = _arguments(text, at, _DROPPED[name])
    return None if read is None else (" ", read[1])


def _nothing(text: str, name: str, at: int) -> tuple[str, int]:
    kern = _KERN.match(text, at) if name in _SPACING else None
    end = kern.end() if kern is not None else at
    while text[end : end + 1] == " ":
        end += 1
    before = at - len(name) - 2
    glued = before >= 0 and text[before].isalnum() and text[end : end + 1].isalpha()
    return (" " if glued or end == len(text) else ""), end


def _symbol(text: str, name: str, at: int) -> tuple[str, int]:
    # an empty group may end the name: `\euro{}`
    return _SYMBOLS[name], at + 2 if text.startswith("{}", at) else at


def _quantity(text: str, name: str, at: int) -> tuple[str, int] | None:
    r"""siunitx: `\SI{5}{\metre\per\second}`, `\qty{5}{m/s}`, `\unit{kg}`, `\ang{30}`."""
    read = _arguments(text, at, 1 if name in ("ang", "unit", "si") else 2)
    if read is None:
        return None
    arguments, end = read
    if name == "ang":
        return arguments[0] + r"^\circ ", end
    spelled = (
        re.sub(r"\\([a-zA-Z]+)\s*", _si_unit, arguments[-1]).replace("~", " ").replace(".", " ")
    )
    spelled = re.sub(r"\{|\}", "", spelled)
    unit = " " + (spelled.strip() if "%" in spelled else rf"\text{{{spelled.strip()}}}")
    return (arguments[0] + unit if len(arguments) > 1 else unit), end


def _si_unit(match: re.Match[str]) -> str:
    name = match[1]
    known = _SI_UNITS.get(name)
    if known is None:
        return name + " "
    return known if name in _SI_PREFIXES else known + " "


_ACTIONS: dict[str, Rewrite] = {
    **dict.fromkeys(_KEPT, _keep),
    **dict.fromkeys(_DROPPED, _drop),
    **dict.fromkeys(_NOTHING | _SPACING, _nothing),
    **dict.fromkeys(_SYMBOLS, _symbol),
    **dict.fromkeys(("SI", "qty", "unit", "si", "ang"), _quantity),
}
del _ACTIONS["bm"]
_ALL = frozenset(_ACTIONS)
_SLASHED = frozenset(
    ("nicefrac", "sfrac", "xfrac", "flatfrac", "rfrac", "ffrac", "textfrac", "slfrac")
)


def _environments(text: str) -> str:
    r"""`\pmatrix{1&2\cr3&4}` of plain TeX as an environment."""
    for _ in range(4):
        match = _PLAIN_MATRIX.search(text)
        if match is None:
            break
        end = closing(text, match.end() - 1)
        if not end:
            break
        inside = text[match.end() : end - 1]
        text = (
            text[: match.start()] + rf"\begin{{{match[1]}}}{inside}\end{{{match[1]}}}" + text[end:]
        )
    return text
