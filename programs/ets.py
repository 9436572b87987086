"""ETS: efficient tree search (Hooper et al., arXiv 2502.13575).

REBASE (`sal.programs.rebase`), with a step between scoring and balancing: an integer program
keeps the leaves that are worth the KV cache which their paths occupy, and drops the others, as
long as steps of different kinds stay (`strategies.ets`). What is kept is balanced as in REBASE.

What differs from the authors' code: kinds of steps are clusters of the steps' texts and not of
embeddings, because the engines here serve none; the program is solved by HiGHS in scipy and not
by CBC; and the last round runs to the end of text, where they drop what is unfinished at depth
25. The method is about memory and speed at large N: expect REBASE's accuracy, not more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sal.programs import checks, rebase
from sal.programs.candidate import Candidate
from sal.programs.search import Search
from sal.programs.strategy import strategy
from sal.programs.vote import Vote, by_score
from sal.strategies.balance import balance
from sal.strategies.ets import clusters_of, retain


@dataclass(frozen=True, slots=True)
class EtsParams(rebase.RebaseParams):
    """As `RebaseParams`; `lambda_c` weighs the nodes kept, `lambda_s` the kinds of steps kept.

    `cluster_distance` is the cosine distance up to which two steps are of a kind. The defaults
    are those of the authors' code for width 16 (lambda_s is 1.4 at 64, 1.45 at 256).
    """

    lambda_c: float = 1.0
    lambda_s: float = 1.5
    cluster_distance: float = 0.05

    aggregate_source: ClassVar[str] = "Hooper et al."

    def __post_init__(self) -> None:
        rebase.RebaseParams.__post_init__(self)
        for name in ("lambda_c", "lambda_s", "cluster_distance"):
            checks.at_least_zero(name, getattr(self, name))


@strategy(EtsParams)
def ets(search: Search, params: EtsParams) -> Vote:
    """REBASE's shares among the leaves that the integer program keeps."""

    def share(growing: Sequence[Candidate], left: int) -> list[int]:
        rewards = [c.value(params.aggregate) for c in growing]

        # Prune
        kept = retain(
            balance(rewards, left, params.balance_temperature),
            [c.id for c in growing],
            clusters_of([c.steps[-1] for c in growing], params.cluster_distance),
            params.lambda_c,
            params.lambda_s,
        )

        # Balance
        allotted = [0] * len(growing)
        anew = balance([rewards[i] for i in kept], left, params.balance_temperature)
        for i, children in zip(kept, anew, strict=True):
            allotted[i] = children
        return allotted

    return by_score(rebase.search_balanced(search, params, share), params.aggregate)
