r"""A value and its unit: `5 cm`, `\$5`, `30^\circ`, `10 weeks`, `12 \text{ cm}^2`, `60 km/h`.

A unit that only one side names is forgiven; two different units make two different answers. Units
are not converted: `100 cm` is not `1 m`, as a problem that asks for metres means it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

from sal.grading.words import is_word

_ALIASES = {
    "cm": "cm centimeter centimetre cms", "mm": "mm millimeter millimetre",
    "km": "km kilometer kilometre kms", "m": "m meter metre", "nm": "nm nanometer nanometre",
    "in": "in inch inches", "ft": "ft foot feet", "yd": "yd yard", "mi": "mi mile",
    "kg": "kg kilogram kilo kgs", "g": "g gram gm", "mg": "mg milligram", "lb": "lb lbs pound",
    "oz": "oz ounce", "ton": "ton tonne", "L": "L l liter litre",
    "mL": "mL ml milliliter millilitre",
    "cL": "cl cL centiliter centilitre", "gal": "gal gallon", "s": "s sec second secs",
    "ms": "ms millisecond", "min": "min minute mins", "h": "h hr hour hrs", "day": "day",
    "week": "week wk", "month": "month", "year": "year yr yrs", "deg": "degree deg degs",
    "rad": "rad radian rads", "usd": "dollar usd buck", "cent": "cent cents", "eur": "euro eur",
    "gbp": "gbp quid", "inr": "rupee inr rs", "jpy": "yen jpy", "N": "N newton", "J": "J joule",
    "W": "W watt", "V": "V volt", "A": "A amp ampere", "K": "K kelvin", "Pa": "Pa pascal",
    "Hz": "Hz hertz", "mol": "mol mole", "kJ": "kJ kilojoule", "kW": "kW kilowatt",
    "celsius": "celsius C", "fahrenheit": "fahrenheit F", "acre": "acre", "ha": "ha hectare",
}  # fmt: skip
_KNOWN = {name: unit for unit, names in _ALIASES.items() for name in names.split()}
_COMPOUND = {
    "mph": ("mi", "h"), "kph": ("km", "h"), "kmph": ("km", "h"), "kmh": ("km", "h"),
    "fps": ("ft", "s"), "mpg": ("mi", "gal"), "mps": ("m", "s"),
    "rpm": ("revolution", "min"), "bpm": ("beat", "min"),
}  # fmt: skip
_GLUED = frozenset(
    ("cm", "mm", "km", "kg", "mg", "ml", "mL", "ft", "lb", "lbs", "oz", "hr", "hrs", "sec", "mph",
     "kph", "kmph", "gal", "yd", "min", "deg", "rad", "cms", "kms")
)  # fmt: skip
"""Abbreviations that may touch their number: `5cm`; `5m` alone reads as 5 times m."""
_SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9,
           "trillion": 10**12}  # fmt: skip
_POWERS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}
_FILLER = frozenset(
    ("unit", "a", "an", "the", "of", "in", "is", "are", "and", "or", "each", "every", "about")
)
_NOT_UNITS = frozenset(
    ("or", "and", "mod", "pi", "base", "choose", "if", "where", "for", "when", "but", "not")
)
_CURRENCIES = frozenset(("usd", "eur", "gbp", "inr", "jpy", "cent"))
_MONEY = {r"\$": "usd", r"\euro": "eur", r"\pounds": "gbp", r"\yen": "jpy", r"\rupee": "inr"}
_MONEY_CODES = {"USD": r"\$", "US": r"\$", "EUR": r"\euro ", "GBP": r"\pounds ",
                "JPY": r"\yen ", "INR": r"\rupee ", "RS": r"\rupee "}  # fmt: skip
_MONEY_CODE = re.compile(
    r"(?:\\text\{\s*)?(USD|US(?=\s*\}?\s*\\\$)|EUR|GBP|JPY|INR|Rs\.?)\s*\}?\s*(?:\\\$)?\s*(?=[\d.\\])"
)
_MONEY_SIGN = re.compile(r"([+-]?)\s*(\\\$|\\euro|\\pounds|\\yen|\\rupee)(?![a-zA-Z])\s*")
_MONEY_TAIL = re.compile(r"\s*(\\\$|\\euro|\\pounds|\\yen|\\rupee|\\cents)\s*$")
_TRIGONOMETRY = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![a-zA-Z])")
_WORDS_ALONE = re.compile(r"(?:\\text\{[^{}\d]*\}|[A-Za-z]{3,})")
"""A name is no amount: what follows it is no unit."""
_TOKEN = re.compile(
    r"(?P<text>\\text\{[^{}]*\})|(?P<deg>\^\\circ)|(?P<cmd>\\[a-zA-Z]+|\\.)"
    r"|(?P<word>[^\W\d_]+)|(?P<pow>\^\s*(?:\{\s*-?\d\s*\}|-?\d))|(?P<num>\d+\.?\d*|\.\d+)"
    r"|(?P<space>\s+)|(?P<sym>.)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Unit:
    """Exponents of known units, and the words that are no known unit; both empty: no unit."""

    powers: frozenset[tuple[str, int]] = frozenset()
    words: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.powers or self.words)

    def agrees(self, other: Unit) -> bool:
        """Whether both can describe one value: one is silent, or they name the same unit."""
        if not self or not other:
            return True
        if self.powers and other.powers:
            if self._price(other) or other._price(self):
                return True
            return self.powers == other.powers and not (
                {"celsius", "fahrenheit"} <= (self.words | other.words)
            )
        if not self.powers and not other.powers:
            return self.words <= other.words or other.words <= self.words
        return False

    def _price(self, other: Unit) -> bool:
        r"""Money beside the same money for each hour, or each of something: `\$5`, `\$5/hour`."""
        rest = other.powers - self.powers
        return (
            len(self.powers) == 1
            and self.powers < other.powers
            and next(iter(self.powers))[0] in _CURRENCIES
            and all(power < 0 for _, power in rest)
        )


@dataclass(frozen=True, slots=True)
class Quantity:
    """`value` is the text without its unit, `scale` what `million` and the like multiply it by."""

    value: str
    unit: Unit = Unit()
    scale: Fraction = Fraction(1)


def split_unit(text: str) -> Quantity:
    """The value and unit of `text` (normalised); the text itself where there is no unit."""
    money = ""
    code = _MONEY_CODE.match(text)
    if code is not None:
        text = rf"{_MONEY_CODES[code[1].upper().rstrip('.')]}{text[code.end() :]}"
    sign = _MONEY_SIGN.match(text)
    if sign is not None:
        money, text = _MONEY[sign[2]], sign[1] + text[sign.end() :]
    else:
        tail = _MONEY_TAIL.search(text)
        if tail is not None:
            money = _MONEY.get(tail[1], "cent")
            text = text[: tail.start()]
    value, tokens = _cut(text)
    scale, powers, words = _read(tokens)
    if money:
        powers[money] += 1
        if powers[money] == 2:  # `\$5 dollars`
            powers[money] = 1
    unit = Unit(frozenset((name, power) for name, power in powers.items() if power), words)
    return Quantity(value, unit, scale)


def _cut(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Split where the longest tail of unit-like tokens begins."""
    tokens = [(str(match.lastgroup), match[0], match.start()) for match in _TOKEN.finditer(text)]
    begin = len(tokens)
    prefix_letters = _has_variables(text)
    for index in range(len(tokens) - 1, 0, -1):
        kind, token, _ = tokens[index]
        spaced = tokens[index - 1][0] == "space"
        joined = tokens[index - 1][1] in ("/", r"\cdot", ".")
        if kind == "text":
            if not _unit_text(token):
                break
            begin = index
        elif kind == "deg":
            if _TRIGONOMETRY.search(text):
                break  # the degrees of an argument
            begin = index
        elif kind == "word":
            unit_like = _unit_word(token, spaced or joined, prefix_letters)
            if not unit_like:
                break
            begin = index
        elif kind in ("space", "pow") or token in ("/", r"\cdot", "."):
            continue
        else:
            break
    while begin < len(tokens) and tokens[begin - 1][1] == "/" and tokens[begin][0] != "text":
        begin += 1  # `10/s`: what follows the first slash belongs to the value
        while begin < len(tokens) and tokens[begin][0] in ("space", "pow", "sym"):
            begin += 1
    if begin >= len(tokens):
        return text, []
    at = tokens[begin][2]
    head = text[:at].rstrip().removesuffix(r"\cdot").removesuffix("/").rstrip()
    if not head or not re.search(r"[\da-zA-Z})\]|!]$", head) or _WORDS_ALONE.fullmatch(head):
        return text, []
    per = text[:at].rstrip().endswith("/")
    tail = [(kind, token) for kind, token, _ in tokens[begin:]]
    return head, ([("sym", "/"), *tail] if per else tail)


