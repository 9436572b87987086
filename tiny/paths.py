"""Where the embedded default lies, in a checkout and in an installed wheel alike."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent

POLICY = HERE / "policy"
"""A model folder: config.json, model.safetensors, tokenizer.json."""

PRM = HERE / "prm"
"""A model folder, as `POLICY`; its config.json says in `sal_prm` how it wants to be asked."""

PROBLEMS = {split: HERE / "problems" / f"{split}.jsonl" for split in ("test", "train")}
"""Rows of {"id", "question", "answer", "level"}; the splits share no question."""
