"""What the policy wrote into a state for one node, over one or more requests."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sal.programs.candidate import Candidate
from sal.programs.trace import Finish
from sal.runtime.frontend.growth import mark
from sal.runtime.frontend.states import Place, shorten
from sal.runtime.policy import Reply
from sal.strategies.steps import split_steps
from sal.verifiers.interface import Usage

_PROMPT_END = 64
"""Characters: longer than any tag with white space around it."""


class Written:
    """Grows with every reply."""

    def __init__(self, state: Any, parent: Candidate) -> None:
        self.state = state
        self.usage = Usage()
        self.token_ids: tuple[int, ...] = ()
        self.data = parent.data
        self.least = parent.tokens or 0
        """Tokens of the whole solution, or no more than that where the policy does not tell."""
        self.cuts: list[int] = []
        self.begins = mark(state)
        self.forced: list[str] = []
        """What was written for the policy."""
        self.forced_before = parent.forced
        self._solution = self.begins.chars - len(parent.text)
        self._before: list[tuple[int, Place | None]] = []
        """Where each reply begins, in characters and, where ids are known, in these."""

    @property
    def text(self) -> str:
        return str(self.state.text()[self.begins.chars :])

    @property
    def prompt_end(self) -> str:
        """As much of what stands before the solution as may open its reasoning."""
        return str(self.state.text()[max(0, self._solution - _PROMPT_END) : self._solution])

    @property
    def solution(self) -> str:
        """All of it so far, from its first step on."""
        return str(self.state.text()[self._solution :])

    def steps(self, separator: str) -> tuple[str, ...]:
        """Those that are written; a cut ends one too."""
        return steps_in(self.text, self.cuts, separator)

    def cut(self) -> None:
        """A step ends here, wherever that is."""
        self.cuts.append(len(self.text))

    @property
    def is_cut(self) -> bool:
        """Whether a step was cut where the text ends now."""
        return self.cuts[-1:] == [len(self.text)]

    def end_at(self, ends: Sequence[str]) -> bool:
        """Whether one of `ends` is in the solution; if so, it is taken out, with all behind it.

        It may have begun before the last reply: the separator alone ends a step.
        """
        if not ends:
            return False
        text = self.state.text()
        since = self._before[-1][0] - max(map(len, ends)) + 1
        found = [text.find(end, max(since, self._solution)) for end in ends]
        if not any(place >= 0 for place in found):
            return False
        chars = max(min(place for place in found if place >= 0), self.begins.chars)
        self.cuts = [cut for cut in self.cuts if cut < chars - self.begins.chars]
        self._cut_back(chars)
        return True

    def take_back(self, tag: str) -> bool:
        """Take out `tag`, where it first stands in the solution, with all behind it.

        Not if it began before this node, whose text alone is not settled.
        """
        chars = self.state.text().find(tag, self._solution)
        if chars < self.begins.chars:
            return False
        self._cut_back(chars)
        return True

    def force(self, text: str) -> None:
        """Write `text` for the policy."""
        self.state += text
        self.forced.append(text)

    def _cut_back(self, chars: int) -> None:
        places = [place for begins, place in self._before if begins <= chars]
        shorten(self.state, chars, places[-1])

    def add(self, begins: int, reply: Reply) -> None:
        """Count one reply, whose text begins at `begins`."""
        tokens = reply.usage.completion_tokens
        place = None
        if reply.known is not None and reply.usage.prompt_tokens is not None:
            place = Place(begins, reply.usage.prompt_tokens)
        self._before.append((begins, place))
        self.least += 1 if tokens is None else tokens
        self.usage += reply.usage
        self.token_ids += reply.token_ids


def steps_in(text: str, cuts: Sequence[int], separator: str) -> tuple[str, ...]:
    """The steps of a text in which steps were also cut at `cuts`."""
    bounds = [0, *cuts, len(text)]
    pieces = [text[begin:end] for begin, end in pairwise(bounds)]
    return tuple(step for piece in pieces for step in split_steps(piece, separator))


def between(text: str, before: Finish, after: Finish) -> str:
    """`text` without the white space at its ends, but for an end where a step was cut."""
    text = text if before == "cut" else text.lstrip()
    return text if after == "cut" else text.rstrip()