def _has_variables(text: str) -> bool:
    """Whether the formula holds a free letter, so that a single letter is no unit."""
    plain = re.sub(r"\\text\{[^{}]*\}|\\[a-zA-Z]+", " ", text)
    letters = re.findall(r"(?<![a-zA-Z])[a-zA-Z](?![a-zA-Z])", plain)
    return any(letter not in _KNOWN for letter in letters) or bool(
        re.search(r"\d[a-zA-Z](?![a-zA-Z])|[a-zA-Z]\s?[-+*=]", plain)
    )


def _unit_text(block: str) -> bool:
    inside = block[6:-1]
    return bool(re.fullmatch(r"[^\W\d_]?[\s\w./^\-'(),°]*", inside)) and not re.search(
        r"\d{2}|\b(?:or|and|if|mod|base|for|where|when)\b", inside
    )


def _unit_word(word: str, spaced: bool, with_variables: bool) -> bool:
    if word.lower() in _NOT_UNITS:
        return False
    if not spaced:
        return word in _GLUED
    if len(word) == 1:
        return word in _KNOWN and not with_variables
    named = _known(word) is not None or word.lower() in (*_SCALES, *_POWERS, *_COMPOUND, "per")
    return named or is_word(word)


def _known(word: str) -> str | None:
    if word in _KNOWN:
        return _KNOWN[word]
    low = word.lower()
    if len(word) > 1:
        for form in (low, low.removesuffix("s"), low.removesuffix("es")):
            if form in _KNOWN and len(form) > 1:
                return _KNOWN[form]
    return None


