"""`reasoning_effort` as a budget: the one thing that a client can say which knows no searches.

| effort  | budget                                    |
|---------|-------------------------------------------|
| none    | no search: the policy alone               |
| minimal | an eighth of the operator's               |
| low     | a quarter                                 |
| medium  | the operator's (`sal serve --budget`)     |
| high    | twice                                     |
| xhigh   | four times                                |
| max     | the largest that the operator allows      |

Never more than the operator allows. Of a strategy with a width, the next multiple of it.
"""

from __future__ import annotations

from sal.serve.limits import Limits

SHARES = {"minimal": 1 / 8, "low": 1 / 4, "medium": 1.0, "high": 2.0, "xhigh": 4.0}
"""Of the operator's budget."""

NONE, MOST = "none", "max"
EFFORTS = (NONE, *SHARES, MOST)


def budget_of(effort: str, limits: Limits, width: int = 1) -> int:
    """N for an effort other than none, a multiple of `width`. Raises KeyError for no effort."""
    most = limits.max_budget - limits.max_budget % width or limits.max_budget
    if effort == MOST:
        return most
    wanted = max(1, int(limits.budget * SHARES[effort]))
    return min(most, -(-wanted // width) * width)
