"""How a run makes one score of a solution's step scores, and who says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sal.verifiers.family import PrmSpec


def settle_aggregate(
    params: Any, given: Mapping[str, Any], spec: Callable[[], PrmSpec | None]
) -> tuple[Any, str]:
    """A strategy's `params` with its aggregate settled, and in words which one and why.

    What was `given` wins, then what the strategy's authors state, then what the PRM's do. `spec`
    is asked for these alone; None where the PRM cannot be asked yet, and the aggregate stays open.
    Raises ValueError when the PRM states one that is not known.
    """
    if not hasattr(params, "aggregate"):
        return params, ""
    if given.get("aggregate") is not None:
        return params, f"{params.aggregate} (given)"
    if params.aggregate is not None:
        source = getattr(params, "aggregate_source", "") or "the strategy's default"
        return params, f"{params.aggregate} ({source})"
    found = spec()
    if found is None:
        return params, "the PRM's own (its server tells it)"
    how, whose = found.own_aggregate
    return replace(params, aggregate=how), f"{how} ({whose}'s own)"
