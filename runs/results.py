"""What a search found on one problem, as a row, and its JSON; `runs/summary.py` adds rows up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from sal.runtime.usage import Usage

RULES = ("naive", "weighted", "majority", "pass")
"""How one answer is taken from many completions, beside a strategy's own ways; "pass": any
completion is correct."""


def by_name(record: Any) -> dict[str, Any]:
    """The fields of a dataclass as they are: `asdict` would copy every token id."""
    return {name: getattr(record, name) for name in _names(record.__class__)}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@dataclass(frozen=True, slots=True)
class CompletionRow:
    """A completion as recorded: one score per step; equal answers have the same `key`.

    `verdict` is the grader's reason (match, mismatch, no_answer, guarded, timeout, error). `weight`
    is what its vote weighed; None for one that had none: truncated, or filtered out by the search.
    """

    text: str
    steps: tuple[str, ...]
    scores: tuple[float, ...]
    tokens: int | None
    finish: str
    key: str
    verdict: str
    weight: float | None = None

    @property
    def right(self) -> bool:
        """Whether it ended, and with the right answer."""
        return self.finish == "eot" and self.verdict == "match"

    def as_json(self) -> dict[str, Any]:
        """As an item of a row's "completions"."""
        return by_name(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> CompletionRow:
        """The inverse of `as_json`; fields of a later version are passed over."""
        return cls(
            text=content["text"],
            steps=tuple(content["steps"]),
            scores=tuple(content["scores"]),
            tokens=content["tokens"],
            finish=content["finish"],
            key=content["key"],
            verdict=content["verdict"],
            weight=content.get("weight"),
        )


@dataclass(frozen=True, slots=True)
class ResultRow:
    """What a search found on one problem. `chosen` holds indices into `completions`, by rule.

    `rule` is the one by which the strategy chose; "" where it left no result.
    `errors` are the reasons of failed candidates; `error` says why the whole problem failed (then
    there are no completions and nothing is correct). `unspent` is the part of the budget that was
    saved; `capped` tells that a cap on tokens or seconds ended the search. `kv_peak` are the tokens
    of KV cache that the search held at most (`sal.programs.kv_held`), None where unknown.
    """

    id: str
    question: str
    answer: str
    completions: tuple[CompletionRow, ...]
    rule: str
    chosen: dict[str, int | None]
    correct: dict[str, bool]
    policy: Usage
    prm: Usage
    seconds: float
    error: str = ""
    errors: tuple[str, ...] = ()
    unspent: int = 0
    capped: bool = False
    kv_peak: int | None = None

    @property
    def right(self) -> bool:
        """Whether the answer that the strategy chose is correct."""
        return self.correct.get(self.rule, False)

    def as_json(self) -> dict[str, Any]:
        """The row of `results.jsonl`; usage is nested under "usage"."""
        content = by_name(self)
        content["completions"] = [completion.as_json() for completion in self.completions]
        content["usage"] = {role: by_name(content.pop(role)) for role in ("policy", "prm")}
        content["error"] = self.error or None
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ResultRow:
        """The inverse of `as_json`; fields of a later version are passed over."""
        return cls(
            id=content["id"],
            question=content["question"],
            answer=content["answer"],
            completions=tuple(CompletionRow.from_json(c) for c in content["completions"]),
            rule=content.get("rule", "weighted"),
            chosen=dict(content["chosen"]),
            correct=dict(content["correct"]),
            policy=Usage(**content["usage"]["policy"]),
            prm=Usage(**content["usage"]["prm"]),
            seconds=content["seconds"],
            error=content["error"] or "",
            errors=tuple(content["errors"]),
            unspent=content["unspent"],
            capped=content.get("capped", False),
            kv_peak=content.get("kv_peak"),
        )


def failed_row(
    id: str,
    question: str,
    answer: str,
    error: str,
    *,
    policy: Usage = Usage(),
    prm: Usage = Usage(),
    seconds: float = 0.0,
    errors: Sequence[str] = (),
    unspent: int = 0,
    capped: bool = False,
    kv_peak: int | None = None,
) -> ResultRow:
    """A problem without a completion: its reason, and what it cost."""
    return ResultRow(
        id=id,
        question=question,
        answer=answer,
        completions=(),
        rule="",
        chosen={"naive": None, "weighted": None, "majority": None},
        correct=dict.fromkeys(RULES, False),
        policy=policy,
        prm=prm,
        seconds=seconds,
        error=error,
        errors=tuple(errors),
        unspent=unspent,
        capped=capped,
        kv_peak=kv_peak,
    )
