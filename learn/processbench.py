"""ProcessBench (Zheng et al., arXiv 2412.06559): solutions with the first wrong step, by people."""

from __future__ import annotations

import os
from pathlib import Path

from sal.learn.rows import StepLabels
from sal.learn.sets import labels_in
from sal.runs.presets import DATA

REPOSITORY = "Qwen/ProcessBench"
SUBSETS = ("gsm8k", "math", "olympiadbench", "omnimath")
"""Splits on the Hub; a local copy is `processbench_SUBSET.json` in the folder SAL_DATA."""


def read_subset(subset: str) -> list[StepLabels]:
    """One of `SUBSETS`, from a local copy or the Hub; raises `LabelError`, `DatasetError`."""
    copy = Path(os.environ.get(DATA) or os.devnull) / f"processbench_{subset}.json"
    if copy.is_file():
        return labels_in(str(copy)).rows
    return labels_in(REPOSITORY, subset).rows
