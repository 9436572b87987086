"""A second opinion on labelled steps: an LLM judge, and the rows on which it agrees.

What the judge said of a solution is in a journal before it counts, and is asked for once.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sal.learn.labelled import Labelled
from sal.learn.rows import StepLabels
from sal.runs.encoding import json_bytes
from sal.runs.journal import Journal, Record
from sal.runtime.endpoint_errors import Unreachable
from sal.runtime.policy import is_fault
from sal.runtime.usage import Usage
from sal.strategies.consensus import first_bad, first_below
from sal.strategies.rollouts import first_error
from sal.verifiers.interface import Scored, Verifier

JOURNAL = "judged.jsonl"
THREADS = 16
"""Requests to the judge at a time."""

UNJUDGED = "solutions that the judge did not judge"
DISAGREED = "solutions on which the judge differs"


@dataclass(frozen=True, slots=True)
class Judging:
    """How far it is: solutions judged, of how many, and what the judge spent on them."""

    done: int
    total: int
    usage: Usage


def judged(
    labelled: Labelled,
    judge: Verifier,
    name: str,
    folder: Path,
    *,
    tick: Callable[[Judging], object] = lambda _: None,
    abort: Callable[[], object] = lambda: None,
) -> Labelled:
    """The rows with the judge's scores of their steps; those that it cannot judge are dropped.

    `name` is that of the judge, with its settings: another one is asked anew. `tick` is called at
    first and as solutions are judged, `abort` when this ends early: it breaks off what is asked.
    Raises `EndpointError` when the judge is at fault or gone, `FolderError` and OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keys = [_key(name, row) for row in labelled.rows]
    wanted = set(keys)
    with Journal(folder / JOURNAL, _is_usable) as journal:
        known = {r["key"]: _scored(r) for r in journal.records if r["key"] in wanted}
        owed = {k: r for k, r in zip(keys, labelled.rows, strict=True) if k not in known}
        usage = sum((scored.usage for scored in known.values()), Usage())
        tick(Judging(len(known), len(wanted), usage))

        def ask(key: str, row: StepLabels) -> tuple[str, Scored] | None:
            try:
                scored = judge.score(row.question, (), row.steps)
            except Exception as error:
                if is_fault(error) or isinstance(error, Unreachable):
                    raise
                return None  # no verdicts in what it wrote: asked for again when this goes on
            said = {"key": key, "scores": scored.scores, "usage": asdict(scored.usage)}
            journal.append({"type": "judged", **said})
            return key, scored

        with ThreadPoolExecutor(THREADS) as threads:
            asked = [threads.submit(ask, key, row) for key, row in owed.items()]
            try:
                for future in as_completed(asked):
                    if (answer := future.result()) is not None:
                        known[answer[0]] = answer[1]
                        usage += answer[1].usage
                    tick(Judging(len(known), len(wanted), usage))
            except BaseException:
                for future in asked:
                    future.cancel()
                abort()
                raise
    rows = [
        replace(row, judged=known[key].scores)
        for key, row in zip(keys, labelled.rows, strict=True)
        if key in known
    ]
    missed = Counter({UNJUDGED: len(labelled.rows) - len(rows)})
    return Labelled(rows, +(labelled.dropped + missed))


def agreed(labelled: Labelled) -> Labelled:
    """The rows on whose first wrong step the judge agrees with the labels that they have."""
    rows = [row for row in labelled.rows if named_error(row) == first_below(row.judged)]
    differ = Counter({DISAGREED: len(labelled.rows) - len(rows)})
    return Labelled(rows, +(labelled.dropped + differ))


def named_error(row: StepLabels) -> int | None:
    """The first wrong step by a row itself: given, else by its labels, else by its counts.

    -1 is none, None where they do not tell.
    """
    if row.first_error is not None:
        return row.first_error
    if row.labels:
        return first_bad(row.labels)
    return first_error(row.right, row.rollouts) if row.rollouts else None


def _key(name: str, row: StepLabels) -> str:
    return hashlib.sha256(json_bytes([name, row.question, row.steps])).hexdigest()


def _is_usable(record: Record) -> bool:
    try:
        _scored(record)
    except (LookupError, TypeError, ValueError):
        return False
    return isinstance(record.get("key"), str)


def _scored(record: Record) -> Scored:
    return Scored(tuple(map(float, record["scores"])), Usage(**record["usage"]))
