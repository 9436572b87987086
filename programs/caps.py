"""Ends of a search beside its budget."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from time import monotonic


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits on one problem: `tokens` that the policy generates, wall-clock `seconds`.

    Both are honoured within one step, and what was found so far is returned. Raises ValueError
    for a limit that is not positive.
    """

    tokens: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("tokens", "seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"a cap on {name} must be positive, not {value!r}")

    def __bool__(self) -> bool:
        return self.tokens is not None or self.seconds is not None


class Meter:
    """What one search has spent, against its caps. Safe to use from many threads."""

    def __init__(self, caps: Caps) -> None:
        self.caps = caps
        self.cut = False
        """Whether something was not begun, or ended early, because a cap was reached."""
        self._began = monotonic()
        self._tokens = 0
        self._lock = threading.Lock()

    def count(self, tokens: int) -> None:
        """The policy generated `tokens` more."""
        with self._lock:
            self._tokens += tokens

    def spend(self, seconds: float) -> None:
        """The search has taken `seconds` more than this meter saw."""
        self._began -= seconds

    def reached(self) -> bool:
        """Whether a cap is reached; if so, the search was cut."""
        caps = self.caps
        reached = (caps.tokens is not None and self._tokens >= caps.tokens) or (
            caps.seconds is not None and monotonic() - self._began >= caps.seconds
        )
        self.cut = self.cut or reached
        return reached
