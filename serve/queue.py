"""Who may search now: as much at a time as the engine has room for, and small ones first.

A search weighs its budget. Small ones overtake large ones, and a part of the room is theirs alone,
so that none of them ever waits for a large one to end. A large one that was overtaken often enough
is next: until it begins, small ones have their own part only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from sal.serve.errors import too_many

SMALL = 8
"""A search of an eighth of the engine's capacity is small, and as much is kept for such."""

PATIENCE = 16
"""So often a search is overtaken at most."""


@dataclass(eq=False, slots=True)
class Waiting:
    """A search that may not begin yet. `order` tells who came first."""

    weight: int
    order: int
    overtaken: int = 0
    turn: asyncio.Future[None] | None = None

    @property
    def patient(self) -> bool:
        """Whether it was overtaken often enough."""
        return self.overtaken >= PATIENCE


@dataclass(slots=True)
class Room:
    """What is taken, by small searches and by large ones, of room for `size` completions.

    At first `size` is the `capacity` of the engine, whose requests are more or fewer than the
    completions that are searched for.
    """

    capacity: int
    size: int = 0
    small: int = 0
    large: int = 0

    def __post_init__(self) -> None:
        self.size = self.size or self.capacity

    @property
    def kept(self) -> int:
        """The part that small ones have for themselves; no larger one is small."""
        return self.capacity // SMALL

    @property
    def held(self) -> int:
        return self.small + self.large

    def weight(self, budget: int) -> int:
        """Of a search of `budget` completions: never more than large ones may have together."""
        return min(budget, self.capacity - self.kept)

    def is_small(self, weight: int) -> bool:
        return weight <= self.kept

    def take(self, weight: int) -> None:
        """Or give it back, where `weight` is negative."""
        if self.is_small(abs(weight)):
            self.small += weight
        else:
            self.large += weight

    def next_one(self, waiting: Iterable[Waiting]) -> Waiting | None:
        """Which of those that wait may begin; None for nobody."""
        passing = False  # one that was overtaken often enough: by small ones alone, in their part
        for one in sorted(waiting, key=_turns):
            small = self.is_small(one.weight)
            if self._small_fits(one.weight, passing) if small else self._fits(one.weight, passing):
                return one
            if small or not one.patient:
                return None
            passing = True
        return None

    def _small_fits(self, weight: int, passing: bool) -> bool:
        return self.small + weight <= self.kept or (not passing and self.held + weight <= self.size)

    def _fits(self, weight: int, passing: bool) -> bool:
        if passing:
            return False
        alone = not self.large and self.small <= self.kept
        return alone or (
            self.held + weight <= self.size and self.large + weight <= self.size - self.kept
        )


def _turns(one: Waiting) -> tuple[bool, int, int]:
    return not one.patient, 0 if one.patient else one.weight, one.order


@dataclass(eq=False, slots=True)
class Queue:
    """Of one event loop. `longest` may wait; a search takes about `typical_s`."""

    room: Room
    longest: int
    typical_s: float = 10.0
    _came: int = 0
    _waiting: list[Waiting] = field(default_factory=list)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def held(self) -> int:
        """Completions that are being searched for."""
        return self.room.held

    async def enter(self, weight: int) -> None:
        """Wait for one's turn; raises `ApiError` (429) where too many wait already."""
        if len(self._waiting) >= self.longest:
            raise too_many(f"{self.longest} searches are waiting already", self.typical_s)
        self._came += 1
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        mine = Waiting(weight, self._came, turn=turn)
        self._waiting.append(mine)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if mine in self._waiting:
                self._waiting.remove(mine)
                self._admit()
            else:
                self.leave(weight)
            raise

    def leave(self, weight: int, seconds: float | None = None) -> None:
        """A search is over, which took so long."""
        self.room.take(-weight)
        if seconds is not None:
            self.typical_s += 0.1 * (seconds - self.typical_s)
        self._admit()

    def resize(self, size: int) -> None:
        """So many completions may now be searched for at a time."""
        self.room.size = size
        self._admit()

    def _admit(self) -> None:
        while (first := self.room.next_one(self._waiting)) is not None:
            self._waiting.remove(first)
            for other in self._waiting:
                other.overtaken += other.order < first.order
            self.room.take(first.weight)
            if first.turn is not None and not first.turn.done():
                first.turn.set_result(None)
