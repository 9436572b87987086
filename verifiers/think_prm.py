r"""ThinkPRM (Khalifa et al., arXiv 2504.16828): one critique of all steps, a verdict on each.

The model is shown the problem and the steps, each under `Step k:`, and writes a chain of thought in
which it says `\boxed{correct}` or `\boxed{incorrect}` of every step, in order. A step's score is
p(correct) / (p(correct) + p(incorrect)) at the first token of its verdict. A critique that ends
behind `\boxed{incorrect}` means that all steps behind it are wrong too, as the authors have it.

Every call reads the solution anew: only the instruction, the problem and the steps before are in
the cache.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sal.verifiers.contract import Prm
from sal.verifiers.critique import Critic, Writing, WritingFamily
from sal.verifiers.interface import Scored
from sal.verifiers.numbered import numbered
from sal.verifiers.plain_text import neutraliser
from sal.verifiers.votes import Vote, poll

PROMPT = """\
You are given a math problem and a proposed step-by-step solution:

[Math Problem]

{problem}

[Solution]

{solution}

Review and critique each step in the proposed solution to determine whether each step is correct. \
If the solution is incomplete, only verify the provided steps."""
"""What these models were trained with."""

_VERDICT = re.compile(r"\\boxed\{\s*(correct|incorrect)\s*\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkOptions(Writing):
    """Temperature 0.7 is the authors' class's. `opening` follows the chat template, as on the
    models' cards; `''` is how the authors' code asks."""

    temperature: float = 0.7
    opening: str = "\nLet's verify step by step:"


class ThinkVerifier:
    """A `Verifier`; `critic` has the verdicts "correct" and "incorrect"."""

    def __init__(self, critic: Critic, options: ThinkOptions, aggregate: str = "min") -> None:
        self.aggregate = aggregate
        self._critic = critic
        self._options = options
        self._plain = neutraliser(critic.tokenizer.added)
        self.ids("a", ["b"])  # a model without a template is found here

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        """Two requests a vote; see `Verifier`."""
        if not steps:
            return Scored(())
        count = len(prefix) + len(steps)
        ids = self.ids(question, [*prefix, *steps])
        stop = [f"Step {count + 1}:"]  # a model that goes on makes steps up

        def ask(number: int) -> Vote:
            written = self._critic.write(ids, self._options, stop, number)
            found = list(_VERDICT.finditer(written.text))[:count]
            stopped = written.whole and found and found[-1][1] == "incorrect"
            if len(found) < count and not stopped:
                how = "ended" if written.whole else "was cut off by max_tokens"
                why = f"a critique of {count} steps {how} with {len(found)} verdicts"
                return Vote(None, written.usage, why)
            said = {verdict.start(1): verdict[1] == "correct" for verdict in found[len(prefix) :]}
            scores, cost = self._critic.sure(ids, written, said)
            scores += [0.0] * (len(steps) - len(scores))
            return Vote(tuple(scores), written.usage + cost)

        again = self._options.temperature > 0
        return poll(ask, self._options.votes, again=again, where=self._critic.where).scored

    def ids(self, question: str, steps: Sequence[str]) -> list[int]:
        """The prompt up to where the critique begins."""
        solution = "\n".join(numbered([self._plain(step) for step in steps]))
        content = PROMPT.format(problem=self._plain(question), solution=solution)
        text = self._critic.tokenizer.render([{"role": "user", "content": content}])
        if text is None:
            raise ValueError("the PRM has no chat template, which ThinkPRM's format needs")
        return self._critic.tokenizer.encode(text + self._options.opening)


class ThinkFamily(WritingFamily):
    name = "think-prm"
    authors = "ThinkPRM"
    aggregate, aggregate_by = "min", "sal"  # its authors ask for a verdict on the whole, too
    pattern = r"ThinkPRM"
    Options = ThinkOptions

    def build(self, prm: Prm) -> ThinkVerifier:
        critic = Critic(prm.engine, prm.tokenizer, "correct", "incorrect", prm.window)
        return ThinkVerifier(critic, prm.options, prm.aggregate)


THINK_PRM = ThinkFamily()
