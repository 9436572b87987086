"""The order of examples: every epoch has each once, in another order, and lengths beside like ones."""

from __future__ import annotations

import random

import pytest

from sal.learn.order import in_order

LENGTHS = [random.Random(i).randrange(10, 500) for i in range(403)]


def test_every_epoch_has_each_example_once_in_an_order_of_its_own() -> None:
    order = in_order(LENGTHS, 8, 3, 0)
    epochs = [order[start : start + 403] for start in range(0, 3 * 403, 403)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(403))] * 3
    assert epochs[0] != epochs[1] != epochs[2]
    assert order == in_order(LENGTHS, 8, 3, 0)
    assert order != in_order(LENGTHS, 8, 3, 1)


@pytest.mark.parametrize(("epochs", "count"), [(0.5, 202), (1.25, 504), (2, 806)])
def test_a_part_of_an_epoch_is_the_beginning_of_one(epochs: float, count: int) -> None:
    order = in_order(LENGTHS, 8, epochs, 0)
    assert len(order) == count
    assert order == in_order(LENGTHS, 8, 3, 0)[:count]


def test_little_is_padded() -> None:
    def padded(order: list[int]) -> float:
        batches = [order[start : start + 8] for start in range(0, len(order), 8)]
        room = sum(len(batch) * max(LENGTHS[i] for i in batch) for batch in batches)
        return room / sum(LENGTHS[i] for i in order)

    shuffled = random.Random(0).sample(range(403), 403)
    assert padded(shuffled) > 1.5
    assert padded(in_order(LENGTHS, 8, 1, 0)) < 1.1


def test_a_few_examples_are_not_sorted_as_one() -> None:
    """Else every epoch of a small set would be the same."""
    assert in_order([3, 2, 1], 1, 1, 0) != in_order([3, 2, 1], 1, 1, 4)
