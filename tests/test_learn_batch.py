"""Batches, margins and the loss of PRM training, against plain readings of what they should be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sal.learn.batch import IGNORED, Collate, Margin, features
from sal.learn.examples import Example

ROWS = [
    Example((5, 6, 7, 8, 9), (2, 4), (1.0, 0.0)),
    Example((5, 6, 7), (1, 2), (0.25, 0.75)),
]


@pytest.mark.parametrize("causal", [True, False])
def test_targets_are_float32_and_the_others_are_ignored(causal: bool) -> None:
    """The trap: a bool column makes True of the placeholder, and an int column 0 of 0.75."""
    batch = Collate(causal)(features(ROWS))
    labels = batch["labels"]
    assert labels.dtype == torch.float32
    kept = [row[row != IGNORED].tolist() for row in labels]
    assert kept == [[1.0, 0.0], [0.25, 0.75]]
    assert batch["input_ids"][1].tolist()[:3] == [5, 6, 7]
    assert batch["attention_mask"].tolist() == [[1] * 5, [1, 1, 1, 0, 0]]


def test_a_causal_model_gets_logits_at_the_places_of_any_row_alone() -> None:
    batch = Collate(True)(features(ROWS))
    assert batch["logits_to_keep"].tolist() == [0, 1, 2, 4]
    assert batch["labels"].shape == (2, 4)
    assert "logits_to_keep" not in Collate(False)(features(ROWS))


@pytest.mark.parametrize("causal", [True, False])
def test_transformers_counts_every_target_though_it_drops_the_first_column(causal: bool) -> None:
    labels = Collate(causal)(features(ROWS))["labels"]
    assert int((labels[..., 1:] != IGNORED).sum()) == 4


def test_the_loss_is_the_cross_entropy_of_soft_targets_over_two_logits() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 4, 9), Collate(True)(features(ROWS))["labels"]
    good, bad = 3, 7
    loss = Margin(good, bad).loss(SimpleNamespace(logits=logits), labels)
    total, count = 0.0, 0
    for i, row in enumerate(labels.tolist()):
        for j, target in enumerate(row):
            if target != IGNORED:
                log = torch.log_softmax(logits[i, j, [bad, good]], 0)
                total -= float((1 - target) * log[0] + target * log[1])
                count += 1
    assert float(loss) == pytest.approx(total / count, abs=1e-6)
    half = Margin(good, bad).loss(SimpleNamespace(logits=logits), labels, torch.tensor(2 * count))
    assert float(half) == pytest.approx(float(loss) / 2)


def test_scores_are_the_softmax_of_the_two() -> None:
    torch.manual_seed(0)
    logits: Any = torch.randn(2, 3, 5)
    scores = Margin(1, 4).scores(logits, torch.zeros(2, 3))
    assert torch.allclose(scores, logits[..., [1, 4]].softmax(-1)[..., 0])
