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
        self._solution = self.begins.chars - len(parent.text)
        self._before: list[tuple[int, Place | None]] = []
        """Where each reply begins, in characters and, where ids are known, in these."""

    @property
    def text(self) -> str:
        return str(self.state.text()[self.begins.chars :])

    def steps(self, separator: str) -> tuple[str, ...]:
        """Those that are written; a cut ends one too."""
        return steps_in(self.text, self.cuts, separator)

    def cut(self) -> None:
        """A step ends here, wherever that is."""
        self.cuts.append(len(self.text))

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
        places = [place for begins, place in self._before if begins <= chars]
        shorten(self.state, chars, places[-1])
        return True

    def add(self, begins: int, reply: Reply) -> None:
        """Count one reply, whose text begins at `begins`."""
        tokens = reply.usage.completion_tokens
        place = None
        if reply.known is not None and reply.token_ids:
            place = Place(begins, len(reply.known.ids) - len(reply.token_ids))
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
