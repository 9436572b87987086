"""Which rule `auto` may follow when none was named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sal.runs.errors import RunError
from sal.runs.problems import TINY
from sal.runs.registry import Strategy


def check_rule(strategy: Strategy, given: Mapping[str, Any], models_and_data: list[str]) -> None:
    """Raises `RunError` for a strategy that follows a rule, without one, on other than tiny.

    What is best depends on the policy, the PRM and the problems: the rule that is shipped was
    fitted on the embedded ones, and is taken for these alone.
    """
    follows = any(f.name == "rule" for f in fields(strategy.program.params_class))
    others = [name for name in models_and_data if name != TINY]
    if follows and "rule" not in given and others:
        raise RunError(
            f"{strategy.program.name} has no rule for {', '.join(others)}: fit one on a sweep with "
            "these models, on problems like these, and give it: sal optimal fit SWEEP --out "
            "rule.json, then --rule rule.json"
        )
