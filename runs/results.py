"""A run's result types: a row per problem and the summary, and their JSON."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sal.grading.extract import extract
from sal.runtime.usage import Usage

RULES = ("naive", "weighted", "majority", "pass")
"""How one answer is taken from many completions, beside a strategy's own ways; "pass": any
completion is correct."""


def by_name(record: Any) -> dict[str, Any]:
    """The fields of a dataclass as they are: `asdict` would copy every token id."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


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
    saved; `capped` tells that a cap on tokens or seconds ended the search.
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

    @property
    def right(self) -> bool:
        """Whether the answer that the strategy chose is correct."""
        return self.correct.get(self.rule, False)

    def as_json(self) -> dict[str, Any]:
        """The row of `results.jsonl`; usage is nested under "usage"."""
        content = by_name(self)
        content["completions"] = [completion.as_json() for completion in self.completions]
        content["usage"] = {role: asdict(content.pop(role)) for role in ("policy", "prm")}
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
    )


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over problems and its standard error; the error of one problem is unknown (NaN)."""

    mean: float
    stderr: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        n = len(values)
        if n == 0:
            return cls(math.nan, math.nan)
        mean = sum(values) / n
        if n == 1:
            return cls(mean, math.nan)
        variance = sum((value - mean) ** 2 for value in values) / (n - 1)
        return cls(mean, math.sqrt(variance / n))

    def as_json(self) -> dict[str, float | None]:
        """NaN is no JSON: null."""
        return {
            "mean": None if math.isnan(self.mean) else self.mean,
            "stderr": None if math.isnan(self.stderr) else self.stderr,
        }


@dataclass(frozen=True, slots=True)
class AtN:
    """`estimates[rule][n]`: what `rule` comes to with n of the samples; "pass" at 1 is pass@1.

    Each is a mean over problems of the mean over subsets, so its error is clustered by problem.
    `note` says why some are left out, or which are over a part of all subsets.
    """

    estimates: dict[str, dict[int, Estimate]]
    note: str = ""

    def as_json(self) -> dict[str, dict[str, Any]]:
        return {
            rule: {str(n): estimate.as_json() for n, estimate in by_n.items()}
            for rule, by_n in self.estimates.items()
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """`summary.json`. Accuracy is over `problems`, in which failed ones count as wrong.

    `rule` is the one by which the strategy chose; `accuracy` has all that were looked at.
    `owed` problems of the recipe are not in it: the run was cut short. `flops` is 2 x parameters
    x uncached tokens per endpoint, None where a count is unknown. `unspent` counts
    completions that were not begun, `truncated` those that a limit cut, `capped` the problems whose
    search a cap on tokens or seconds ended, `verdicts` the grader's reasons over all completions.
    `no_answer` completions ended without stating one, and `readable` of these hold a number that
    flexible extraction would read. `at_n` is what fewer samples come to.
    """

    strategy: str
    budget: int
    problems: int
    failed: int
    owed: int
    rule: str
    accuracy: dict[str, Estimate]
    policy: Usage
    prm: Usage
    flops: dict[str, float | None]
    completions: int
    unspent: int
    truncated: int
    capped: int
    verdicts: dict[str, int]
    seconds: float
    versions: dict[str, str]
    recipe: str
    no_answer: int = 0
    readable: int = 0
    at_n: AtN = AtN({})

    def as_json(self) -> dict[str, Any]:
        content = asdict(self)
        content |= {"at_n": self.at_n.as_json(), "at_n_note": self.at_n.note}
        content["usage"] = {"policy": content.pop("policy"), "prm": content.pop("prm")}
        content["accuracy"] = {rule: mean.as_json() for rule, mean in self.accuracy.items()}
        return content


def summarise(
    rows: Iterable[ResultRow],
    *,
    strategy: str,
    budget: int,
    owed: int,
    seconds: float,
    versions: Mapping[str, str],
    recipe: str,
    parameters: Mapping[str, int | None],
    at_n: AtN = AtN({}),
) -> Summary:
    """Add up `rows`; `parameters` are the models' parameter counts by endpoint, where known."""
    rows = list(rows)
    completions = [c for row in rows for c in row.completions]
    silent = [c for c in completions if c.finish == "eot" and c.verdict == "no_answer"]
    policy = sum((row.policy for row in rows), Usage())
    prm = sum((row.prm for row in rows), Usage())

    def flops(endpoint: str, usage: Usage) -> float | None:
        size, tokens = parameters.get(endpoint), usage.uncached_tokens
        return None if size is None or tokens is None else 2.0 * size * tokens

    rules = dict.fromkeys([*RULES, *(rule for row in rows for rule in row.correct)])
    return Summary(
        strategy=strategy,
        budget=budget,
        problems=len(rows),
        failed=sum(bool(row.error) for row in rows),
        owed=owed,
        rule=next((row.rule for row in rows if row.rule), ""),
        accuracy={
            rule: Estimate.of([float(row.correct.get(rule, False)) for row in rows])
            for rule in rules
        },
        policy=policy,
        prm=prm,
        flops={"policy": flops("policy", policy), "prm": flops("prm", prm)},
        completions=len(completions),
        unspent=sum(row.unspent for row in rows),
        truncated=sum(c.finish == "length" for c in completions),
        capped=sum(row.capped for row in rows),
        verdicts=dict(sorted(Counter(c.verdict for c in completions).items())),
        seconds=seconds,
        versions=dict(versions),
        recipe=recipe,
        no_answer=len(silent),
        readable=sum(extract(c.text, flexible=True) is not None for c in silent),
        at_n=at_n,
    )
