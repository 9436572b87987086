"""What a journal says: which records can be used, what is finished, and the seconds it took.

A damaged record must not end the run that meets it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sal.runs.journal import Record
from sal.runs.problems import Question
from sal.runs.results import ResultRow
from sal.runtime.model_cost import ModelCost
from sal.runtime.usage import Usage


def recorded_models(session: Mapping[str, Any]) -> dict[str, ModelCost | None]:
    """What the models of a session compute, by endpoint; {} before that was recorded."""
    models: Mapping[str, Any] = session.get("models", {})
    return {role: model and ModelCost(**model) for role, model in models.items()}


def is_usable(record: Mapping[str, Any]) -> bool:
    """Whether it says what its type must say; a type of a later version is not looked into."""
    try:
        if record["type"] == "problem":
            _use_problem(record)
        elif record["type"] == "session":
            _ = float(record.get("before", 0.0))
            for model in recorded_models(record).values():
                _ = model and model.flops(Usage())
    except (LookupError, TypeError, ValueError, AttributeError):
        return False
    return True


def _use_problem(record: Mapping[str, Any]) -> None:
    """Read it and add it up, as a run does; raises what that raises on a damaged one."""
    row = ResultRow.from_json(record["row"])
    texts = [row.id, row.question, row.answer, row.rule, row.error]
    texts += [text for c in row.completions for text in (c.text, c.finish, c.key, c.verdict)]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("no text")
    _ = float(record["at"]) + row.seconds + row.unspent + row.capped
    _ = sum(c.weight for c in row.completions if c.weight is not None)
    _ = 0 if row.kv_peak is None else 0 + row.kv_peak
    _ = Usage() + row.policy + row.prm
    _ = sum(map(float, row.correct.values()))


def finished_rows(records: Iterable[Record], questions: Iterable[Question]) -> dict[str, ResultRow]:
    """What a journal holds of `questions`, by id: of one that was searched again, the last row."""
    ids = {question.id for question in questions}
    found = (ResultRow.from_json(r["row"]) for r in records if r.get("type") == "problem")
    return {row.id: row for row in found if row.id in ids}


def seconds_spent(records: list[Record], until: float = 0.0) -> float:
    """Searching time over all sessions, each counted up to its last finished problem.

    A session says what was spent "before" it, for it finds the nodes too, and that of the shards of
    a merged run; of the last one `until` says how long it searched.
    """
    total = last = 0.0
    for record in records:
        if record.get("type") == "session":
            total, last = float(record.get("before", total + last)), 0.0
        elif record.get("type") == "problem":
            last = max(last, float(record["at"]))
    return total + max(last, until)
