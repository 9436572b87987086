r"""Math-Shepherd's format (Wang et al., arXiv 2312.08935): a tag after every step.

    {question} {step 1} ки\n{step 2} ки

The score of a step is the softmax over the two verdicts of the token predicted at its tag.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sal.runtime.tokenizer import Tokenizer
from sal.verifiers.causal import CausalFamily, CausalVerifier
from sal.verifiers.contract import Prm
from sal.verifiers.plain_text import neutraliser
from sal.verifiers.rendering import Rendered, texts, verdict_id


class StepToken:
    """A PRM that gives its verdict after a step tag, which must be one token."""

    def __init__(
        self, tokenizer: Tokenizer, tag: str = "ки", good: str = "+", bad: str = "-"
    ) -> None:
        self._tokenizer = tokenizer
        self._tag = tag
        self._tag_id = verdict_id(tokenizer, tag)
        self.good = verdict_id(tokenizer, good)
        self.bad = verdict_id(tokenizer, bad)
        self._plain = neutraliser({tag, *tokenizer.added})
        self.render("a", ["b", "c"])  # a tag that is no token of its own is found here

    def render(self, question: str, steps: Sequence[str]) -> Rendered:
        first, *others = map(self._plain, steps)
        ids = self._encode(f"{self._plain(question)} {first} {self._tag}", start=True)
        tags = [len(ids) - 1]
        for step in others:
            # Encoded behind the tag that precedes it, since some tokenizers read the start of a
            # text differently; that tag is already in `ids`.
            ids += self._encode(f"{self._tag}\n{step} {self._tag}", start=False)[1:]
            tags.append(len(ids) - 1)
        return Rendered(tuple(ids), tuple(tags))

    def _encode(self, text: str, *, start: bool) -> list[int]:
        ids = self._tokenizer.encode(text, special=start)
        if ids[-1] != self._tag_id or not (start or ids[0] == self._tag_id):
            raise ValueError(
                f"the step tag {self._tag!r} is not one token in the PRM's tokenizer; "
                "this model does not speak the step-token format"
            )
        return ids


@dataclass(frozen=True, slots=True)
class StepTokenOptions:
    """The texts of the step tag and of the two verdicts."""

    tag: str = "ки"
    good: str = "+"
    bad: str = "-"

    def __post_init__(self) -> None:
        texts(self)


class StepTokenFamily(CausalFamily):
    name = "step-token"
    authors = "Math-Shepherd"
    aggregate = "min"  # arXiv 2312.08935, section 4.1
    pattern = r"math-shepherd-mistral-7b-prm"
    Options = StepTokenOptions

    def build(self, prm: Prm) -> CausalVerifier:
        o = prm.options
        return CausalVerifier(
            prm.engine, StepToken(prm.tokenizer, o.tag, o.good, o.bad), prm.aggregate
        )


MATH_SHEPHERD = StepTokenFamily()
