"""The name under which a run is published: readable, and of its recipe alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from sal.runs.errors import RunError
from sal.runs.export.places import last_name, public_recipe
from sal.runs.recipe import Recipe, listed
from sal.runs.registry import find_strategy

LONGEST = 200
"""Characters of a name: a branch is a file name in a git repository."""


def run_name(recipe: Recipe) -> str:
    """`MATH-500--dvts--n-64--width-8--seed-0--Llama-3.2-1B-Instruct--2c1a78fc`.

    Data set, strategy, N, parameters other than the strategy's own defaults, seed, policy, and the
    beginning of the recipe's digest, which makes it one recipe's. A valid name of a git branch.
    """
    public = public_recipe(recipe)
    budget = recipe.params.get("budget")
    parts = [
        dataset_name(public),
        recipe.strategy,
        *([] if budget is None else [f"n-{budget}"]),
        *(f"{name}-{value}" for name, value in _unusual(recipe)),
        f"seed-{recipe.seed}",
        last_name(public.policy),
    ]
    plain = [re.sub(r"[^A-Za-z0-9_.+-]+|\.{2,}", "-", part).strip("-.") for part in parts]
    digest = recipe.digest[:8]
    name = "--".join(part for part in plain if part)
    return f"{name[: LONGEST - len(digest) - 2].rstrip('-.')}--{digest}"


def dataset_name(recipe: Recipe) -> str:
    """`gsm8k` of `openai/gsm8k:main`, `problems` of `problems.jsonl`."""
    name = last_name(recipe.dataset).partition(":")[0]
    return re.sub(r"(\.(jsonl|ndjson|json|csv|parquet|gz|zst|xz|bz2))+$", "", name)


def _unusual(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Parameters beside N that differ from the defaults; all, of a strategy not installed here."""
    try:
        cls = find_strategy(recipe.strategy).program.params_class
        usual: dict[str, Any] = {f.name: listed(f.default) for f in fields(cls)}
    except RunError:
        usual = {}
    for name, value in recipe.params.items():
        if name == "budget" or listed(value) in (None, [], usual.get(name)):
            continue
        items = value if isinstance(value, list | tuple) else [value]
        yield name, "+".join(map(str, items))
