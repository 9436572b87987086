"""One moment of a run, as a display and `sal status` show it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from sal.runtime.retries import Retrying
from sal.runtime.usage import Usage


@dataclass(frozen=True, slots=True)
class InFlight:
    """A problem that is being searched: the program's phase, and all that it came to so far."""

    id: str
    phase: str
    nodes: int
    seconds: float
    completions: int = 0
    policy: Usage = Usage()
    prm: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Finished:
    """A problem that is done; `correct` by the rule of its strategy."""

    id: str
    correct: bool
    seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class Spent:
    """What a part of a run took."""

    seconds: float = 0.0
    policy: Usage = Usage()
    prm: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of a run. `seconds` and `finished` are of this session alone; usage too, but for
    what earlier sessions had found out of a problem that this one went on with. `earlier` is what
    earlier ones took for what is done.

    `done` and `failed` include problems of earlier sessions. `accuracy` is that of the strategy's
    own rule over all that is done, None before the first. `eta` is in seconds, None while unknown;
    `limited` when it is the run's time limit that comes first, and not the last problem. `retrying`
    names the endpoints that fail at this moment, and what is tried again there.

    `ended` counts completions, of the `allowed` ones that all problems together may have; a problem
    that is done has all of its own. `written` are the tokens that the policy has generated in this
    session, those of replies under way too where its server tells, and `rate` how many a second
    lately; None while unknown. `finished` has the latest problems; `older` counts those before.
    """

    total: int
    done: int
    failed: int
    accuracy: float | None
    seconds: float
    eta: float | None
    policy: Usage
    prm: Usage
    in_flight: tuple[InFlight, ...]
    finished: tuple[Finished, ...]
    limited: bool = False
    ended: int = 0
    allowed: int = 0
    written: int | None = None
    rate: float | None = None
    retrying: Mapping[str, Retrying] = field(default_factory=dict)
    earlier: Spent = Spent()
    older: int = 0

    @property
    def stderr(self) -> float | None:
        """Of `accuracy`, over problems; None before the second."""
        if self.accuracy is None or self.done < 2:
            return None
        return math.sqrt(self.accuracy * (1 - self.accuracy) / (self.done - 1))

    @property
    def spent(self) -> Spent:
        """By all sessions."""
        seconds = self.earlier.seconds + self.seconds
        return Spent(seconds, self.earlier.policy + self.policy, self.earlier.prm + self.prm)
