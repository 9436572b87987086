r"""PRMs that are token classifiers, as TRL's PRMTrainer makes them: class 1 at a separator.

    {question}\n\n{step 1}\n\n{step 2}\n\n

Every piece is encoded by itself, as in training. The score is the softmax of class 1 at the last
token of the separator behind a step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sal.verifiers.contract import Prm
from sal.verifiers.head import Head, HeadFamily, shape_of, softmax
from sal.verifiers.overlay import Checkpoint
from sal.verifiers.pieces import Pieces

_SERVED = {
    "qwen2": "Qwen2ForSequenceClassification",
    "qwen3": "Qwen3ForSequenceClassification",
    "llama": "LlamaForSequenceClassification",
    "mistral": "LlamaForSequenceClassification",
}
"""By model type."""


@dataclass(frozen=True, slots=True)
class TokenClassifierOptions:
    """What stands behind a step, and behind the question."""

    separator: str = "\n\n"
    question_end: str = "\n\n"

    def __post_init__(self) -> None:
        if not isinstance(self.separator, str) or not self.separator:
            raise ValueError("separator must be a text that is not empty")


class TokenClassifierFamily(HeadFamily):
    """TRL's, whatever was trained with it."""

    name = "token-classifier"
    authors = "TRL"
    aggregate, aggregate_by = "last", "sal"
    pattern = (
        r"Qwen2(\.5)?-[\d.]+B-(Reward-)?Math-Shepp?h?erd|SHARP-(Math-)?PRM"
        r"|SHARP-Math-Span-Classifier|Qwen2\.5-Math-\S+-PRM-0\.\d"
    )
    labels = 2
    Options = TokenClassifierOptions

    def recognises(self, model: str, config: Mapping[str, Any]) -> bool:
        told = config.get("architectures") or ()
        return super().recognises(model, config) or any(
            str(name).endswith("ForTokenClassification") for name in told
        )

    def served_as(self, config: Mapping[str, Any]) -> str:
        kind = config.get("model_type", "qwen2")
        if kind not in _SERVED:
            raise ValueError(
                f"SGLang serves no classifier on a {kind} model (it does on {', '.join(_SERVED)})"
            )
        return _SERVED[kind]

    def head(self, checkpoint: Checkpoint, prm: Prm) -> Head:
        weight, bias = (checkpoint.read(f"score.{name}") for name in ("weight", "bias"))
        if weight is None or weight.shape[0] != 2 or (bias is not None and bias.shape != (2,)):
            raise ValueError(
                f"{prm.model}: its head has no two classes: score.weight is {shape_of(weight)}, "
                f"score.bias {shape_of(bias)}"
            )
        if self.served_as(prm.config).startswith("Llama"):  # its head has no bias in SGLang
            return Head({}, None if bias is None else bias.tolist())
        return Head({} if bias is not None else {"score.bias": weight[:, 0] * 0})

    def format(self, prm: Prm) -> Pieces:
        tokenizer, options = prm.tokenizer, prm.options

        def begin(question: str) -> list[int]:
            end = tokenizer.encode(options.question_end)
            return [*tokenizer.encode(question, special=True), *end]

        return Pieces(tokenizer, begin, mark=tokenizer.encode(options.separator))

    def read(self, numbers: Sequence[float]) -> float:
        return softmax(numbers)[1]


class PureFamily(TokenClassifierFamily):
    """PURE-PRM-7B (Cheng et al., arXiv 2504.15275): nothing behind the question.

    Its authors' score is p1 - p0 in [-1, 1], right above 0; here it is (1 + p1 - p0) / 2, which is
    p1: the same order, and right above one half.
    """

    name = "pure"
    authors = "PURE"
    aggregate, aggregate_by = "min", ""  # its min-form credit assignment
    pattern = r"PURE-PRM-7B"

    def recognises(self, model: str, config: Mapping[str, Any]) -> bool:
        return HeadFamily.recognises(self, model, config)

    def options(self, said: Mapping[str, Any]) -> TokenClassifierOptions:
        return TokenClassifierOptions(**{"question_end": "", **said})


TRL = TokenClassifierFamily()
PURE = PureFamily()
