"""Rows and results for the tests of `runs`, and servers that answer as they are told."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sal.programs.trace import Completion, Finish, Node, SearchResult, Trace
from sal.runs.folder import RunFolder
from sal.runs.planned_run import PlannedRun
from sal.runs.problems import Question
from sal.runs.recipe import Recipe
from sal.runs.results import CompletionRow, ResultRow
from sal.runs.settings import Settings
from sal.runs.sweep.axes import Axes, Method
from sal.runs.sweep.cells import plan_cells
from sal.runtime.usage import Usage
from sal.strategies.voting import elect

COST = Usage(
    prompt_tokens=100, cached_tokens=60, completion_tokens=10, requests=2, attended_tokens=4000
)


def recipe(**changes: object) -> Recipe:
    values: dict[str, object] = {
        "strategy": "dvts",
        "params": {"budget": 8, "width": 4, "aggregate": "last"},
        "policy": "tiny",
        "prm": "tiny",
        "prm_family": None,
        "dataset": "tiny",
        "split": "test",
        "limit": None,
        "question_field": "question",
        "answer_field": "answer",
        "problems_digest": "0" * 16,
        "system_prompt": None,
        "seed": 0,
        "versions": {"sal": "0.1.0"},
    }
    return Recipe(**(values | changes))  # type: ignore[arg-type]


def planned(
    base: Settings, strategies: Sequence[str], budgets: Sequence[int], folder: Path
) -> list[PlannedRun]:
    """`base` with each strategy at each budget, in folders of `folder`; the models are tiny."""
    axes = Axes(methods=tuple(Method(name, name) for name in strategies), budgets=tuple(budgets))
    cells = plan_cells(base, axes, gpu=False)
    return [PlannedRun(cell.prepared, folder / cell.name) for cell in cells]


def questions(count: int) -> list[Question]:
    return [Question(f"q{i}", f"Compute {i}+0", str(i)) for i in range(count)]


def completion(answer: str, score: float = 0.5, finish: Finish = "eot") -> Completion:
    text = f"\\boxed{{{answer}}}" if answer else "no idea"
    weight = score if finish == "eot" else None
    return Completion(text, (text,), (score,), 3, finish, answer, weight=weight)


def found(trace: Trace, *completions: Completion, errors: tuple[str, ...] = ()) -> SearchResult:
    for i, c in enumerate(completions):
        trace.add(Node((i,), c.text, c.tokens, c.finish, c.scores), COST, COST)
    chosen = elect([c.key for c in completions], [c.weight for c in completions])
    return SearchResult(completions, chosen, "weighted", trace, errors)


def row(id: str, correct: bool = True, error: str = "") -> ResultRow:
    completions = () if error else (CompletionRow("x", ("x",), (0.5,), 3, "eot", "1", "match"),)
    return ResultRow(
        id=id,
        question="?",
        answer="1",
        completions=completions,
        rule="" if error else "weighted",
        chosen=dict.fromkeys(("naive", "weighted", "majority"), None if error else 0),
        correct=dict.fromkeys(("naive", "weighted", "majority", "pass"), correct and not error),
        policy=COST,
        prm=COST,
        seconds=1.5,
        error=error,
    )


def written_run(path: Path, of: Recipe, rows: Sequence[ResultRow], owed: int = 0) -> Path:
    """A run's folder with these rows, of which `owed` more are to come."""
    with RunFolder(path, of, resume=False) as folder:
        folder.journal.append({"type": "session", "problems": len(rows) + owed})
        for number, r in enumerate(rows):
            record = {"type": "problem", "number": number, "at": 1.0 + number, "row": r.as_json()}
            folder.journal.append(record)
    return path


@dataclass
class ScriptedServers:
    """`check` raises `lost` if there is one; `abort` sets an event that a search can wait for."""

    lost: Exception | None = None
    aborted: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        if self.lost is not None:
            raise self.lost

    def abort(self) -> None:
        self.aborted.set()
