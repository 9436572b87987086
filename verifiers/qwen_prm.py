r"""Qwen2.5-Math-PRM (Zhang et al., arXiv 2501.07301): two classes at `<extra_0>` after every step.

    ChatML: system, user {question}, assistant {step 1}<extra_0>{step 2}<extra_0>

The head is Linear, ReLU, Linear to 2, and the score the softmax of class 1. SGLang's
`Qwen2ForRewardModel` has the same head with one output, so the last layer is folded: with
w = w1 - w0 and b = b1 - b0, sigmoid(w x + b) is that softmax, exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sal.verifiers.contract import Prm
from sal.verifiers.head import Head, HeadFamily, shape_of
from sal.verifiers.overlay import Checkpoint
from sal.verifiers.pieces import Pieces, reply_begins, special_token
from sal.verifiers.verdicts import sigmoid


@dataclass(frozen=True, slots=True)
class QwenPrmOptions:
    """The text of the mark behind every step, and the system's turn: "" for the template's own."""

    mark: str = "<extra_0>"
    system: str = "Please reason step by step, and put your final answer within \\boxed{}."


class QwenPrmFamily(HeadFamily):
    """Qwen2.5-Math-PRM 7B and 72B, and Qwen2.5-Math-7B-PRM800K."""

    name = "qwen-prm"
    authors = "Qwen"
    aggregate = "prod"  # their Best-of-N, arXiv 2501.07301
    pattern = r"Qwen2\.5-Math-PRM-\d+B|Qwen2\.5-Math-7B-PRM800K"
    architectures: tuple[str, ...] = ("Qwen2ForProcessRewardModel",)
    Options = QwenPrmOptions

    def served_as(self, config: Mapping[str, Any]) -> str:
        if config.get("model_type") not in (None, "qwen2"):
            raise ValueError(f"SGLang has no head like Qwen's for a {config['model_type']} model")
        return "Qwen2ForRewardModel"

    def head(self, checkpoint: Checkpoint, prm: Prm) -> Head:
        first, weight, bias = (
            checkpoint.read(f"score.{name}") for name in ("0.weight", "2.weight", "2.bias")
        )
        if first is None or weight is None or bias is None or weight.shape[0] != 2:
            raise ValueError(
                f"{prm.model}: its head is no two-class head of Qwen's: score.0.weight is "
                f"{shape_of(first)}, score.2.weight {shape_of(weight)} and score.2.bias "
                f"{shape_of(bias)}"
            )
        folded = {
            "score.2.weight": weight[1:] - weight[:1],
            "score.2.bias": bias[1:] - bias[:1],
        }
        return Head(folded)

    def format(self, prm: Prm) -> Pieces:
        mark = special_token(prm.tokenizer, prm.options.mark, self.authors)
        begin = reply_begins(prm.tokenizer, prm.options.system or None)
        return Pieces(prm.tokenizer, begin, mark=[mark])

    def read(self, numbers: Sequence[float]) -> float:
        return sigmoid(numbers[0])


class ReasonFluxFamily(QwenPrmFamily):
    """ReasonFlux-PRM-7B (Zou et al., arXiv 2506.18896): the same without a system's turn."""

    name = "reasonflux"
    authors = "ReasonFlux"
    aggregate, aggregate_by = "last", "sal"
    pattern = r"ReasonFlux-PRM-7B"
    architectures = ()

    def options(self, said: Mapping[str, Any]) -> QwenPrmOptions:
        return QwenPrmOptions(**{"system": "", **said})


QWEN_PRM = QwenPrmFamily()
REASONFLUX = ReasonFluxFamily()
