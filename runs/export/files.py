"""Runs as files: parquet, and a folder of `datasets`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import orjson
import pyarrow.parquet as pq

from sal.runs.export.columns import batches, schema_of
from sal.runs.found import FoundRun


def write_parquet(run: FoundRun, path: Path, *, traces: bool = False) -> None:
    """A row per problem; equal runs make equal files. Raises OSError."""
    schema = schema_of(run, traces=traces)
    texts = Traces(run.path / "traces") if traces else None
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches(run, schema, texts):
            writer.write_batch(batch)


def write_datasets(run: FoundRun, folder: Path, *, traces: bool = False) -> None:
    """A folder that `datasets.load_from_disk` reads. Raises OSError."""
    import datasets

    with without_bars(), tempfile.TemporaryDirectory() as work:
        rows = Path(work) / "rows.parquet"
        write_parquet(run, rows, traces=traces)
        data = datasets.Dataset.from_parquet(str(rows), cache_dir=work)
        data.save_to_disk(str(folder))


@contextmanager
def without_bars() -> Iterator[None]:
    """`datasets` shows no progress meanwhile."""
    import datasets

    hidden = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if not hidden:
            datasets.enable_progress_bars()


class Traces(Mapping[str, str]):
    """The texts of a run's trace files by the ids of their problems; one is read when asked for.

    A file that is no trace is passed over.
    """

    def __init__(self, folder: Path) -> None:
        self._paths: dict[str, Path] = {}
        for path in sorted(folder.glob("*.json")):
            try:
                self._paths[orjson.loads(path.read_bytes())["id"]] = path
            except (ValueError, LookupError, TypeError):
                continue

    def __getitem__(self, id: str) -> str:
        return self._paths[id].read_text("utf-8", errors="backslashreplace")

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)
