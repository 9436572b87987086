"""Rows of parquet and Arrow files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from sal.records.row import RecordsError, Row
from sal.records.source import whole

PARQUET = b"PAR1"
ARROW = b"ARROW1"


def table_rows(path: Path, file: io.BufferedReader, *, parquet: bool) -> Iterator[Row]:
    """Rows of a parquet file, or of an Arrow file or stream (`.arrow`, `.feather`)."""
    import pyarrow as pa

    if not isinstance(file.raw, io.FileIO):  # packed: both formats are read from their ends
        file = io.BufferedReader(cast(io.RawIOBase, io.BytesIO(whole(path, file))))
    try:
        number = 0
        for batch in _parquet(file) if parquet else _arrow(file):
            names = batch.schema.names
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise RecordsError(f"{path}: two columns are named {twice!r}: rename one")
            for content in batch.to_pylist():
                yield Row(number, content)
                number += 1
    except (pa.ArrowException, OSError) as error:
        what = "parquet" if parquet else "Arrow"
        reason = " ".join(str(error).split())
        raise RecordsError(f"{path}: not {what} that can be read: {reason:.200}") from error


def _parquet(file: io.BufferedReader) -> Iterator[Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as table:
        yield from table.iter_batches()


def _arrow(file: io.BufferedReader) -> Iterator[Any]:
    import pyarrow as pa

    if file.peek(6).startswith(ARROW):
        reader = pa.ipc.open_file(file)
        yield from (reader.get_batch(i) for i in range(reader.num_record_batches))
    else:
        yield from pa.ipc.open_stream(file)
