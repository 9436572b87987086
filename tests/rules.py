"""Rules for `auto` in tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sal.programs.best_of_n import BestOfNParams
from sal.strategies.rule import Choice, Decision, Rule

Chosen = tuple[str, int] | tuple[str, int, str] | tuple[str, int, str, float]


def decision(
    probe: int,
    *bins: Sequence[Chosen],
    edges: Sequence[float] = (),
    measure: Any = "mean",
) -> Decision:
    """With the choices of each bin, hardest first; a vote is weighted unless told."""
    choices = tuple(tuple(Choice(*(*c, "weighted")[: max(len(c), 3)]) for c in b) for b in bins)
    return Decision(probe, measure, tuple(edges), choices)


def rule_of(
    decisions: Mapping[int, Decision], strategies: Mapping[str, Mapping[str, Any]] | None = None
) -> Rule:
    """Of strategies with these parameters; those that are not named have their defaults."""
    sampling = asdict(BestOfNParams(aggregate="last"))
    del sampling["budget"]
    names = {c.name for d in decisions.values() for chosen in d.choices for c in chosen}
    known = {name: (name, dict((strategies or {}).get(name, {}))) for name in sorted(names)}
    if "best-of-n" in known:
        known["best-of-n"] = ("best-of-n", sampling)
    return Rule(sampling, known, dict(decisions))


def write_rule(path: Path, rule: Rule) -> str:
    """Its file, as `--rule` takes it."""
    path.write_text(json.dumps(rule.as_json()), encoding="utf-8")
    return str(path)
