"""Vectors of steps of mathematics by what stands in them, for where no model embeds them.

Two steps say the same when they come to the same numbers, whatever words they do it in; a step
that differs from another in one number alone says something else. So the cosine of two vectors is
0.8 times that of their counts of numbers and 0.2 times that of their sets of words and signs. On
50 sets of sampled steps (tests/golden/equal_steps.jsonl) that separates them better than counts of
words, and better than the text embeddings that were tried (docs/costs.md).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

NUMBERS = 0.8
"""The weight of numbers, chosen together with the distance on 25 of the 50 sets."""

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"\w+|[^\w\s]")


def step_vectors(texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """One row for every text, of length 1; texts must not be blank."""
    numbers = [Counter(_NUMBER.findall(text)) or Counter([""]) for text in texts]
    words = [Counter(set(_WORD.findall(text.lower()))) for text in texts]
    return np.hstack(
        [np.sqrt(NUMBERS) * _unit_rows(numbers), np.sqrt(1 - NUMBERS) * _unit_rows(words)]
    )


def _unit_rows(bags: Sequence[Counter[str]]) -> npt.NDArray[np.float64]:
    places = {item: i for i, item in enumerate(sorted(set().union(*bags)))}
    counts = np.zeros((len(bags), len(places)))
    for row, bag in zip(counts, bags, strict=True):
        for item, count in bag.items():
            row[places[item]] = count
    lengths: npt.NDArray[np.float64] = np.linalg.norm(counts, axis=1, keepdims=True)
    return counts / lengths
