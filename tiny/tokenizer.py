"""The tokenizer of both tiny models: bytes, so that any text round-trips, and a few merges.

The merges make one token of each number from 10 to 99, so that arithmetic is a table, and of the
phrases that every question and solution repeats.
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

TAG = "ки"
"""Asks the PRM about the step before it (Math-Shepherd, Wang et al. 2024)."""

END = "<eos>"
PAD = "<pad>"
PHRASES = ("\n\n", "Let ", ", ", " Find ", "\\boxed{")
MAX_LENGTH = 4096


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer, ready to be saved next to a model; it adds no token of its own to a text."""
    byte_of = {c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    vocabulary, merges = dict(byte_of), []
    spell = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str
    for phrase in (*map(str, range(10, 100)), *PHRASES):
        spelled = spell(phrase)[0][0]
        for end in range(1, len(spelled)):
            left, right = spelled[:end], spelled[end]
            if left + right not in vocabulary:
                vocabulary[left + right] = len(vocabulary)
                merges.append((left, right))
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END, PAD])
    tokenizer.add_tokens([AddedToken(TAG, normalized=False)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        model_max_length=MAX_LENGTH,
        clean_up_tokenization_spaces=False,
    )


def solution_text(steps: Sequence[str]) -> str:
    """What the policy writes after `{question}` and a blank line."""
    return "\n\n".join(steps)


def judged_text(question: str, steps: Sequence[str]) -> str:
    """What the PRM reads: its logits of `+` against `-` at each tag are that step's score."""
    return f"{question} " + "".join(f"{step} {TAG}\n" for step in steps)
