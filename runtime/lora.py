"""A LoRA adapter in place of a model: the base that it belongs to, and whether SGLang can serve it.

SGLang (0.5.23) reads of an adapter its rank, its alpha and its target modules, and adds
alpha / rank x B A to the base's weights. An adapter that means more would be served as something
else without a word, so it is refused here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sal.runtime.model_files import canonical, local_file, local_folder
from sal.runtime.server_flags import LORA_PATHS, Flags, PlanError

NAME = "adapter"
"""What every request calls it."""

_NOT_SERVED: tuple[tuple[str, str], ...] = (
    ("use_dora", "it is a DoRA, whose magnitudes SGLang does not load"),
    (
        "use_rslora",
        "it is scaled by alpha / sqrt(rank) (rsLoRA), and SGLang scales by alpha / rank",
    ),
    ("rank_pattern", "its layers have different ranks, and SGLang reads one"),
    ("alpha_pattern", "its layers have different alphas, and SGLang reads one"),
    (
        "modules_to_save",
        "it holds whole modules besides (modules_to_save), which SGLang leaves out",
    ),
    ("fan_in_fan_out", "its matrices are transposed (fan_in_fan_out)"),
)


def adapter_config(model: str) -> dict[str, Any] | None:
    """The adapter_config.json of a folder, or of the Hub's cache, that is no whole model."""
    path = local_file(model, "adapter_config.json")
    if path is None or local_file(model, "config.json") is not None:
        return None
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return config if isinstance(config, dict) else None


def base_model(model: str) -> str | None:
    """The model that an adapter belongs to: a folder or a Hub name; None for no adapter."""
    config = adapter_config(model)
    if config is None:
        return None
    name = config.get("base_model_name_or_path")
    return canonical(str(name)) if name else None


def with_adapter(model: str, overrides: Flags) -> tuple[str, Flags]:
    """The base to serve and the flags that load the adapter, for an adapter.

    Any other model comes back as it is. Raises `PlanError` for an adapter that SGLang would not
    serve as it was meant, and for more than one: a run asks for one.
    """
    config = adapter_config(model)
    if config is not None:
        if (wrong := refusal(config)) is not None:
            raise PlanError(f"the adapter {model} cannot be served: {wrong}")
        base = base_model(model)
        if base is None:
            raise PlanError(f"the adapter {model} does not name the model that it belongs to")
        if LORA_PATHS in overrides:
            raise PlanError(f"{LORA_PATHS}: {model} is an adapter already, and a run asks for one")
        own: Flags = {LORA_PATHS: (f"{NAME}={_folder(model)}",)}
        if local_file(model, "tokenizer.json") is not None:
            own["--tokenizer-path"] = (str(_folder(model)),)
        return base, {**own, **overrides}
    given = overrides.get(LORA_PATHS)
    if given is not None and len(given) != 1:
        raise PlanError(f"{LORA_PATHS} takes one adapter here, for a run asks for one")
    if given is not None and given[0].startswith("{"):
        raise PlanError(f"{LORA_PATHS}: write the adapter as NAME=FOLDER")
    return model, overrides


def refusal(config: Mapping[str, Any]) -> str | None:
    """Why SGLang would serve the adapter as something else than it is; None if it would not."""
    kind = str(config.get("peft_type") or "LORA").upper()
    if kind != "LORA":
        return f"it is no LoRA but {kind}"
    for key, why in _NOT_SERVED:
        if config.get(key):
            return why
    if str(config.get("bias") or "none") != "none":
        return "it changes biases, which SGLang leaves out"
    return None


def _folder(model: str) -> Path:
    """Where the adapter's files are: in its folder, or in the Hub's cache."""
    folder = local_folder(model)
    if folder is not None:
        return folder.resolve()
    found = local_file(model, "adapter_config.json")
    return found.parent if found is not None else Path(model)
