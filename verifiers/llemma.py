r"""Easy-to-hard PRMs (Sun et al., arXiv 2403.09472): a causal model of which no token is read.

    # Question\n\n{question}\n\n# Solution\n\n{step 1}\n\n{step 2}\n\n

The score of a step is the sigmoid of the mean of all logits at the first of the two line breaks
behind it. That mean is the product with the mean of the rows of `lm_head`, so that is the head of
one output which SGLang is given. The tokenizer is that of EleutherAI/llemma_7b.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sal.runtime.tokenizer import Tokenizer
from sal.verifiers.contract import Prm
from sal.verifiers.head import Head, HeadFamily, shape_of
from sal.verifiers.overlay import Checkpoint
from sal.verifiers.plain_text import neutraliser
from sal.verifiers.rendering import Rendered
from sal.verifiers.unserved import headed
from sal.verifiers.verdicts import sigmoid


class Llemma:
    """The prompt. A step is stripped, and holds no blank line: the authors end it there."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._plain = neutraliser(tokenizer.added)
        blank = tokenizer.encode_behind("\n\n")
        if len(blank) != 2 or blank[0] != blank[1]:
            raise ValueError(
                "a blank line is not two line breaks in the PRM's tokenizer, as in Llemma's"
            )
        self._line = blank[0]

    def render(self, question: str, steps: Sequence[str]) -> Rendered:
        text = f"# Question\n\n{self._plain(question)}\n\n# Solution\n\n"
        ids = self._tokenizer.encode(text, special=True)
        tags: list[int] = []
        for step in steps:
            if tags:
                ids.append(self._line)
            text = self._plain(step.replace("\n\n", "").strip())
            ids += [*self._tokenizer.encode_behind(text), self._line]
            tags.append(len(ids) - 1)
        return Rendered(tuple(ids), tuple(tags))


class LlemmaFamily(HeadFamily):
    """ScalableMath/llemma-7b-prm-prm800k-level-1to3-hf, and its like."""

    name = "llemma"
    authors = "Sun et al."
    aggregate, aggregate_by = "min", "sal"
    pattern = r"llemma-\d+b-o?prm"

    def unfit(self, config: Mapping[str, Any]) -> str:
        """It is saved as a causal model; with a head, only sal's overlay of one is."""
        return "" if config.get("sal_prm") else headed(config)

    def served_as(self, config: Mapping[str, Any]) -> str:
        if config.get("model_type") not in (None, "llama"):
            raise ValueError(f"a {config['model_type']} model is no Llemma")
        return "LlamaForSequenceClassification"

    def head(self, checkpoint: Checkpoint, prm: Prm) -> Head:
        rows = checkpoint.read("lm_head.weight")
        if rows is None:
            raise ValueError(f"{prm.model}: lm_head.weight is {shape_of(rows)}: no Llemma")
        return Head({"score.weight": rows.mean(0, "float64", keepdims=True).astype("float32")})

    def format(self, prm: Prm) -> Llemma:
        return Llemma(prm.tokenizer)

    def read(self, numbers: Sequence[float]) -> float:
        return sigmoid(numbers[0])


LLEMMA = LlemmaFamily()
