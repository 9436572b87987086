"""The rule as data: what it decides, and its file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rules import decision, rule_of

from sal.strategies.rule import Choice, Rule

RULE = rule_of(
    {
        4: decision(0, [("beam", 4)]),
        8: decision(2, [("dvts", 8, "majority")], [("best-of-n", 0)], edges=[0.5], measure="best"),
    },
    {"dvts": {"width": 2, "stop_strings": ("a", "b")}},
)


def test_it_decides_by_bin() -> None:
    at_8 = RULE.decisions[8]
    assert at_8.choose(0.4999, 0.0) == Choice("dvts", 8, "majority")
    assert at_8.choose(0.5, 0.0) == Choice("best-of-n", 0, "weighted")


def test_it_decides_by_share() -> None:
    parts = [("beam", 4, "weighted", 0.25), ("beam", 8, "weighted", 0.75)]
    chosen = decision(1, parts)
    assert [chosen.choose(0.5, u).completions for u in (0.0, 0.2499, 0.25, 0.999)] == [4, 4, 8, 8]


def test_its_file_is_read_back() -> None:
    again = Rule.from_json(json.loads(json.dumps(RULE.as_json())))
    assert again == RULE
    assert again.digest == RULE.digest
    assert again.strategies["dvts"][1]["stop_strings"] == ("a", "b")


def test_the_digest_is_of_what_decides() -> None:
    content = RULE.as_json()
    assert Rule.from_json({**content, "provenance": {"problems": 7}}).digest == RULE.digest
    content["budgets"]["8"]["edges"] = [0.6]
    assert Rule.from_json(content).digest != RULE.digest


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        ("measure", "luck", "measure must be one of mean, best, share, not 'luck'"),
        ("edges", [0.2, 0.5], "each bin between two edges needs a choice"),
        ("edges", [], "each bin between two edges needs a choice"),
        ("choices", [[], []], "each bin between two edges needs a choice"),
        ("probe", -1, "no less than 0 samples"),
        ("probe", 0, "without a probe there is one bin"),
        ("probe", "many", "invalid literal"),
        ("choices", [[["elsewhere", 8, "weighted", 1]]] * 2, "'elsewhere' is not among the rule's"),
        ("choices", [[["dvts", 8, "luck", 1]]] * 2, "'luck' is not one of"),
        ("choices", [[["dvts", 8]]] * 2, "IndexError"),
        ("choices", [[["dvts", -1, "weighted", 1]]] * 2, "there must be a search"),
    ],
)
def test_what_could_not_be_followed(at: str, value: Any, message: str) -> None:
    content = RULE.as_json()
    content["budgets"]["8"][at] = value
    with pytest.raises(ValueError, match=message):
        Rule.from_json(content)


def test_edges_rise() -> None:
    content = RULE.as_json()
    content["budgets"]["8"] |= {"edges": [0.5, 0.2], "choices": [[["dvts", 8, "weighted", 1]]] * 3}
    with pytest.raises(ValueError, match="edges must rise"):
        Rule.from_json(content)


@pytest.mark.parametrize("content", [None, [], {}, {"format": 1}, {"format": 2}, "rule"])
def test_what_is_no_rule(content: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        Rule.from_json(content)


def test_without_a_probe_there_must_be_a_search() -> None:
    content = RULE.as_json()
    content["budgets"]["4"]["choices"] = [[["beam", 0, "weighted", 1]]]
    with pytest.raises(ValueError, match="there must be a search"):
        Rule.from_json(content)
