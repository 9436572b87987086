"""Which rule `auto` may follow when none was named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sal.runs.errors import RunError
from sal.runs.problems import TINY

FOLLOWS = "auto"


def check_rule(strategy: str, given: Mapping[str, Any], models_and_data: Sequence[str]) -> None:
    """Raises `RunError` for `auto` without a rule, on models or data that are not the tiny suite's.

    What is best depends on the policy, the PRM and the problems: the rule that is shipped was
    fitted on the embedded ones, and is taken for these alone.
    """
    others = [name for name in models_and_data if name != TINY]
    if strategy == FOLLOWS and "rule" not in given and others:
        raise RunError(
            f"{FOLLOWS} has no rule for {', '.join(others)}: fit one on a sweep with "
            "these models, on problems like these, and give it: sal optimal fit SWEEP --out "
            "rule.json, then --rule rule.json"
        )
