r"""R-PRM (She et al., arXiv 2503.21295): one critique a step, and the verdict is what would follow.

The model is shown the question, the steps before and the step, and writes an analysis that ends
with `Is the step correct (Yes/No)?`. The score is p(" Yes") / (p(" Yes") + p(" No")) of the token
that would come next, with their leading spaces. The analyses of the steps before are not shown: of
a prompt, the instruction, the question and the steps before are in the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sal.runtime.usage import Usage
from sal.verifiers.contract import Prm
from sal.verifiers.critique import Critic, Writing, WritingFamily
from sal.verifiers.dialogue import Dialogue
from sal.verifiers.interface import Scored
from sal.verifiers.votes import Vote, poll

SYSTEM = "You are a helpful assistant."
PROMPT = """\
You are an excellent math teacher. Please verify the correctness of the Now Step.

You first need to analyze the Now Step and the Previous Steps and then summarize based on your \
analysis.
Analysis:
You need to analyze the following aspects.
**Previous Steps Analysis**: You need to analyze the Previous Steps step by step. For each step, \
you need to first explain what the current step is doing, then you try to find any error in the \
current step.
**Now Step Analysis**: You first need to explain what the Now Step is doing, and then point out \
which part of the Question it is trying to solve or which part of the information it states.
**Data Source Analysis**: First you need to find out what data are used in the Now Step, and then \
you need to determine whether the source of the data is reasonable and correct. When you judge \
whether the source of a data is reasonable and correct, you need to specify the specific source of \
this data: such as which part of the question, or which content of the previous step; and then \
determine the source and current use is consistent, the Now Step is used correctly.
**Consistency Analysis**: You need to check that the Now Step is consistent with the contents of \
the Previous Steps, and then you need to check that all the information inside the Now Step is \
consistent.
**Calculation Analysis**: If the Now Step involves any calculations, such as addition, \
subtraction, multiplication, division, equations, modulo operations, etc., you will first need to \
perform a check on the calculation, such as a reverse operation, to see if the calculation was \
done correctly, and then analyze the results of your check to see if there was an error in the \
calculation.
Conclusion:\x20
Please verify the correctness of the Now Step based on your analysis, if there is any error in the \
Now Step then the Now Step is wrong and vice versa the Now Step is correct. At the end of the \
Conclusion, when you give your final answer, write it in the form "Verification: Is the step \
correct (Yes/No)? X", where X is either Yes or No.

Question: {question}
Previous Steps: {before}
Now Step: {step}
Please carefully analyze the correctness of the Now Step.
Reply: """
"""What these models were trained with."""

NONE_BEFORE = "Since the Now Step is the first step, there are no Previous Steps."
ASKED = "Is the step correct (Yes/No)?"


@dataclass(frozen=True, slots=True, kw_only=True)
class ROptions(Writing):
    """The authors' sampling, of which they take 10 votes in a search."""

    temperature: float = 0.95
    top_p: float = 0.95
    max_tokens: int = 3072


class RVerifier:
    """A `Verifier`; `critic` has the verdicts " Yes" and " No"."""

    def __init__(self, critic: Critic, options: ROptions, aggregate: str = "last") -> None:
        self.aggregate = aggregate
        self._critic = critic
        self._options = options
        self._dialogue = Dialogue(critic.tokenizer, SYSTEM)

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        """Two requests a vote and step, one step after the other; see `Verifier`."""
        scores: tuple[float, ...] = ()
        usage = Usage()
        for number, step in enumerate(steps):
            one = self._score(self.ids(question, [*prefix, *steps[:number]], step))
            scores, usage = scores + one.scores, usage + one.usage
        return Scored(scores, usage)

    def ids(self, question: str, before: Sequence[str], step: str) -> list[int]:
        """The prompt up to where the analysis begins."""
        plain = self._dialogue.plain
        shown = "\n".join(map(plain, before)) or NONE_BEFORE
        return self._dialogue.first(
            PROMPT.format(question=plain(question), before=shown, step=plain(step))
        )

    def _score(self, ids: list[int]) -> Scored:
        def ask(vote: int) -> Vote:
            written = self._critic.write(ids, self._options, [ASKED], vote)
            analysis, found, _ = written.text.partition(ASKED)
            if not found:
                how = "ended" if written.whole else "was cut off by max_tokens"
                return Vote(None, written.usage, f"an analysis {how} without {ASKED!r}")
            whole = [*ids, *self._critic.tokenizer.encode(analysis + found)]
            read = self._critic.verdicts.read(whole, [len(whole) - 1])
            return Vote(read.scores, written.usage + read.usage)

        again = self._options.temperature > 0
        return poll(ask, self._options.votes, again=again, where=self._critic.where).scored


class RFamily(WritingFamily):
    name = "r-prm"
    authors = "R-PRM"
    aggregate = "last"  # their search goes by the newest step
    pattern = r"(^|/)R-PRM"
    Options = ROptions

    def build(self, prm: Prm) -> RVerifier:
        critic = Critic(prm.engine, prm.tokenizer, " Yes", " No", prm.window)
        return RVerifier(critic, prm.options, prm.aggregate)


R_PRM = RFamily()
