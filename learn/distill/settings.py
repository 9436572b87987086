"""What is distilled, and how: said by flags, or in a recipe, a YAML file with the same names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sal.learn.distill.examples import Method
from sal.learn.errors import TrainError
from sal.runs.recipe_schema import checked, hints, nearest
from sal.runs.recipe_yaml import RecipeError, read_file

RATES: dict[Method, tuple[float, float]] = {
    "sft": (2e-5, 2e-4),
    "kto": (1e-6, 1e-5),
    "dpo": (1e-6, 1e-5),
    "orpo": (1e-6, 1e-5),
}
"""TRL's own peaks of the learning rate, and ten times that for LoRA."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillSettings:
    """The examples of `sources`, and how the model `base` is taught them; None: it is not.

    `split` and `limit` are those of sets. `batch_size` is per device. `lora` is a rank, 0 trains
    all weights. `set` has fields of TRL's configuration of the method. Raises `TrainError`.
    """

    sources: tuple[str, ...] = ()
    method: Method = "sft"
    base: str | None = None
    split: str | None = None
    limit: int | None = None
    epochs: float = 1.0
    learning_rate: float | None = None
    batch_size: int = 8
    max_length: int = 2048
    lora: int = 0
    seed: int = 0
    set: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.sources:
            raise TrainError("name a run, or a set with examples")
        if min(self.epochs, self.batch_size, self.max_length) <= 0 or self.lora < 0:
            raise TrainError("epochs, batch size and length are above 0, and a rank is not below")

    @property
    def rate(self) -> float:
        """The peak of the learning rate: TRL's for the method, ten times that for LoRA."""
        if self.learning_rate is not None:
            return self.learning_rate
        return RATES[self.method][self.lora > 0]

    @property
    def overrides(self) -> Mapping[str, Any]:
        return self.set


def read_recipe(path: Path) -> dict[str, Any]:
    """The settings that a recipe says; raises `RecipeError`, with the line of what is wrong."""
    names, annotations = [f.name for f in fields(DistillSettings)], hints(DistillSettings)
    values: dict[str, Any] = {}
    for name, entry in read_file(path).items():
        if name not in names:
            raise RecipeError(entry.source, f"unknown key {name!r}{nearest(name, names)}")
        if name == "set" and not isinstance(entry.value, dict):
            raise RecipeError(entry.source, "set: must be a mapping of names to values")
        try:
            values[name] = checked(name, entry.plain, annotations[name])
        except ValueError as error:
            raise RecipeError(entry.source, f"{name}: {error}") from error
    return values
