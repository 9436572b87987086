"""What a model computes for a token: the parameters that it meets, and the context it looks at.

The forward pass of a token costs two FLOPs for each parameter that multiplies it and, in every
layer, 2 d FLOPs for each position that it attends to with its queries and 2 d more with the values
(Kaplan et al., arXiv 2001.08361, section 2.1; Hoffmann et al., arXiv 2203.15556, appendix F). What
is counted and what is not is told in docs/costs.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sal.runtime.model_config import Config, experts, first_number, read_config
from sal.runtime.usage import Usage
from sal.runtime.weight_files import Tensor, read_tensors, weight_files

_EMBEDDING = re.compile(
    r"(^|\.)(embed_tokens|tok_embeddings|token_embd|word_embeddings|wte|embed_in"
    r"|wpe|embed_positions|position_embd)\.weight$"
)
_POSITION = re.compile(r"wpe|embed_positions|position_embd")
_HEAD = re.compile(r"(^|\.)(lm_head|embed_out|score|v_head|classifier|reward_head)\b|^output\.")
_EXPERT = re.compile(r"\.experts\.|_exps\.")
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blk)\.(\d+)\.")
_NOT_FOR_TEXT = re.compile(r"(^|\.)(visual|vision_\w+|audio_tower|multi_modal_projector)\.")

_ACTIVE_EXPERTS = ("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k")

_OF_QUANTISATION = re.compile(
    r"\.(qzeros|scales|g_idx|\w*_scale(_inv)?|weight_(shape|zero_point|g_idx)"
    r"|weight\.(absmax|quant_map|nested_\w+|quant_state\.\w+))$|_scales$"
)
_FOUR_BITS_IN_A_BYTE = re.compile(r"_blocks$|\.weight$")


@dataclass(frozen=True, slots=True)
class ModelCost:
    """`parameters` are those that one token meets; `attention` are FLOPs per position attended."""

    parameters: int
    attention: int | None

    def flops(self, usage: Usage) -> float | None:
        """2 x parameters x uncached tokens + attention x attended positions; None if unknown."""
        tokens, attended = usage.uncached_tokens, usage.attended_tokens
        if tokens is None or attended is None or self.attention is None:
            return None
        return 2.0 * self.parameters * tokens + float(self.attention) * attended


def model_cost(model: Path | None) -> ModelCost | None:
    """Of a model's folder or GGUF; None where its files are not here or cannot be understood."""
    if model is None:
        return None
    try:
        files = weight_files(model)
        if not files:
            return None
        config = read_config(files[0] if _is_gguf(model, files) else model)
        parameters = active_parameters(read_tensors(files), config)
        return None if parameters is None else ModelCost(parameters, attention_flops(config))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def active_parameters(tensors: Sequence[Tensor], config: Config) -> int | None:
    """Parameters that multiply one token: without the table that it is looked up in.

    A model without a head of its own predicts with its embeddings, which count once, as that. Of
    the experts that a router chooses among, as many count as it chooses. Layers past the config's
    (for predicting further tokens) and towers for images or sound do not run on text. None for a
    quantisation that is not known here, or experts of unknown number.
    """
    layers = int(config["num_hidden_layers"])
    embeddings = always = routed = 0
    head = False
    for tensor in tensors:
        layer = _LAYER.search(tensor.name)
        if _NOT_FOR_TEXT.search(tensor.name) or (layer and int(layer[1]) >= layers):
            continue
        size = _logical_size(tensor, config)
        if size is None:
            return None
        if _EMBEDDING.search(tensor.name):
            embeddings += 0 if _POSITION.search(tensor.name) else size
        elif _EXPERT.search(tensor.name):
            routed += size
        else:
            head = head or bool(_HEAD.search(tensor.name))
            always += size
    if not head:
        always += embeddings
    if not routed:
        return always
    there, chosen = experts(config), first_number(config, _ACTIVE_EXPERTS)
    if not there or not chosen:
        return None
    return always + routed * min(chosen, there) // there


def total_parameters(tensors: Sequence[Tensor], config: Config) -> int | None:
    """All that are stored; None for a quantisation that is not known here."""
    sizes = [_logical_size(tensor, config) for tensor in tensors]
    return None if None in sizes else sum(size or 0 for size in sizes)


def attention_flops(config: Config) -> int | None:
    """FLOPs per position attended: 2 x layers x heads x (size of a key + size of a value).

    Which is 4 n_layer d_attn where keys and values are of one size. A window that slides counts as
    if it did not. None for layers that do not attend (state spaces, linear attention).
    """
    try:
        layers, heads = int(config["num_hidden_layers"]), int(config["num_attention_heads"])
        kinds = config.get("layer_types") or ()
        if set(kinds) - {"full_attention", "sliding_attention", "chunked_attention"}:
            return None
        if "ssm_cfg" in config or "mamba" in str(config.get("model_type", "")):
            return None
        size = int(config.get("head_dim") or config["hidden_size"] // heads)
        key = int(config.get("qk_nope_head_dim") or 0) + int(config.get("qk_rope_head_dim") or 0)
        return 2 * layers * heads * ((key or size) + int(config.get("v_head_dim") or size))
    except (KeyError, TypeError):
        return None


def _logical_size(tensor: Tensor, config: Config) -> int | None:
    """How many weights a tensor stands for, packed or not; 0 for what is beside the weights."""
    if _OF_QUANTISATION.search(tensor.name):
        return 0
    dtype = tensor.dtype.removeprefix("torch.").upper()
    if dtype in ("I32", "INT32"):
        bits = _bits(config)
        if not tensor.name.endswith((".qweight", ".weight_packed")) or bits is None:
            return None
        return tensor.size * 32 // bits
    if dtype in ("U8", "UINT8"):
        return 2 * tensor.size if _FOUR_BITS_IN_A_BYTE.search(tensor.name) else None
    if dtype in ("I64", "INT64", "BOOL"):  # buffers, such as the numbers of positions
        return 0
    return tensor.size


def _bits(config: Config) -> int | None:
    """Of GPTQ and AWQ, and of compressed-tensors, whose groups must agree."""
    quantisation = config.get("quantization_config") or {}
    if bits := quantisation.get("bits") or quantisation.get("w_bit"):
        return int(bits)
    groups = (quantisation.get("config_groups") or {}).values()
    found = {int(group["weights"]["num_bits"]) for group in groups}
    return found.pop() if len(found) == 1 else None


def _is_gguf(model: Path, files: Sequence[Path]) -> bool:
    """Whether the header of a GGUF is all there is to tell what a model is."""
    return files[0].suffix == ".gguf" and not (model / "config.json").is_file()
