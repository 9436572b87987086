r"""One spelling for what LaTeX and Unicode can spell in many ways, with the meaning untouched.

`normalize` is pure and linear. Its output keeps units, bases, relations and brackets; spaces stay
where they separate things (`3 1/2`, `5 m`).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from sal.grading.code_style import from_code
from sal.grading.markup import plain
from sal.grading.numerals import regrouped, spelled_number
from sal.grading.phrases import signs, worded
from sal.grading.repair import repaired
from sal.grading.rewrites import REWRITES
from sal.grading.towers import folded

_SYMBOLS = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "×": r"\times ", "·": r"\cdot ",
    "⋅": r"\cdot ", "∙": r"\cdot ", "∗": "*", "÷": "/", "⁄": "/", "∕": "/", "π": r"\pi ",
    "∞": r"\infty ", "≤": r"\le ", "≦": r"\le ", "⩽": r"\le ", "≥": r"\ge ", "≧": r"\ge ",
    "⩾": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "±": r"\pm ", "∓": r"\mp ", "∪": r"\cup ",
    "∩": r"\cap ", "∅": r"\emptyset ", "∈": r"\in ", "∖": r"\setminus ", "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}",
    "∨": r"\lor ", "∧": r"\land ", "°": r"^\circ ", "º": r"^\circ ", "⟨": r"\langle ",
    "⟩": r"\rangle ", "〈": r"\langle ", "〉": r"\rangle ", "∠": r"\angle ", "′": "'", "’": "'",
    "‘": "'", "“": '"', "”": '"', "€": r"\euro ", "£": r"\pounds ", "¥": r"\yen ",
    "₹": r"\rupee ", "¢": r"\cents ", "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ",
    "δ": r"\delta ", "ε": r"\epsilon ", "θ": r"\theta ", "λ": r"\lambda ", "μ": r"\mu ",
    "ρ": r"\rho ", "σ": r"\sigma ", "τ": r"\tau ", "φ": r"\phi ", "ϕ": r"\phi ", "ψ": r"\psi ",
    "ω": r"\omega ", "Δ": r"\Delta ", "Σ": r"\Sigma ", "Ω": r"\Omega ", "∑": r"\sum ",
    "∫": r"\int ", "∣": "|", "∥": r"\parallel ", "⌊": r"\lfloor ", "⌋": r"\rfloor ",
    "⌈": r"\lceil ", "⌉": r"\rceil ", "√": r"\sqrt ", "∛": r"\sqrt[3]", "、": ",", "。": ".",
}  # fmt: skip
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱˣ", "0123456789+-=()nix")
_SUBSCRIPT = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₙₖ", "0123456789+-=()nk")
_SUPERSCRIPTS = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱˣ]+")
_SUBSCRIPTS = re.compile("[₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₙₖ]+")
_VULGAR = re.compile("[¼-¾⅐-⅞↉]")
_ROOT_OF_GROUP = re.compile(r"\\sqrt(\[3\])?\s*\(([^()]*)\)")
_ROOT_OF_NUMBER = re.compile(r"\\sqrt(\[3\])? ?(\d+(?:\.\d+)?)")

_ALIGNED = re.compile(
    r"\\begin\{(aligned|align\*?|gathered|gather\*?|split|equation\*?|multline\*?|eqnarray\*?)\}"
    r"(.*?)\\end\{\1\}",
    re.DOTALL,
)
_SPELLED_NUMERAL = re.compile(r"(?:\\text\{\s*[0-9A-F]+\s*\}|[0-9A-F.])+\s*_(?:\{\s*\d+\s*\}|\d)")
_TEXT_LETTERS = re.compile(r"\\text\{\s*([0-9A-F]+)\s*\}")
_TEXT_EMPTY = re.compile(r"\\text\{\s*\}")
_SPACES = re.compile(r"\s+")
_OPERAND = r"\s*(\d|[a-zA-Z]|\\(?!frac|sqrt|binom|text)[a-zA-Z]+ ?)"
_FRAC_BARE = re.compile(r"\\(frac|binom)(?![a-zA-Z])" + _OPERAND + _OPERAND)
_FRAC_LEFT = re.compile(r"\\(frac|binom)(?![a-zA-Z])" + _OPERAND + r"\s*(?=\{)")
_FRAC_RIGHT = re.compile(r"(\\(?:frac|binom)\s*\{[^{}]*\})\s*(\d|[a-zA-Z])")
_SQRT_BARE = re.compile(r"\\sqrt(?![a-zA-Z])\s*(\[[^\[\]]*\])?" + _OPERAND)
_LEADING_SIGN = re.compile(
    r"^\\(?:approx|sim|simeq|Rightarrow|implies|to|rightarrow|Longrightarrow|longrightarrow|iff|equiv)(?![a-zA-Z])\s*"
)
_PLAIN = re.compile(r"-?[1-9]\d{0,17}")
_TEXT_BLOCK = re.compile(r"(\\text\{[^{}]*\})|[^\\]+(?:\\(?!text\{)[^\\]*)*|\\(?!text\{)[^\\]*")
_BRACED = re.compile(r"(?<=\})\s+(?=\{)|(?<=\\frac)\s+(?=\{)|(?<=\\sqrt)\s+(?=[\{\[])")
_LONE_SCRIPT = re.compile(r"([_^])\s*\{\s*([0-9a-zA-Z])\s*\}")
_THOUSANDS = re.compile(
    r"(?<![\d.,^_])(\d{1,3})((?:\{,\}\s?\d{3})+|(?:,\d{3})+|(?: \d{3})+)"
    r"(?![\d]|,\d|\{,\}|\s*/)"
)
_WORDED_PERCENT = re.compile(
    r"\s*(?:\\text\{\s*(?:percent(?:age)?|per cent|pct)\s*\}"
    r"|\b(?:percent(?:age)?|per cent|pct)\b)",
    re.IGNORECASE,
)
_ORDINAL = re.compile(
    r"(?<=\d)\s*\^?\s*(?:\{\s*)?(?:\\text\{\s*)?(?:st|nd|rd|th)(?:\s*\})?(?:\s*\})?$"
)
_BASE_NAMES = {"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
               "eight": "8", "nine": "9", "ten": "10", "twelve": "12", "sixteen": "16"}  # fmt: skip
_BASE_SUBSCRIPT = re.compile(r"_\s*\{?\s*\\text\{\s*([a-z]+)\s*\}\s*\}?|_\{\s*([a-z]{3,})\s*\}")
_BASE_WORDS = re.compile(
    r"^\(?([0-9A-Fa-f.]+)\)?\s*\(?(?:\\text\{)?\s*(?:in )?base[ -]?(?:\})?\s*\{?(\w+)\}?\s*\}?\)?$"
)
_BASE_PARENS = re.compile(r"^\((\w[\w.]*)\)_")
_EDGE = " \t\n"
_WHOLE_TEXT = re.compile(r"^\\text\{([^{}]*)\}$")
_PHRASES = {
    r"\emptyset": re.compile(
        r"(?:there (?:is|are) )?no (?:real |such |integer )?(?:solution|value|root)s?(?: exists?)?"
        r"|(?:the )?empty set|none|\{\s*\}|\\\{\s*\\\}|\\text\{\s*\\emptyset\s*\}"
    ),
    r"\mathbb{R}": re.compile(
        r"(?:the set of )?(?:all )?real numbers?|all reals?|the reals|all real values"
    ),
    r"\infty": re.compile(r"(?:positive )?infinity|infinite"),
    r"-\infty": re.compile(r"negative infinity|minus infinity"),
    r"\text{undefined}": re.compile(
        r"undefined|does not exist|dne|d\.n\.e\.?|not defined|nonexistent"
    ),
}


def _script(mark: str, table: dict[int, int], run: str) -> str:
    return f"{mark}{{{run.translate(table)}}}"


def _to_ascii(text: str) -> str:
    text = _SUPERSCRIPTS.sub(lambda run: _script("^", _SUPERSCRIPT, run[0]), text)
    text = _SUBSCRIPTS.sub(lambda run: _script("_", _SUBSCRIPT, run[0]), text)

    def fraction(match: re.Match[str]) -> str:
        over, _, under = unicodedata.normalize("NFKC", match[0]).partition("⁄")
        return rf" \frac{{{over}}}{{{under}}}" if under else match[0]

    text = _VULGAR.sub(fraction, text)
    had_root = "√" in text or "∛" in text
    text = "".join(_SYMBOLS.get(char, char) for char in text)
    text = unicodedata.normalize("NFKC", text)
    text = "".join(
        _SYMBOLS.get(char, char) for char in text if unicodedata.category(char) not in ("Cf", "Cc")
    )
    if had_root:  # `√12` is the root of 12, while LaTeX reads `\sqrt12` as the root of 1
        text = _ROOT_OF_GROUP.sub(r"\\sqrt\1{\2}", text)
        text = _ROOT_OF_NUMBER.sub(r"\\sqrt\1{\2}", text)
    return text


def _unwrap_math(text: str) -> str:
    """Drop math delimiters; a dollar sign without a partner is money."""
    text = text.replace(r"\(", "").replace(r"\)", "") if r"\(" in text else text
    text = re.sub(r"(?<!\\)\\[\[\]]", "", text) if r"\[" in text else text
    if "$" not in text:
        return text
    marks = [match.start() for match in re.finditer(r"(?<!\\)\$", text)]
    if len(marks) % 2 == 1:
        at = marks[0]
        return text[:at] + r"\$" + text[at + 1 :].replace("$", "")
    return re.sub(r"(?<!\\)\$", "", text)


def _merge_thousands(text: str, keep_commas: bool) -> str:
    """`10,000`, `10{,}000` and `10 000` are one number, but `(3,100)` is a point."""

    def join(match: re.Match[str]) -> str:
        comma = "," in match[2] and "{" not in match[2]
        if comma and (keep_commas or _inside_brackets(text, match.start())):
            return match[0]
        return match[1] + re.sub(r"[\s,{}]", "", match[2])

    return _THOUSANDS.sub(join, text)


def _inside_brackets(text: str, at: int) -> bool:
    """Whether `at` is inside ( ), [ ] or an escaped brace group. Looks back at most 256."""
    depth = 0
    for index in range(at - 1, max(-1, at - 257), -1):
        char = text[index]
        escaped = index > 0 and text[index - 1] == "\\"
        if char in ")]" or (char == "}" and escaped):
            depth += 1
        elif char in "([" or (char == "{" and escaped):
            if depth == 0:
                return True
            depth -= 1
    return False


@lru_cache(maxsize=4096)
def normalize(text: str, keep_commas: bool = False) -> str:
    """The one spelling. With `keep_commas`, `1,234` stays two list items."""
    text = text.strip()
    if _PLAIN.fullmatch(text):
        return text
    text = repaired(text)
    if not text.isascii():
        text = _to_ascii(text)
    text = _unwrap_math(plain(text))
    text = _SPACES.sub(" ", text)
    if any(char in text for char in "\\<>!{~") or "^o" in text or "..." in text:
        text = _rewritten(text)
    text = _TEXT_BLOCK.sub(lambda match: match[0] if match[1] else from_code(match[0]), text)
    if "\\not" in text or "=" in text or "<>" in text:
        text = signs(text)
    if any(char in text for char in " :#R"):
        text = worded(text)
    text = folded(text)
    text = text.strip(_EDGE)
    while text and text[-1] in ".,;:\\" and not text.endswith(r"\ldots"):
        text = text[:-1].rstrip(_EDGE)
    text = text.lstrip("= ") if text[:1] == "=" else text
    if text[:1] == "\\":
        text = _LEADING_SIGN.sub("", text)
    if text[:1] == "{" and text.find("}") == len(text) - 1:
        text = rf"\{text[:-1]}\}}" if "," in text else text[1:-1].strip()
    whole = _WHOLE_TEXT.match(text)
    if whole is not None and re.search(r"[\d:]", whole[1]):
        text = whole[1].strip()  # \text{5 cm} says no more than 5 cm
        whole = None
    phrase = (whole[1] if whole else text).strip(" .!").lower()
    if (len(phrase) < 64 and phrase[:1].isalpha()) or phrase[:1] in "\\{":
        number = spelled_number(phrase.removesuffix("%").removesuffix(" percent"))
        if number is not None:
            return number + ("%" if phrase.endswith(("%", "percent")) else "")
        amount, _, counted = phrase.rpartition(" ")
        number = spelled_number(amount) if counted.isalpha() and amount else None
        if number is not None:
            return f"{number} {counted}"  # five dollars
        for symbol, pattern in _PHRASES.items():
            if pattern.fullmatch(phrase):
                return symbol
    text = _WORDED_PERCENT.sub("%", text)
    if text[-1:] in "htd}" and _ORDINAL.search(text):
        text = _ORDINAL.sub("", text)
    if not keep_commas or "{,}" in text:
        text = regrouped(text)
    text = _merge_thousands(text, keep_commas)
    if "_" in text or "base" in text:
        text = _BASE_SUBSCRIPT.sub(_base_digits, text)
        text = _BASE_WORDS.sub(_base_phrase, text)
        text = _BASE_PARENS.sub(r"\1_", text)
    text = _LONE_SCRIPT.sub(r"\1\2", text)
    return _SPACES.sub(" ", text).strip()


def _rewritten(text: str) -> str:
    """LaTeX commands and brackets in one spelling each."""
    for pattern, replacement in REWRITES:
        text = pattern.sub(replacement, text)
    text = _TEXT_EMPTY.sub("", text)
    if "\\begin" in text:
        text = _ALIGNED.sub(_unaligned, text)
    if "\\text" in text and "_" in text and _SPELLED_NUMERAL.fullmatch(text):
        text = _TEXT_LETTERS.sub(r"\1", text)
    if "\\frac" in text or "\\binom" in text:
        text = _BRACED.sub("", text)
        text = _FRAC_BARE.sub(r"\\\1{\2}{\3}", text)
        text = _FRAC_LEFT.sub(r"\\\1{\2}", text)
        text = _FRAC_RIGHT.sub(r"\1{\2}", text)
    text = _SQRT_BARE.sub(r"\\sqrt\1{\2}", text)
    return _BRACED.sub("", text)


def _unaligned(match: re.Match[str]) -> str:
    """An alignment of one row is its formula, one of several a list of formulas."""
    rows = [row.replace("&", "").strip(" ,") for row in match[2].split(r"\\")]
    rows = [row for row in rows if row]
    if len(rows) == 1:
        return rows[0]
    return r"\begin{aligned}" + r"\\".join(rows) + r"\end{aligned}"


def _base_digits(match: re.Match[str]) -> str:
    name = match[1] or match[2]
    return f"_{{{_BASE_NAMES[name]}}}" if name in _BASE_NAMES else match[0]


def _base_phrase(match: re.Match[str]) -> str:
    base = _BASE_NAMES.get(match[2], match[2])
    return f"{match[1]}_{{{base}}}" if base.isdigit() else match[0]
