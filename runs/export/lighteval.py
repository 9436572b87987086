"""lighteval's details and results, as its version 0.13.0 writes and reads them.

`details/MODEL/DATE/details_TASK_DATE.parquet` has a row per problem with the structs "doc",
"metric" and "model_response", `results/MODEL/results_DATE.json` the means. MODEL is here the run's
public name: to lighteval a policy with its search is a model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sal.runs.encoding import json_bytes
from sal.runs.export.columns import ROWS_AT_A_TIME, plain_row
from sal.runs.export.names import dataset_name, run_name
from sal.runs.export.places import public_recipe
from sal.runs.found import FoundRun

_TEXT, _TEXTS = pa.string(), pa.list_(pa.string())
_DOC = pa.struct(
    {
        "query": _TEXT,
        "choices": _TEXTS,
        "gold_index": pa.int64(),
        "instruction": _TEXT,
        "id": _TEXT,
        "task_name": _TEXT,
        "sampling_methods": _TEXTS,
        "generation_size": pa.int64(),
        "num_samples": pa.int64(),
    }
)
_RESPONSE = pa.struct({"input": _TEXT, "text": _TEXTS, "truncated_tokens_count": pa.int64()})


@dataclass(frozen=True, slots=True)
class LightevalRun:
    """How lighteval calls a run: a task has its few-shot examples behind a bar."""

    run: FoundRun
    model: str
    task: str
    date: str

    @classmethod
    def of(cls, run: FoundRun) -> LightevalRun:
        """The date is that of the last record, UTC; the task is the data set's name."""
        at = datetime.fromtimestamp((run.path / "journal.jsonl").stat().st_mtime, UTC)
        date = at.replace(tzinfo=None).isoformat(timespec="microseconds").replace(":", "-")
        name = re.sub(r"\W+", "_", dataset_name(run.recipe).lower()).strip("_")
        return cls(run, run_name(run.recipe), f"{name}|0", date)

    @property
    def details(self) -> Path:
        """Where they lie, from the export's folder on."""
        return Path("details", self.model, self.date, f"details_{self.task}_{self.date}.parquet")

    @property
    def results(self) -> Path:
        """As `details`."""
        return Path("results", self.model, f"results_{self.date}.json")


def write_details(export: LightevalRun, path: Path) -> None:
    """The chosen completion stands first: it is the one that lighteval's metrics of one look at."""
    rules = list(dict.fromkeys(rule for row in export.run.rows for rule in row.correct))
    metric = pa.struct(dict.fromkeys(rules or ["pass"], pa.float64()))
    schema = pa.schema({"doc": _DOC, "metric": metric, "model_response": _RESPONSE})
    rows = _rows(export)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while some := list(islice(rows, ROWS_AT_A_TIME)):
            writer.write_batch(pa.RecordBatch.from_pylist(some, schema=schema))


def _rows(export: LightevalRun) -> Iterator[dict[str, Any]]:
    recipe = export.run.recipe
    for row in export.run.rows:
        content = plain_row(row)
        texts = [completion["text"] for completion in content["completions"]]
        chosen = row.chosen.get(row.rule)
        if chosen is not None:
            texts.insert(0, texts.pop(chosen))
        yield {
            "doc": {
                "query": content["question"],
                "choices": [content["answer"]],
                "gold_index": 0,
                "instruction": recipe.system_prompt,
                "id": content["id"],
                "task_name": export.task,
                "sampling_methods": ["GENERATIVE"],
                "generation_size": recipe.params.get("max_tokens"),
                "num_samples": max(len(texts), 1),
            },
            "metric": {rule: float(right) for rule, right in row.correct.items()},
            "model_response": {
                "input": content["question"],
                "text": texts or [""],  # its metrics look at the first of them
                "truncated_tokens_count": 0,
            },
        }


def write_results(export: LightevalRun, path: Path) -> None:
    """Accuracies and their standard errors."""
    summary = export.run.summary()
    means: dict[str, float | None] = {}
    for rule, estimate in summary.accuracy.items():
        of = estimate.as_json()
        means |= {rule: of["mean"], f"{rule}_stderr": of["stderr"]}
    recipe = public_recipe(export.run.recipe)
    content = {
        "config_general": {
            "lighteval_sha": "?",
            "num_fewshot_seeds": 0,
            "max_samples": recipe.limit,
            "job_id": "0",
            "start_time": 0.0,
            "end_time": summary.seconds,
            "total_evaluation_time_secondes": str(summary.seconds),
            "model_name": export.model,
            "model_config": {"model_name": recipe.policy, "strategy": recipe.strategy}
            | dict(recipe.params),
        },
        "results": {export.task: means, "all": means},
        "versions": {export.task: "0"},
        "config_tasks": {},
        "summary_tasks": {},
        "summary_general": {},
    }
    path.write_bytes(json_bytes(content))
