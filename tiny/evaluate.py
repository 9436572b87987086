"""Measure the tiny pair on held-out problems: `python -m sal.tiny.evaluate`.

Prints a Markdown table: what voting and search make of the policy's samples, and how well the
PRM tells right steps from wrong ones, by the exact oracle, on those samples.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from sal.tiny import paths
from sal.tiny.oracle import step_labels
from sal.tiny.sample import Judge, Sampler

TEMPERATURE = 0.8
WIDTH = 4
BUDGET = 16
MOST_STEPS = 10
SEED = 0


@dataclass(slots=True)
class Solution:
    """A solution that is being written for problem number `problem`."""

    problem: int
    ids: list[int]
    steps: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    ended: bool = False

    @property
    def answer(self) -> str | None:
        """What the last step boxes, where the solution ended with one."""
        last = self.steps[-1] if self.steps else ""
        boxed = last.startswith("\\boxed{") and last.endswith("}")
        return last.removeprefix("\\boxed{")[:-1] if self.ended and boxed else None

    @property
    def score(self) -> float:
        return self.scores[-1]


@dataclass(frozen=True, slots=True)
class Bench:
    """A policy and a PRM over a set of problems."""

    questions: list[str]
    answers: list[str]
    sampler: Sampler
    judge: Judge

    def start(self, copies: int) -> list[Solution]:
        """`copies` empty solutions per problem, those of one problem together."""
        prompts = self.sampler.tokenizer([f"{q}\n\n" for q in self.questions])["input_ids"]
        return [Solution(i, prompt) for i, prompt in enumerate(prompts) for _ in range(copies)]

    def extend(self, solutions: Sequence[Solution]) -> list[Solution]:
        """Each solution with one more step; ended ones as they are."""
        going = [s for s in solutions if not s.ended]
        new = iter(self.sampler.step([s.ids for s in going]))
        return [s if s.ended else self._longer(s, next(new)) for s in solutions]

    def _longer(self, solution: Solution, new: list[int]) -> Solution:
        end = self.sampler.tokenizer.eos_token_id
        text = self.sampler.tokenizer.decode([i for i in new if i != end]).removesuffix("\n\n")
        return Solution(
            solution.problem,
            solution.ids + new,
            [*solution.steps, text],
            solution.scores,
            new[-1] == end,
        )

    def score(self, solutions: Sequence[Solution]) -> None:
        asked = [(self.questions[s.problem], s.steps) for s in solutions]
        for solution, scores in zip(solutions, self.judge.scores(asked), strict=True):
            solution.scores = scores

    def samples(self, count: int) -> list[list[Solution]]:
        """`count` independent solutions per problem, scored."""
        solutions = self.start(count)
        for _ in range(MOST_STEPS):
            solutions = self.extend(solutions)
        self.score(solutions)
        return grouped(solutions, count)

    def dvts(self) -> list[list[Solution]]:
        """Diverse verifier tree search (Beeching et al. 2024): the best step in each subtree."""
        return self._search(subtrees=BUDGET // WIDTH, kept=1)

    def beam(self) -> list[list[Solution]]:
        """Beam search: the best BUDGET / WIDTH of all candidates of a problem."""
        return self._search(subtrees=1, kept=BUDGET // WIDTH)

    def _search(self, subtrees: int, kept: int) -> list[list[Solution]]:
        group = BUDGET // subtrees
        beams = self.start(BUDGET)
        for _ in range(MOST_STEPS):
            beams = self.extend(beams)
            self.score(beams)
            best: list[Solution] = []
            for candidates in grouped(beams, group):
                candidates.sort(key=lambda s: -s.score)
                best += candidates[:kept]
            beams = [s for s in best for _ in range(group // kept)]
        return grouped(best, subtrees * kept)


def grouped(solutions: Sequence[Solution], size: int) -> list[list[Solution]]:
    return [list(solutions[i : i + size]) for i in range(0, len(solutions), size)]


def vote(solutions: Sequence[Solution], weighted: bool) -> str | None:
    """The answer with the most votes, or with the most score; None where there is none."""
    votes: dict[str, float] = defaultdict(float)
    for solution in solutions:
        if solution.answer is not None:
            votes[solution.answer] += solution.score if weighted else 1
    return max(votes, key=lambda answer: votes[answer]) if votes else None


def mean(values: np.ndarray) -> str:
    """Mean ± standard error, over problems."""
    return f"{values.mean():.3f} ± {values.std(ddof=1) / len(values) ** 0.5:.3f}"


def auc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Chance that a right step scores above a wrong one (ties count half)."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    good, bad = labels.sum(), (~labels).sum()
    return float((ranks[labels].sum() - good * (good + 1) / 2) / (good * bad))


def report(bench: Bench, count: int) -> str:
    """The Markdown tables; `count` samples per problem."""
    samples = bench.samples(count)
    right = np.array(
        [[s.answer == a for s in group] for a, group in zip(bench.answers, samples, strict=True)]
    )

    def hits(chosen: Sequence[str | None]) -> np.ndarray:
        return np.array([x == a for x, a in zip(chosen, bench.answers, strict=True)], float)

    def of(n: int, weighted: bool) -> np.ndarray:
        return hits([vote(group[:n], weighted) for group in samples])

    majority = of(BUDGET, False)
    lines = [
        f"{len(samples)} held-out problems, temperature {TEMPERATURE}; mean ± standard error.",
        f"pass@1 {mean(right.mean(1))}",
        "",
        "| N | majority | weighted Best-of-N | naive Best-of-N | pass@N |",
        "|---|---|---|---|---|",
    ]
    for n in (4, 16, 64):
        if n <= count:
            naive = hits([max(group[:n], key=lambda s: s.score).answer for group in samples])
            columns = (of(n, False), of(n, True), naive, right[:, :n].any(1).astype(float))
            lines.append(f"| {n} | {' | '.join(map(mean, columns))} |")
    lines += ["", f"| N = {BUDGET} | accuracy | gain on majority, paired |", "|---|---|---|"]
    for name, chosen in (
        ("majority", majority),
        ("weighted Best-of-N", of(BUDGET, True)),
        ("DVTS, weighted", hits([vote(group, True) for group in bench.dvts()])),
        ("beam search, weighted", hits([vote(group, True) for group in bench.beam()])),
    ):
        lines.append(f"| {name} | {mean(chosen)} | {mean(chosen - majority)} |")
    labels, scores, fresh = [], [], []
    for question, group in zip(bench.questions, samples, strict=True):
        for solution in group[:BUDGET]:
            truth = step_labels(question, solution.steps)
            labels += truth
            scores += solution.scores
            fresh += [True, *truth[:-1]]
    y, x, f = np.array(labels), np.array(scores), np.array(fresh)
    lines += [
        "",
        f"| the PRM on the policy's {len(y)} steps | accuracy | AUC | right steps |",
        "|---|---|---|---|",
        f"| all | {((x > 0.5) == y).mean():.4f} | {auc(x, y):.4f} | {y.mean():.3f} |",
        f"| up to the first wrong one | {((x > 0.5) == y)[f].mean():.4f} | {auc(x[f], y[f]):.4f}"
        f" | {y[f].mean():.3f} |",
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Arguments, all optional: policy folder, PRM folder, problems a level, samples."""
    defaults = (str(paths.POLICY), str(paths.PRM), "100", "64")
    policy, prm, most, count = (*arguments, *defaults[len(arguments) :])
    torch.set_num_threads(1)
    rows = [json.loads(line) for line in paths.PROBLEMS["test"].read_text().splitlines()]
    chosen = [row for i, row in enumerate(rows) if i % 100 < int(most)]
    bench = Bench(
        [row["question"] for row in chosen],
        [row["answer"] for row in chosen],
        Sampler(Path(policy), TEMPERATURE, SEED),
        Judge(Path(prm)),
    )
    print(report(bench, int(count)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
