"""The card of a set of step labels: Markdown behind YAML, and the same figures for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sal.learn.files import PARQUET
from sal.learn.labelled import Labelled
from sal.learn.licence import OF_DATA
from sal.runs.export.card import recipe_text
from sal.runs.export.markdown import block, count, page, plain, table, usage_rows
from sal.runs.export.names import dataset_name
from sal.runs.export.places import last_name, public_recipe
from sal.runs.folder import write_atomically
from sal.runs.recipe import Recipe
from sal.runtime.usage import Usage

TAGS = ["process-reward-model", "step-labels", "sal"]

_COLUMNS = """\
`steps` are the solution's, without separators. Of `rollouts[t]` solutions sampled behind step t,
`right[t]` came to the right answer; 0 of 0 where none was sampled. `labels` and `first_error` are
as the source gives them. `judged` is how right a judge holds each step to be. These say whether the
policy can still get there, or what somebody holds to be right: no threshold was applied."""


def figures(labelled: Labelled, spent: Mapping[str, Usage]) -> dict[str, str]:
    """What the rows come to, what was left out, and what it cost each endpoint that was asked."""
    rows = labelled.rows
    made = {
        "solutions": count(len(rows)),
        "problems": count(len({row.question for row in rows})),
        "steps": count(labelled.steps),
        "rollouts": count(labelled.rollouts),
    }
    dropped = {f"left out: {what}": count(n) for what, n in sorted(labelled.dropped.items())}
    told = made | dropped
    for name, usage in spent.items():
        told |= usage_rows(name, usage)
    return told


def reading(parquet: str) -> str:
    """How to read the data, here and on the Hub."""
    code = f'load_dataset("parquet", data_files="{parquet}")["train"]'
    return (
        "## Read it\n\n"
        + block(f"from datasets import load_dataset\n\nrows = {code}", "python")
        + "\n\nOn the Hub `load_dataset` takes the repository's name alone."
    )


def write_card(
    labelled: Labelled,
    sources: Sequence[str],
    spent: Mapping[str, Usage],
    folder: Path,
    recipe: Recipe | None = None,
) -> None:
    """README.md in the folder of the labels; `recipe` is that of their rollouts. Raises OSError."""
    kinds = sorted({row.source for row in labelled.rows})
    front = {
        "tags": TAGS,
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": PARQUET}],
            }
        ],
    }
    of = sources if recipe is None else [dataset_name(public_recipe(recipe))]
    settings = [] if recipe is None else ["## Recipe", block(recipe_text(recipe), "yaml")]
    text = page(
        front,
        "# Step labels",
        plain(f"Of {', '.join(map(last_name, of))}: {', '.join(kinds)}."),
        table(figures(labelled, spent), "labels"),
        _COLUMNS,
        reading(PARQUET),
        *settings,
        OF_DATA,
    )
    write_atomically(folder / "README.md", text.encode())
