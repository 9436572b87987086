"""Pairs of solutions that part in a tree: behind the same steps, one goes right, one wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle

Steps = Sequence[str]


def siblings(right: Sequence[Steps], wrong: Sequence[Steps]) -> Iterator[tuple[int, int]]:
    """Places of a right and a wrong solution, in `right` and in `wrong`, that part at one step.

    At every prefix, each next step behind which nothing ended right is rejected once, and its
    siblings behind which something did are chosen in turn. Of a step that leads to both, the tree
    is looked at further down.
    """
    yield from _below(0, dict(enumerate(right)), dict(enumerate(wrong)))


def _below(
    depth: int, right: dict[int, Steps], wrong: dict[int, Steps]
) -> Iterator[tuple[int, int]]:
    goods, bads = _by_step(depth, right), _by_step(depth, wrong)
    if not goods:
        return
    chosen = cycle(min(good) for good in goods.values())
    yield from ((next(chosen), min(bad)) for step, bad in bads.items() if step not in goods)
    for step, good in goods.items():
        if step is not None and step in bads:
            yield from _below(depth + 1, good, bads[step])


def _by_step(depth: int, solutions: dict[int, Steps]) -> dict[str | None, dict[int, Steps]]:
    """The solutions behind each next step; None is the end of one."""
    found: dict[str | None, dict[int, Steps]] = {}
    for place, steps in solutions.items():
        step = steps[depth] if depth < len(steps) else None
        found.setdefault(step, {})[place] = steps
    return found
