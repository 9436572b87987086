"""The formats of `sal export`: which files a run becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sal.runs.errors import FolderError, RunError
from sal.runs.export.files import write_datasets, write_parquet
from sal.runs.export.lighteval import LightevalRun, write_details, write_results
from sal.runs.found import FoundRun

Format = Literal["datasets", "parquet", "lighteval"]


def write_run(
    run: FoundRun, name: str, out: Path, format: Format, *, traces: bool = False
) -> list[Path]:
    """Write a run, called `name`, into the folder `out`; what was written.

    Raises `RunError` where something lies there already, or for traces in a format without them,
    and OSError.
    """
    if format == "parquet":
        file = _new(out / f"{name}.parquet")
        write_parquet(run, file, traces=traces)
        return [file]
    if format == "datasets":
        folder = _new(out / name)
        write_datasets(run, folder, traces=traces)
        return [folder]
    if traces:
        raise RunError("lighteval's details have no place for traces")
    export = LightevalRun.of(run)
    details, results = _new(out / export.details), _new(out / export.results)
    write_details(export, details)
    write_results(export, results)
    return [details, results]


def _new(path: Path) -> Path:
    if path.exists():
        raise FolderError(f"{path}: is there already")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderError(f"{path}: {error.strerror or error}") from error
    return path
