"""A prepared run from its first owed problem to its summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol

from sal.grading.graders import AnyGrader
from sal.programs.problem import Problem
from sal.programs.trace import SearchResult, Trace
from sal.runs.admission import Admission
from sal.runs.folder import RunFolder
from sal.runs.graded import Graded
from sal.runs.journal import Record
from sal.runs.judging import judge, judge_of
from sal.runs.node_records import trace_json
from sal.runs.nodes import RunNodes
from sal.runs.owed import Owed, owed_problems
from sal.runs.problems import Question
from sal.runs.progress import Progress
from sal.runs.registry import LABELLERS
from sal.runs.results import ResultRow
from sal.runs.runner import Abortable, Runner, TimeLimit
from sal.runs.settings import Prepared
from sal.runs.snapshot import Snapshot
from sal.runs.summary import Summary
from sal.runs.write_results import write_results
from sal.runtime.model_cost import ModelCost


class SearchEndpoints(Abortable, Protocol):
    """The two servers, ready to be used."""

    @property
    def backend(self) -> Any:
        """What the programs run on."""
        ...

    @property
    def verifier(self) -> Any:
        """The PRM behind its family."""
        ...

    @property
    def models(self) -> Mapping[str, ModelCost | None]:
        """What the models compute, by endpoint ("policy", "prm"), where known."""
        ...

    @property
    def capacity(self) -> int | None:
        """How many requests the policy's server runs at a time, where known."""
        ...

    def problem(self, question: Question) -> Problem:
        """The question with the prompt that this policy wants."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """`interrupted` when it was asked to stop, `timed_out` when its time limit stopped it."""

    summary: Summary
    interrupted: bool
    timed_out: bool


def execute(
    prepared: Prepared,
    folder: RunFolder,
    endpoints: SearchEndpoints,
    grader: AnyGrader,
    *,
    requests: Callable[[], int],
    tick: Callable[[Snapshot], object],
    interrupted: Callable[[], bool] = lambda: False,
    time_limit: TimeLimit | None = None,
    retry_failed: bool = False,
    written: Callable[[], int | None] = lambda: None,
) -> Outcome:
    """Search what the journal does not hold yet; write results.jsonl and summary.json.

    With `retry_failed` also what it holds as failed: a new row supersedes the old one.

    Runs in the main thread. `requests` says how many are in flight at the policy's server,
    `written` what it has generated meanwhile (None where it does not say); `tick` and `interrupted`
    are called four times a second. However it ends, what is finished is in the journal and in the
    results. Raises `ServersLost`, or OSError when the folder cannot be written.
    """
    questions = prepared.problems.questions
    recorded = folder.recorded
    rows = recorded.rows(folder.journal.records)
    owed = owed_problems(prepared.problems, recorded.finished(again=retry_failed))
    nodes = RunNodes(folder, owed, recorded.sessions + 1)
    before = recorded.seconds(nodes.until)
    until = time_limit.admit_until if time_limit is not None else None
    progress = Progress(
        len(questions),
        recorded.done(rows, questions, len(questions) - len(owed), again=retry_failed),
        until=until,
        budget=prepared.budget,
        before=before,
        written=written,
    )
    models = dict(endpoints.models)
    folder.journal.append(session_record(prepared, before, models))

    def record(_number: int, row: ResultRow, place: int) -> None:
        rows.places[row.id] = place

    runner = make_runner(
        prepared,
        folder,
        endpoints,
        grader,
        owed,
        nodes=nodes,
        progress=progress,
        recorded=record,
        requests=requests,
        time_limit=time_limit,
    )

    def look() -> None:
        tick(progress.snapshot())
        if interrupted():
            runner.interrupt()

    try:
        runner.run(look)
    finally:
        summary = write_results(prepared, folder, rows, before + progress.seconds, models)
    return Outcome(summary, interrupted=interrupted(), timed_out=runner.timed_out)


def session_record(
    prepared: Prepared, before: float, models: Mapping[str, ModelCost | None]
) -> Record:
    """What a session says of itself when it begins, `before` seconds having been spent."""
    return {
        "type": "session",
        "before": before,
        "problems": len(prepared.problems.questions),
        "versions": dict(prepared.recipe.versions),
        "models": {role: model and asdict(model) for role, model in models.items()},
    }


def make_runner(
    prepared: Prepared,
    folder: RunFolder,
    endpoints: SearchEndpoints,
    grader: AnyGrader,
    owed: Owed,
    *,
    nodes: RunNodes,
    progress: Progress,
    recorded: Callable[[int, ResultRow, int], object],
    requests: Callable[[], int],
    time_limit: TimeLimit | None = None,
) -> Runner:
    """A runner of what is `owed`, into `folder`.

    `recorded` is told the number of each problem whose row is in the journal, the row, and the
    number of its record there.
    """
    labels = prepared.strategy.program.labels

    def search(number: int, question: Question, trace: Trace) -> SearchResult:
        with nodes.of(number, question.id, lambda: progress.seconds, runner.stop) as recall:
            state = prepared.strategy.program.run(
                problem=endpoints.problem(question),
                params=prepared.params,
                verifier=Graded(question, grader) if labels else endpoints.verifier,
                answer_keys=judge_of(question, grader).keys,
                seed=prepared.recipe.seed,
                trace=trace,
                caps=prepared.caps,
                recall=recall,
                backend=endpoints.backend,
            )
        result: SearchResult = state["result"]
        return result

    def record(number: int, row: ResultRow, trace: Trace) -> None:
        # The trace first: whatever is killed, a problem in the journal has one.
        folder.write_trace(number, row.id, trace_json(row.id, trace))
        place = folder.journal.append(
            {"type": "problem", "number": number, "at": progress.seconds, "row": row.as_json()}
        )
        nodes.remove(number, row.id)
        recorded(number, row, place)

    runner = Runner(
        owed,
        search=search,
        judge=partial(judge, grader=grader),
        record=record,
        servers=endpoints,
        progress=progress,
        admission=Admission(
            prepared.budget, endpoints.capacity, grows=prepared.recipe.strategy in LABELLERS
        ),
        requests=requests,
        time_limit=time_limit,
    )
    return runner


def finished(
    prepared: Prepared, folder: RunFolder, *, retry_failed: bool = False
) -> Summary | None:
    """The summary of a run of which nothing is owed, its results written anew; else None.

    Needs no server: all that a summary says is in the journal.
    """
    recorded = folder.recorded
    if owed_problems(prepared.problems, recorded.finished(again=retry_failed)):
        return None
    RunNodes(folder, [], 0)
    rows = recorded.rows(folder.journal.records)
    return write_results(prepared, folder, rows, recorded.seconds(), recorded.models)
