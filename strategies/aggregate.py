"""One number for a solution from the scores of its steps.

`last` is what Snell et al. (arXiv 2408.03314, section 5.1) use for a PRM trained on Monte-Carlo
values; `prod` and `min` are those of Lightman et al. (arXiv 2305.20050, section 2.6) for one
trained on correctness; `mean` is RLHFlow's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, get_args

Aggregate = Literal["last", "min", "prod", "mean"]
AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)

_BY_NAME: Mapping[str, Callable[[Sequence[float]], float]] = MappingProxyType(
    {
        "last": lambda scores: scores[-1],
        "min": min,
        "prod": math.prod,
        "mean": lambda scores: math.fsum(scores) / len(scores),
    }
)


def aggregate(scores: Sequence[float], how: Aggregate | None = None) -> float:
    """Reduce the step scores (in order, each in [0, 1]) to one; where nobody says how, the last.

    A solution without a step ranks below every other: minus infinity. Raises ValueError on an
    unknown rule.
    """
    if how is None:
        how = "last"
    if how not in _BY_NAME:
        raise ValueError(f"aggregate must be one of {', '.join(AGGREGATES)}, not {how!r}")
    return _BY_NAME[how](scores) if scores else -math.inf
