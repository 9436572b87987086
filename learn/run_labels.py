"""Step labels out of a run: of the completions below a prefix, how many are right.

A run of `sal learn label` has rollouts from every prefix, which alone are counted. In any other
run what it sampled itself is: two completions that begin with the same steps are rollouts from
them. Where a search went on from the better candidates, its counts are those of the search and not
of the policy alone; Best-of-N's are the policy's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from sal.learn.errors import LabelError
from sal.learn.labelled import Labelled
from sal.learn.rows import StepLabels
from sal.programs.trace import Node, Path
from sal.runs.encoding import json_value
from sal.runs.export.files import Traces
from sal.runs.export.places import last_name, public_recipe
from sal.runs.found import FoundRun
from sal.runs.node_records import node_of
from sal.runs.registry import LABELLERS
from sal.runs.results import CompletionRow, ResultRow
from sal.strategies.rollouts import is_instructive
from sal.strategies.steps import split_steps

FAILED, UNTRIED = "problems that failed", "problems without rollouts on disk"
ALL_RIGHT, ALL_WRONG = "problems all right", "problems all wrong"
CUT, UNREAD, EQUAL = "solutions that were cut", "solutions without an answer", "equal solutions"

Prefix = tuple[str, ...]
Counts = Mapping[Prefix, tuple[int, int]]
"""Right ones and all, of the rollouts from a prefix."""


def labels_of(run: FoundRun) -> Labelled:
    """A row for each different solution of each problem that some of them solve and some do not.

    What was cut, or has no answer, is no solution. Raises `LabelError` for a run whose completions
    do not all follow the question alone.
    """
    recipe = run.recipe
    if recipe.strategy == "revise":
        raise LabelError(f"{run.path}: a revision follows other attempts, and is no rollout")
    policy = last_name(public_recipe(recipe).policy)
    traces = Traces(run.path / "traces") if recipe.strategy in LABELLERS else None
    labelled = Labelled()
    for row in run.rows:
        counts: Counts | None = None
        if traces is None:
            counts = shared_counts(row.completions)
        elif row.id in traces:
            nodes = map(node_of, json_value(traces[row.id].encode())["nodes"])
            counts = rollout_counts(list(nodes), str(recipe.params["separator"]))
        labelled.add(_labels(row, counts, f"{recipe.strategy} of {policy}"))
    return labelled


def _labels(row: ResultRow, counts: Counts | None, source: str) -> Labelled:
    ended = [c for c in row.completions if c.finish == "eot"]
    answered = [c for c in ended if c.key and c.steps]
    solutions = {c.steps: c for c in reversed(answered)}
    dropped = Counter(
        {
            CUT: len(row.completions) - len(ended),
            UNREAD: len(ended) - len(answered),
            EQUAL: len(answered) - len(solutions),
        }
    )
    right = [c.right for c in answered]
    if row.error:
        return Labelled(dropped=Counter({FAILED: 1}))
    if not is_instructive(right):
        dropped[ALL_RIGHT if any(right) else ALL_WRONG] += 1
        return Labelled(dropped=+dropped)
    if counts is None:
        return Labelled(dropped=Counter({UNTRIED: 1}))
    rows = [
        _row(f"{row.id}/{i}", row, solutions.pop(c.steps), counts, source)
        for i, c in enumerate(row.completions)
        if c.steps in solutions
    ]
    return Labelled(rows, +dropped)


def _row(
    id: str, row: ResultRow, solution: CompletionRow, counts: Counts, source: str
) -> StepLabels:
    steps = solution.steps
    found = [counts.get(steps[:end], (0, 0)) for end in range(1, len(steps))]
    found.append((int(solution.right), 1))
    return StepLabels(
        id=id,
        question=row.question,
        steps=steps,
        right=tuple(k for k, _ in found),
        rollouts=tuple(n for _, n in found),
        answer=row.answer,
        correct=solution.right,
        source=source,
    )


def shared_counts(completions: tuple[CompletionRow, ...]) -> Counts:
    """Of every prefix of completions: how many begin with it, and how many of these are right."""
    right: Counter[Prefix] = Counter()
    total: Counter[Prefix] = Counter()
    for completion in completions:
        for end in range(1, len(completion.steps) + 1):
            total[completion.steps[:end]] += 1
            right[completion.steps[:end]] += completion.right
    return {prefix: (right[prefix], n) for prefix, n in total.items()}


def rollout_counts(nodes: list[Node], separator: str) -> Counts:
    """Of every prefix that was rolled out (`sal.programs.step_rollouts`), in one solution or more.

    Rollouts that failed are not counted; those that were cut are, as not right.
    """
    by_id = {node.id: node for node in nodes}
    counts: defaultdict[Prefix, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for node in nodes:
        if len(node.id) > 1 and node.id[-1] > 0 and node.finish in ("eot", "length"):
            prefix = tuple(_steps(by_id, node.parent, separator))
            scores = node.scores or by_id[node.parent].scores  # one that adds no step
            good = node.finish == "eot" and scores[-1:] > (0.5,)
            k, n = counts[prefix]
            counts[prefix] = k + good, n + 1
    return counts


def _steps(nodes: Mapping[Path, Node], id: Path, separator: str) -> Iterator[str]:
    for end in range(1, len(id) + 1):
        yield from split_steps(nodes[id[:end]].text, separator)
