"""A run's rows as typed columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import islice
from typing import Any

import pyarrow as pa

from sal.runs.export.places import without_places
from sal.runs.found import FoundRun
from sal.runs.results import RULES, ResultRow
from sal.runtime.usage import Usage

ROWS_AT_A_TIME = 32
"""Of a parquet file's group: with 64 completions of 2,000 characters a row, about 8 MB."""

_TEXT = pa.string()
_COMPLETION = pa.struct(
    {
        "text": _TEXT,
        "steps": pa.list_(_TEXT),
        "scores": pa.list_(pa.float64()),
        "tokens": pa.int64(),
        "finish": _TEXT,
        "key": _TEXT,
        "verdict": _TEXT,
        "weight": pa.float64(),
    }
)
_USAGE = pa.struct({field.name: pa.int64() for field in fields(Usage)})


def schema_of(run: FoundRun, *, traces: bool = False) -> pa.Schema:
    """The columns; "chosen" and "correct" have a field for every rule of the run."""
    chosen = dict.fromkeys([*RULES[:-1], *(rule for row in run.rows for rule in row.chosen)])
    correct = dict.fromkeys([*RULES, *(rule for row in run.rows for rule in row.correct)])
    columns = {
        "id": _TEXT,
        "question": _TEXT,
        "answer": _TEXT,
        "completions": pa.list_(_COMPLETION),
        "rule": _TEXT,
        "chosen": pa.struct(dict.fromkeys(chosen, pa.int64())),
        "correct": pa.struct(dict.fromkeys(correct, pa.bool_())),
        "usage": pa.struct({"policy": _USAGE, "prm": _USAGE}),
        "seconds": pa.float64(),
        "error": _TEXT,
        "errors": pa.list_(_TEXT),
        "unspent": pa.int64(),
        "capped": pa.bool_(),
        "kv_peak": pa.int64(),
    }
    return pa.schema(columns | ({"trace": _TEXT} if traces else {}))


def batches(
    run: FoundRun, schema: pa.Schema, traces: Mapping[str, str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows, some at a time; `traces` are the texts of the files, by the problems' ids."""
    rows = iter(run.rows)
    while some := list(islice(rows, ROWS_AT_A_TIME)):
        content = [plain_row(row) for row in some]
        if traces is not None:
            content = [row | {"trace": traces.get(row["id"])} for row in content]
        yield pa.RecordBatch.from_pylist(content, schema=schema)


def plain_row(row: ResultRow) -> dict[str, Any]:
    """As in `results.jsonl`, without what UTF-8 cannot say and without places in its errors."""
    content: dict[str, Any] = _said(row.as_json())
    content["error"] = (row.error and without_places(content["error"])) or None
    content["errors"] = [without_places(error) for error in content["errors"]]
    return content


def _said(value: Any) -> Any:
    """Half of a surrogate pair, which a model may write, is escaped."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {key: _said(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_said(item) for item in value]
    return value
