r"""Outcome reward models with a scalar head: Skywork-Reward, FsfairX, Qwen2.5-Math-RM and others.

    user: {question}   assistant: {solution}

in the model's own chat template; the head is read at the last token of the text. It was trained to
rank (Bradley and Terry), on no scale of its own: the score is its sigmoid, which keeps the order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sal.runtime.tokenizer import Tokenizer
from sal.verifiers.contract import Prm
from sal.verifiers.head import Head, HeadFamily, shape_of
from sal.verifiers.outcome import OutcomeVerifier
from sal.verifiers.overlay import Checkpoint
from sal.verifiers.plain_text import neutraliser
from sal.verifiers.rendering import Rendered
from sal.verifiers.verdicts import sigmoid

_SERVED = {
    "llama": "LlamaForSequenceClassification",
    "mistral": "LlamaForSequenceClassification",
    "qwen2": "Qwen2ForSequenceClassification",
    "qwen3": "Qwen3ForSequenceClassification",
}
"""By model type, where the head is one matrix."""

_TWO_LAYERS = "Qwen2ForRewardModel"


class Reply:
    """A solution, the only step, as an assistant's reply."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._plain = neutraliser(tokenizer.added)
        self.render("a", ["b"])  # a model without a template is found here

    def render(self, question: str, steps: Sequence[str]) -> Rendered:
        """See `Format`; raises ValueError without a chat template."""
        said = (("user", question), ("assistant", "\n\n".join(steps)))
        turns = [{"role": role, "content": self._plain(content)} for role, content in said]
        text = self._tokenizer.render(turns, reply=False)
        if text is None:
            raise ValueError("the PRM has no chat template, which its format needs")
        ids = self._tokenizer.encode(text)
        return Rendered(tuple(ids), (len(ids) - 1,))


class OutcomeHeadFamily(HeadFamily):
    """Sequence classifiers with one output, and Qwen2.5-Math-RM."""

    name = "outcome-head"
    authors = "Bradley-Terry models"
    aggregate = "last"  # one score
    pattern = r"Skywork-Reward-Llama|FsfairX|RM-Mistral-7B|Qwen2(\.5)?-Math-RM"
    outcome = True

    def served_as(self, config: Mapping[str, Any]) -> str:
        if _TWO_LAYERS in (config.get("architectures") or ()):
            return _TWO_LAYERS
        kind = config.get("model_type", "llama")
        if kind not in _SERVED:
            raise ValueError(
                f"SGLang serves no scalar head on a {kind} model (it does on {', '.join(_SERVED)})"
            )
        return _SERVED[kind]

    def head(self, checkpoint: Checkpoint, prm: Prm) -> Head:
        served = self.served_as(prm.config)
        name = "score.2.weight" if served == _TWO_LAYERS else "score.weight"
        weight = checkpoint.read(name)
        if weight is None or weight.shape[0] != 1:
            raise ValueError(
                f"{prm.model}: its head has not one output: {name} is {shape_of(weight)}"
            )
        if served.startswith("Qwen") and served != _TWO_LAYERS:  # its head has a bias in SGLang
            bias = checkpoint.read("score.bias")
            return Head({"score.bias": weight[:, 0] * 0} if bias is None else {})
        return Head({})

    def format(self, prm: Prm) -> Reply:
        return Reply(prm.tokenizer)

    def read(self, numbers: Sequence[float]) -> float:
        return sigmoid(numbers[0])

    def build(self, prm: Prm) -> OutcomeVerifier:
        return OutcomeVerifier(super().build(prm))


OUTCOME_HEAD = OutcomeHeadFamily()
