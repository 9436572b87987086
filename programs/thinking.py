"""Budget forcing: how long a policy reasons (s1, Muennighoff et al., arXiv 2501.19393).

Once `think_budget` tokens are spent on reasoning, its end is written for the policy, and the answer
follows. Where the policy ends it before that, "Wait" stands in place of the end, and it thinks on,
`think_extensions` times on a path. What was forced is text like any other to all that goes on from
it: a fork, a rollout, a search that was killed.
"""

from __future__ import annotations

from typing import Literal

from sal.programs.limits import Limits
from sal.programs.written import Written
from sal.strategies.thinking import TAGS, WAIT, begun_reasoning, ending, open_reasoning

Forced = Literal["", "extended", "ended"]


class Thinking:
    """The reasoning of one solution while one of its nodes is written."""

    def __init__(self, limits: Limits, written: Written) -> None:
        self._budget = limits.think_budget
        self._most_extensions = limits.think_extensions or 0
        self._written = written
        self._goes_on = False
        """Whether the last request went on with reasoning, or may have begun it."""

    def ask(self, room: int) -> tuple[int, tuple[str, ...]]:
        """The tokens of the next request, which may have `room`, and where it must stop for us."""
        self._goes_on = False
        if self._budget is None and not self._most_extensions:
            return room, ()
        solution = self._written.solution
        tags = begun_reasoning(self._written.prompt_end, solution)
        self._goes_on = not solution.strip() if tags is None else tags.closes not in solution
        if not self._goes_on:
            return room, ()
        if self._budget is not None and self._left > 0:
            room = min(room, self._left)
        ends = tuple(t.closes for t in (TAGS if tags is None else (tags,)))
        return room, ends if self._extends else ()

    def force(self) -> Forced:
        """End reasoning that the policy has not ended in time, extend what it ended early."""
        if not self._goes_on:
            return ""
        written = self._written
        prompt, solution = written.prompt_end, written.solution
        tags = open_reasoning(prompt, solution)
        if tags is not None:
            if self._budget is None or self._left > 0:
                return ""
            written.force(ending(solution, tags))
            written.cut()
            return "ended"
        tags = begun_reasoning(prompt, solution)
        if tags is None or not self._extends or not written.take_back(tags.closes):
            return ""
        written.force(WAIT)
        return "extended"

    @property
    def _left(self) -> int:
        return (self._budget or 0) - self._written.least

    @property
    def _extends(self) -> bool:
        done = [*self._written.forced_before, *self._written.forced].count(WAIT)
        return done < self._most_extensions and (self._budget is None or self._left > 0)
