"""What a model says of itself: its config.json, or the header of a GGUF under the same names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sal.runtime.weight_files import gguf_reader

Config = Mapping[str, Any]

_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
_CONTEXT = (
    "max_sequence_length",
    "seq_length",
    "max_seq_len",
    "model_max_length",
    "max_position_embeddings",
)
"""Where configs keep it, in the order in which SGLang looks (utils/hf_transformers/common.py)."""

_OF_A_GGUF = {
    "num_hidden_layers": "block_count",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length",
    "head_dim": "attention.key_length",
    "v_head_dim": "attention.value_length",
    "num_experts": "expert_count",
    "num_experts_per_tok": "expert_used_count",
    "max_position_embeddings": "context_length",
    "vocab_size": "vocab_size",
}


def read_config(model: Path) -> dict[str, Any]:
    """Of a model's folder, or of a GGUF; what a text model has within a larger one is on top.

    Raises OSError or ValueError where there is none.
    """
    if model.suffix == ".gguf":
        return _of_gguf(model)
    config = json.loads((model / "config.json").read_text("utf-8"))
    if not isinstance(config, dict):
        raise ValueError(f"{model / 'config.json'} holds no object")
    return {**config, **(config.get("text_config") or {})}


def _of_gguf(path: Path) -> dict[str, Any]:
    """Raises ValueError for a file that is none."""
    try:
        told = gguf_reader(path).fields
        kind = str(told["general.architecture"].contents())
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{path}: not a GGUF") from error
    found = {ours: told.get(f"{kind}.{theirs}") for ours, theirs in _OF_A_GGUF.items()}
    known = {name: field.contents() for name, field in found.items() if field is not None}
    return {"model_type": kind, **known}


def first_number(config: Config, names: tuple[str, ...]) -> int:
    """The first of `names` that a config has, as a number; 0 without one."""
    return next((int(config[name]) for name in names if config.get(name)), 0)


def experts(config: Config) -> int:
    """How many a router chooses among; 0 for a dense model."""
    return first_number(config, _EXPERTS)


def context_length(config: Config) -> int | None:
    """The longest text that a model takes, in tokens, as SGLang reads it; None where unsaid."""
    scaling = config.get("rope_scaling") or {}
    kind = scaling.get("rope_type") or scaling.get("type")
    stretched = "original_max_position_embeddings" not in scaling and kind != "llama3"
    factor = float(scaling.get("factor") or 1) if stretched else 1.0
    return int(factor * first_number(config, _CONTEXT)) or None


def head_size(config: Config) -> int:
    """Numbers a head. Raises KeyError, TypeError or ValueError where that is not told."""
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def kv_bytes(config: Config) -> int | None:
    """KV cache of a token, in 16 bits: 2 (key and value) x layers x KV heads x head size x 2 bytes.

    Of multi-head latent attention, its latent vector and its rotary part, once. Layers of linear
    attention keep none.
    """
    try:
        layers = int(config["num_hidden_layers"])
        kinds = list(config.get("layer_types") or ())
        layers -= sum("linear" in str(kind) for kind in kinds)
        if latent := config.get("kv_lora_rank"):
            return layers * (int(latent) + int(config.get("qk_rope_head_dim") or 0)) * 2
        kv_heads = int(config.get("num_key_value_heads") or config["num_attention_heads"])
        return 2 * layers * kv_heads * head_size(config) * 2
    except (ValueError, KeyError, TypeError):
        return None


def dense_parameters(config: Config) -> int | None:
    """Of a decoder as Llama's, from its shapes: embeddings, attention and a gated MLP.

    None for a mixture of experts, or a config that does not tell.
    """
    try:
        if experts(config):
            return None
        hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
        kv_heads, size = int(config.get("num_key_value_heads") or heads), head_size(config)
        attention = 2 * hidden * size * (heads + kv_heads)
        layer = attention + 3 * hidden * int(config["intermediate_size"])
        tables = 1 if config.get("tie_word_embeddings") else 2
        embeddings = tables * int(config["vocab_size"]) * hidden
        return int(config["num_hidden_layers"]) * layer + embeddings
    except (ValueError, KeyError, TypeError):
        return None


def stored_dtype(config: Config) -> str:
    """The type that weights are stored in, as configs name it; "" where unsaid."""
    return str(config.get("dtype") or config.get("torch_dtype") or "").removeprefix("torch.")


def quantised(config: Config) -> tuple[str, float] | None:
    """How a checkpoint's weights are quantised, and the bits of one; None for one that is not.

    Groups of compressed-tensors that differ count as their mean; 8 bits where nothing is said.
    """
    told = config.get("quantization_config") or config.get("compression_config")
    if not isinstance(told, Mapping):
        return None
    name = str(told.get("quant_method") or "quantised").lower()
    groups = [
        group["weights"]["num_bits"]
        for group in (told.get("config_groups") or {}).values()
        if (group.get("weights") or {}).get("num_bits")
    ]
    if groups:
        return name, sum(groups) / len(groups)
    four = told.get("load_in_4bit") or name == "mxfp4" or "nvfp4" in str(told.get("quant_algo"))
    bits = told.get("bits") or told.get("w_bit") or (4 if four else 8)
    return name, float(bits)
