r"""Universal-PRM-7B (AURORA, Tan et al., arXiv 2502.11520): a whole prefix is judged at its eos.

    ChatML: system, user {question} and a reference answer, assistant {step 1}\n\n{step 2}\n\n{eos}

The score is the sigmoid of SGLang's own `Qwen2ForRewardModel`. The eos is not kept in the next
input: the cache holds all before it. Its window of 32,768 tokens is for long thoughts.
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
class UniversalPrmOptions:
    """The system's turn, what follows a question, and the text of the token that is read."""

    system: str = "You are a helpful assistant."
    reference: str = (
        "\n\n###\n\nThe reference answer is: There is no reference answer for this question."
    )
    eos: str = "<|im_end|>"


class UniversalPrmFamily(HeadFamily):
    """infly/Universal-PRM-7B."""

    name = "universal-prm"
    authors = "Universal-PRM"
    aggregate = "last"  # a score is of all that was written so far
    pattern = r"Universal-PRM"
    Options = UniversalPrmOptions

    def served_as(self, config: Mapping[str, Any]) -> str:
        if config.get("model_type") not in (None, "qwen2"):
            raise ValueError(f"a {config['model_type']} model is no Universal-PRM")
        return "Qwen2ForRewardModel"

    def head(self, checkpoint: Checkpoint, prm: Prm) -> Head:
        weight = checkpoint.read("score.2.weight")
        if weight is None or weight.shape[0] != 1:
            raise ValueError(
                f"{prm.model}: its head has not one output: score.2.weight is {shape_of(weight)}"
            )
        return Head({})

    def format(self, prm: Prm) -> Pieces:
        tokenizer, options = prm.tokenizer, prm.options
        begin = reply_begins(tokenizer, options.system)
        eos = special_token(tokenizer, options.eos, self.authors)
        return Pieces(tokenizer, lambda q: begin(q + options.reference), behind="\n\n", tail=[eos])

    def read(self, numbers: Sequence[float]) -> float:
        return sigmoid(numbers[0])


UNIVERSAL_PRM = UniversalPrmFamily()
