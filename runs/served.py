"""What a URL of the user's serves: it, and not its address, decides a run's results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sal.runs.recipe import Recipe
from sal.runtime.plan import Role

SAID = ("model_path", "tokenizer_path", "weight_version")
"""Of what SGLang says of its model. A router says the first alone."""


def with_served(recipe: Recipe, infos: Mapping[Role, Mapping[str, Any]]) -> Recipe:
    """`recipe` with what each endpoint said of its model; one that names none is left out."""
    served: dict[str, dict[str, str]] = {
        role: {name: str(info[name]) for name in SAID if info.get(name) is not None}
        for role, info in infos.items()
        if info.get("model_path")
    }
    return replace(recipe, served=served)
