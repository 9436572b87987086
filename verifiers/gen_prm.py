r"""GenPRM (Zhao et al., arXiv 2504.00891): a conversation, in which each step is a turn.

    system: You are a math teacher. ...
    user: Question: {question}\n\n{step 1}    assistant: <analyze> ... <output> ... $\boxed{Yes}$
    user: {step 2}                            assistant: ...

A critique is begun for the model, twice: with the analysis of the paragraph, and, once that has
ended, with the judgement. A step's score is p(Yes) / (p(Yes) + p(No)) at the last such token in the
judgement's box. The critique of a step stays in the conversation when the next one is shown (of
several votes, the first that counts), and so in the radix cache.

What differs. These models can also write Python and be told its output (`<verify>`). Code that a
model wrote is hostile until shown otherwise: it is not asked for here, and never run. This is the
authors' own mode without verification.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from sal.runtime.usage import Usage
from sal.verifiers.contract import Prm
from sal.verifiers.critique import Critic, Writing, WritingFamily
from sal.verifiers.dialogue import Dialogue
from sal.verifiers.interface import Scored
from sal.verifiers.votes import Poll, Vote, poll

SYSTEM = (
    "You are a math teacher. Your task is to review and critique the paragraphs in solution step "
    "by step."
)
ANALYZE = "<analyze>\nLet's analyze the Paragraph {number} step by step: "
ANALYZED = "</analyze>\n"
JUDGE = "<output>\n**Judgement**: $\\boxed"
JUDGED = "</output>\n"

_VERDICT = re.compile(r"\{\s*(Yes|No)\s*\}", re.IGNORECASE)
_REMEMBERED = 4096
"""Critiques that are kept, to be shown again before the next step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenOptions(Writing):
    """The authors' sampling."""

    temperature: float = 0.6
    top_p: float = 0.95
    top_k: int = 20
    max_tokens: int = 2048


@dataclass(frozen=True, slots=True)
class Judged(Vote):
    """A vote with its critique."""

    ids: tuple[int, ...] = ()


class GenVerifier:
    """A `Verifier`; `critic` has the verdicts "Yes" and "No". It remembers critiques: one that is
    not known (of a search that was killed, say) is written again."""

    def __init__(self, critic: Critic, options: GenOptions, aggregate: str = "min") -> None:
        self.aggregate = aggregate
        self._critic = critic
        self._options = options
        self._dialogue = Dialogue(critic.tokenizer, SYSTEM)
        self._critiques: OrderedDict[tuple[str, ...], tuple[int, ...]] = OrderedDict()
        self._lock = Lock()

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        """Three requests a vote and step, one step after the other; see `Verifier`."""
        path: tuple[str, ...] = (question,)
        ids: list[int] = []
        scores: list[float] = []
        usage = Usage()
        for number, step in enumerate([*prefix, *steps] if steps else (), 1):
            path = (*path, step)
            ids += self.turn(question, step, number)
            critique = self._recall(path) if number <= len(prefix) else None
            if critique is None:
                judged = self._judge(ids, number)
                critique = self._keep(path, judged.counted[0].ids)
                usage += judged.usage
                if number > len(prefix):
                    scores += judged.scored.scores
            ids += critique
        return Scored(tuple(scores), usage)

    def turn(self, question: str, step: str, number: int) -> list[int]:
        """The turn of the step `number`, up to where its critique begins."""
        plain = self._dialogue.plain
        if number == 1:
            return self._dialogue.first(f"Question: {plain(question)}\n\n{plain(step)}")
        return self._dialogue.next(plain(step))

    def _judge(self, ids: Sequence[int], number: int) -> Poll[Judged]:
        encode = self._critic.tokenizer.encode
        analyze = encode(ANALYZE.format(number=number))
        judge = encode(JUDGE)

        def ask(vote: int) -> Judged:
            analysis = self._critic.write([*ids, *analyze], self._options, [ANALYZED], vote)
            if not analysis.whole:
                return Judged(None, analysis.usage, f"the analysis of step {number} was cut off")
            critique = [*analyze, *self._critic.visible(analysis), *judge]
            said = self._critic.write([*ids, *critique], self._options, [JUDGED], vote)
            usage = analysis.usage + said.usage
            found = list(_VERDICT.finditer(said.text))
            if not found:
                return Judged(None, usage, f"no box with Yes or No for step {number}")
            yes = {found[-1].start(1): found[-1][1].lower() == "yes"}
            scores, cost = self._critic.sure([*ids, *critique], said, yes)
            whole = (*critique, *self._critic.visible(said))
            return Judged(tuple(scores), usage + cost, ids=whole)

        again = self._options.temperature > 0
        return poll(ask, self._options.votes, again=again, where=self._critic.where)

    def _recall(self, path: tuple[str, ...]) -> tuple[int, ...] | None:
        with self._lock:
            if path in self._critiques:
                self._critiques.move_to_end(path)
            return self._critiques.get(path)

    def _keep(self, path: tuple[str, ...], critique: tuple[int, ...]) -> tuple[int, ...]:
        """Keep a critique; one that another thread kept first stands."""
        with self._lock:
            critique = self._critiques.setdefault(path, critique)
            while len(self._critiques) > _REMEMBERED:
                self._critiques.popitem(last=False)
        return critique


class GenFamily(WritingFamily):
    name = "gen-prm"
    authors = "GenPRM"
    aggregate, aggregate_by = "min", "sal"  # one of the three that its authors compare
    pattern = r"(^|/)GenPRM-\d"
    Options = GenOptions

    def build(self, prm: Prm) -> GenVerifier:
        critic = Critic(prm.engine, prm.tokenizer, "Yes", "No", prm.window)
        return GenVerifier(critic, prm.options, prm.aggregate)


GEN_PRM = GenFamily()
