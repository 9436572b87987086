"""A fitted rule: by how a problem looks, which strategy goes on, and with how many completions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from sal.strategies.difficulty import MEASURES, Measure, bin_of
from sal.strategies.voting import RULES

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Choice:
    """Go on with `completions` of the strategy `name`, then vote by `rule`; 0: with none.

    `share` is the part of the bin's problems that it is for.
    """

    name: str
    completions: int
    rule: str
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done at one budget.

    `probe` samples are looked at by `measure`, and what they say falls into a bin between `edges`;
    `choices[b]` is for the problems of bin b. Without a probe there is one bin.
    """

    probe: int
    measure: Measure
    edges: tuple[float, ...]
    choices: tuple[tuple[Choice, ...], ...]

    def choose(self, ease: float, draw: float) -> Choice:
        """For a problem that looks so easy; `draw`, in [0, 1), decides between two choices."""
        chosen = self.choices[bin_of(ease, self.edges)]
        reached = 0.0
        for choice in chosen[:-1]:
            reached += choice.share
            if draw < reached:
                return choice
        return chosen[-1]


@dataclass(frozen=True, slots=True)
class Rule:
    """`sampling` are the parameters of Best-of-N, whose first samples the probe is.

    `strategies` has the registered name and the parameters of each strategy that a choice names;
    `decisions` are by budget.
    """

    sampling: Mapping[str, Any]
    strategies: Mapping[str, tuple[str, Mapping[str, Any]]]
    decisions: Mapping[int, Decision]

    @property
    def digest(self) -> str:
        """Of all that decides, and of nothing else."""
        canonical = json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def as_json(self) -> dict[str, Any]:
        """The part of the file that decides."""
        return {
            "format": FORMAT,
            "sampling": dict(self.sampling),
            "strategies": {
                label: {"strategy": name, "params": dict(params)}
                for label, (name, params) in self.strategies.items()
            },
            "budgets": {
                str(budget): {
                    "probe": d.probe,
                    "measure": d.measure,
                    "edges": list(d.edges),
                    "choices": [
                        [[c.name, c.completions, c.rule, c.share] for c in chosen]
                        for chosen in d.choices
                    ],
                }
                for budget, d in sorted(self.decisions.items())
            },
        }

    @classmethod
    def from_json(cls, content: Any) -> Rule:
        """The inverse of `as_json`; raises ValueError, in words, for what is no rule."""
        try:
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']!r} is of another version of sal")
            rule = cls(
                _listed(content["sampling"]),
                {
                    label: (str(known["strategy"]), _listed(known["params"]))
                    for label, known in content["strategies"].items()
                },
                {int(n): _decision(d) for n, d in content["budgets"].items()},
            )
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error
        for decision in rule.decisions.values():
            _check(decision, rule.strategies)
        return rule


def _listed(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as they were: JSON has lists where they have tuples."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in params.items()}


def _decision(content: Mapping[str, Any]) -> Decision:
    return Decision(
        int(content["probe"]),
        content["measure"],
        tuple(float(edge) for edge in content["edges"]),
        tuple(
            tuple(Choice(str(c[0]), int(c[1]), str(c[2]), float(c[3])) for c in chosen)
            for chosen in content["choices"]
        ),
    )


def _check(decision: Decision, known: Mapping[str, object]) -> None:
    """Raises ValueError for a decision that could not be followed."""
    choices: Sequence[Choice] = [c for chosen in decision.choices for c in chosen]
    if decision.measure not in get_args(Measure):
        raise ValueError(f"measure must be one of {', '.join(MEASURES)}, not {decision.measure!r}")
    if len(decision.choices) != len(decision.edges) + 1 or not all(decision.choices):
        raise ValueError("each bin between two edges needs a choice")
    if list(decision.edges) != sorted(decision.edges) or decision.probe < 0:
        raise ValueError("edges must rise, and a probe has no less than 0 samples")
    if not decision.probe and decision.edges:
        raise ValueError("without a probe there is one bin")
    for choice in choices:
        if choice.name not in known:
            raise ValueError(f"{choice.name!r} is not among the rule's strategies")
        if choice.rule not in RULES:
            raise ValueError(f"{choice.rule!r} is not one of {', '.join(RULES)}")
        if choice.completions < (0 if decision.probe else 1):
            raise ValueError("there must be a search, unless there was a probe")
