"""How much memory a model takes: read from its files where they are here, else from its name."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sal.runtime.model_files import local_files, local_folder
from sal.runtime.weight_files import weight_files

GIB = float(1 << 30)
_GUESS_B = 8.0  # billions of parameters where even the name is silent


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Bytes of the weights as stored, bytes of a 16-bit KV cache per token, and how they are known.

    A number of the weights is `bytes_each` long.
    """

    weight_bytes: int
    kv_bytes_per_token: int
    reason: str
    bytes_each: int = 2

    @property
    def parameters(self) -> int:
        """About how many there are."""
        return self.weight_bytes // self.bytes_each


def model_size(model: str) -> ModelSize:
    """Size `model`, a folder, a GGUF or a Hub name. Never touches the network."""
    folder = local_files(model)
    try:
        weights = sum(file.stat().st_size for file in weight_files(folder)) if folder else 0
    except (OSError, ValueError, KeyError, TypeError):  # an index that is none
        weights = 0
    if folder is None or weights == 0:
        return _from_name(model)
    kv, each = _from_config(folder / "config.json")
    said = f"weights {weights / GIB:.1f} GiB on disk"
    if kv is None:
        return ModelSize(weights, _kv_guess(weights / each / 1e9), said, each)
    return ModelSize(weights, kv, f"{said}, KV {kv / 1024:.0f} KiB per token", each)


def head_size(model: str) -> int | None:
    """Numbers a head, where the model's config is here and says so."""
    folder = local_folder(model)
    try:
        return _head_size(json.loads((folder / "config.json").read_text())) if folder else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _head_size(config: dict[str, Any]) -> int:
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def _from_config(path: Path) -> tuple[int | None, int]:
    """Bytes of KV cache per token, where it can be told, and of a number of the weights."""
    try:
        config = json.loads(path.read_text())
        kind = str(config.get("dtype") or config.get("torch_dtype"))
        return _kv_bytes(config), 4 if kind.endswith("float32") else 2
    except (OSError, ValueError, AttributeError):
        return None, 2


def _kv_bytes(config: dict[str, Any]) -> int | None:
    """2 (key and value) x layers x KV heads x head size x 2 bytes (16-bit cache)."""
    try:
        heads = int(config["num_attention_heads"])
        size = _head_size(config)
        kv_heads = int(config.get("num_key_value_heads") or heads)
        return 2 * int(config["num_hidden_layers"]) * kv_heads * size * 2
    except (ValueError, KeyError, TypeError):
        return None


def _from_name(model: str) -> ModelSize:
    found = re.findall(r"(?<![\w.])(\d+(?:\.\d+)?)[bB](?![a-zA-Z0-9])", model.replace("_", "-"))
    billions = float(found[-1]) if found else _GUESS_B
    how = f"{billions:g}B in its name" if found else f"no size in its name, {billions:g}B assumed"
    weights = int(billions * 2e9)
    return ModelSize(
        weights, _kv_guess(billions), f"weights about {weights / GIB:.1f} GiB ({how}, 16-bit)"
    )


def _kv_guess(billions: float) -> int:
    """About what Llama 3 takes: 32 KiB per token at 1B, 128 KiB at 8B."""
    return int(32 * 1024 * max(billions, 0.01) ** (2 / 3))
