"""A compute-optimal rule as `auto` finds it: in a file, or beside the tiny suite."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from sal.strategies.rule import Rule

TINY_RULE = "tiny"
"""The name of the rule that is shipped; all else is a file."""

_READ: dict[str, Rule] = {}
"""Rules by their digest: a run asks for its own at every problem."""


def rule_content(name: str) -> dict[str, Any]:
    """All that the file of rule `name` holds; raises ValueError, in words, when it is none."""
    path = files("sal").joinpath("tiny", "rule.json") if name == TINY_RULE else Path(name)
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        rule = Rule.from_json(content)
    except OSError as error:
        raise ValueError(f"rule {name}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"rule {name}: not a fitted rule: {error}") from error
    _READ[rule.digest] = rule
    return content


def read_rule(name: str) -> Rule:
    """The part of it that decides, read anew; raises ValueError as above."""
    return Rule.from_json(rule_content(name))


def known_rule(digest: str) -> Rule:
    """One that was read before."""
    return _READ[digest]
