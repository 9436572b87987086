"""Everything that a search did on one problem: its nodes, its completions, its costs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, Literal

from sal.verifiers.interface import Usage

ROLLOUT = -1
"""The last index of a node that was looked at and not kept: a rollout behind its parent."""

Path = tuple[int, ...]
"""A node's place in the tree: the root is `()`, its third child `(2,)`."""

Finish = Literal["separator", "cut", "eot", "length", "error"]
"""How a step ended. `eot` finishes the completion; `length` truncates it.

After `separator` and `cut` another step can follow. `cut` is a step that reached its own limit: the
next one goes on where its text breaks off, be it in the middle of a line. One behind which the end
of the reasoning was forced is cut, too. Text that ends inside the reasoning is truncated.
"""


@dataclass(frozen=True, slots=True)
class Node:
    """One step in the tree. `id` is its path.

    A rollout, some steps that were written to judge their parent and then let go, is one node
    with `ROLLOUT` as its last index; it has no children.

    A node below one that finished a completion, or truncated it, does not go on with it: it is the
    next attempt in a chain of revisions (`sal.programs.revise`), a completion of its own.

    `text` has no trailing separator. `scores` holds one PRM score per step in the text: one for a
    step-wise search, one per step for a completion sampled whole or a rollout. `error` says why a
    node failed. `tokens` is None where the policy does not tell. `data` is the algorithm's own.
    `begun` is how many nodes were recorded when it was asked for; None where nobody counted.
    `forced` are the places of the text, in their order, that the search wrote in place of the
    policy (`Limits`): the end of its reasoning, or "Wait". Their tokens count nowhere as generated.
    """

    id: Path
    text: str
    tokens: int | None
    finish: Finish
    scores: tuple[float, ...] = ()
    error: str = ""
    token_ids: tuple[int, ...] = ()
    data: Any = None
    begun: int | None = field(default=None, compare=False)
    forced: tuple[str, ...] = ()

    @property
    def parent(self) -> Path:
        return self.id[:-1]


@dataclass(frozen=True, slots=True)
class Completion:
    """A solution: its steps, one score per step, tokens generated along its path, how it ended.

    `key` is the canonical answer that votes compare; "" when the text has no answer. `weight` is
    what its vote weighs; None for one that has no vote: truncated, or filtered out by the search.
    """

    text: str
    steps: tuple[str, ...]
    scores: tuple[float, ...]
    tokens: int | None
    finish: Finish
    key: str = ""
    node: Path = ()
    weight: float | None = None

    @property
    def votes(self) -> bool:
        """Whether it may vote."""
        return self.weight is not None


@dataclass(slots=True)
class Trace:
    """Grows while the program runs; safe to read from another thread (a live display does).

    `earlier` is what of the policy's cost was there from the start, asked for by sessions that were
    killed, in `earlier_seconds`.
    """

    phase: str = "queued"
    nodes: list[Node] = field(default_factory=list)
    policy: Usage = Usage()
    prm: Usage = Usage()
    earlier: Usage = Usage()
    earlier_seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, node: Node, policy: Usage = Usage(), prm: Usage = Usage()) -> None:
        """Record a finished step and what it cost on each endpoint."""
        with self._lock:
            self.nodes.append(node)
        self.spend(policy, prm)

    def spend(self, policy: Usage = Usage(), prm: Usage = Usage()) -> None:
        """Count what was asked of each endpoint."""
        with self._lock:
            self.policy = self.policy + policy
            self.prm = self.prm + prm


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a program leaves in its state under "result".

    `rule` is the one by which the strategy chose. `chosen` has its index into `completions`, and
    beside it those of the field's other rules ("naive", "weighted", "majority"); None when there
    is no completion with an answer. `errors` lists the reasons of failed nodes. `unspent` counts
    the completions of the budget that were never begun; `capped` tells that a cap on tokens or
    seconds ended the search.
    """

    completions: tuple[Completion, ...]
    chosen: dict[str, int | None]
    rule: str
    trace: Trace
    errors: tuple[str, ...] = ()
    unspent: int = 0
    capped: bool = False

    @property
    def best(self) -> Completion | None:
        """The completion that the strategy chose."""
        index = self.chosen[self.rule]
        return None if index is None else self.completions[index]
