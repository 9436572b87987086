"""results.jsonl and summary.json, from the rows that are there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from sal.runs.at_n import NumbersAt, sizes_up_to
from sal.runs.encoding import json_bytes
from sal.runs.folder import RunFolder, write_atomically, written_atomically
from sal.runs.problems import Skipped
from sal.runs.recipe import Recipe
from sal.runs.registry import Strategy
from sal.runs.results import ResultRow
from sal.runs.settings import Prepared
from sal.runs.summary import Summary, Totals
from sal.runtime.model_cost import ModelCost


def write_results(
    prepared: Prepared,
    folder: RunFolder,
    rows: Mapping[str, ResultRow],
    seconds: float,
    models: Mapping[str, ModelCost | None],
) -> Summary:
    """Write results.jsonl and summary.json from the rows that are there, by problem id."""
    questions = prepared.problems.questions
    done = sum(question.id in rows for question in questions)
    with written_atomically(folder.path / "results.jsonl") as file:

        def written() -> Iterator[ResultRow]:
            for question in questions:
                if question.id in rows:
                    row = rows[question.id]
                    file.write(json_bytes(row.as_json()) + b"\n")
                    yield row

        summary = summary_of(
            written(),
            prepared.recipe,
            prepared.strategy,
            owed=len(questions) - done,
            seconds=seconds,
            models=models,
            ns=prepared.ns,
            skipped=prepared.problems.skipped,
        )
    write_summary(folder.path, summary)
    return summary


def write_summary(folder: Path, summary: Summary) -> None:
    """Write summary.json; raises OSError."""
    text = json.dumps(summary.as_json(), indent=2) + "\n"
    write_atomically(folder / "summary.json", text.encode())


def summary_of(
    rows: Iterable[ResultRow],
    recipe: Recipe,
    strategy: Strategy,
    *,
    owed: int,
    seconds: float,
    models: Mapping[str, ModelCost | None],
    ns: Sequence[int] = (),
    skipped: Skipped = Skipped(),
) -> Summary:
    """What `rows` come to, also with fewer samples: 1, 2, 4, ... and `ns`. None is held."""
    budget = int(recipe.params.get("budget", 1))
    totals = Totals()
    numbers = NumbersAt(
        recipe.strategy,
        budget,
        independent=strategy.program.independent,
        ns=[*sizes_up_to(budget), *ns],
    )
    for row in rows:
        totals.add(row)
        numbers.add(row)
    return totals.summary(
        strategy=recipe.strategy,
        budget=budget,
        owed=owed,
        seconds=seconds,
        versions=recipe.versions,
        recipe=recipe.digest,
        models=models,
        at_n=numbers.result(),
        skipped=skipped,
    )
