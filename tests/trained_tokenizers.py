"""Tokenizers that are trained here: no vocabulary of a real model is needed to have its traits."""

from __future__ import annotations

import json
import random
from functools import cache
from itertools import pairwise

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from sal.runtime.tokenizer import Tokenizer

BYTE_LEVEL = ("split", "whole")
"""Byte-level BPE: split into words first, as GPT-2's, or not at all, so that merges cross them."""

LED_BY_A_SPACE = ("legacy", "metaspace")
"""SentencePiece's kind: Llama 2's, whose line breaks are bytes, and one with tokens for these."""

PIECES = (
    *("a", "b", "Wait", "x = 1", "é", "漢字", "∑", "🙂", "naïve"),
    *(" ", "  ", "\n", "\n\n", "\n\n\n", "\n\n\n\n", ".\n\n", ").\n\n", "\n\n ", " \n\n", "\t"),
    *(".", ",", "3.14", "\n\nb", ".\n\na", "</", "think", "\\boxed{1}", "\ufffd"),
)


@cache
def trained(kind: str) -> Tokenizer:
    """One of that kind, with `<think>` and `</think>` as tokens of their own; id 1 ends a text."""
    byte_level = kind in BYTE_LEVEL
    core = tokenizers.Tokenizer(models.BPE())
    if byte_level:
        core.pre_tokenizer = pre_tokenizers.ByteLevel(
            add_prefix_space=False, use_regex=kind == "split"
        )
    else:
        core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    dice = random.Random(0)
    corpus = ["".join(pair) for pair in pairwise(PIECES)]
    corpus += ["".join(dice.choices(PIECES, k=12)) for _ in range(400)]
    core.train_from_iterator(
        corpus,
        trainers.BpeTrainer(  # type: ignore[no-untyped-call]
            vocab_size=700,
            special_tokens=["<begin>", "<end>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if byte_level else [],
            show_progress=False,
        ),
    )
    if byte_level:
        core.decoder = decoders.ByteLevel()
    else:
        core.model = _with_bytes(core, line_breaks=kind == "metaspace")
        _spell_spaces(core, kind)
    core.add_tokens(["<think>", "</think>"])
    core.post_processor = processors.TemplateProcessing(
        single="<begin> $A", special_tokens=[("<begin>", 0)]
    )
    return Tokenizer(core)


def bytewise(kind: str) -> Tokenizer:
    """The same vocabulary without a merge: a token for every byte, or every character."""
    content = json.loads(trained(kind)._core.to_str())
    content["model"]["merges"] = []
    return Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(content)))


def _with_bytes(core: tokenizers.Tokenizer, *, line_breaks: bool) -> models.BPE:
    """The trained model with a token for every byte, with or without tokens of line breaks."""
    model = json.loads(core.to_str())["model"]
    kept = {token for token in model["vocab"] if line_breaks or "\n" not in token}
    names = sorted(kept, key=model["vocab"].__getitem__)
    names += [f"<0x{byte:02X}>" for byte in range(256)]
    merges = [(a, b) for a, b in model["merges"] if {a, b, a + b} <= kept]
    vocab = {name: i for i, name in enumerate(names)}
    return models.BPE(vocab=vocab, merges=merges, byte_fallback=True)


def _spell_spaces(core: tokenizers.Tokenizer, kind: str) -> None:
    if kind == "metaspace":
        core.decoder = decoders.Sequence(
            [decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="first", split=False)]
        )
        return
    core.pre_tokenizer = None
    core.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    core.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
