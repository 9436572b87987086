r"""Relations, sets, labels and clauses in words: `x \text{ is less than } 5`, "all reals except 1".

`worded` turns what has one mathematical spelling into it; `split_clause` takes off what only says
what a letter is: `3k \text{ for any positive integer } k`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sal.grading.numerals import spelled_number

_OPEN = r"\s*(?:\\text\{)?\s*"
_CLOSE = r"\s*\}?\s*"
_RELATIONS = tuple(
    (
        re.compile(
            rf"(?<=[\w)}}]){_OPEN}(?:is |are |must be |can be )?(?:{words}){_CLOSE}(?=[-+\\\d(a-z])"
        ),
        sign,
    )
    for words, sign in (
        (
            r"(?:strictly )?(?:less|smaller|fewer|lower) than or equal to|less"
            r" or equal to|at most|no (?:more|greater|larger|bigger) than|not"
            r" (?:more|greater) than",
            r"\\le ",
        ),
        (
            r"(?:strictly )?(?:greater|larger|bigger|more|higher) than or equal"
            r" to|greater or equal to|at least|no (?:less|fewer|smaller) than"
            r"|not (?:less|smaller) than",
            r"\\ge ",
        ),
        (r"(?:strictly )?(?:less|smaller|lower) than|(?:strictly )?below", "<"),
        (
            r"(?:strictly )?(?:greater|larger|bigger|more|higher) than|exceeds"
            r"|(?:strictly )?above",
            ">",
        ),
        (r"not equal to|different from|unequal to|does not equal", r"\\ne "),
        (r"(?<!\w)(?:belongs to|an element of|in the interval|in)(?= ?\W)", r"\\in "),
    )
)
_RELATED = re.compile(
    r"than|at most|at least|exceeds|equal|belongs|element|interval|below|above|\bis not\b"
)
_SIGNS = tuple(
    (re.compile(pattern), sign)
    for pattern, sign in (
        (r"\\not\s*\\?(?:<|lt(?![a-zA-Z]))", r"\\ge "),
        (r"\\not\s*\\?(?:>|gt(?![a-zA-Z]))", r"\\le "),
        (r"\\not\s*\\(?:leq?|leqslant)(?![a-zA-Z])", ">"),
        (r"\\not\s*\\(?:geq?|geqslant)(?![a-zA-Z])", "<"),
        (r"\\not\s*\\in(?![a-zA-Z])", r"\\notin "),
        (r"=<", r"\\le "),
        (r"<>", r"\\ne "),
        (r"=/=|≠|\\=\s*/", r"\\ne "),
        (r"(?<=[a-zA-Z)\]])\s*!=\s*(?=[-+\\\d(a-zA-Z])(?<= != )", r"\\ne "),
    )
)
_EXCEPT = re.compile(
    r"(?:the set of )?(?:all|every|any)?\s*(?:the )?(?:real numbers?"
    r"|reals?|real values?(?: of)?|values?(?: of)?"
    r"|numbers?)\s*(?:[a-z]\s*)?,?\s*(?:except(?: for)?|other than"
    r"|but(?: not)?|excluding|apart from|besides"
    r"|not equal to|different from|\\setminus)\s*(.+)"
)
_ALL_WITH = re.compile(
    r"(?:all|every|any) (?:real )?(?:numbers? |values? (?:of )?|real"
    r" )?\s*([a-z])(?: such that| with| where| for"
    r" which)?\s*,?\s*(?=(?:\\ne|<|>|\\le|\\ge|\\in|=)(?![a-z]))"
)
_ALL_THAN = re.compile(
    r"(?:all |any |every )?(?:real )?(?:numbers?|values?|reals)\s*(?=<|>|\\le|\\ge)"
)
_LABEL = re.compile(
    r"(?:\\text\{\s*)?(?:the )?(?:(?:final |correct |total |required"
    r" )?[A-Za-z][a-z]{2,}(?: (?:of|in|for|the|is|[a-z]{2,})){0,4})"
    r"\s*:\s*(?:\}\s*)?(?=\S)"
)
_NUMBERED = re.compile(
    r"(?:\\text\{\s*)?(?:No\.|Nos?\.?|Number|number|\\#|#|№|№)\s*(?:\}\s*)?(?=\d)"
)
_OPENING = re.compile(
    r"^(?:\\text\{\s*)?(?:(?:[Tt]he )?(?:[Ff]inal |[Cc]orrect"
    r" )?[Aa]nswer(?: is)?|[Ii]t is|[Ii]s|[Ee]quals?|[Ee]xactly"
    r"|[Aa]pproximately|[Aa]bout|[Aa]pprox\.?|[Rr]oughly|[Aa]round"
    r"|[Pp]recisely|[Tt]hus|[Tt]herefore|[Hh]ence)"
    r"[:,]?\s+(?:\}\s*)?(?=[-+\d.\\$])"
)
_NEGATIVE = re.compile(r"^(?:[Mm]inus|[Nn]egative) (?=[\d.\\])")
_REAL_LETTER = re.compile(
    r"(?<![a-zA-Z\\{])(?:\\text\{R\}|R)(?=\s*(?:\\setminus|\\backslash"
    r"|-\s*\\?\{))|(?<=\\in )\s*(?:\\text\{R\}|R)(?![a-zA-Z])"
)
_RESTATED = re.compile(
    r"^(?P<head>.*\S)(?:\s+|\\[,;: ]\s*"
    r"|\\text\{\s*)*\(\s*(?:\\text\{\s*)?(?P<mark>=|\\approx|≈|or"
    r"|i\.e\.,?|that is,?|about|approximately|exactly"
    r"|also)?\s*(?:\}\s*)?(?P<again>[^()]+?)\)\s*\}?$"
)
_THAT_IS = re.compile(
    r"^(?P<head>.*\S)\s*,?\s*(?P<mark>i\.e\.|that is,|or equivalently"
    r"|equivalently|namely),?\s*(?P<again>\S.*)$"
)
_REMARK = re.compile(
    r"\s*(?:\\text\{\s*)?\(\s*(?:\\text\{\s*)?(?:final answer|final"
    r"|answer|approximately|approx\.?|exact(?:ly)?|simplified|rounded"
    r"|rounded to[^()]*|to \d[^()]*|in simplest form|as"
    r" required)\s*\}?\s*\)\s*\}?$"
)

_NOUNS = (
    r"(?:positive |negative |non-?negative |non-?zero |natural |whole "
    r"|real |arbitrary |any |an |a |some |odd |even |fixed"
    r" )*(?:integers?|constants?|(?:real |natural |whole |complex"
    r" )?numbers?|reals?|naturals?|parameters?)"
)
_SETS = r"\\in\s*(?:\\mathbb\{[ZNRQC]\}|[ZN])(?:\^\{?[+*\d]*\}?|_\{?[^{}\s]*\}?)*"
_CLAUSES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"[,;:]?\s*\(?\s*(?:for|where|with)?\s*(?:any|all|some|every"
        rf"|each)?\s*(?:arbitrary )?{_NOUNS}\s*([a-zA-Z])\s*(?:{_SETS})?\s*\)?\.?$",
        rf"[,;:]?\s*\(?\s*(?:where|with|for|and|here)?\s*([a-zA-Z])\s+(?:is"
        rf"|are|being|denotes|represents)\s+{_NOUNS}\s*\)?\.?$",
        rf"[,;:]?\s*\(?\s*(?:where|with|for|and)?\s*(?:any |all |some |every "
        rf"|each )?([a-zA-Z])\s*{_SETS}\s*\)?\.?$",
        rf"[,;:]\s*\(?\s*([a-zA-Z])\s+{_NOUNS}\s*\)?\.?$",
        rf"[,;:]?\s*\(?\s*\\forall\s*([a-zA-Z])(?:\s*{_SETS})?\s*\)?\.?$",
        r"[,;:]?\s*\(?\s*for (?:all|every|any|each) (?:real |integers? "
        r"|values? of )?\$?([a-zA-Z])\$?(?:\s*" + _SETS + r")?\s*\)?\.?$",
        r"[,;:]?\s*\(?\s*(?:where|for|with)\s*([a-zA-Z])\s*=\s*(?:0"
        r"|1)\s*,\s*(?:1|2|\\pm\s*1)\s*,\s*(?:(?:2|3"
        r"|\\pm\s*2)\s*,\s*)?(?:\\ldots|\.\.\.)\s*\)?\.?$",
    )
)
_BINDS = re.compile(
    r"integer|constant|natural|parameter|\\mathbb\{[ZN]\}|\\in\s*[ZN]|ldots|\.\.\.|arbitrary"
)


@dataclass(frozen=True, slots=True)
class Clause:
    """What a trailing clause says of a letter; `bound` when that is any integer or constant."""

    rest: str
    letter: str
    bound: bool


def split_clause(text: str) -> Clause | None:
    r"""`text` (normalised) without the clause that says what a letter is; None without one."""
    if not _HINT.search(text):
        return None
    loose = _untexted(text)
    for pattern in _CLAUSES:
        match = pattern.search(loose)
        rest = loose[: match.start()].strip(" ,;:") if match is not None else ""
        rest = re.sub(r"\\quad$", "", rest).strip()
        if match is not None and rest and not re.search(r"(?:for|where|with|or|and|is|not)$", rest):
            return Clause(rest, match[1], _BINDS.search(match[0]) is not None)
    return None


_HINT = re.compile(
    r"\\in(?![a-zA-Z])|\\forall|integer|constant|number|real|natural"
    r"|parameter|for (?:all|every|any|each)|ldots|\.\.\."
)


def _untexted(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"\\text\{([^{}]*)\}", r" \1 ", text)).strip()


def signs(text: str) -> str:
    r"""Relation signs with a stroke or in ASCII: `\not>`, `=<`, `<>`."""
    for pattern, sign in _SIGNS:
        text = pattern.sub(sign, text)
    return text


def worded(text: str) -> str:
    """`text` with relations and sets in words as their signs; prose comes back as it is."""
    if _RELATED.search(text):
        for pattern, sign in _RELATIONS:
            text = pattern.sub(f" {sign}", text)
        text = _balanced(text)
    if text[:1].isalpha() or text.startswith("\\text"):
        opened = _OPENING.sub("", text, count=1)
        text = text if opened == text else _balanced(opened)
    if text[:1] in "mnMN":
        text = _NEGATIVE.sub("-", text)
    if "#" in text or "No" in text or "umber" in text or "№" in text:
        text = _NUMBERED.sub("", text, count=1) if _NUMBERED.match(text) else text
    if "R" in text and ("\\setminus" in text or "\\in" in text or "-" in text):
        text = _REAL_LETTER.sub(r"\\mathbb{R}", text)
    if ("all" in text or "every" in text or "any" in text or "real" in text) and len(text) < 160:
        text = _quantified(text)
    if ":" in text and text.count(":") == 1 and "," not in text:
        label = _LABEL.match(text)
        if label is not None and not re.search(r"[\d=<>]", label[0]):
            text = _balanced(text[label.end() :])
    if text.endswith((")", ")}", ") }")):
        text = _REMARK.sub("", text)
    return text


def _balanced(text: str) -> str:
    """Drop the closing brace of a `\\text{` that a rewrite opened up, or open what it closed."""
    depth = 0
    for at, char in enumerate(text):
        if char in "{}" and (at == 0 or text[at - 1] != "\\"):
            depth += 1 if char == "{" else -1
            if depth < 0:
                return text[:at] + text[at + 1 :]
    return text + "}" * depth


def _quantified(text: str) -> str:
    loose = _untexted(text)
    low = loose.lower() if loose[:1].isupper() else loose
    hole = _EXCEPT.fullmatch(low)
    if hole is not None:
        points = re.sub(r"\s*(?:,\s*)?(?:and|or)\s+", ",", re.sub(r"^[a-z]\s*=\s*", "", hole[1]))
        points = points.strip(". ").removeprefix(r"\{").removesuffix(r"\}")
        if not re.search(r"(?<!\\)\b[a-z]{3,}", points):
            return rf"\mathbb{{R}}\setminus\{{{points}\}}"
    ranged = _ALL_WITH.match(low)
    if ranged is not None:
        return f"{ranged[1]} {low[ranged.end() :]}"
    if _ALL_THAN.match(low):
        return _ALL_THAN.sub("x ", low, count=1)
    return text


def restated(text: str) -> tuple[str, str] | None:
    r"""`\frac12 \, (0.5)`: a value and its other form behind it; None for all else."""
    loose = _untexted(text)
    match = _THAT_IS.match(loose)
    if match is None and (not loose.endswith((")", "}")) or "(" not in loose):
        return None
    match = match or _RESTATED.match(loose)
    if match is None:
        return None
    head, again = match["head"].strip(), match["again"].strip(" }")
    worded_too = spelled_number(again) or spelled_number(head)
    if not (match["mark"] or worded_too or "." in again or "%" in again or "frac" in again):
        return None
    return (head, again) if head and again else None
