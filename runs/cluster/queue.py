"""The queue of a run's problems: who has which, and which go back when a worker is gone.

One object, asked by all workers and by whoever drives the run, one call at a time. It holds the
problems that are about to be searched, not all that are owed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from sal.runs.problems import Question

Item = tuple[int, Question]
"""A problem with its number in the data set."""

Wait = Literal["wait", "over"]


class State(NamedTuple):
    """How many problems wait, and by worker the numbers and ids of those that it has."""

    waiting: int
    taken: dict[str, dict[int, str]]


@dataclass
class Queue:
    """`notes` are what workers have to say to whoever follows the run."""

    _waiting: deque[Item] = field(default_factory=deque)
    _taken: dict[str, dict[int, Item]] = field(default_factory=dict)
    _gone: set[str] = field(default_factory=set)
    _over: bool = False
    _notes: list[tuple[str, str]] = field(default_factory=list)

    def put(self, items: list[Item]) -> None:
        """More problems, behind those that wait."""
        self._waiting.extend(items)

    def take(self, worker: str) -> Item | Wait:
        """The next problem; "wait" when there is none now, "over" when there will be none.

        A worker that is gone may have asked before, and get its turn now: it is handed nothing.
        """
        if self._over or worker in self._gone:
            return "over"
        if not self._waiting:
            return "wait"
        number, question = self._waiting.popleft()
        self._taken.setdefault(worker, {})[number] = (number, question)
        return number, question

    def done(self, worker: str, number: int) -> None:
        """What `worker` has recorded."""
        self._taken.get(worker, {}).pop(number, None)

    def lost(self, worker: str, recorded: list[int]) -> list[int]:
        """A worker is gone: what it had goes back to the front, but for what it has `recorded`.

        Returns their numbers.
        """
        self._gone.add(worker)
        had = self._taken.pop(worker, {})
        back = [item for number, item in had.items() if number not in recorded]
        self._waiting.extendleft(reversed(back))
        return [number for number, _ in back]

    def end(self) -> None:
        """Nothing more is handed out."""
        self._over = True

    def note(self, worker: str, text: str) -> None:
        """Say something to whoever follows the run."""
        self._notes.append((worker, text))

    def notes(self) -> list[tuple[str, str]]:
        """What was said since this was asked last, with who said it."""
        said, self._notes = self._notes, []
        return said

    def state(self) -> State:
        """See `State`."""
        taken = {
            worker: {number: question.id for number, question in items.values()}
            for worker, items in self._taken.items()
        }
        return State(len(self._waiting), taken)
