"""What earlier sessions found out of a search: handed back, so that it goes on where it was killed.

A strategy is a pure function of what the endpoints tell. So its search takes the same way again, as
far as that was recorded, without a request, and goes on from there.

A node that failed because something raised is not recorded, nor is what was asked for after it: it
is asked for once more, and what is decided then may differ.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from sal.programs.caps import Meter
from sal.programs.scores import Scores
from sal.programs.trace import ROLLOUT, Node, Path, Trace
from sal.runtime.frontend.growth import Growth
from sal.verifiers.interface import Usage


class Asked(NamedTuple):
    """Which node was asked for, and how: outcomes of different requests are never mixed up.

    `most` and `temperature` are those of the order; `top_logprobs` that of its watch, None without.
    """

    path: Path
    most: int | None
    temperature: float
    top_logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What asking came to: the node, what its state got, and what it cost on each endpoint.

    `cuts` are the places in the text where a step was cut; `prefix` counts the steps before it,
    behind which its own were scored.
    """

    asked: Asked
    node: Node
    growth: Growth
    cuts: tuple[int, ...] = ()
    prefix: int = 0
    policy: Usage = Usage()
    prm: Usage = Usage()


class Recall(Protocol):
    """Where outcomes are kept between sessions. Called from many threads; nothing here raises."""

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """Those of earlier sessions, in the order in which they were kept; parents come first."""
        ...

    @property
    def prompt(self) -> Usage | None:
        """What it cost to have the policy read the prompt, if that was done."""
        ...

    @property
    def seconds(self) -> float:
        """How long earlier sessions searched, up to their last outcome."""
        ...

    def keep(self, outcome: Outcome) -> None:
        """Keep one more."""
        ...

    def keep_prompt(self, cost: Usage) -> None:
        """Keep that the prompt was read."""
        ...


class Memory:
    """One search's use of a `Recall`, if it has one.

    All that is recorded stands in `trace` from the start, and counts in `meter`: it was spent. The
    PRM's `scores` are known from the start too, so that equal steps keep equal scores.
    """

    def __init__(
        self,
        recall: Recall | None,
        trace: Trace,
        scores: Scores | None,
        meter: Meter,
        separator: str,
    ) -> None:
        self._recall = recall
        self._trace = trace
        self._failed: int | None = None
        self._lock = threading.Lock()
        self._outcomes: dict[Asked, Outcome] = {}
        self._paths: set[Path] = set()
        self.read_prompt = False
        """Whether the policy has read the prompt."""
        if recall is None:
            return
        if recall.prompt is not None:
            self.read_prompt = True
            trace.spend(recall.prompt)
        for outcome in recall.outcomes:
            trace.add(outcome.node, outcome.policy, outcome.prm)
            meter.count(outcome.policy.completion_tokens or 0)
            self._outcomes[outcome.asked] = outcome
            self._paths.add(outcome.node.id)
        meter.spend(recall.seconds)
        trace.earlier, trace.earlier_seconds = trace.policy, recall.seconds
        if scores is not None:
            _tell(scores, recall.outcomes, separator)

    def take(self, asked: Asked) -> Outcome | None:
        """What earlier sessions were told; once."""
        return self._outcomes.pop(asked, None)

    def holds(self, paths: Iterable[Path]) -> bool:
        """Whether any of these nodes was recorded: then all of them were begun."""
        return bool(self._paths) and not self._paths.isdisjoint(paths)

    def keep(self, outcome: Outcome, *, raised: bool) -> None:
        """Keep a new one, before it stands in the trace; `raised` tells that an endpoint failed."""
        if self._recall is None:
            return
        with self._lock:
            if raised:
                here = len(self._trace.nodes)
                self._failed = here if self._failed is None else min(self._failed, here)
                return
            failed = self._failed
        if failed is None or (outcome.node.begun or 0) <= failed:
            self._recall.keep(outcome)

    def keep_prompt(self, cost: Usage) -> None:
        """Keep that the prompt was read."""
        if self._recall is not None:
            self._recall.keep_prompt(cost)


def _tell(scores: Scores, outcomes: Iterable[Outcome], separator: str) -> None:
    """Let `scores` know what the PRM said of all steps in `outcomes`."""
    from sal.programs.written import steps_in  # as late as this: it brings SGLang's frontend

    whole: dict[Path, tuple[str, ...]] = {(): ()}
    for outcome in outcomes:
        path, said = outcome.node.id, outcome.node.scores
        before = whole[path[:-1]] if outcome.prefix else ()
        steps = steps_in(outcome.growth.text, outcome.cuts, separator)
        if said:
            scores.know(before, steps, said)
        if path[-1] != ROLLOUT:
            whole[path] = before + steps
