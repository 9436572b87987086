"""A part of a run's problems, to be searched by itself: one task of a job array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index`, from 1 on, of `count`.

    It has every count-th problem: data sets are often sorted, and so no shard has the hard ones.
    Raises ValueError for one that cannot be.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise ValueError(f"{self}: the first of {self.count} shards is 1/{self.count}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """`2/8`; raises ValueError."""
        index, slash, count = text.partition("/")
        if not slash or not (index.isdecimal() and count.isdecimal()):
            raise ValueError(f"{text!r}: a shard is I/N, as in 2/8")
        return cls(int(index), int(count))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def part(self, whole: Sequence[T]) -> Sequence[T]:
        """Its items of `whole`, in order."""
        return whole[self.index - 1 :: self.count]
