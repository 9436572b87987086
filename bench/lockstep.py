"""The first implementation's schedule (huggingface/search-and-learn), on the same two servers.

A batch of problems takes each step together (beam search: one problem at a time): one list request
to the policy for the next step of all beams, then one to the PRM for their scores, and nothing
else while either is answered. The decisions are those of `sal`, so that only the schedule differs.

The first implementation has the PRM score every step of every beam anew, each time. `newest_only`
leaves that out: the newest step's score is all that is asked for, and all that is used.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.batch import Batches
from bench.ours import flush
from sal.runtime.client import Engine
from sal.runtime.tokenizer import Tokenizer
from sal.strategies.answers import last_boxed
from sal.strategies.keep import survivors, widths
from sal.strategies.steps import split_steps
from sal.strategies.voting import weighted
from sal.verifiers.causal import CausalVerifier
from sal.verifiers.contract import NOTHING_GENERATED
from sal.verifiers.family import load_verifier

PROBLEM_BATCH = 25
"""Of the first implementation's recipes for DVTS and Best-of-N."""

WIDTH = 4
MOST_STEPS = 40
MOST_TOKENS = 2048
SEPARATOR = "\n\n"


@dataclass(slots=True)
class Beam:
    """A solution being written for one problem; `scores` has one entry a step, or the newest's."""

    problem: int
    ids: tuple[int, ...]
    text: str = ""
    scores: tuple[float, ...] = ()
    open: bool = True

    @property
    def score(self) -> float:
        return self.scores[-1] if self.scores else 0.0


def causal_verifier(prm: Engine) -> CausalVerifier:
    """Of a PRM whose verdicts are two tokens; raises TypeError for another."""
    verifier = load_verifier(prm)
    if not isinstance(verifier, CausalVerifier):
        raise TypeError(f"{prm.url} serves no causal PRM")
    return verifier


class Lockstep:
    """Both endpoints, used one step at a time."""

    def __init__(
        self,
        policy: Engine,
        prm: Engine,
        tokenizer: Tokenizer,
        family: Any,
        *,
        newest_only: bool = False,
    ) -> None:
        self.policy, self.prm = Batches(policy), Batches(prm)
        self.tokenizer, self.family = tokenizer, family
        self.newest_only = newest_only
        self._reader = CausalVerifier(prm, family)

    def run(
        self, strategy: str, questions: Sequence[str], budget: int
    ) -> tuple[float, list[str | None]]:
        """Seconds, and the answer that the weighted vote chooses for each question."""
        flush(self.policy.engine, self.prm.engine)
        batch = 1 if strategy == "beam" else PROBLEM_BATCH
        chosen: list[str | None] = []
        began = time.monotonic()
        for i in range(0, len(questions), batch):
            beams = getattr(self, strategy.replace("-", "_"))(questions[i : i + batch], budget)
            for number in range(len(questions[i : i + batch])):
                done = [b for b in beams if b.problem == number]
                keys = [last_boxed(b.text) for b in done]
                best = weighted(keys, [b.score for b in done])
                chosen.append(None if best is None else keys[best])
        return time.monotonic() - began, chosen

    def best_of_n(self, questions: Sequence[str], budget: int) -> list[Beam]:
        beams = [beam for beam in self._begin(questions) for beam in [beam] * budget]
        beams = self._write(beams, whole=True)
        self._score(questions, beams)
        return beams

    def beam(self, questions: Sequence[str], budget: int) -> list[Beam]:
        beams, shares, done = self._begin(questions), [budget], list[Beam]()
        for step in range(1, MOST_STEPS + 1):
            rows = [b for b, share in zip(beams, shares, strict=True) for _ in range(share)]
            rows = self._write(rows, whole=step == MOST_STEPS)
            self._score(questions, rows)
            done += [b for b in rows if not b.open]
            growing = [b for b in rows if b.open]
            left = budget - len(done)
            beams = [growing[i] for i in survivors([b.score for b in growing], left, WIDTH)]
            shares = widths(left, len(beams))
            if not beams:
                break
        return done

    def dvts(self, questions: Sequence[str], budget: int) -> list[Beam]:
        roots = [b for b in self._begin(questions) for _ in range(budget // WIDTH)]
        done: list[Beam] = []
        for step in range(1, MOST_STEPS + 1):
            rows = self._write([b for b in roots for _ in range(WIDTH)], whole=step == MOST_STEPS)
            self._score(questions, rows)
            roots = []
            for i in range(0, len(rows), WIDTH):
                siblings = rows[i : i + WIDTH]
                best = max(siblings, key=lambda b: b.score)
                if best.open:
                    roots.append(best)
                else:
                    done += [b for b in siblings if not b.open]
            if not roots:
                break
        return done

    def _begin(self, questions: Sequence[str]) -> list[Beam]:
        prompts = [self.tokenizer.encode(q + SEPARATOR, special=True) for q in questions]
        return [Beam(i, tuple(prompt)) for i, prompt in enumerate(prompts)]

    def _write(self, beams: Sequence[Beam], *, whole: bool) -> list[Beam]:
        """One step more for all; returns when the last of them has ended."""
        asked = {
            "sampling_params": {
                "temperature": 0.8,
                "max_new_tokens": MOST_TOKENS,
                "stop": [] if whole else [SEPARATOR],
                "no_stop_trim": True,
            }
        }
        made = []
        replies = self.policy.generate([beam.ids for beam in beams], asked)
        for beam, reply in zip(beams, replies, strict=True):
            matched = reply["meta_info"]["finish_reason"].get("matched")
            made.append(
                Beam(
                    beam.problem,
                    beam.ids + tuple(reply["output_ids"]),
                    beam.text + reply["text"],
                    open=matched == SEPARATOR,
                )
            )
        return made

    def _score(self, questions: Sequence[str], beams: Sequence[Beam]) -> None:
        """Score all steps of all beams, or the newest step of each.

        Every score is asked for behind an input that ends at its step, so that the radix cache
        may serve the steps before.
        """
        asked = {
            "sampling_params": dict(NOTHING_GENERATED),
            "return_logprob": True,
            "token_ids_logprob": [self.family.good, self.family.bad],
        }
        inputs, owners = [], []
        for beam in beams:
            if steps := split_steps(beam.text, SEPARATOR):
                rendered = self.family.render(questions[beam.problem], steps)
                for tag in rendered.tags[-1:] if self.newest_only else rendered.tags:
                    inputs.append(rendered.ids[: tag + 1])
                    owners.append(beam)
        for beam, reply in zip(owners, self.prm.generate(inputs, asked), strict=True):
            pairs = reply["meta_info"]["output_token_ids_logprobs"]
            beam.scores += (self._reader.verdict(pairs[0]),)
