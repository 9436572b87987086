"""The models: Llama, small enough to be trained and served on a laptop's CPU."""

from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from sal.tiny.tokenizer import MAX_LENGTH

SHAPES = {
    "policy": {"hidden_size": 128, "num_hidden_layers": 4, "intermediate_size": 384},
    "prm": {"hidden_size": 192, "num_hidden_layers": 4, "intermediate_size": 512},
    "small": {"hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 64},
    "compact": {"hidden_size": 96, "num_hidden_layers": 2, "intermediate_size": 96},
    "medium": {"hidden_size": 96, "num_hidden_layers": 3, "intermediate_size": 192},
    "large": {"hidden_size": 128, "num_hidden_layers": 4, "intermediate_size": 384},
}
HEAD_SIZE = 32


def build_model(name: str, tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """A model of `SHAPES[name]` with fresh weights."""
    torch.manual_seed(seed)
    shape = SHAPES[name]
    heads = shape["hidden_size"] // HEAD_SIZE
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **shape,
    )
    return LlamaForCausalLM(config)
