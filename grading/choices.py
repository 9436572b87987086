"""Multiple choice: the letter of a choice is its key, however an answer names it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from sal.grading.canonical import read_choice
from sal.grading.guards import LONGEST
from sal.grading.normalize import normalize
from sal.grading.spelling import spelled
from sal.grading.verdict import Verdict

LETTERS = "ABCDEFGHIJ"
"""Of choices, at most as many as there are letters here."""

_LETTER = re.compile(r"[(\[]?\s*([A-Ja-j])\s*[)\]]?\.?")
_LABEL = re.compile(
    r"(?:\\\w+\s*\{)?\s*(?:[Oo]ption\s+|[Cc]hoice\s+)?(?:\(([A-J])\)|([A-J])(?:[):]|\.(?=\s)))"
    r"\s*(?!(?:and|or)\b|[,&/])\S"
)
"""`C) x + 1`, `(C) x + 1`, `C. x + 1`"""
_NAMED = r"\*{0,2}\(?([A-J])\)?\*{0,2}"
_STATED = re.compile(
    rf"(?:[Oo]ption|[Cc]hoice)\s+{_NAMED}\s+is\s+(?:the\s+)?(?:correct|right|best)\b"
    rf"|(?<![\w(]){_NAMED}\s+is\s+the\s+(?:correct|right|best)\s+(?:answer|choice|option)\b"
    rf"|(?:choose|pick|select|[Hh]ence|[Tt]herefore,?)\s+(?:option\s+|choice\s+)?{_NAMED}"
    r"(?=\.?\s*$)",
    re.MULTILINE,
)
_TAIL = 8192
"""Characters from the end of a completion in which a choice may be stated."""


class AnswerGrader(Protocol):
    """What is asked of a grader about bare answers."""

    def answer(self, text: str) -> str:
        """The final answer of a completion, "" for none."""
        ...

    def equal(self, gold: str, pred: str) -> Verdict:
        """Whether two bare answers are the same."""
        ...

    def cluster(self, answers: Sequence[str]) -> list[str]:
        """One key per answer; equal answers share it."""
        ...


class ChoiceGrader:
    """Verdicts on one problem, whose `choices` are known and whose right answer is a letter.

    A completion that states no answer may still say which choice is right: "option B is correct".
    An answer is the choice whose letter it gives, or whose text, where that is the text of one
    alone. Where letter and text disagree the letter counts. Any other answer is none of them, and
    in a vote what `grader` makes of it.
    """

    def __init__(self, grader: AnswerGrader, choices: Sequence[str]) -> None:
        self._grader = grader
        self._choices = dict(zip(LETTERS, choices, strict=False))
        self._spellings = {name: spelled(choice) for name, choice in self._choices.items()}
        self._keys = {name: self._key(choice) for name, choice in self._choices.items()}
        self._known: dict[str, str] = {}

    def keys(self, texts: Sequence[str]) -> list[str]:
        """One key per completion: a letter, or another answer's own key, or ""."""
        answers = [self._answer(text) for text in texts]
        letters = [self._letter(answer) for answer in answers]
        others = self._grader.cluster(
            ["" if letter else answer for letter, answer in zip(letters, answers, strict=True)]
        )
        return [letter or key for letter, key in zip(letters, others, strict=True)]

    def grade_many(self, pairs: Iterable[tuple[str, str]]) -> Iterator[Verdict]:
        """Verdicts on (text, letter) pairs in their order."""
        for text, gold in pairs:
            answer = self._answer(text)
            if not answer:
                yield Verdict(False, "no_answer", None)
            else:
                right = self._letter(answer) == gold
                yield Verdict(right, "match" if right else "mismatch", answer, gold)

    def _answer(self, text: str) -> str:
        """The answer that a completion states; else the choice that it calls the right one."""
        answer = self._grader.answer(text)
        if answer:
            return answer
        stated = list(_STATED.finditer(text[-_TAIL:]))
        return next(filter(None, stated[-1].groups())) if stated else ""

    def _key(self, answer: str) -> str:
        return self._grader.cluster([answer])[0]

    def _letter(self, answer: str) -> str:
        """The letter of the choice that `answer` names; "" for none."""
        if answer not in self._known:
            self._known[answer] = self._named(answer) if answer else ""
        return self._known[answer]

    def _named(self, answer: str) -> str:
        text = normalize(answer[:LONGEST])  # a letter stands at the front of a long text
        bare = _LETTER.fullmatch(text)
        letter = bare[1].upper() if bare else read_choice(text) or ""
        if letter in self._choices:
            return letter
        alike = _only(self._spellings, spelled(answer)) or _only(self._keys, self._key(answer))
        if alike:
            return alike
        label = _LABEL.match(answer)
        letter = label[1] or label[2] if label else ""
        if letter in self._choices:
            return letter
        equal = [n for n, text in self._choices.items() if self._grader.equal(text, answer).correct]
        return equal[0] if len(equal) == 1 else ""


def _only(known: dict[str, str], wanted: str) -> str:
    """The one letter under which `wanted` is known; "" where there is none, or several."""
    same = [name for name, text in known.items() if text == wanted]
    return same[0] if len(same) == 1 else ""
