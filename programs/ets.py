"""ETS: efficient tree search (Hooper et al., arXiv 2502.13575).

REBASE (`sal.programs.rebase`), with a step between scoring and balancing: an integer program
keeps the leaves that are worth the KV cache which their paths occupy, and drops the others, as
long as steps of different kinds stay (`strategies.ets`). What is kept is balanced as in REBASE.

What differs from the authors' code: kinds of steps are clusters of vectors of the numbers and
words in them (`strategies.step_vectors`) and not of a BERT's embeddings, unless `embedder` names
an embedding of one's own; the program is solved by HiGHS in scipy and not by CBC; and the last
round runs to the end of text, where they drop what is unfinished at depth 25. The method is about
memory at large N: expect REBASE's accuracy, not more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

from sal.programs import checks, rebase
from sal.programs.candidate import Candidate
from sal.programs.search import Search
from sal.programs.strategy import strategy
from sal.programs.vote import Vote, by_score
from sal.strategies.balance import balance
from sal.strategies.ets import clusters_of, lambda_s_at, retain
from sal.strategies.step_vectors import step_vectors

Embed = Callable[[Sequence[str]], Any]
"""Texts of steps to an array with a row for each."""


@dataclass(frozen=True, slots=True)
class EtsParams(rebase.RebaseParams):
    """As `RebaseParams`; `lambda_c` weighs the nodes kept, `lambda_s` the kinds of steps kept.

    Their defaults are those of the authors' code; `lambda_s` None is theirs for the width that is
    nearest to the budget (`strategies.ets.LAMBDA_S`). `cluster_distance` is the cosine distance up
    to which two steps are of a kind; theirs, for their BERT, is 0.05.

    `embedder` is "module:function": texts in, an array of one row each out. It is called from the
    threads of many searches at once.
    """

    lambda_c: float = 1.0
    lambda_s: float | None = None
    cluster_distance: float = 0.12
    embedder: str | None = None

    aggregate_source: ClassVar[str] = "Hooper et al."

    def __post_init__(self) -> None:
        rebase.RebaseParams.__post_init__(self)
        for name in ("lambda_c", "cluster_distance"):
            checks.at_least_zero(name, getattr(self, name))
        if self.lambda_s is not None:
            checks.at_least_zero("lambda_s", self.lambda_s)
        load_embedder(self.embedder)


def load_embedder(name: str | None) -> Embed:
    """The function "module:function"; this package's own vectors for None. Raises ValueError."""
    if name is None:
        return step_vectors
    module, _, function = name.partition(":")
    try:
        found: Embed = getattr(import_module(module), function)
    except Exception as error:  # whatever another package does when it is imported
        raise ValueError(f"embedder {name!r}: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise ValueError(f"embedder {name!r} is not a function")
    return found


@strategy(EtsParams)
def ets(search: Search, params: EtsParams) -> Vote:
    """REBASE's shares among the leaves that the integer program keeps."""
    embed = load_embedder(params.embedder)
    lambda_s = lambda_s_at(params.budget) if params.lambda_s is None else params.lambda_s

    def kinds(steps: Sequence[str]) -> list[int]:
        vectors = embed(steps)
        if len(vectors) != len(steps):
            raise ValueError(f"the embedder gave {len(vectors)} vectors for {len(steps)} steps")
        return clusters_of(vectors, params.cluster_distance)

    def share(growing: Sequence[Candidate], left: int) -> list[int]:
        rewards = [c.value(params.aggregate) for c in growing]

        # Prune
        kept = retain(
            balance(rewards, left, params.balance_temperature),
            [c.id for c in growing],
            kinds([c.steps[-1] for c in growing]),
            params.lambda_c,
            lambda_s,
        )

        # Balance
        allotted = [0] * len(growing)
        anew = balance([rewards[i] for i in kept], left, params.balance_temperature)
        for i, children in zip(kept, anew, strict=True):
            allotted[i] = children
        return allotted

    return by_score(rebase.search_balanced(search, params, share), params.aggregate)
