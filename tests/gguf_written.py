"""GGUF files of tiny Llamas with random weights, as llama.cpp's converter lays them out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFWriter
from tokenizers.pre_tokenizers import ByteLevel
from transformers import LlamaConfig, LlamaForCausalLM

MERGES = (("Ċ", "Ċ"), ("Ġ", "t"), ("1", "2"), ("h", "e"), ("Ġt", "he"))
TOKENS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    *sorted(ByteLevel.alphabet()),
    *("".join(pair) for pair in MERGES),
]
PIECES = [
    *("<unk>", "<s>", "</s>"),
    *(f"<0x{byte:02X}>" for byte in range(256)),
    *("▁", "t", "h", "e", "▁t"),
]
"""SentencePiece's, of which a GGUF holds scores and no merges; as many as TOKENS."""
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONFIG = LlamaConfig(
    vocab_size=len(TOKENS),
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=512,
    rope_theta=10000.0,
    tie_word_embeddings=True,
)
_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def tiny_llama() -> LlamaForCausalLM:
    """Always the same weights, whose numbers are bfloat16's."""
    torch.manual_seed(0)
    return LlamaForCausalLM(CONFIG).to(torch.bfloat16).eval()


def write_gguf(path: Path, told: dict[str, Any] | None = None, *, kind: str = "llama") -> Path:
    """`tiny_llama` as the file `path`; `told` are entries beside its own, or in place of them."""
    told = dict(told or {})
    writer = GGUFWriter(path, kind)
    heads, kv_heads = CONFIG.num_attention_heads, CONFIG.num_key_value_heads
    writer.add_context_length(CONFIG.max_position_embeddings)
    writer.add_embedding_length(CONFIG.hidden_size)
    writer.add_block_count(CONFIG.num_hidden_layers)
    writer.add_feed_forward_length(CONFIG.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(CONFIG.rms_norm_eps)
    writer.add_rope_freq_base(told.pop("rope_base", 10000.0))
    writer.add_rope_dimension_count(CONFIG.hidden_size // heads)
    writer.add_vocab_size(len(TOKENS))
    if told.pop("sentencepiece", False):
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_list(PIECES)
        writer.add_token_scores([-float(i) for i in range(len(PIECES))])
        writer.add_token_types([2, 3, 3] + [6] * 256 + [1] * (len(PIECES) - 259))
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(told.pop("pre", "smollm"))
        writer.add_token_list(TOKENS)
        writer.add_token_types([3] * 3 + [1] * (len(TOKENS) - 3))
        writer.add_token_merges([" ".join(pair) for pair in MERGES])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)
    freqs = told.pop("rope_freqs", None)
    for name, value in told.items():
        if isinstance(value, bool):
            writer.add_bool(name, value)
        elif isinstance(value, int):
            writer.add_uint32(name, value)
        else:
            writer.add_string(name, value)
    for name, weight in tiny_llama().state_dict().items():
        if name != "lm_head.weight":  # tied
            writer.add_tensor(*_laid_out(name, weight.float().numpy(), heads, kv_heads))
    if freqs is not None:
        writer.add_tensor("rope_freqs.weight", np.asarray(freqs, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _laid_out(name: str, weight: Any, heads: int, kv_heads: int) -> tuple[str, Any]:
    if name == "model.embed_tokens.weight":
        return "token_embd.weight", weight
    if name == "model.norm.weight":
        return "output_norm.weight", weight
    _, _, layer, rest = name.split(".", 3)
    part = rest.removesuffix(".weight")
    if part.endswith(("q_proj", "k_proj")):  # a head's two halves, interleaved
        of = heads if part.endswith("q_proj") else kv_heads
        halves = weight.reshape(of, 2, -1, weight.shape[1])
        weight = np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(weight.shape)
    return f"blk.{layer}.{_NAMES[part]}.weight", weight
