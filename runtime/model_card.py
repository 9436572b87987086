"""What a model is, read from its small files: nothing is started, and no weights are loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sal.runtime.generation_config import NAMES
from sal.runtime.lora import adapter_config as read_adapter
from sal.runtime.lora import base_model, refusal
from sal.runtime.model_config import context_length, experts, read_config, stored_dtype
from sal.runtime.model_cost import model_cost, total_parameters
from sal.runtime.model_files import cached_file, local_files, model_file
from sal.runtime.model_size import ModelSize, model_size
from sal.runtime.tokenizer import Tokenizer
from sal.runtime.weight_files import read_tensors, weight_files

THINKS = "<think>"
"""Opens a reasoning section, in the templates and the vocabularies of models that write one."""

_SAMPLING = ("temperature", *NAMES)


@dataclass(frozen=True, slots=True)
class ModelCard:
    """`where` its files are: "folder", "file", "cache" or "Hub". Numbers are None where unknown.

    `parameters` are all, `active` those that a token meets. `dtype` is what the weights are stored
    in, `quantised` how, where they are. `prompts`: "chat template", "none" (a base model) or
    "no tokenizer". `adapter_of` is the base of a LoRA adapter, to which all the rest applies, and
    `adapter_refused` why SGLang would not serve it as it is.
    """

    model: str
    where: str
    architectures: tuple[str, ...]
    kind: str
    parameters: int | None
    active: int | None
    experts: int
    dtype: str
    quantised: str
    context: int | None
    vocabulary: int | None
    prompts: str
    thinks: bool
    sampling: Mapping[str, float]
    size: ModelSize
    adapter_of: str | None = None
    adapter_refused: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)


def model_card(model: str) -> ModelCard:
    """Of a folder, a GGUF, or a name on the Hub, whose small files are fetched if they must be.

    Raises OSError or ValueError where there is no config to be read.
    """
    adapter = read_adapter(model)
    base = base_model(model) or model
    for name in ("config.json", "model.safetensors.index.json"):
        model_file(base, name)
    place = local_files(base)
    if place is None:
        raise ValueError(f"{base} has no config.json to be read")
    config = read_config(place)
    size = model_size(base)
    files = _weights(place)
    cost = model_cost(place) if files else None
    tokenizer = _tokenizer(model if adapter else base) or (_tokenizer(base) if adapter else None)
    template = tokenizer.template if tokenizer else ""
    return ModelCard(
        model=model,
        where=_where(base, files),
        architectures=tuple(map(str, config.get("architectures") or ())),
        kind=str(config.get("model_type") or ""),
        parameters=_parameters(files, config),
        active=cost.parameters if cost else None,
        experts=experts(config),
        dtype=stored_dtype(config),
        quantised=size.quantised,
        context=context_length(config),
        vocabulary=config.get("vocab_size"),
        prompts="no tokenizer" if not tokenizer else "chat template" if template else "none",
        thinks=THINKS in template or bool(tokenizer and THINKS in tokenizer.added),
        sampling=_sampling(base),
        size=size,
        adapter_of=base if adapter is not None else None,
        adapter_refused=refusal(adapter) if adapter is not None else None,
        config=config,
    )


def _weights(place: Path) -> list[Path]:
    try:
        return weight_files(place)
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _parameters(files: list[Path], config: Mapping[str, Any]) -> int | None:
    """By the headers of the weight files; None where these are not here or not understood."""
    try:
        return total_parameters(read_tensors(files), config) if files else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _where(model: str, files: list[Path]) -> str:
    path = Path(model).expanduser()
    if path.is_file():
        return "file"
    if path.is_dir():
        return "folder"
    return "cache" if files and cached_file(model, "config.json") else "Hub"


def _tokenizer(model: str) -> Tokenizer | None:
    """None where there is none, or it cannot be read."""
    try:
        return Tokenizer.load(model)
    except Exception:  # what `tokenizers` raises for a broken file has no type of its own
        return None


def _sampling(model: str) -> dict[str, float]:
    """What the authors' generation_config.json says of drawing tokens."""
    path = model_file(model, "generation_config.json")
    try:
        told = json.loads(path.read_text("utf-8")) if path else {}
        return {name: told[name] for name in _SAMPLING if told.get(name) is not None}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
