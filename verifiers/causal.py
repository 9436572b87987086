"""Scores read from a causal PRM: one verdict after every step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sal.verifiers.contract import Family, PrmEndpoint
from sal.verifiers.interface import Scored
from sal.verifiers.rendering import CausalFormat
from sal.verifiers.unserved import headed
from sal.verifiers.verdicts import Verdicts


class CausalFamily(Family):
    """Families of causal PRMs, whose verdicts are two of the vocabulary's tokens."""

    def unfit(self, config: Mapping[str, Any]) -> str:
        """A model with a head has no vocabulary to take verdicts from."""
        return headed(config)


class CausalVerifier:
    """A `Verifier` on a causal PRM. Stateless, so any number of threads may share it.

    `aggregate` is the reduction that this PRM's authors rank with.
    """

    def __init__(self, engine: PrmEndpoint, format: CausalFormat, aggregate: str = "last") -> None:
        self.format = format
        self.aggregate = aggregate
        self._verdicts = Verdicts(engine, format.good, format.bad)

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        """One request, whatever the number of steps; see `Verifier`."""
        if not steps:
            return Scored(())
        rendered = self.format.render(question, [*prefix, *steps])
        return self._verdicts.read(rendered.ids, rendered.tags[len(prefix) :])

    def verdict(self, pair: Sequence[Sequence[Any]]) -> float:
        """The score in the log-probabilities of one reply; see `Verdicts`."""
        return self._verdicts.verdict(pair)
