"""Scores read from a causal PRM: one verdict after every step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from sal.runtime.model_files import local_file
from sal.verifiers.contract import Family, Prm, PrmEndpoint, Serving
from sal.verifiers.interface import Scored, Verifier
from sal.verifiers.rendering import CausalFormat, Windowed
from sal.verifiers.unserved import headed
from sal.verifiers.verdicts import Verdicts


class CausalFamily(Family):
    """Families of causal PRMs, whose verdicts are two of the vocabulary's tokens."""

    @abstractmethod
    def format(self, prm: Prm) -> CausalFormat:
        """How it reads steps; raises ValueError for a tokenizer that does not fit."""

    def serve(self, prm: Prm) -> Serving:
        """As it is. A tokenizer that is here is looked at before anything starts."""
        if local_file(prm.model, "tokenizer.json"):
            self.format(prm)
        return super().serve(prm)

    def build(self, prm: Prm) -> Verifier:
        return CausalVerifier(prm.engine, self.format(prm), prm.aggregate, prm.window)

    def unfit(self, config: Mapping[str, Any]) -> str:
        """A model with a head has no vocabulary to take verdicts from."""
        return headed(config)


class CausalVerifier(Windowed):
    """A `Verifier` on a causal PRM. Stateless, so any number of threads may share it.

    `aggregate` is the reduction that this PRM's authors rank with.
    """

    format: CausalFormat

    def __init__(
        self,
        engine: PrmEndpoint,
        format: CausalFormat,
        aggregate: str = "last",
        window: int | None = None,
    ) -> None:
        super().__init__(engine, format, window)
        self.good, self.bad = format.good, format.bad
        self.aggregate = aggregate
        self._verdicts = Verdicts(engine, format.good, format.bad)

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        """One request, whatever the number of steps; see `Verifier`."""
        if not steps:
            return Scored(())
        rendered = self.format.render(question, [*prefix, *steps])
        self._check("this solution with its question", rendered)
        return self._verdicts.read(rendered.ids, rendered.tags[len(prefix) :])

    def verdict(self, pair: Sequence[Sequence[Any]]) -> float:
        """The score in the log-probabilities of one reply; see `Verdicts`."""
        return self._verdicts.verdict(pair)
