"""How a strategy chooses among its completions.

A strategy ends with a `Vote`: the completions, what each one's vote weighs, and its rule. The
field's other rules are looked at beside it, for comparison; they decide nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sal.programs.candidate import Candidate
from sal.programs.trace import Completion
from sal.strategies.aggregate import Aggregate
from sal.strategies.answers import last_boxed
from sal.strategies.voting import Rule, elect

AnswerKeys = Callable[[Sequence[str]], Sequence[str]]
"""The canonical answers of solutions, "" for none; equal keys are equal answers."""


def boxed_answers(texts: Sequence[str]) -> list[str]:
    r"""What stands in the last `\boxed{...}` of each solution."""
    return [last_boxed(text) for text in texts]


@dataclass(frozen=True, slots=True)
class Vote:
    """`weights[i]` is what the vote of `candidates[i]` weighs, None if the strategy gives it none.

    `rule` names the strategy's rule: one of the field's ("naive", "weighted", "majority"), decided
    by `choose` where the strategy has its own way of it, or a name of the strategy's own.
    """

    candidates: Sequence[Candidate]
    weights: Sequence[float | None]
    rule: str = "weighted"
    choose: Rule | None = None

    def count(
        self, answer_keys: AnswerKeys
    ) -> tuple[tuple[Completion, ...], dict[str, int | None]]:
        """The completions, and what each rule chooses. A truncated one has no vote."""
        keys = answer_keys([c.text for c in self.candidates])
        completions = tuple(
            Completion(
                c.text,
                c.steps,
                c.scores,
                c.tokens,
                c.finish,
                key,
                c.id,
                weight if c.finish == "eot" else None,
            )
            for c, key, weight in zip(self.candidates, keys, self.weights, strict=True)
        )
        own = {} if self.choose is None else {self.rule: self.choose}
        return completions, elect(keys, [c.weight for c in completions], own)


def by_score(
    candidates: Iterable[Candidate], how: Aggregate | None, rule: str = "weighted"
) -> Vote:
    """A vote of the completions among `candidates`, each weighed by its aggregated score."""
    done = [c for c in candidates if c.done]
    return Vote(done, [c.value(how) for c in done], rule)


def by_number(candidates: Iterable[Candidate]) -> Vote:
    """A vote of the completions among `candidates` in which all weigh alike."""
    return by_score(candidates, "last", "majority")