def _read(tokens: list[tuple[str, str]]) -> tuple[Fraction, Counter[str], frozenset[str]]:
    """Scale, unit exponents and left-over words of a unit phrase."""
    scale = Fraction(1)
    powers: Counter[str] = Counter()
    words: set[str] = set()
    direction, pending, last = 1, 1, ""
    pieces: list[str] = []
    for kind, spelled in tokens:
        if kind == "text":
            pieces += re.findall(r"\^\s*-?\d|[^\W\d_]+|/|\d", spelled[6:-1])
        elif kind == "deg":
            pieces.append("degree")
        elif kind == "pow":
            pieces.append("^" + re.sub(r"[\s{}^]", "", spelled))
        elif kind == "word" or spelled == "/":
            pieces.append(spelled)
    for piece in pieces:
        low = piece.lower()
        if piece.startswith("^") or piece.isdigit():
            digits = piece.lstrip("^ ")
            if last:
                powers[last] += (int(digits) - 1) * (1 if powers[last] > 0 else -1)
            continue
        if piece == "/" or low == "per":
            direction = -1
        elif low in _SCALES and not powers and not words:
            scale *= _SCALES[low]
        elif low in ("squared", "cubed") and last:
            powers[last] *= _POWERS[low]
        elif low in _POWERS:
            pending = _POWERS[low]
        elif low in _COMPOUND:
            over, under = _COMPOUND[low]
            powers[over] += 1
            powers[under] -= 1
            last = ""
        else:
            known = _known(piece)
            if known in ("celsius", "fahrenheit"):
                words.add(known)
                powers["deg"] = 1
                last = ""
            elif known is not None:
                powers[known] += direction * pending
                last, direction, pending = known, 1, 1
            elif low.removesuffix("s") not in _FILLER and low not in _FILLER:
                name = _singular(low)
                if direction < 0:
                    powers[name] -= 1
                else:
                    words.add(name)
                last, direction, pending = "", 1, 1
    if powers == {"ms": -1}:  # `m s^{-1}` without its space, rather than one per millisecond
        powers = Counter({"m": 1, "s": -1})
    return scale, powers, frozenset(words)


def _singular(word: str) -> str:
    irregular = {"children": "child", "people": "person", "men": "man", "women": "woman"}
    if word in irregular:
        return irregular[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word
