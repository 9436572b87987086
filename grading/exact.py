r"""Exact match: an answer is the reference, letter by letter.

But for the case of letters, for the width of the space between words, and for `\text{...}` around
the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from sal.grading.boxes import boxed
from sal.grading.choices import ChoiceGrader
from sal.grading.extract import extract
from sal.grading.verdict import Verdict

_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mbox)\s*\{([^{}]*)\}")


class ExactGrader:
    """Verdicts by exact match. `flexible` extraction as with `Grader`."""

    note = ""

    def __init__(self, *, flexible: bool = False) -> None:
        self._flexible = flexible

    def __enter__(self) -> ExactGrader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is to be closed."""

    def answer(self, text: str) -> str:
        """The final answer of a completion; of one of a single line that states none, the line."""
        found = extract(text, flexible=self._flexible)
        if found is None and "\n" not in text.strip():
            found = text.strip()
        return found or ""

    def equal(self, gold: str, pred: str) -> Verdict:
        """Whether the bare answer `pred` is the bare answer `gold`."""
        same = exact_key(gold) == exact_key(pred)
        return Verdict(same, "match" if same else "mismatch", pred, gold)

    def cluster(self, answers: Sequence[str]) -> list[str]:
        """One key per answer; equal answers share it, and "" (no answer) stays ""."""
        return [exact_key(answer) for answer in answers]

    def keys(self, texts: Sequence[str]) -> list[str]:
        """The key of each completion's answer."""
        return self.cluster([self.answer(text) for text in texts])

    def among(self, choices: Sequence[str]) -> ChoiceGrader:
        """The grader of one problem with these choices."""
        return ChoiceGrader(self, choices)

    def grade_many(self, pairs: Iterable[tuple[str, str]]) -> Iterator[Verdict]:
        """Verdicts on (text, gold) pairs in their order; of a solution, gold is what is boxed."""
        for text, gold in pairs:
            pred, box = self.answer(text), boxed(gold)
            reference = box.answer if box is not None and box.answer else gold
            if not pred:
                yield Verdict(False, "no_answer", None)
            elif not exact_key(reference):
                yield Verdict(False, "error", pred)
            else:
                yield self.equal(reference, pred)


def exact_key(answer: str) -> str:
    """What is compared of `answer`."""
    text = answer.strip()
    whole = _TEXT.fullmatch(text)
    return " ".join((whole[1] if whole else text).split()).casefold()
