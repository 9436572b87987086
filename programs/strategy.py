"""The frame of a strategy: an SGLang program around the function that is its algorithm.

@strategy(DvtsParams)
def dvts(search: Search, params: DvtsParams) -> Vote: ...

dvts.run(problem, params=DvtsParams(budget=16), verifier=verifier, backend=backend)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar

from sglang import function

from sal.programs.caps import Caps
from sal.programs.params import Sampling, with_own_aggregate
from sal.programs.problem import Problem
from sal.programs.recall import Recall
from sal.programs.search import Search
from sal.programs.trace import SearchResult, Trace
from sal.programs.vote import AnswerKeys, Vote, boxed_answers
from sal.runtime.frontend.states import follow
from sal.verifiers.interface import Traits, Verifier

P = TypeVar("P", bound=Sampling)

Prm = Literal["needed", "needed at the end", "for the record", "never asked", "the right answer"]
"""What a strategy asks a verifier: scores of steps that it decides by, or of whole solutions alone,
scores that decide nothing, nothing, or whether a solution is right, which no PRM but the grader
says: it labels, and is no search."""


class Program(Generic[P]):
    """A strategy as others call it; `params_class` is the frozen dataclass of its parameters.

    `independent` says that its N completions are samples that know nothing of each other, so that
    n of them are what it had found with a budget of n.
    """

    def __init__(
        self,
        algorithm: Callable[[Search, P], Vote],
        params_class: type[P],
        prm: Prm,
        independent: bool = False,
    ) -> None:
        self.name = algorithm.__name__
        self.__doc__ = algorithm.__doc__
        self.__module__ = algorithm.__module__
        self.algorithm = algorithm
        self.params_class = params_class
        self.prm = prm
        self.independent = independent
        self.function = self._as_sglang_function()

    @property
    def needs_prm(self) -> bool:
        return self.prm in ("needed", "needed at the end")

    @property
    def labels(self) -> bool:
        """Whether its verifier is one that knows the right answers."""
        return self.prm == "the right answer"

    def fits(self, verifier: Any) -> bool:
        """Whether it can go by `verifier`, or by one of a family: not step by step by one that
        scores whole solutions alone, as its attribute `outcome` tells."""
        return self.prm != "needed" or not Traits.of(verifier).outcome

    def run(
        self,
        problem: str | Problem,
        *,
        params: P | None = None,
        verifier: Verifier | None = None,
        answer_keys: AnswerKeys = boxed_answers,
        seed: int = 0,
        trace: Trace | None = None,
        caps: Caps = Caps(),
        recall: Recall | None = None,
        backend: Any = None,
    ) -> Any:
        """Search `problem` on `backend`, SGLang's default one if None; returns the state.

        The state holds "result" (a `SearchResult`), "completions", "chosen" and "trace"; its text
        is the prompt and the chosen solution. `params` default to the strategy's own; an aggregate
        that they leave open is the verifier's. `verifier` is the PRM; `answer_keys` tells which
        answers are equal. `trace` grows while the search runs; `caps` are ends beside the budget.
        `recall` keeps every finished node, and hands back those of a search that was killed.

        Raises TypeError without a verifier that the strategy needs, or for one of whole solutions
        where it goes by steps, and PolicyFault when the backend itself is at fault. What goes wrong
        with single candidates is in the result.
        """
        # No thread of its own: what is appended to the state is executed where it is appended.
        return self.function.run(
            problem,
            params=params,
            verifier=verifier,
            answer_keys=answer_keys,
            seed=seed,
            trace=trace,
            caps=caps,
            recall=recall,
            backend=backend,
            use_thread=False,
        )

    def run_batch(self, problems: list[dict[str, Any]], **options: Any) -> list[Any]:
        """SGLang's `run_batch`: the keywords of `run` for each problem; returns the states."""
        states: list[Any] = self.function.run_batch(problems, **options)
        return states

    def __call__(
        self,
        s: Any,
        problem: str | Problem,
        *,
        params: P | None = None,
        verifier: Verifier | None = None,
        answer_keys: AnswerKeys = boxed_answers,
        seed: int = 0,
        trace: Trace | None = None,
        caps: Caps = Caps(),
        recall: Recall | None = None,
    ) -> SearchResult:
        """Search on from the state of another program, as `run` does from an empty one.

        Every candidate shares what stands in `s`; the problem's prompt and the chosen solution
        are appended to it, and the result is left in it.
        """
        if (self.needs_prm or self.labels) and verifier is None:
            raise TypeError(f"{self.name} needs a verifier")
        if not self.fits(verifier):
            raise TypeError(
                f"{self.name} goes by the scores of steps, which an outcome reward model has not"
            )
        if (failed := s.error()) is not None:
            raise failed
        if params is None:
            params = self.params_class()
        params = with_own_aggregate(params, verifier)
        asked = None if self.prm == "never asked" else verifier
        with Search(
            s,
            problem,
            params,
            asked,
            answer_keys=answer_keys,
            seed=seed,
            trace=trace,
            caps=caps,
            recall=recall,
        ) as search:
            vote = self.algorithm(search, params)
            result = search.conclude(vote)
        index = result.chosen[result.rule]
        if index is not None:
            follow(s, vote.candidates[index].state, result.completions[index].text)
        for name in ("completions", "chosen", "trace"):
            s[name] = getattr(result, name)
        s["result"] = result
        result.trace.phase = "done"
        return result

    def _as_sglang_function(self) -> Any:
        def program(s: Any, problem: str | Problem, **keywords: Any) -> SearchResult:
            return self(s, problem, **keywords)

        return function(program)


def strategy(
    params: type[P], *, prm: Prm = "needed", independent: bool = False
) -> Callable[[Callable[[Search, P], Vote]], Program[P]]:
    """Make a program of an algorithm whose parameters are `params`.

    `independent`: its completions are independent samples, weighed one by one, and chosen among by
    a rule of the field.
    """
    return lambda algorithm: Program(algorithm, params, prm, independent)
