"""Where the embedded default lies, in a checkout and in an installed wheel alike."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent

POLICY = HERE / "policy"
"""A model folder: config.json, model.safetensors, tokenizer.json."""

PRM = HERE / "prm"
"""A model folder, as `POLICY`; its config.json says in `sal_prm` how it wants to be asked."""

FAMILY = {size: HERE / "figure" / size for size in ("small", "compact", "medium", "large")}
"""Policies of four sizes that learned the same (docs/figure.md), each as `POLICY`."""

FAMILY_PRM = HERE / "figure" / "prm"
"""`PRM`, which has learned on to judge what the small one of `FAMILY` writes."""

NAMES = {
    "policy": {"tiny": POLICY} | {f"tiny-{size}": folder for size, folder in FAMILY.items()},
    "prm": {"tiny": PRM, "tiny-small-prm": FAMILY_PRM},
}
"""What the models are called where a user names one."""

PROBLEMS = {split: HERE / "problems" / f"{split}.jsonl" for split in ("test", "train")}
"""Rows of {"id", "question", "answer", "level"}; the splits share no question."""
