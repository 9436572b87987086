"""From a sweep's results to what each action comes to, under each way to look at a problem.

An action is a strategy with N completions and a vote. Behind a probe it is voted anew, the probe's
samples among the completions, as `sal.programs.auto` does. The probes are samples that the search
does not hold: those of Best-of-N beyond the largest N, in several groups where there are enough,
each of them a look at the problem. Where there are none the second half of all serves. Then a
search of a larger N begins with the steps that the probe begins with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sal.runs.optimal.costs import CURRENCIES, Array, Currency, SampleCosts, cost_of
from sal.runs.optimal.sweep import SAMPLES, NoFit, Sweep
from sal.runs.results import CompletionRow, ResultRow
from sal.strategies.aggregate import Aggregate, aggregate
from sal.strategies.cross_fit import Outcomes
from sal.strategies.difficulty import MEASURES, Measure, ease
from sal.strategies.voting import RULES

GROUPS = 8
"""The most probes of a problem that are tried."""

VOTES = ("weighted", "majority")
"""Over samples of Best-of-N; all else votes by score."""


@dataclass(frozen=True, slots=True)
class Action:
    """`completions` of the strategy `label`, chosen among by the vote `rule`; 0: no search."""

    label: str
    completions: int
    rule: str


@dataclass(frozen=True, slots=True)
class Look:
    """A way to look at a problem: `probe` samples and a measure; 0: not at all."""

    probe: int
    measure: Measure


class Grid:
    """The actions of a sweep, and their outcomes. Costs are in `currency`."""

    def __init__(self, sweep: Sweep, currency: Currency) -> None:
        self.sweep = sweep
        self._currency = CURRENCIES.index(currency)
        self._total = sweep.samples.n
        largest = max((arm.n for arm in sweep.arms), default=0)
        self._beyond = self._total - largest
        sizes = _sizes_up_to(self._total)
        self.actions = [
            *(Action(SAMPLES, n, rule) for n in (0, *sizes) for rule in VOTES),
            *(Action(arm.label, arm.n, "weighted") for arm in sweep.arms),
        ]
        self._by_name = {(arm.label, arm.n): arm for arm in sweep.arms}
        costs = self._alone[1]
        if np.isnan(costs[np.isfinite(costs) | np.isnan(costs)]).any():
            raise NoFit(f"the sweep's runs do not tell what they cost in {currency}")

    # Looks

    @cached_property
    def blind(self) -> Outcomes:
        """Nothing is known of a problem."""
        return self._known_by([0.0] * self.sweep.problems)

    @cached_property
    def oracle(self) -> Outcomes:
        """By pass@1 over all samples, which needs the right answers, and is not paid for."""
        rows = self.sweep.samples.rows
        return self._known_by([sum(c.right for c in row.completions) / self._total for row in rows])

    @cached_property
    def predicted(self) -> Outcomes:
        """By the mean score of all samples, not paid for either."""
        rows = self.sweep.samples.rows
        return self._known_by([self._ease("mean", row.completions, self._total) for row in rows])

    def probed(self, probe: int, measures: Sequence[Measure]) -> list[Outcomes]:
        """By what `probe` samples say, which are paid for and vote; one for each measure."""
        spare = self._beyond if self._beyond >= probe else self._total // 2
        groups = min(GROUPS, spare // probe)
        most = self._total - groups * probe
        problem: list[int] = []
        right, cost, tokens = [], [], []
        eases: list[list[float]] = [[] for _ in measures]
        for number, row in enumerate(self.sweep.samples.rows):
            for group in range(groups):
                end = self._total - group * probe
                looked = row.completions[end - probe : end]
                paid = self._sample_costs[number].of(looked)
                problem.append(number)
                for found, measure in zip(eases, measures, strict=True):
                    found.append(self._ease(measure, looked, probe))
                right.append([self._right(a, number, looked, most) for a in self.actions])
                bills = np.array([self._bill(a, number, most) for a in self.actions])
                cost.append(bills[:, self._currency] + paid[self._currency])
                tokens.append(bills[:, 1] + paid[1])
        came_to = np.array(right), np.array(cost), np.array(tokens)
        return [Outcomes(np.array(problem), np.array(found), *came_to) for found in eases]

    def price(self, budget: int) -> float:
        """What N samples of Best-of-N cost on average, in the currency."""
        if self._currency == 0:
            return float(budget)
        if budget > self._total:
            raise NoFit(
                f"N = {budget} is paid for as Best-of-N pays for it, and the sweep has only "
                f"{self._total} samples"
            )
        rows = self.sweep.samples.rows
        bills = [
            costs.of(row.completions[:budget])[self._currency]
            for costs, row in zip(self._sample_costs, rows, strict=True)
        ]
        return float(np.mean(bills))

    # What an action comes to

    @cached_property
    def _sample_costs(self) -> list[SampleCosts]:
        models = self.sweep.samples.run.models
        return [SampleCosts(row, models) for row in self.sweep.samples.rows]

    @cached_property
    def _alone(self) -> tuple[Array, Array, Array]:
        """Of each problem and action, without a probe: right, cost, tokens."""
        problems = range(self.sweep.problems)
        right = [[self._right(a, p, (), self._total) for a in self.actions] for p in problems]
        bills = np.array([[self._bill(a, p, self._total) for a in self.actions] for p in problems])
        bills[:, [not a.completions for a in self.actions]] = np.inf
        return np.array(right), bills[:, :, self._currency], bills[:, :, 1]

    def _known_by(self, eases: Sequence[float]) -> Outcomes:
        return Outcomes(np.arange(self.sweep.problems), np.array(eases), *self._alone)

    def _row(self, action: Action, problem: int) -> ResultRow:
        if action.label == SAMPLES:
            return self.sweep.samples.rows[problem]
        return self._by_name[action.label, action.completions].rows[problem]

    def _right(
        self, action: Action, problem: int, probe: Sequence[CompletionRow], most: int
    ) -> float:
        """Whether the vote over the probe and what the action found is right."""
        found = self._row(action, problem).completions
        how = self._aggregate
        if action.label != SAMPLES:
            how = self._by_name[action.label, action.completions].params["aggregate"]
        elif action.completions > most:
            return 0.0
        else:
            found = found[: action.completions]
        voters = [c for c in (*probe, *found) if c.finish == "eot" and c.key]
        scores = [aggregate(c.scores, how) for c in voters]
        elected = RULES[action.rule]([c.key for c in voters], scores)
        return float(elected is not None and voters[elected].right)

    def _bill(self, action: Action, problem: int, most: int) -> Array:
        """What it costs without the probe; infinite for samples that are not there."""
        if action.label != SAMPLES:
            arm = self._by_name[action.label, action.completions]
            return cost_of(arm.rows[problem], arm.n, arm.run.models)
        if not action.completions:
            return np.zeros(len(CURRENCIES))
        if action.completions > most:
            return np.full(len(CURRENCIES), np.inf)
        row = self.sweep.samples.rows[problem]
        return self._sample_costs[problem].of(row.completions[: action.completions])

    @property
    def _aggregate(self) -> Aggregate | None:
        how: Aggregate | None = self.sweep.samples.params["aggregate"]
        return how

    def _ease(self, measure: Measure, samples: Sequence[CompletionRow], count: int) -> float:
        ended = [c for c in samples if c.finish == "eot"]
        scores = [aggregate(c.scores, self._aggregate) for c in ended]
        return ease(measure, [c.key for c in ended], scores, count)


def looks(grid: Grid, probes: Sequence[int]) -> Iterator[tuple[Look, Outcomes]]:
    """No look at all, then every measure of each probe; of one sample they are the same."""
    yield Look(0, "mean"), grid.blind
    for probe in probes:
        measures = MEASURES if probe > 1 else MEASURES[:1]
        found = grid.probed(probe, measures)
        yield from ((Look(probe, m), o) for m, o in zip(measures, found, strict=True))


def _sizes_up_to(total: int) -> list[int]:
    """1, 2, 4, ..."""
    return [2**k for k in range(total.bit_length())]
