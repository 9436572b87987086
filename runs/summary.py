"""What the rows of a run come to: means and their errors, counts and costs, and their JSON."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sal.grading.extract import extract
from sal.runs.problems import Skipped
from sal.runs.results import RULES, ResultRow
from sal.runtime.model_cost import ModelCost
from sal.runtime.usage import Usage


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
    `owed` problems of the recipe are not in it: the run was cut short. `flops` are those of
    `models` for the usage of their endpoints, None where a count is unknown. `kv_peak` has the mean
    and the largest of the rows'. `unspent` counts completions that were not begun, `truncated`
    those that a limit cut, `capped` the problems whose search a cap on tokens or seconds ended,
    `verdicts` the grader's reasons over all completions. `no_answer` completions ended without
    stating one, and `readable` of these hold a number that flexible extraction would read. `at_n`
    is what fewer samples come to, `skipped` the rows of the data set that are no problems.
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
    models: dict[str, ModelCost | None]
    flops: dict[str, float | None]
    kv_peak: dict[str, float | None]
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
    skipped: Skipped = Skipped()

    def as_json(self) -> dict[str, Any]:
        content = asdict(self)
        content |= {"at_n": self.at_n.as_json(), "at_n_note": self.at_n.note}
        content["usage"] = {"policy": content.pop("policy"), "prm": content.pop("prm")}
        content["accuracy"] = {rule: mean.as_json() for rule, mean in self.accuracy.items()}
        return content


class Totals:
    """What rows come to, added one at a time; of each a few bits are held."""

    def __init__(self) -> None:
        self._problems = self._failed = self._unspent = self._capped = 0
        self._rule = ""
        self._right: dict[str, bytearray] = {rule: bytearray() for rule in RULES}
        self._policy = self._prm = Usage()
        self._completions = self._truncated = self._silent = self._readable = 0
        self._verdicts: Counter[str] = Counter()
        self._kv_sum, self._kv_max, self._kv_known = 0, 0, 0

    def add(self, row: ResultRow) -> None:
        """One more problem."""
        for rule in row.correct:
            if rule not in self._right:
                self._right[rule] = bytearray(self._problems)  # wrong by a rule it did not have
        for rule, right in self._right.items():
            right.append(row.correct.get(rule, False))
        self._problems += 1
        self._failed += bool(row.error)
        self._rule = self._rule or row.rule
        self._policy += row.policy
        self._prm += row.prm
        self._unspent += row.unspent
        self._capped += row.capped
        if row.kv_peak is not None:
            self._kv_sum += row.kv_peak
            self._kv_max = max(self._kv_max, row.kv_peak)
            self._kv_known += 1
        for c in row.completions:
            self._completions += 1
            self._truncated += c.finish == "length"
            self._verdicts[c.verdict] += 1
            if c.finish == "eot" and c.verdict == "no_answer":
                self._silent += 1
                self._readable += extract(c.text, flexible=True) is not None

    def summary(
        self,
        *,
        strategy: str,
        budget: int,
        owed: int,
        seconds: float,
        versions: Mapping[str, str],
        recipe: str,
        models: Mapping[str, ModelCost | None],
        at_n: AtN = AtN({}),
        skipped: Skipped = Skipped(),
    ) -> Summary:
        """Of all that were added; `models` are what the models compute, by endpoint, if known."""

        def flops(endpoint: str, usage: Usage) -> float | None:
            model = models.get(endpoint)
            return None if model is None else model.flops(usage)

        return Summary(
            strategy=strategy,
            budget=budget,
            problems=self._problems,
            failed=self._failed,
            owed=owed,
            rule=self._rule,
            accuracy={rule: Estimate.of(right) for rule, right in self._right.items()},
            policy=self._policy,
            prm=self._prm,
            models={endpoint: models.get(endpoint) for endpoint in ("policy", "prm")},
            flops={"policy": flops("policy", self._policy), "prm": flops("prm", self._prm)},
            kv_peak=self._kv_peak(),
            completions=self._completions,
            unspent=self._unspent,
            truncated=self._truncated,
            capped=self._capped,
            verdicts=dict(sorted(self._verdicts.items())),
            seconds=seconds,
            versions=dict(versions),
            recipe=recipe,
            no_answer=self._silent,
            readable=self._readable,
            at_n=at_n,
            skipped=skipped,
        )

    def _kv_peak(self) -> dict[str, float | None]:
        """Mean and most; unknown when one of them is, or when there are none."""
        if not self._problems or self._kv_known < self._problems:
            return {"mean": None, "max": None}
        return {"mean": self._kv_sum / self._problems, "max": float(self._kv_max)}


def summarise(rows: Iterable[ResultRow], **about: Any) -> Summary:
    """`Totals` of all `rows`; `about` is what its `summary` is told."""
    totals = Totals()
    for row in rows:
        totals.add(row)
    return totals.summary(**about)
