"""Where step labels come from: runs, and sets that have labels."""

from __future__ import annotations

from pathlib import Path

from sal.learn.files import PARQUET
from sal.learn.labelled import Labelled
from sal.learn.processbench import SUBSETS, read_subset
from sal.learn.rows import StepLabels
from sal.learn.run_labels import labels_of
from sal.learn.sets import labels_in
from sal.runs.errors import FolderError
from sal.runs.found import find_runs


def labels_from(source: str, split: str | None = None, limit: int | None = None) -> Labelled:
    """The labels in a folder of labels, of a run, of all runs below a folder, of a file, or of a
    set on the Hub.

    A folder of `sal learn label` may be a run, too: what was written there counts, because a judge
    may have left rows out. `split` and `limit` are those of a set. Raises `RunError`.
    """
    path = Path(source).expanduser()
    if (labels := path / PARQUET).is_file():
        return labels_in(str(labels), split, limit)
    if path.is_dir():
        try:
            runs = find_runs(path)
        except FolderError:
            return labels_in(str(path), split, limit)
        labelled = Labelled()
        for run in runs:
            labelled.add(labels_of(run))
        return labelled
    return labels_in(source, split, limit)


def solutions_in(source: str) -> list[StepLabels]:
    """What a PRM is measured by: a subset of ProcessBench by its name, or else `labels_from`."""
    return read_subset(source) if source in SUBSETS else labels_from(source).rows
