"""What a run asks of a server, and how what the server has compares with it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """In tokens: what the search of one problem is expected to hold, and the longest solution that
    it lets the policy write; 0 where unknown."""

    problem: int = 0
    solution: int = 0


def against(load: Load, tokens: int, context: int | None) -> list[str]:
    """What is to be said of a cache of `tokens`, and of a model that takes `context` at most."""
    reasons = []
    if load.problem:
        at_once = tokens // load.problem
        search = f"a problem's search holds about {load.problem:,}"
        if at_once:
            reasons.append(f"{search}: {at_once:,} at a time")
        else:
            reasons.append(f"{search}, more than there is room for: some is read again")
    if context is not None and load.solution >= context:
        reasons.append(
            f"takes {context:,} tokens at most, the prompt included, and a solution may have "
            f"{load.solution:,} (--max-tokens)"
        )
    return reasons
