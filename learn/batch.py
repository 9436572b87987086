"""Examples as padded tensors, and what is read from a model's logits at their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sal.learn.examples import Example

if TYPE_CHECKING:
    import torch

IGNORED = -100.0
"""The target of a place without one: transformers counts the other places of a batch by it."""


def features(examples: Sequence[Example]) -> list[dict[str, Any]]:
    """Examples as a `Trainer` holds them; it groups them by the length of `input_ids`."""
    return [
        {"input_ids": list(e.ids), "places": list(e.places), "targets": list(e.targets)}
        for e in examples
    ]


@dataclass(frozen=True, slots=True)
class Collate:
    """Pads on the right, which no causal model sees.

    Targets are float32, B x P. Of a causal model the P columns are the places that any row has,
    which alone get logits over the vocabulary (`logits_to_keep`); else all of them. No step is
    judged at the first token, so its column is always ignored: transformers leaves it out when it
    counts the targets of a causal model, which it takes to be shifted by one.
    """

    causal: bool

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        import torch

        length = max(len(row["input_ids"]) for row in rows)
        used = {0, *(place for row in rows for place in row["places"])}
        columns = sorted(used) if self.causal else list(range(length))
        column_of = {place: column for column, place in enumerate(columns)}
        ids = torch.zeros(len(rows), length, dtype=torch.long)
        mask = torch.zeros(len(rows), length, dtype=torch.long)
        labels = torch.full((len(rows), len(columns)), IGNORED, dtype=torch.float32)
        for i, row in enumerate(rows):
            ids[i, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
            mask[i, : len(row["input_ids"])] = 1
            at = [column_of[place] for place in row["places"]]
            labels[i, at] = torch.tensor(row["targets"], dtype=torch.float32)
        batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
        if self.causal:
            batch["logits_to_keep"] = torch.tensor(columns)
        return batch


@dataclass(frozen=True, slots=True)
class Margin:
    """What is learned and scored: the difference of two logits, whose sigmoid is the score."""

    good: int
    bad: int

    def of(self, logits: torch.Tensor) -> torch.Tensor:
        """B x P margins in float32 from B x P x V logits."""
        margin: torch.Tensor = logits[..., self.good].float() - logits[..., self.bad].float()
        return margin

    def loss(
        self, outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Cross-entropy with targets (1 - y, y) over the two logits, a mean over the targets.

        `num_items_in_batch` counts those of all micro-batches of a step, so that accumulated
        gradients are those of one large batch.
        """
        from torch.nn.functional import binary_cross_entropy_with_logits

        asked = labels != IGNORED
        margins = self.of(outputs.logits)[asked]
        total = binary_cross_entropy_with_logits(margins, labels[asked], reduction="sum")
        return total / (asked.sum() if num_items_in_batch is None else num_items_in_batch)

    def scores(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """B x P scores: all that an evaluation keeps of the logits."""
        return self.of(logits).sigmoid()
