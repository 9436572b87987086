r"""ReasonEval (Xia et al., arXiv 2404.05692): three classes at the last token of every step.

    Question:\n{question}\nAnswer:\nLet's think step by step.\n{step 1}{step 2}

Its classes are negative, neutral and positive; the score is the validity, the softmax of the last
two. Steps are told apart by nothing in the text: each is encoded by itself, as its authors do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sal.verifiers.contract import Prm
from sal.verifiers.head import Head, HeadFamily, shape_of, softmax
from sal.verifiers.overlay import Checkpoint
from sal.verifiers.pieces import Pieces


class ReasonEvalFamily(HeadFamily):
    """GAIR/ReasonEval-7B and 34B."""

    name = "reasoneval"
    authors = "ReasonEval"
    aggregate = "min"
    pattern = r"ReasonEval-\d+B"
    labels = 3

    def served_as(self, config: Mapping[str, Any]) -> str:
        if config.get("model_type") not in (None, "mistral", "llama"):
            raise ValueError(f"a {config['model_type']} model is no ReasonEval")
        return "LlamaForSequenceClassification"

    def head(self, checkpoint: Checkpoint, prm: Prm) -> Head:
        weight, bias = (checkpoint.read(f"score_head.{name}") for name in ("weight", "bias"))
        if weight is None or weight.shape[0] != self.labels:
            raise ValueError(
                f"{prm.model}: its head has no three classes: score_head.weight is "
                f"{shape_of(weight)}"
            )
        # SGLang's head has no bias, where the checkpoint may.
        return Head({"score.weight": weight}, None if bias is None else bias.tolist())

    def format(self, prm: Prm) -> Pieces:
        def begin(question: str) -> list[int]:
            text = f"Question:\n{question}\nAnswer:\nLet's think step by step.\n"
            return prm.tokenizer.encode(text, special=True)

        return Pieces(prm.tokenizer, begin)

    def read(self, numbers: Sequence[float]) -> float:
        return sum(softmax(numbers)[1:])


REASONEVAL = ReasonEvalFamily()
