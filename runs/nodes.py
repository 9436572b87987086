"""The nodes of problems in flight, on disk: `nodes/NUMBER-ID.jsonl`, one file for each problem.

A file begins with a "search" record for each session that searched the problem, which says when
that was begun; behind it come its "node" records, in the order in which the nodes ended. It is
removed when the problem's row is on disk.

A record is the operating system's when `keep` returns: it survives a kill of every process. It is
not waited for until it is on disk: a power loss may cost nodes in flight, never a finished problem.
What is damaged is passed over, and what stands below it in the tree with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from sal.programs.recall import Outcome
from sal.programs.trace import Node
from sal.programs.trace import Path as Place
from sal.runs.errors import FolderError
from sal.runs.folder import RunFolder
from sal.runs.journal import Journal, Record, read_records
from sal.runs.node_records import node_of, outcome_of, prompt_record, record_of
from sal.runs.problems import Question
from sal.runtime.usage import Usage


@dataclass(slots=True)
class Kept:
    """What a file holds. `seconds` is how long the problem was searched; `session` is the number
    of the last session that did, and `until` the second of that session when its last node ended.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    prompt: Usage | None = None
    seconds: float = 0.0
    session: int = 0
    until: float = 0.0


class ProblemNodes:
    """A `Recall` of one problem, in a file that is made with its first node.

    `clock` tells the seconds of this `session`. A file that cannot be written is told to `failed`,
    and nothing more is kept.
    """

    def __init__(
        self,
        path: Path,
        problem_id: str,
        kept: Kept,
        session: int,
        clock: Callable[[], float],
        failed: Callable[[Exception], object],
    ) -> None:
        self.path = path
        self.outcomes = kept.outcomes
        self.prompt = kept.prompt
        self.seconds = kept.seconds
        self._begun: Record = {
            "type": "search", "id": problem_id, "session": session, "at": clock(),
        }  # fmt: skip
        self._clock = clock
        self._failed = failed
        self._journal: Journal | None = None
        self._closed = False
        self._lock = threading.Lock()

    def keep(self, outcome: Outcome) -> None:
        """See `Recall`. A node whose data JSON does not give back as they were is not kept."""
        record = record_of(outcome, self._clock())
        if record is not None:
            self._append(record)

    def keep_prompt(self, cost: Usage) -> None:
        """See `Recall`."""
        self._append(prompt_record(cost, self._clock()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Keep nothing more; the file stays."""
        with self._lock:
            self._closed = True
            if self._journal is not None:
                self._journal.close()
                self._journal = None

    def _append(self, record: Record) -> None:
        with self._lock:
            if self._closed:
                return
            try:
                if self._journal is None:
                    self._journal = Journal(self.path, lambda _: False, sync=False)
                    self._journal.append(self._begun)
                self._journal.append(record)
                return
            except (OSError, FolderError) as error:
                wrong = error
        self.close()
        self._failed(wrong)


class RunNodes:
    """Those of a run's `owed` problems, with their numbers; files of others are removed.

    `session` is the number of the session that goes on with it. Raises OSError.
    """

    def __init__(
        self, folder: RunFolder, owed: Iterable[tuple[int, Question]], session: int
    ) -> None:
        self._folder = folder
        self._session = session
        there = set((folder.path / "nodes").iterdir())
        ours = {folder.nodes_of(number, q.id): q.id for number, q in owed} if there else {}
        for path in there - ours.keys():
            path.unlink(missing_ok=True)
        self._kept = {ours[path]: read_kept(path) for path in there & ours.keys()}

    @property
    def until(self) -> float:
        """The second of the last session at which its last node ended that is here."""
        last = [kept.until for kept in self._kept.values() if kept.session == self._session - 1]
        return max(last, default=0.0)

    def of(
        self,
        number: int,
        id: str,
        clock: Callable[[], float],
        failed: Callable[[Exception], object],
    ) -> ProblemNodes:
        """Those of one problem, for its search."""
        path, kept = self._folder.nodes_of(number, id), self._kept.pop(id, None)
        return ProblemNodes(path, id, kept or Kept(), self._session, clock, failed)

    def remove(self, number: int, id: str) -> None:
        """The problem is finished."""
        self._folder.nodes_of(number, id).unlink(missing_ok=True)


def read_kept(path: Path) -> Kept:
    """What is in a file; nothing where there is none. Raises OSError."""
    kept = Kept()
    if not path.exists():
        return kept
    known: set[Place] = {()}
    began = before = 0.0
    for record in read_records(path):
        try:
            at = float(record["at"])
            if record["type"] == "search":
                kept.session, began, before = int(record["session"]), at, kept.seconds
                kept.until = at
            elif record["type"] == "prompt":
                kept.prompt = Usage(*record["policy"])
            elif record["type"] == "node":
                outcome = outcome_of(record)
                if outcome.node.parent not in known:
                    continue
                known.add(outcome.node.id)
                begun = min(outcome.node.begun or 0, len(kept.outcomes))
                kept.outcomes.append(replace(outcome, node=replace(outcome.node, begun=begun)))
            kept.until = max(kept.until, at)
            kept.seconds = before + kept.until - began
        except (LookupError, TypeError, ValueError, AttributeError):
            continue
    return kept


def nodes_in_flight(run: Path, done: Collection[str] = ()) -> dict[str, list[Node]]:
    """The nodes so far of every problem that is begun and not finished, by problem id.

    Of a run that is going on or was killed, in the order in which they ended. `done` are the ids of
    finished problems: one that was killed in between may have left its nodes behind.
    """
    found: dict[str, list[Node]] = {}
    for path in sorted((run / "nodes").glob("*.jsonl")):
        try:
            records = read_records(path)
        except FileNotFoundError:  # finished since
            continue
        ids = [r["id"] for r in records if r.get("type") == "search"]
        if ids and ids[0] not in done:
            nodes = [r["node"] for r in records if r.get("type") == "node"]
            found[ids[0]] = [node_of(node) for node in nodes]
    return found
