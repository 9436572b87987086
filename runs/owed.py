"""The problems that are yet to be searched, handed out one at a time."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

from sal.runs.problems import ProblemSet, Question


class Owed(Protocol):
    """Problems, with their numbers in the data set, that are handed out one at a time."""

    def __len__(self) -> int:
        """How many are left at most; 0 when there is none and there will be none."""
        ...

    def popleft(self) -> tuple[int, Question]:
        """The next one; raises IndexError when there is none now."""
        ...


class OwedProblems:
    """Questions with their numbers in the data set, in order: those of `problems` in `places`."""

    def __init__(self, problems: ProblemSet, places: Sequence[int]) -> None:
        self._problems = problems
        self._places = places
        self._taken = 0

    def __len__(self) -> int:
        return len(self._places) - self._taken

    def popleft(self) -> tuple[int, Question]:
        """See `Owed`."""
        found = self._at(self._places[self._taken])
        self._taken += 1
        return found

    def __iter__(self) -> Iterator[tuple[int, Question]]:
        """All that were not taken."""
        return map(self._at, self._places[self._taken :])

    def _at(self, place: int) -> tuple[int, Question]:
        return self._problems.numbers[place], self._problems.questions[place]


def owed_problems(problems: ProblemSet, done: Collection[str]) -> OwedProblems:
    """The questions whose ids are not among the `done`."""
    places = (place for place, q in enumerate(problems.questions) if q.id not in done)
    return OwedProblems(problems, array("q", places))
