"""What a state got since a mark, so that another one can be given the same without an engine."""

from __future__ import annotations

from typing import Any, NamedTuple

from sal.runtime.policy import KNOWN, KnownIds


class Mark(NamedTuple):
    """Where a state stood: the characters of its text, and the token ids that were known."""

    chars: int
    ids: tuple[int, ...]


class Growth(NamedTuple):
    """`text` behind the mark. Of the ids known there the first `kept` still are, followed by `ids`.

    Together they cover the text up to `chars` characters behind the mark. None: no id is known.
    """

    text: str
    kept: int = 0
    ids: tuple[int, ...] | None = None
    chars: int = 0


def mark(state: Any) -> Mark:
    """Where `state` stands."""
    known = state.stream_executor.variables.get(KNOWN)
    return Mark(len(state.text()), () if known is None else known.ids)


def growth(state: Any, since: Mark) -> Growth:
    """What `state` got since."""
    text = str(state.text()[since.chars :])
    known = state.stream_executor.variables.get(KNOWN)
    if known is None:
        return Growth(text)
    kept = len(since.ids) if known.ids[: len(since.ids)] == since.ids else 0
    return Growth(text, kept, known.ids[kept:], known.chars - since.chars)


def regrow(state: Any, grown: Growth) -> None:
    """Give it to a state that stands at the mark: the same text, the same known ids."""
    before = mark(state)
    state += grown.text
    variables = state.stream_executor.variables
    variables.pop(KNOWN, None)
    if grown.ids is not None:
        ids = before.ids[: grown.kept] + grown.ids
        variables[KNOWN] = KnownIds(ids, before.chars + grown.chars)
