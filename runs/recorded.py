"""What a journal says: which records can be used, what is finished, and the seconds it took.

A damaged record must not end the run that meets it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sal.runs.journal import Record
from sal.runs.problems import Question
from sal.runs.progress import Done
from sal.runs.results import ResultRow
from sal.runtime.model_cost import ModelCost
from sal.runtime.usage import Usage


def recorded_models(session: Mapping[str, Any]) -> dict[str, ModelCost | None]:
    """What the models of a session compute, by endpoint; {} before that was recorded."""
    models: Mapping[str, Any] = session.get("models", {})
    return {role: model and ModelCost(**model) for role, model in models.items()}


def is_usable(record: Mapping[str, Any]) -> bool:
    """Whether it says what its type must say; a type of a later version is not looked into."""
    return Recorded().take(record)


@dataclass(frozen=True, slots=True)
class FinishedRows(Mapping[str, ResultRow]):
    """Rows by the ids of their problems, each read from a journal's `records` when it is asked for.

    `places` has the number of the last record of each.
    """

    records: Sequence[Record]
    places: dict[str, int]

    def __getitem__(self, id: str) -> ResultRow:
        return ResultRow.from_json(self.records[self.places[id]]["row"])

    def __contains__(self, id: object) -> bool:
        return id in self.places

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


class Recorded:
    """What the records of a journal come to, which are taken one after the other, and not held.

    `last` has, by the id of each problem, the number of its last record among those that could be
    used, `failed` the ids of those that failed in it. `models` and `problems` are what the sessions
    said last; None where none said it.
    """

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self.failed: set[str] = set()
        self.sessions = 0
        self.models: dict[str, ModelCost | None] = {}
        self.problems: int | None = None
        self._taken = self._again = 0
        self._done = {False: Done(), True: Done()}
        """Of problems that failed, and of the others; right where none was searched again."""
        self._before = self._until = 0.0

    def take(self, record: Mapping[str, Any]) -> bool:
        """One more; False, and nothing comes of it, where it does not say what its type must."""
        try:
            if record["type"] == "problem":
                self._take_problem(record)
            elif record["type"] == "session":
                self._take_session(record)
        except (LookupError, TypeError, ValueError, AttributeError):
            return False
        self._taken += 1
        return True

    def rows(self, records: Sequence[Record]) -> FinishedRows:
        """What is finished; `records` are all that could be used."""
        return FinishedRows(records, dict(self.last))

    def finished(self, *, again: bool) -> Collection[str]:
        """The ids of finished problems; without those that failed, where these are to be searched
        `again`."""
        return self.last.keys() - self.failed if again else self.last.keys()

    def done(
        self, rows: FinishedRows, questions: Iterable[Question], count: int, *, again: bool
    ) -> Done:
        """What the finished problems come to, as above: those of `questions`, which are `count`."""
        ids = self.finished(again=again)
        if self._again or count < len(ids):
            return Done.of(rows[question.id] for question in questions if question.id in ids)
        return self._done[False] if again else self._done[False] + self._done[True]

    def seconds(self, until: float = 0.0) -> float:
        """Searching time over all sessions, each counted up to its last finished problem.

        A session says what was spent "before" it, for it finds the nodes too, and that of the
        shards of a merged run; of the last one `until` says how long it searched.
        """
        return self._before + max(self._until, until)

    def _take_problem(self, record: Mapping[str, Any]) -> None:
        """Read it and add it up, as a run does; raises what that raises on a damaged one."""
        row = ResultRow.from_json(record["row"])
        texts = [row.id, row.question, row.answer, row.rule, row.error]
        texts += [text for c in row.completions for text in (c.text, c.finish, c.key, c.verdict)]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("no text")
        at = float(record["at"])
        _ = at + row.seconds + row.unspent + row.capped
        _ = sum(c.weight for c in row.completions if c.weight is not None)
        _ = 0 if row.kv_peak is None else 0 + row.kv_peak
        if not all(isinstance(right, bool) for right in row.correct.values()):
            raise TypeError("neither right nor wrong")
        self._done[bool(row.error)].add(row)
        self._again += row.id in self.last
        self.last[row.id] = self._taken
        (self.failed.add if row.error else self.failed.discard)(row.id)
        self._until = max(self._until, at)

    def _take_session(self, record: Mapping[str, Any]) -> None:
        before = float(record.get("before", self._before + self._until))
        models = recorded_models(record)
        for model in models.values():
            _ = model and model.flops(Usage())
        problems = record.get("problems", self.problems)
        if not isinstance(problems, int | None):
            raise TypeError("no number")
        self._before, self._until = before, 0.0
        self.models.update(models)
        self.problems = problems
        self.sessions += 1
