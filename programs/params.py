"""The parameters that searches have in common; each states its own beside them, and its sources.

A program needs none of these classes: whatever has their fields serves as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, TypeVar

from sal.programs import checks
from sal.programs.limits import Limits
from sal.programs.problem import SEPARATOR
from sal.strategies.aggregate import Aggregate
from sal.verifiers.interface import Traits, Verifier

P = TypeVar("P")


class Sampling(Protocol):
    """What a search needs to know to ask the policy; every strategy's parameters have it.

    Those that are `Limited` too say more.
    """

    @property
    def temperature(self) -> float: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def separator(self) -> str: ...


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """`budget` is N, the completions that may be sampled; `max_tokens` bounds each as a whole.

    Temperature 0.8 is that of "Scaling test-time compute with open models" (Beeching et al.,
    2024); it is always sent. A step ends with the `separator`. The others are those of `Limits`.
    """

    budget: int = 16
    temperature: float = 0.8
    max_tokens: int = 2048
    separator: str = SEPARATOR
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    stop_strings: tuple[str, ...] = ()
    think_budget: int | None = None
    think_extensions: int | None = None

    def __post_init__(self) -> None:
        checks.whole_number("budget", self.budget)
        checks.sampling(self.temperature, self.max_tokens, self.separator)
        checks.limits(self.limits, self.max_tokens)

    @property
    def limits(self) -> Limits:
        """See `Limited`."""
        return _limits(self)


@dataclass(frozen=True, slots=True)
class StepwiseParams(SamplingParams):
    """Those of a search that goes on step by step, for `max_steps`, where the PRM says so.

    `aggregate` makes one score of a path's step scores; None is the PRM's own. A search whose
    authors say which one has it as its default, and `aggregate_source` names them. 40 steps are
    those of Snell et al. (arXiv 2408.03314) and of Beeching et al. A step that reaches
    `max_step_tokens` is over, and the search goes on behind it.
    """

    aggregate: Aggregate | None = None
    max_steps: int = 40
    max_step_tokens: int | None = None

    aggregate_source: ClassVar[str] = ""

    def __post_init__(self) -> None:
        SamplingParams.__post_init__(self)
        checks.reduction(self.aggregate)
        checks.whole_number("max_steps", self.max_steps)

    @property
    def limits(self) -> Limits:
        """See `Limited`."""
        return _limits(self, self.max_step_tokens)


def _limits(params: SamplingParams, max_step_tokens: int | None = None) -> Limits:
    return Limits(
        params.top_p,
        params.top_k,
        params.min_p,
        params.stop_strings,
        max_step_tokens,
        params.think_budget,
        params.think_extensions,
    )


def with_own_aggregate(params: P, verifier: Verifier | None) -> P:
    """`params`; the aggregate that they leave open (None) is the verifier's, where it has one.

    Raises ValueError for one that is not known.
    """
    own = Traits.of(verifier).aggregate
    if own is None or getattr(params, "aggregate", own) is not None:
        return params
    changed: Any = params
    completed: P = replace(changed, aggregate=own)
    return completed
