"""What is trained on what: the stages of the tiny suite, and of the figure's family."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sal.tiny import paths
from sal.tiny.own_samples import judged_samples
from sal.tiny.stream import (
    Examples,
    policy_examples,
    prm_examples,
    revision_examples,
    right_examples,
)

CHECKPOINTS = Path(".sal/tiny")


@dataclass(frozen=True, slots=True)
class Stage:
    """What a model learns from, for how many batches, and which stage's model goes on to learn.

    `peak` is the learning rate of Muon (Jordan et al. 2024), in AdamW's units, and of AdamW for
    embeddings and norms.
    """

    model: str
    examples: Examples
    steps: int
    peak: float
    seed: int
    after: str | None = None
    prm: bool = False


_SMALL = CHECKPOINTS / "small" / "model"

STAGES = {
    "policy": Stage("policy", policy_examples, 5000, 4e-3, 1),
    "revisions": Stage("policy", revision_examples, 1200, 2e-3, 3, after="policy"),
    "prm": Stage("prm", prm_examples, 5000, 4e-3, 2, prm=True),
    "small": Stage("small", right_examples, 1500, 4e-3, 4),
    "compact": Stage("compact", right_examples, 1500, 4e-3, 9),
    "medium": Stage("medium", right_examples, 1500, 4e-3, 5),
    "large": Stage("large", right_examples, 1500, 4e-3, 6),
    "small-errors": Stage(
        "prm", judged_samples(_SMALL, whole=False), 2400, 4e-3, 7, after="prm", prm=True
    ),
    "small-prm": Stage(
        "prm", judged_samples(_SMALL, whole=True), 500, 1.5e-3, 8, after="small-errors", prm=True
    ),
}

SIDES = (("policy", "revisions"), ("prm",))
FIGURE = (("small", "medium", "small-errors", "small-prm"), ("large", "compact"))
"""The stages that run one after the other, of the suite and of the figure's family."""

INSTALLED = {
    "revisions": paths.POLICY,
    "prm": paths.PRM,
    **paths.FAMILY,
    "small-prm": paths.FAMILY_PRM,
}
"""The folders of the package that stages' models go to."""
