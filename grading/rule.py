"""What a rule of comparison is."""

from __future__ import annotations

from collections.abc import Callable

Again = Callable[[str, str], bool]
"""Compares two parts of the answers, (gold, pred), by all the rules."""
Rule = Callable[[str, str, Again], bool | None]
"""(gold, pred, again) -> whether they are the same; None when the rule is about another class."""
