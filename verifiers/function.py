"""A Python function as the verifier: `--prm module:function`. No server is started for it.

    def score(question: str, steps: Sequence[str]) -> Sequence[float]: ...

It gets all steps of a solution as far as it goes, and returns one score in [0, 1] for each. It is
called from many threads at once.
"""

from __future__ import annotations

import importlib
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sal.runtime.endpoint_errors import EndpointError
from sal.verifiers.contract import Family, Prm, Serving
from sal.verifiers.interface import Scored

NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

Score = Callable[[str, Sequence[str]], Sequence[float]]


class FunctionFailed(EndpointError):
    """The function raised, or returned what are no scores."""


def load_function(name: str) -> Score:
    """The function that `module:function` names; modules are looked for here, too, as Python does.

    Raises ValueError.
    """
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever a user's module does when it is imported
        reason = " ".join(str(error).split())
        raise ValueError(f"the PRM {name}: {type(error).__name__}: {reason}") from error
    if not callable(found):
        raise ValueError(f"the PRM {name} is a {type(found).__name__}, not a function")
    score: Score = found
    return score


class FunctionVerifier:
    """A `Verifier` that calls `function`; `name` is its name in messages."""

    def __init__(self, function: Score, name: str, aggregate: str = "last") -> None:
        self.aggregate = aggregate
        self._function = function
        self._name = name

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        """Raises `FunctionFailed`, which concerns these steps alone; see `Verifier`."""
        if not steps:
            return Scored(())
        shown = [*prefix, *steps]
        try:
            told = list(self._function(question, list(shown)))
            scores = [float(score) for score in told]
        except Exception as error:
            raise self._failed(f"raised {type(error).__name__}: {error}") from error
        if len(scores) != len(shown):
            raise self._failed(f"returned {len(scores)} scores for {len(shown)} steps")
        for number, score in enumerate(scores, 1):
            if math.isnan(score) or not 0 <= score <= 1:
                raise self._failed(f"scored step {number} {score}, which is not in [0, 1]")
        return Scored(tuple(scores[len(prefix) :]))

    def _failed(self, what: str) -> FunctionFailed:
        return FunctionFailed(f"the PRM {self._name} {what}", url=self._name)


class FunctionFamily(Family):
    name = "function"
    authors = "sal"
    aggregate = "last"

    def recognises(self, model: str, config: Mapping[str, Any]) -> bool:  # noqa: ARG002
        return NAME.fullmatch(model) is not None

    def serve(self, prm: Prm) -> Serving:
        """No server; what is wrong with the function's name or module is told here."""
        load_function(prm.model)
        return Serving(None)

    def build(self, prm: Prm) -> FunctionVerifier:
        return FunctionVerifier(load_function(prm.model), prm.model, prm.aggregate)


FUNCTION = FunctionFamily()
