"""Labelled solutions as files: parquet, and a folder of `datasets`."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sal.learn.errors import LabelError
from sal.learn.rows import Label, StepLabels
from sal.runs.export.files import without_bars
from sal.runs.folder import write_atomically

PARQUET = "labels.parquet"
DATASETS = "dataset"
"""In a folder of labels: the file, and the folder that `datasets.load_from_disk` reads."""

_TEXT, _WHOLE = pa.string(), pa.int64()


def write_labels(rows: Sequence[StepLabels], folder: Path) -> None:
    """Write the rows twice, as `write_table` does; raises `LabelError` for labels of two kinds."""
    write_table(
        pa.Table.from_pylist([row.as_json() for row in rows], schema=_schema(rows)),
        folder,
        PARQUET,
    )


def write_table(table: pa.Table, folder: Path, parquet: str) -> None:
    """Write rows as a parquet file and for `datasets`, in place of older ones; equal rows make
    equal parquet files.

    Whenever it is killed, each of the two is whole or not there. Raises OSError.
    """
    import datasets

    target, unfinished = folder / DATASETS, folder / f".{DATASETS}.tmp"
    folder.mkdir(parents=True, exist_ok=True)
    written = pa.BufferOutputStream()
    pq.write_table(table, written, compression="zstd")
    write_atomically(folder / parquet, written.getvalue().to_pybytes())
    with without_bars():
        shutil.rmtree(unfinished, ignore_errors=True)
        datasets.Dataset(table).save_to_disk(str(unfinished))
        shutil.rmtree(target, ignore_errors=True)
        unfinished.rename(target)


def _schema(rows: Iterable[StepLabels]) -> pa.Schema:
    """With labels of the one type that the rows have: no bool becomes a number, no float an int.

    Whole numbers among decimal ones are decimal.
    """
    kinds = {type(label) for row in rows for label in row.labels if label is not None}
    if kinds == {int, float}:  # 1 among decimal ones is 1.0
        kinds = {float}
    if len(kinds) > 1:
        names = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise LabelError(f"labels of two kinds, {names}: make them one before they are brought in")
    types: dict[type[Label], pa.DataType] = {bool: pa.bool_(), int: _WHOLE, float: pa.float64()}
    label = types[kinds.pop()] if kinds else pa.bool_()
    return pa.schema(
        {
            "id": _TEXT,
            "question": _TEXT,
            "steps": pa.list_(_TEXT),
            "right": pa.list_(_WHOLE),
            "rollouts": pa.list_(_WHOLE),
            "labels": pa.list_(label),
            "first_error": _WHOLE,
            "judged": pa.list_(pa.float64()),
            "answer": _TEXT,
            "correct": pa.bool_(),
            "source": _TEXT,
        }
    )
