r"""Exact match: an answer is the reference, letter by letter.

But for the case of letters, for the width of the space between words, and for `\text{...}` around
the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sal.grading.boxes import boxed
from sal.grading.choices import ChoiceGrader
from sal.grading.extract import extract
from sal.grading.spelling import spelled
from sal.grading.verdict import Verdict


class ExactGrader:
    """Verdicts by exact match. `flexible` extraction as with `Grader`."""

    note = ""

    def __init__(self, *, flexible: bool = False) -> None:
        self._flexible = flexible

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
        same = spelled(gold) == spelled(pred)
        return Verdict(same, "match" if same else "mismatch", pred, gold)

    def cluster(self, answers: Sequence[str]) -> list[str]:
        """One key per answer; equal answers share it, and "" (no answer) stays ""."""
        return [spelled(answer) for answer in answers]

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
            elif not spelled(reference):
                yield Verdict(False, "error", pred)
            else:
                yield self.equal(reference, pred)
