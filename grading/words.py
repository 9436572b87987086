r"""Answers that are words, and telling words from products of variables.

math-verify reads the bare word `east` as e*a*s*t, which equals `seat`.
"""

from __future__ import annotations

import re

_TEXT = re.compile(r"\\text\{([^{}]*)\}")
_COMMAND = re.compile(r"\\(?:begin|end)\{[a-zA-Z]*\}|\\[a-zA-Z]+")
_RUN = re.compile(r"[^\W\d_]+")
_FUNCTIONS = frozenset(
    ("sin", "cos", "tan", "cot", "sec", "csc", "log", "ln", "exp", "arcsin", "arccos", "arctan",
     "sinh", "cosh", "tanh", "gcd", "lcm", "max", "min", "mod", "lim", "sgn", "det", "sqrt", "frac",
     "pi", "theta", "alpha", "beta", "gamma", "lambda", "or", "and", "deg", "binom")
)  # fmt: skip
_SHORT = frozenset(("no", "on", "up", "us", "he", "me", "we", "so", "of", "to", "go", "do", "ok"))
_VARIABLE_FAMILIES = ("abcdef", "xyzwuvt", "pqrst", "mnkl", "ijk", "xyzabc", "abcxyn")
_VERDICTS = frozenset(("yes", "true", "false", "none"))
_ARTICLES = frozenset(("a", "an", "the"))


def is_word(run: str) -> bool:
    """Whether a run of letters is a word rather than a product of variables such as `abc`."""
    if not run.isascii():
        return len(run) > 1
    low = run.lower()
    if low in _FUNCTIONS:
        return False
    if len(run) < 3:
        return low in _SHORT and not run.isupper()
    if low in _VERDICTS:
        return True
    if any(set(low) <= set(family) for family in _VARIABLE_FAMILIES):
        return False
    if run.isupper() and len(run) < 5:
        return False  # a figure's points: ABE, AOB
    return len(run) > 3 or any(vowel in low for vowel in "eiou") or low[1] == "a"


def words_of(text: str) -> list[str]:
    r"""The words of a formula in order of spelling: whatever is in `\text{}`, and bare words."""
    found = [run.lower() for block in _TEXT.findall(text) for run in _RUN.findall(block)]
    rest = _COMMAND.sub(" ", _TEXT.sub(" ", text))
    return sorted(found + [run.lower() for run in _RUN.findall(rest) if is_word(run)])


def as_phrase(text: str) -> str | None:
    """`text` (normalised) as a plain phrase in lower case without articles; None if it is maths."""
    inside = _TEXT.sub(r" \1 ", text)
    if "\\" in inside or not inside:
        return None
    if any(not (char.isalpha() or char in " -'\".,&?!()") for char in inside):
        return None
    runs = _RUN.findall(inside)
    marked = "\\text" in text
    if not runs or not (marked or any(is_word(run) for run in runs)):
        return None
    if marked:  # letters outside of \text{} make it a formula: `x \text{ boys}`
        outside = _RUN.findall(_TEXT.sub(" ", text))
        if any(not is_word(run) and run.lower() not in _ARTICLES for run in outside):
            return None
    kept = [run.lower() for run in runs if run.lower() not in _ARTICLES or len(runs) == 1]
    if kept[:2] == ["it", "is"] or (len(kept) == 2 and kept[0] in ("on", "in", "at")):
        kept = kept[2:] if kept[0] == "it" else kept[1:]
    return " ".join(kept or [run.lower() for run in runs])


_ANSWERING = re.compile(
    r"\w+(?: (?:is|was|has|had|will|can|did|does|won|ran|got|made|gets|wins|runs))(?: .*)?"
)
_DENYING = re.compile(
    r"\b(?:not|no|never|neither|nor|or|and|but|than|except|none|if|unless)\b|n't|,"
)


def answers_with(name: str, phrase: str) -> bool:
    """Whether `phrase` is a sentence whose subject is the one word `name`, and denies nothing."""
    subject = _TEXT.sub(r"\1", name).strip()
    sentence = _TEXT.sub(r"\1", phrase).strip().rstrip(".")
    if not re.fullmatch(r"[A-Z][a-z]+", subject) or not sentence.startswith(subject + " "):
        return False
    rest = sentence[len(subject) :]
    return (
        _ANSWERING.fullmatch(sentence) is not None
        and _DENYING.search(sentence) is None
        and not re.search(r"[A-Z\d\\]", rest)
    )
