"""Examples as files, in TRL's formats: parquet, and a folder of `datasets`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from sal.learn.distill.examples import PAIRED, Example, Method
from sal.learn.files import write_table

PARQUET = "examples.parquet"
"""In the folder, beside the one that `datasets.load_from_disk` reads."""

_TURNS = pa.list_(pa.struct({"role": pa.string(), "content": pa.string()}))


def write_examples(examples: Sequence[Example], method: Method, folder: Path) -> None:
    """Write them twice, as `write_table` does; all are conversations, or none is."""
    schema = _schema(examples, method)
    rows = [example.row(method) for example in examples]
    write_table(pa.Table.from_pylist(rows, schema=schema), folder, PARQUET)


def _schema(examples: Sequence[Example], method: Method) -> pa.Schema:
    text = pa.string() if isinstance(examples[0].prompt, str) else _TURNS
    replies = ("chosen", "rejected") if method in PAIRED else ("completion",)
    columns = {"id": pa.string(), "prompt": text, **dict.fromkeys(replies, text)}
    if method == "kto":
        columns["label"] = pa.bool_()
    if any(example.thinking is not None for example in examples):
        columns["chat_template_kwargs"] = pa.struct({"enable_thinking": pa.bool_()})
    return pa.schema(columns)
