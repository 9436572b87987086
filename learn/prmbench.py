"""PRMBench (Song et al., arXiv 2501.03124): solutions into which errors of nine kinds were put."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sal.learn.prmbench_figures import Item
from sal.learn.rows import StepLabels
from sal.learn.sets import labels_in
from sal.runs.presets import DATA

NAME = "prmbench"
REPOSITORY = "hitsmy/PRMBench_Preview"
"""On the Hub; a local copy is `prmbench.jsonl` in the folder SAL_DATA."""


def read_prmbench(limit: int | None = None) -> list[StepLabels]:
    """Its 6,216 solutions, without five that are there twice, and 758 without an error.

    `limit` takes the first ones of each kind. Raises `LabelError`, `DatasetError`.
    """
    copy = Path(os.environ.get(DATA) or os.devnull) / f"{NAME}.jsonl"
    rows = labels_in(str(copy) if copy.is_file() else REPOSITORY).rows
    by_kind: dict[str, dict[str, StepLabels]] = {}
    for row in rows:
        by_kind.setdefault(row.source, {}).setdefault(row.id, row)
    return [row for kind in by_kind.values() for row in list(kind.values())[:limit]]


def items(rows: Sequence[StepLabels], known: Mapping[str, Mapping[str, Any]]) -> list[Item]:
    """Its solutions with what a PRM said of them."""
    found = []
    for row in rows:
        kind, _, question = row.id.partition("/")
        scores = known[row.id]["scores"]
        right = tuple(bool(label) for label in row.labels)
        found.append(Item(kind, question, None if scores is None else tuple(scores), right))
    return found
