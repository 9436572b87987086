"""How much memory a model takes: read from its files where they are here, else from its name."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sal.runtime import model_config
from sal.runtime.lora import base_model
from sal.runtime.model_config import (
    context_length,
    dense_parameters,
    kv_bytes,
    quantised,
    read_config,
    stored_dtype,
)
from sal.runtime.model_files import local_files
from sal.runtime.weight_files import indexed_bytes, weight_files

GIB = float(1 << 30)
_HEAD = re.compile(r"Classification|RewardModel|PrmModel")
_GUESS_B = 8.0  # billions of parameters where even the name is silent


def in_words(size: float) -> str:
    """Bytes, for people."""
    mib = size * 1024 / GIB
    return f"{size / GIB:.1f} GiB" if mib >= 1024 else f"{mib:.{0 if mib >= 10 else 1}f} MiB"


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Bytes of the weights as stored, bytes of a 16-bit KV cache per token, and how they are known.

    A number of the weights is `bytes_each` long. `quantised` says how, where it is; `context` is
    the longest text in tokens and `heads` the number of attention heads, None where unknown.
    `generates` is false for a head in place of a vocabulary, `known` for a size that is a guess.
    """

    weight_bytes: int
    kv_bytes_per_token: int
    reason: str
    bytes_each: float = 2
    quantised: str = ""
    context: int | None = None
    heads: int | None = None
    generates: bool = True
    known: bool = True

    @property
    def parameters(self) -> int:
        """About how many there are."""
        return int(self.weight_bytes / self.bytes_each)


def model_size(model: str) -> ModelSize:
    """Size `model`, a folder, a GGUF or a Hub name. Never touches the network.

    By its weight files; where these are not here by their index, by the shapes in its config.json,
    or by the size in its name.
    """
    model = base_model(model) or model
    place = local_files(model)
    config = _config(place)
    if place is None or not config:
        return _by_files(place, {}) or _from_name(model)
    return _by_files(place, config) or _by_shapes(config) or _by_name(model, config)


def model_context(model: str) -> int | None:
    """The longest text that a model takes, in tokens, where its config is here and says so."""
    return context_length(_config(local_files(model))) if model else None


def head_size(model: str) -> int | None:
    """Numbers a head, where the model's config is here and says so."""
    try:
        return model_config.head_size(_config(local_files(model)))
    except (ValueError, KeyError, TypeError):
        return None


def _config(place: Path | None) -> dict[str, Any]:
    """{} where there is none to be read."""
    try:
        return read_config(place) if place is not None else {}
    except (OSError, ValueError):
        return {}


def _by_files(place: Path | None, config: dict[str, Any]) -> ModelSize | None:
    """None where neither the weights nor their index are here."""
    if place is None:
        return None
    try:
        weights = sum(file.stat().st_size for file in weight_files(place))
        said = f"weights {in_words(weights)} on disk"
        if not weights:
            weights = indexed_bytes(place)
            said = f"weights {in_words(weights)} by their index"
    except (OSError, ValueError, KeyError, TypeError):  # an index that is none
        return None
    if not weights:
        return None
    size = _with(config, ModelSize(weights, 0, said))
    if size.kv_bytes_per_token:
        kib = size.kv_bytes_per_token / 1024
        return replace(size, reason=f"{said}, KV {kib:.0f} KiB per token")
    return replace(size, kv_bytes_per_token=_kv_guess(size.parameters / 1e9))


def _by_shapes(config: dict[str, Any]) -> ModelSize | None:
    parameters, kv = dense_parameters(config), kv_bytes(config)
    if parameters is None or kv is None:
        return None
    each = _with(config, ModelSize(0, kv, "")).bytes_each
    weights = int(parameters * each)
    said = (
        f"weights about {in_words(weights)} by the shapes in config.json, "
        f"KV {kv / 1024:.0f} KiB per token"
    )
    return _with(config, ModelSize(weights, kv, said))


def _by_name(model: str, config: dict[str, Any]) -> ModelSize:
    """Its name tells how many weights there are, its config how long one is."""
    named = _from_name(model)
    size = _with(config, named)
    weights = int(named.parameters * size.bytes_each)
    if size.bytes_each == named.bytes_each:
        return size
    said = f"{named.reason}, so {in_words(weights)} as they are stored"
    return replace(size, weight_bytes=weights, reason=said)


def _with(config: dict[str, Any], size: ModelSize) -> ModelSize:
    """What a config tells beside the weights."""
    packed = quantised(config)
    each = packed[1] / 8 if packed else 4 if stored_dtype(config) == "float32" else size.bytes_each
    architectures = " ".join(map(str, config.get("architectures") or ()))
    return replace(
        size,
        kv_bytes_per_token=kv_bytes(config) or size.kv_bytes_per_token,
        bytes_each=each,
        quantised=f"{packed[0]}, {packed[1]:g} bits" if packed else "",
        context=context_length(config),
        heads=config.get("num_attention_heads"),
        generates=_HEAD.search(architectures) is None,
    )


def _from_name(model: str) -> ModelSize:
    found = re.findall(r"(?<![\w.])(\d+(?:\.\d+)?)[bB](?![a-zA-Z0-9])", model.replace("_", "-"))
    billions = float(found[-1]) if found else _GUESS_B
    how = f"{billions:g}B in its name" if found else f"no size in its name, {billions:g}B assumed"
    packed = re.search(r"(?i)\b(awq|gptq|int4|4bit|w4a16|fp8|int8|8bit|w8a8)\b", model)
    bits = 16 if packed is None else 8 if "8" in packed[1].replace("w4a16", "") else 4
    weights = int(billions * 1e9 * bits / 8)
    return ModelSize(
        weights,
        _kv_guess(billions),
        f"weights about {in_words(weights)} ({how}, {bits}-bit)",
        bits / 8,
        f"{packed[1].lower()}, {bits} bits" if packed else "",
        known=bool(found),
    )


def _kv_guess(billions: float) -> int:
    """About what Llama 3 takes: 32 KiB per token at 1B, 128 KiB at 8B."""
    return int(32 * 1024 * max(billions, 0.01) ** (2 / 3))
