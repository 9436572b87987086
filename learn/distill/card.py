"""The card of a set of examples, and their figures for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sal.learn.card import reading
from sal.learn.distill.examples import PAIRED, Example, Method
from sal.learn.distill.files import PARQUET
from sal.learn.labelled import Gathered
from sal.learn.licence import OF_DATA
from sal.runs.export.markdown import count, page, plain, table
from sal.runs.export.places import shown_name
from sal.runs.folder import write_atomically

TAGS = ["trl", "sal"]

_COLUMNS = {
    "sft": "`completion` is a solution that was graded right.",
    "kto": "`label` says whether the grader holds `completion` to be right.",
    "dpo": "`chosen` was graded right and `rejected` wrong. They begin with the same steps; behind "
    "the step with which `rejected` goes another way, nothing that was found ended right.",
}
_COLUMNS["orpo"] = _COLUMNS["dpo"]


def figures(gathered: Gathered[Example], method: Method) -> dict[str, str]:
    """What the examples come to, and what was left out."""
    rows = gathered.rows
    made = {
        "pairs" if method in PAIRED else "examples": count(len(rows)),
        "prompts": count(len({row.prompt for row in rows})),
    }
    if method == "kto":
        made["right"] = count(sum(bool(row.right) for row in rows))
    left = {f"left out: {what}": count(n) for what, n in sorted(gathered.dropped.items()) if n}
    return made | left


def write_card(
    gathered: Gathered[Example], method: Method, sources: Sequence[str], folder: Path
) -> None:
    """README.md in the folder of the examples. Raises OSError."""
    files = [{"split": "train", "path": PARQUET}]
    front = {"tags": TAGS, "configs": [{"config_name": "default", "data_files": files}]}
    write_atomically(
        folder / "README.md",
        page(
            front,
            f"# Examples for {method.upper()}",
            plain(f"Of {', '.join(map(shown_name, sources))}."),
            table(figures(gathered, method), "examples"),
            f"The columns are TRL's. {_COLUMNS[method]}",
            reading(PARQUET),
            OF_DATA,
        ).encode(),
    )
