"""Endless training data: batch k of a stream depends on k alone, so that training can resume."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerFast

from sal.tiny.oracle import step_labels
from sal.tiny.student import demonstrate, revise, slip
from sal.tiny.task import LEVELS, TinyProblem, generate
from sal.tiny.tokenizer import TAG, judged_text, solution_text

BATCH = 32
CHUNK = 16
"""Batches are cut from this many at once, sorted by length, so that little is padding."""

IGNORED = -100
"""A target that no loss counts."""


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids, and per token: which token should come next, and is all right up to here?"""

    ids: list[int]
    following: list[int]
    right: list[int]


@dataclass(frozen=True, slots=True)
class Batch:
    """`Example`s as tensors of shape (batch, time)."""

    ids: torch.Tensor
    following: torch.Tensor
    right: torch.Tensor


REVISIONS = 4
"""The most that one example holds: the length of the context in Snell et al. 2024."""

ALONE = 0.4
"""The share of solutions that no revision follows."""

Examples = Callable[[random.Random, int, PreTrainedTokenizerFast], list[Example]]


def batches(examples: Examples, tokenizer: PreTrainedTokenizerFast, start: int) -> Iterator[Batch]:
    """Batch `start` of the stream and all that follow."""
    chunk, skipped = divmod(start, CHUNK)
    while True:
        rng = random.Random(chunk)
        made = sorted(examples(rng, BATCH * CHUNK, tokenizer), key=lambda e: len(e.ids))
        cuts = [made[i : i + BATCH] for i in range(0, len(made), BATCH)]
        rng.shuffle(cuts)
        for cut in cuts[skipped:]:
            yield Batch(
                _padded([e.ids for e in cut], tokenizer.pad_token_id),
                _padded([e.following for e in cut], IGNORED),
                _padded([e.right for e in cut], IGNORED),
            )
        chunk, skipped = chunk + 1, 0


def _padded(rows: list[list[int]], filler: int) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [filler] * (longest - len(row)) for row in rows])


def policy_examples(
    rng: random.Random, count: int, tokenizer: PreTrainedTokenizerFast
) -> list[Example]:
    """Demonstrations by the student, habits and all; the loss is on the solution alone."""
    problems = [generate(rng, rng.choice(LEVELS)) for _ in range(count)]
    return _attempts([(p, [demonstrate(rng, p)]) for p in problems], tokenizer)


def right_examples(
    rng: random.Random, count: int, tokenizer: PreTrainedTokenizerFast
) -> list[Example]:
    """Demonstrations without a habit; the loss is on the solution alone."""
    problems = [generate(rng, rng.choice(LEVELS)) for _ in range(count)]
    return _attempts([(p, [demonstrate(rng, p, rate=0)]) for p in problems], tokenizer)


def revision_examples(
    rng: random.Random, count: int, tokenizer: PreTrainedTokenizerFast
) -> list[Example]:
    """Solutions that are revised up to `REVISIONS` times in a row, wrong ones before right ones
    (Snell et al. 2024, section 6), and `ALONE` of them not at all; the loss is on all of them."""
    problems = [generate(rng, rng.choice(LEVELS)) for _ in range(count)]
    counts = [1 if rng.random() < ALONE else 1 + rng.randint(1, REVISIONS) for _ in problems]
    chains = [revise(rng, p, count) for p, count in zip(problems, counts, strict=True)]
    return _attempts(list(zip(problems, chains, strict=True)), tokenizer)


def _attempts(
    solved: list[tuple[TinyProblem, list[list[str]]]], tokenizer: PreTrainedTokenizerFast
) -> list[Example]:
    """Each attempt after the question, which is put again before each."""
    made = []
    separator, *_ = tokenizer("\n\n")["input_ids"]
    for problem, attempts in solved:
        question, *solutions = tokenizer([problem.question, *map(solution_text, attempts)])[
            "input_ids"
        ]
        ids: list[int] = []
        following: list[int] = []
        for solution in solutions:
            prompt = [separator] * bool(ids) + question + [separator]
            ids += prompt + solution
            following += [IGNORED] * (len(prompt) - 1) + [*solution, tokenizer.eos_token_id]
        made.append(Example(ids, following, [IGNORED] * len(ids)))
    return made


def prm_examples(
    rng: random.Random, count: int, tokenizer: PreTrainedTokenizerFast
) -> list[Example]:
    """Solutions with habits and slips at several rates, as `judged` makes examples of them."""
    problems = [generate(rng, rng.choice(LEVELS)) for _ in range(count)]
    solutions = (
        slip(rng, p, rng.choice((0.0, 0.15, 0.3, 0.5)), rng.choice((0.0, 0.08, 0.2)))
        for p in problems
    )
    return judged(rng, problems, solutions, tokenizer)


def judged(
    rng: random.Random,
    problems: Sequence[TinyProblem],
    solutions: Iterable[Sequence[str]],
    tokenizer: PreTrainedTokenizerFast,
) -> list[Example]:
    """Solutions as steps, judged by the oracle.

    At a tag, the next token should be `+` or `-`: is every step up to here right? Two denser
    targets, which the served model does not use, teach it what to look for: the next token of the
    right solution, for as long as the text agrees with it, and at every token whether it still
    does.
    """
    good, bad, tag = tokenizer.convert_tokens_to_ids(["+", "-", TAG])
    labels, written, ideal = [], [], []
    for problem, steps in zip(problems, solutions, strict=True):
        labels.append(step_labels(problem.question, steps))
        written.append(judged_text(problem.question, steps))
        ideal.append(judged_text(problem.question, demonstrate(rng, problem, rate=0)))
    starts = tokenizer([f"{p.question} " for p in problems])["input_ids"]
    made = []
    for start, ids, best, marks in zip(
        starts, tokenizer(written)["input_ids"], tokenizer(ideal)["input_ids"], labels, strict=True
    ):
        pairs = enumerate(zip(ids, best, strict=False))
        parted = next((i for i, (x, y) in pairs if x != y), min(len(ids), len(best)))
        following = [IGNORED] * len(ids)
        right = [IGNORED] * len(ids)
        for i in range(len(start) - 1, len(ids)):
            right[i] = int(i < parted)
            if i < parted and i + 1 < len(best):
                following[i] = best[i + 1]
        places = [i for i, token in enumerate(ids) if token == tag]
        for i, mark in zip(places, marks, strict=True):
            following[i] = good if mark else bad
            if mark and i >= parted:  # right in words of its own: no sign of error to point at
                right[parted:] = [IGNORED] * (len(ids) - parted)
        made.append(Example(ids, following, right))
    return made
