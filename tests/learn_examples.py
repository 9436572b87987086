"""A small PRM to be trained in seconds, and labelled solutions of which a child sees the error."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from sal.learn.rows import StepLabels
from sal.verifiers.contract import Prm
from sal.verifiers.family import look_up, read_config


def base_model(folder: Path, seed: int = 0, hidden: int = 32) -> Path:
    """A random Llama with the tiny suite's tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from sal.tiny.stages import STAGES
    from sal.tiny.tokenizer import build_tokenizer
    from sal.tiny.train import save

    tokenizer = build_tokenizer()
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    save(STAGES["policy"], LlamaForCausalLM(config), tokenizer, folder)
    return folder


def labelled(count: int, seed: int = 0) -> list[StepLabels]:
    """Solutions of 2 to 4 steps; from the first `wrong` on, no rollout of 4 ends right."""
    rng = random.Random(seed)
    rows = []
    for i in range(count):
        length = rng.randint(2, 4)
        error = rng.choice([None, rng.randrange(length)])
        steps = tuple(
            f"{'wrong' if k == error else 'right'} {rng.randint(10, 99)}" for k in range(length)
        )
        right = tuple(
            0 if error is not None and k >= error else rng.randint(1, 4) for k in range(length)
        )
        rows.append(
            StepLabels(
                id=f"{seed}-{i}",
                question=f"Is {i} right?",
                steps=steps,
                right=right,
                rollouts=(4,) * length,
            )
        )
    return rows


def scores_of(out: Path, rows: list[StepLabels]) -> list[list[float]]:
    """By the saved model alone: what its config.json says, transformers' own classes, and one
    input for each step, as a server is sent it."""
    import torch
    import transformers

    spec = look_up(str(out))
    config = read_config(str(out))
    format: Any = spec.family.format(Prm(str(out), config, spec.options))  # type: ignore[attr-defined]
    kind = getattr(transformers, config["architectures"][0])
    model = kind.from_pretrained(out).eval()
    found = []
    for row in rows:
        rendered = format.render(row.question, row.steps)
        scores = []
        for k in range(len(row.steps)):
            with torch.no_grad():
                last = model(torch.tensor([rendered.upto(k)])).logits[0, -1]
            pair = last[[format.good, format.bad]] if hasattr(format, "good") else last[[1, 0]]
            scores.append(float(pair.softmax(-1)[0]))
        found.append(scores)
    return found
