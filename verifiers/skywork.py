r"""Skywork-o1-Open-PRM (He et al., 2024): a value head at the line break after every step.

    {bos}{question}\n{step 1}\n{step 2}\n

Every line is a step to its authors, whose own inference scores blank lines, too. Here a step may
have several: its line breaks become spaces. The score is the sigmoid of the head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sal.verifiers.contract import Prm
from sal.verifiers.head import Head, HeadFamily, shape_of
from sal.verifiers.overlay import Checkpoint
from sal.verifiers.pieces import Pieces
from sal.verifiers.rendering import verdict_id
from sal.verifiers.verdicts import sigmoid


class SkyworkFamily(HeadFamily):
    """Skywork-o1-Open-PRM-Qwen-2.5 1.5B and 7B."""

    name = "skywork"
    authors = "Skywork"
    aggregate, aggregate_by = "last", "sal"
    pattern = r"Skywork-o1-Open-PRM"
    architectures = ("Qwen2ForPrmModel",)

    def served_as(self, config: Mapping[str, Any]) -> str:
        if config.get("model_type") not in (None, "qwen2"):
            raise ValueError(f"a value head on a {config['model_type']} model is not Skywork's")
        return "Qwen2ForSequenceClassification"

    def head(self, checkpoint: Checkpoint, prm: Prm) -> Head:
        weight, bias = (checkpoint.read(f"v_head.summary.{name}") for name in ("weight", "bias"))
        if weight is None or bias is None or weight.shape[0] != 1:
            raise ValueError(
                f"{prm.model}: it has no value head: v_head.summary.weight is {shape_of(weight)}, "
                f"v_head.summary.bias {shape_of(bias)}"
            )
        return Head({"score.weight": weight, "score.bias": bias})

    def format(self, prm: Prm) -> Pieces:
        tokenizer = prm.tokenizer

        def begin(question: str) -> list[int]:
            return tokenizer.encode(f"{tokenizer.bos}{question}\n")

        mark = [verdict_id(tokenizer, "\n")]
        return Pieces(tokenizer, begin, mark=mark, one_line=True)

    def read(self, numbers: Sequence[float]) -> float:
        return sigmoid(numbers[0])


SKYWORK = SkyworkFamily()
