"""Numbers at every n <= N from one run's completions: pass@n, and what each rule had chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sal.runs.results import AtN, Estimate, ResultRow
from sal.strategies.at_n import DRAWN, Ballots, naive_at, pass_at, subsets, voted_at

RULES = ("naive", "weighted", "majority")


def numbers_at(
    rows: Iterable[ResultRow], strategy: str, budget: int, *, independent: bool, ns: Iterable[int]
) -> AtN:
    """Means over problems of what n of their samples come to, for `ns` in 1..`budget`.

    Samples are subsampled only where they are `independent`, and no cap kept some from being
    begun; else pass@1 alone is told, as a mean over completions, and why.
    """
    rows = list(rows)
    capped = sum(row.capped for row in rows)
    if not rows:
        return AtN({})
    if not independent or capped:
        why = (
            f"{strategy} does not sample its completions independently of each other, so some of "
            "them do not show what a smaller N would have found"
            if not independent
            else f"a cap ended the search of {capped} of {len(rows)} problems"
        )
        ones = [_share(row) for row in rows]
        return AtN({"pass": {1: Estimate.of(ones)}}, f"@1 only: {why}")
    drawn: dict[str, set[int]] = {rule: set() for rule in RULES}
    values = values_at(rows, budget, ns, drawn)
    return AtN(
        {
            rule: {n: Estimate.of(found) for n, found in by_n.items()}
            for rule, by_n in values.items()
        },
        _drawn(drawn),
    )


def values_at(
    rows: Iterable[ResultRow],
    budget: int,
    ns: Iterable[int],
    drawn: Mapping[str, set[int]] | None = None,
) -> dict[str, dict[int, list[float]]]:
    """By rule and n, for each row: the mean over subsets of n of its samples, which must be
    independent.

    Notes in `drawn`, by rule, for which n not all subsets were looked at.
    """
    sizes = sorted(set(ns))
    values: dict[str, dict[int, list[float]]] = {
        rule: {n: [] for n in sizes} for rule in (*RULES, "pass")
    }
    for row in rows:
        total = max(budget, len(row.completions))  # those that failed are in no list, and wrong
        right = [c.right for c in row.completions]
        keys = [c.key if c.finish == "eot" else "" for c in row.completions]
        weights = [0.0 if c.weight is None else c.weight for c in row.completions]
        scored = Ballots.of(keys, weights, right, total)
        equal = Ballots.of(keys, [0.0] * len(keys), right, total)
        for n in sizes:
            values["pass"][n].append(pass_at(sum(right), total, n))
            chosen = subsets(total, n)
            for rule, ballots in (("naive", scored), ("weighted", scored), ("majority", equal)):
                if rule == "naive" and ballots.decided_by_rank:
                    values[rule][n].append(naive_at(ballots.right.tolist(), total, n))
                    continue
                values[rule][n].append(voted_at(rule, ballots, chosen))
                if drawn is not None and not chosen.all:
                    drawn[rule].add(n)
    return values


def sizes_up_to(budget: int) -> list[int]:
    """1, 2, 4, ... and the budget itself."""
    return sorted({*(2**k for k in range(budget.bit_length())), budget})


def _share(row: ResultRow) -> float:
    """pass@1: the share of a problem's completions that are right."""
    right = [c.right for c in row.completions]
    return sum(right) / len(right) if right else 0.0


def _drawn(drawn: Mapping[str, set[int]]) -> str:
    """Which numbers are averages over subsets that were drawn, and over how many."""
    said = [
        f"{rule} at n = {', '.join(map(str, sorted(found)))}"
        for rule, found in drawn.items()
        if found
    ]
    if not said:
        return ""
    return f"over {DRAWN} subsets of the samples: {'; '.join(said)}; else over all subsets"
