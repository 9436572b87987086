"""ProcessBench (Zheng et al., arXiv 2412.06559): solutions with the first wrong step, by people."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sal.learn.errors import LabelError
from sal.learn.rows import StepLabels
from sal.runs.dataset_rows import read_dataset
from sal.runs.presets import DATA

REPOSITORY = "Qwen/ProcessBench"
SUBSETS = ("gsm8k", "math", "olympiadbench", "omnimath")
"""Splits on the Hub; a local copy is `processbench_SUBSET.json` in the folder SAL_DATA."""

_COLUMNS = ("id", "problem", "steps", "label")


def local_copy(subset: str) -> Path | None:
    """Of the subset, in the folder SAL_DATA, in JSON."""
    folder = Path(os.environ.get(DATA) or os.devnull)
    names = (f"processbench_{subset}{ending}" for ending in (".json", ".jsonl"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read_subset(subset: str) -> list[StepLabels]:
    """One of `SUBSETS`, from a local copy or the Hub; raises `LabelError`, `DatasetError`."""
    if subset not in SUBSETS:
        raise LabelError(f"ProcessBench has no subset {subset!r}; it has {', '.join(SUBSETS)}")
    copy = local_copy(subset)
    source, split = (REPOSITORY, subset) if copy is None else (str(copy), None)
    labelled = []
    for row in read_dataset(source, split, None, _COLUMNS).rows:
        content: dict[str, Any] = row.content or {}
        if missing := [name for name in _COLUMNS if name not in content]:
            raise LabelError(f"{row.place(source)}: no {missing[0]!r}, which ProcessBench has")
        labelled.append(_labels(content, subset))
    return labelled


def _labels(content: dict[str, Any], subset: str) -> StepLabels:
    steps: Sequence[str] = content["steps"]
    return StepLabels(
        id=str(content["id"]),
        question=str(content["problem"]),
        steps=tuple(map(str, steps)),
        first_error=int(content["label"]),
        correct=content.get("final_answer_correct"),
        source=f"ProcessBench/{subset}",
    )
