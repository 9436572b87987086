"""Multiple choice: the letter of a choice is its key, however an answer names it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from sal.grading.canonical import read_choice
from sal.grading.guards import LONGEST
from sal.grading.normalize import normalize
from sal.grading.structure import split_choice
from sal.grading.verdict import Verdict

LETTERS = "ABCDEFGHIJ"
"""Of choices, at most as many as there are letters here."""

_LETTER = re.compile(r"\(?\s*([A-Ja-j])\s*\)?\.?")


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

    An answer is the choice whose letter it gives, or whose text, where that is the text of one
    alone. Where letter and text disagree the letter counts. Any other answer is none of them, and
    in a vote what `grader` makes of it.
    """

    def __init__(self, grader: AnswerGrader, choices: Sequence[str]) -> None:
        self._grader = grader
        self._choices = dict(zip(LETTERS, choices, strict=False))
        self._keys = {name: self._key(choice) for name, choice in self._choices.items()}
        self._known: dict[str, str] = {}

    def keys(self, texts: Sequence[str]) -> list[str]:
        """One key per completion: a letter, or another answer's own key, or ""."""
        answers = [self._grader.answer(text) for text in texts]
        letters = [self._letter(answer) for answer in answers]
        others = self._grader.cluster(
            ["" if letter else answer for letter, answer in zip(letters, answers, strict=True)]
        )
        return [letter or key for letter, key in zip(letters, others, strict=True)]

    def grade_many(self, pairs: Iterable[tuple[str, str]]) -> Iterator[Verdict]:
        """Verdicts on (text, letter) pairs in their order."""
        for text, gold in pairs:
            answer = self._grader.answer(text)
            if not answer:
                yield Verdict(False, "no_answer", None)
            else:
                right = self._letter(answer) == gold
                yield Verdict(right, "match" if right else "mismatch", answer, gold)

    def _key(self, answer: str) -> str:
        return self._grader.cluster([answer])[0]

    def _letter(self, answer: str) -> str:
        """The letter of the choice that `answer` names; "" for none."""
        if answer not in self._known:
            self._known[answer] = self._named(answer) if answer else ""
        return self._known[answer]

    def _named(self, answer: str) -> str:
        # A letter stands at the front: of a long text no more is read.
        text = normalize(answer[:LONGEST])
        bare = _LETTER.fullmatch(text)
        letter = bare[1].upper() if bare else read_choice(text)
        if letter is None:
            same = [name for name, key in self._keys.items() if key == self._key(answer)]
            labelled = split_choice(text)
            if len(same) == 1:
                letter = same[0]
            elif labelled is not None:
                letter = labelled[0]
        if letter is not None:
            return letter if letter in self._choices else ""
        same = [
            name
            for name, choice in self._choices.items()
            if self._grader.equal(choice, answer).correct
        ]
        return same[0] if len(same) == 1 else ""
