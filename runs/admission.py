"""How many problems are searched at once: as many as keep the policy's server busy.

Nothing is declared for it: what decides is how many requests are really in flight.
"""

from __future__ import annotations

from math import exp

MOST_REQUESTS = 512
"""Fill a server that does not say how many it runs at a time (a router); a client has no more on
the wire."""

MOST_PROBLEMS = 500
"""Each has two OS threads beside those of its candidates: far above this, Python collapses."""

LEAST_PROBLEMS = 2
"""One works while the other waits for its last steps."""

MEMORY_SECONDS = 10.0
"""How long a demand counts that was seen: longer than the pauses of a search between its steps, in
which it only seems to want little, and than the last steps of its longest solutions."""

GUESS_SECONDS = 2.0
"""How long a demand counts that was expected, and never seen."""


class Admission:
    """A decision without a clock or a thread of its own: `sample` tells it what was seen.

    A problem is taken to have `expected` requests in flight, its budget N, until it has shown what
    it has. From then on its demand is the most that was lately seen of a problem, on the mean over
    those that run, and forgotten little by little. As many are admitted as the server, which runs
    `capacity` requests at a time, has room for. More would only finish later, and more would be
    lost with a killed run. `most` bounds it, whatever little they ask for.

    `grows` is for a search that asks for more the longer it lasts: its demand never counts as less
    than `expected`, whatever was seen of those that have just begun.
    """

    def __init__(
        self,
        expected: int,
        capacity: int | None,
        most: int = MOST_PROBLEMS,
        *,
        grows: bool = False,
    ) -> None:
        self._room = min(capacity or MOST_REQUESTS, MOST_REQUESTS)
        self._most = most
        self._expected = max(1, expected)
        self._demand = float(self._expected)
        self._least = self._demand if grows else 0.0
        self._most_seen = 0.0

    @property
    def problems(self) -> int:
        """How many may be searched at once now."""
        least_demand = self._room / self._most
        return max(LEAST_PROBLEMS, int(self._room / max(self._demand, least_demand)))

    def sample(self, requests: int, problems: int, silent: int, seconds: float) -> None:
        """`requests` of `problems` are in flight, `seconds` after the last sample.

        `silent` problems had no reply yet, so that they may still be at their prompt, with one
        request for all that will follow: they count as expected.
        """
        if not problems:
            return
        seen = max(requests, silent * self._expected) / problems
        if not silent:
            self._most_seen = max(self._most_seen, seen)
        guessed = self._demand > self._most_seen and not silent
        kept = exp(-seconds / (GUESS_SECONDS if guessed else MEMORY_SECONDS))
        self._demand = max(seen, kept * self._demand + (1.0 - kept) * seen, self._least)
