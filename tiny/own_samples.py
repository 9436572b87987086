"""A PRM's training data from what one policy writes, judged by the oracle."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from sal.tiny.oracle import step_labels
from sal.tiny.sample import Sampler
from sal.tiny.stream import Example, Examples, judged
from sal.tiny.student import demonstrate
from sal.tiny.task import LEVELS, generate
from sal.tiny.tokenizer import TAG

TEMPERATURES = (0.8, 1.0, 1.2)
"""The searches' 0.8, and more, where there is more to find."""

MOST_STEPS = 8
"""A right solution has at most seven."""


def judged_samples(folder: Path, *, whole: bool) -> Examples:
    """Solutions that the policy in `folder` ends, as `stream.judged` makes examples.

    Each begins with some right steps, as what a search keeps does. Those that are not `whole` end
    with their first wrong step: what comes after that is wrong whatever it says.
    """

    def examples(
        rng: random.Random, count: int, tokenizer: PreTrainedTokenizerFast
    ) -> list[Example]:
        problems = [generate(rng, rng.choice(LEVELS)) for _ in range(count)]
        right = [demonstrate(rng, problem, rate=0) for problem in problems]
        begun = [steps[: rng.randrange(len(steps))] for steps in right]
        sampler = _sampler(folder)
        sampler.temperature = rng.choice(TEMPERATURES)
        sampler.random.manual_seed(rng.getrandbits(32))
        solutions = sampler.solutions([p.question for p in problems], begun, MOST_STEPS)
        # at a high temperature the policy now and then writes the tag, which is the PRM's alone
        plain = [[step.replace(TAG, "") for step in steps] for steps in solutions]
        if not whole:
            plain = [
                steps[: sum(step_labels(problem.question, steps)) + 1]
                for problem, steps in zip(problems, plain, strict=True)
            ]
        return judged(rng, problems, plain, tokenizer)

    return examples


@cache
def _sampler(folder: Path) -> Sampler:
    return Sampler(folder, temperature=1.0, seed=0)
