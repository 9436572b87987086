r"""PRMs that give their verdict at a tag after every step: Math-Shepherd's and its relatives.

    {question} {step 1} ки\n{step 2} ки

The score of a step is the softmax over two verdicts of the token predicted at its tag. Families
differ in the tag, in what stands around it, and in the verdicts (the table at the end).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sal.runtime.tokenizer import Tokenizer
from sal.verifiers.causal import CausalFamily
from sal.verifiers.contract import Prm
from sal.verifiers.plain_text import neutraliser
from sal.verifiers.rendering import Rendered, check_verdicts, verdict_id


@dataclass(frozen=True, slots=True)
class StepTokenOptions:
    """What a prompt is made of.

    `good` and `bad` are ids, or texts whose last token is meant; so is the last token of `before`
    and `tag`. `step_prefix` may hold the step's number, `{k}`. With `one_line`, line breaks are
    dropped from a question and its steps.
    """

    tag: str = "ки"
    good: str | int = "+"
    bad: str | int = "-"
    before: str = " "
    after: str = "\n"
    question_end: str = " "
    step_prefix: str = ""
    one_line: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.tag, str) or not self.tag:
            raise ValueError("tag must be a text that is not empty")
        check_verdicts(self.good, self.bad)
        for name in ("before", "after", "question_end", "step_prefix"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be a text")


class StepToken:
    """Prompts with a step tag, which must be one token behind a step."""

    def __init__(
        self, tokenizer: Tokenizer, options: StepTokenOptions = StepTokenOptions()
    ) -> None:
        self._tokenizer = tokenizer
        self._options = options
        self._mark = options.before + options.tag
        self._lead = tokenizer.encode(self._mark)
        self._tag_id = verdict_id(tokenizer, self._mark)
        self.good = verdict_id(tokenizer, options.good)
        self.bad = verdict_id(tokenizer, options.bad)
        self._plain = neutraliser({options.tag, *tokenizer.added})
        first = self._joint("a" + options.question_end + self._step(1, "b"), start=True)
        second = self._joint(options.after + self._step(2, "c"), start=False)
        alone = len(self._lead) <= len(tokenizer.encode(options.before)) + 1
        if not alone or first is None or second is None:
            raise ValueError(
                f"the step tag {options.tag!r} is not one token in the PRM's tokenizer; "
                "this model does not speak the step-token format"
            )

    def render(self, question: str, steps: Sequence[str]) -> Rendered:
        options = self._options
        ids: list[int] = []
        tags = []
        for k, step in enumerate(steps):
            before = self._clean(question) + options.question_end if k == 0 else options.after
            text = before + self._step(k + 1, self._clean(step))
            joint = self._joint(text, start=k == 0)
            if joint is None:  # a text that melts into the tag, such as none before line breaks
                bare = text.removesuffix(self._mark)
                joint = [*self._tokenizer.encode(bare, special=k == 0), self._tag_id]
            ids += joint
            tags.append(len(ids) - 1)
        return Rendered(tuple(ids), tuple(tags))

    def _step(self, k: int, text: str) -> str:
        return self._options.step_prefix.replace("{k}", str(k)) + text + self._mark

    def _clean(self, text: str) -> str:
        """Without a tag or a control token that the text spells."""
        if self._options.one_line:
            text = text.replace("\n", "")
        if not self._options.tag.strip():
            text = text.replace(self._mark, "").strip()
        return self._plain(text)

    def _joint(self, text: str, *, start: bool) -> list[int] | None:
        """Ids of a text that ends with a tag; None where they do not end with its token.

        What does not `start` a prompt is encoded behind the tag that precedes it, since some
        tokenizers read the start of a text differently.
        """
        ids = self._tokenizer.encode(text if start else self._mark + text, special=start)
        if not start:
            if ids[: len(self._lead)] != self._lead:
                return None
            ids = ids[len(self._lead) :]
        return ids if ids and ids[-1] == self._tag_id else None


class StepTokenFamily(CausalFamily):
    """One row of the table below."""

    Options = StepTokenOptions

    def __init__(
        self,
        name: str,
        authors: str,
        pattern: str,
        options: StepTokenOptions,
        aggregate_by: str = "",
    ) -> None:
        self.name, self.authors, self.pattern = name, authors, pattern
        self.aggregate, self.aggregate_by = "min", aggregate_by
        self._defaults = options

    def options(self, said: Mapping[str, Any]) -> StepTokenOptions:
        return replace(self._defaults, **said)

    def format(self, prm: Prm) -> StepToken:
        return StepToken(prm.tokenizer, prm.options)


MATH_SHEPHERD = StepTokenFamily(
    "step-token",
    "Math-Shepherd",  # min: arXiv 2312.08935, section 4.1
    r"math-shepherd-mistral-7b-prm",
    StepTokenOptions(),
)
ER_PRM = StepTokenFamily(
    "er-prm",
    "ER-PRM",  # arXiv 2412.11006; what follows a tag, and min: their evaluation's code
    r"\bER-PRM\b",
    StepTokenOptions(good=" +", bad=" -", after=""),
)
VERSA_PRM = StepTokenFamily(
    "versa-prm",
    "VersaPRM",  # arXiv 2502.06737, as its Llama-PRM800K and Qwen-PRM800K
    r"VersaPRM|(Llama|Qwen)-PRM800K",
    StepTokenOptions(tag="\n\n\n\n", after="", question_end=" \n\n"),
    aggregate_by="sal",
)
MATH_PSA = StepTokenFamily(
    "math-psa",
    "OpenR",  # arXiv 2410.09671
    r"Math-psa",
    StepTokenOptions(
        tag="\n\n\n\n\n", good=" +", bad=" -", after=" ", step_prefix="Step {k}: ", one_line=True
    ),
    aggregate_by="sal",
)
