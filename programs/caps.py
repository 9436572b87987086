"""Ends of a search beside its budget."""

from __future__ import annotations

from dataclasses import dataclass


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
