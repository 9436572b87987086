"""Solutions scored by a PRM, many at a time, into a journal from which it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict

from sal.learn.bench_figures import Measured
from sal.learn.rows import StepLabels
from sal.learn.targets import first_error
from sal.learn.values import values_of
from sal.runs.errors import ServersLost
from sal.runs.journal import Journal, Record
from sal.runtime.endpoint_errors import EndpointError, Rejected
from sal.verifiers.interface import Verifier

_LOOK_S = 0.25

Tick = Callable[[int, int, int], object]
"""Is told how many solutions are done, of how many, and how many requests failed."""


def quiet(_done: int, _of: int, _failed: int) -> None:
    """Nobody follows."""


def recorded(records: Iterable[Record]) -> dict[str, Record]:
    """What is known of each solution, by its id; one whose request failed is owed again."""
    return {r["id"]: r for r in records if r.get("type") == "scores"}


def score_all(
    verifier: Verifier,
    rows: Sequence[StepLabels],
    journal: Journal,
    *,
    workers: int,
    tick: Tick = quiet,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Score `rows`, a solution in one go; how many requests failed.

    A solution that the PRM refuses, as one that is longer than its window, is recorded with the
    reason and no scores. `tick` is told at least four times a second. Ends in order when `stop`
    says so. Raises `ServersLost` when the endpoint itself is at fault.
    """

    def score(row: StepLabels) -> Record:
        record: Record = {"type": "scores", "id": row.id}
        try:
            scored = verifier.score(row.question, (), row.steps)
        except Rejected as error:
            if error.at_fault:
                raise
            return record | {"scores": None, "error": str(error)}
        return record | {"scores": scored.scores, "usage": asdict(scored.usage)}

    waiting = iter(rows)
    running: set[Future[Record]] = set()
    done = failed = 0
    with ThreadPoolExecutor(workers) as pool:
        while not stop():
            while len(running) < workers and (row := next(waiting, None)) is not None:
                running.add(pool.submit(score, row))
            if not running:
                break
            over, running = wait(running, _LOOK_S, FIRST_COMPLETED)
            for future in over:
                try:
                    journal.append(future.result())
                    done += 1
                except EndpointError as error:
                    failed += 1
                    journal.append({"type": "failure", "error": str(error)})
                    if error.at_fault:
                        raise ServersLost(str(error)) from error
            tick(done, len(rows), failed)
        for future in running:
            with suppress(EndpointError):  # owed again
                journal.append(future.result())
    return failed


def measured(rows: Sequence[StepLabels], known: Mapping[str, Record]) -> list[Measured]:
    """Scores beside labels, of rows whose first error is known."""
    found = []
    for row in rows:
        scores, label = known[row.id]["scores"], known_error(row)
        if label is not None:
            found.append(Measured(None if scores is None else tuple(scores), label))
    return found


def known_error(row: StepLabels) -> int | None:
    """The first wrong step, -1 for none; None where a step before it may be wrong, too."""
    values = values_of(row)
    error = first_error(values)
    return None if None in (values if error < 0 else values[:error]) else error
