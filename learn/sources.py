"""Where step labels come from: runs, and sets that have labels."""

from __future__ import annotations

from pathlib import Path

from sal.learn.files import PARQUET
from sal.learn.labelled import Labelled
from sal.learn.run_labels import labels_of
from sal.learn.sets import labels_in
from sal.runs.errors import FolderError
from sal.runs.found import find_runs


def labels_from(source: str, split: str | None = None, limit: int | None = None) -> Labelled:
    """The labels of a run, of all runs below a folder, of a file, or of a set on the Hub.

    `split` and `limit` are those of a set. Raises `RunError`.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        try:
            runs = find_runs(path)
        except FolderError:
            labels = path / PARQUET
            return labels_in(str(labels if labels.is_file() else path), split, limit)
        labelled = Labelled()
        for run in runs:
            labelled.add(labels_of(run))
        return labelled
    return labels_in(source, split, limit)
