"""How steps become token ids: steps in, ids and the places of their verdicts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sal.runtime.endpoint_errors import Rejected
from sal.runtime.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Rendered:
    """Token ids of a question and its K steps.

    The verdict on step k, k < K, is read at `ids[tags[k]]` (of a causal PRM it is the next token),
    or at the end of `tail` behind it. The ids end with the last tag. Rendering more steps only
    appends: the ids of a prefix are a prefix of the ids.
    """

    ids: tuple[int, ...]
    tags: tuple[int, ...]
    tail: tuple[int, ...] = ()

    def upto(self, k: int) -> list[int]:
        """The input at whose last token step k is judged."""
        return [*self.ids[: self.tags[k] + 1], *self.tail]


class Format(Protocol):
    """How one kind of PRM reads steps."""

    def render(self, question: str, steps: Sequence[str]) -> Rendered:
        """`steps` holds at least one step."""
        ...


class CausalFormat(Format, Protocol):
    """That of a PRM whose verdicts are two tokens; `good` and `bad` are their ids."""

    @property
    def good(self) -> int: ...

    @property
    def bad(self) -> int: ...


def verdict_id(tokenizer: Tokenizer, verdict: str | int) -> int:
    """The id of a verdict such as `+`: itself, or the last one that a text encodes to.

    Raises ValueError where the tokenizer has none.
    """
    if isinstance(verdict, int):
        if not 0 <= verdict < tokenizer.size:
            raise ValueError(f"the PRM's tokenizer has {tokenizer.size} ids, and {verdict} is none")
        return verdict
    ids = tokenizer.encode(verdict)
    if not ids:
        raise ValueError(f"the PRM's tokenizer has no token for {verdict!r}")
    return ids[-1]


def check_verdicts(good: object, bad: object) -> None:
    """Raise ValueError unless both are ids, or texts that are not empty, and they differ."""
    for name, value in (("good", good), ("bad", bad)):
        number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if not number and not (isinstance(value, str) and value):
            raise ValueError(f"{name} must be a text that is not empty, or a token's id")
    if good == bad:
        raise ValueError("good and bad must differ")


class Windowed:
    """A verifier that refuses, before anything is sent, what its PRM cannot read; it cuts nothing.

    `window` is how many tokens the PRM reads; None where that is not known.
    """

    prefills = True

    def __init__(self, engine: Any, format: Format, window: int | None) -> None:
        self.format = format
        self.window = window
        self._engine = engine

    def check_question(self, question: str) -> None:
        """Raise `Rejected` for a question that leaves no room for a step."""
        self._check("this question with an empty step", self.format.render(question, [""]))

    def _check(self, what: str, rendered: Rendered) -> None:
        check_window(what, len(rendered.ids) + len(rendered.tail), self.window, self._engine)


def check_window(what: str, length: int, window: int | None, engine: Any) -> None:
    """Raise `Rejected` where `what`, of so many tokens, is more than a PRM reads."""
    if window is not None and length > window:
        raise Rejected(
            f"the PRM reads at most {window:,} tokens, and {what} has {length:,}",
            url=getattr(engine, "url", ""),
        )
