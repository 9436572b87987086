"""Nodes as JSON: with all that their search needs to go on from them, and back; and traces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import orjson

from sal.programs.recall import Asked, Outcome
from sal.programs.trace import Node, Trace
from sal.runs.journal import Record
from sal.runs.results import by_name
from sal.runtime.frontend.growth import Growth
from sal.runtime.usage import Usage

_NAMES = tuple(field.name for field in fields(Node))


def node_json(node: Node) -> dict[str, Any]:
    """A node as traces and node records hold it: without what is empty, but for its id."""
    return {
        name: value
        for name in _NAMES
        if ((value := getattr(node, name)) is not None and value != "" and value != ())
        or name == "id"
    }


def node_of(content: Mapping[str, Any]) -> Node:
    """The inverse of `node_json`; raises LookupError, TypeError or ValueError for what is none."""
    return Node(
        id=tuple(content["id"]),
        text=content.get("text", ""),
        tokens=content.get("tokens"),
        finish=content["finish"],
        scores=tuple(content.get("scores", ())),
        error=content.get("error", ""),
        token_ids=tuple(content.get("token_ids", ())),
        data=_tuples(content.get("data")),
        begun=content.get("begun"),
        forced=tuple(content.get("forced", ())),
    )


def record_of(outcome: Outcome, at: float) -> Record | None:
    """The record of a node that ended `at` that second; None for data that JSON does not hold.

    White space around the text is recorded beside it, and known ids only where they are not those
    of the node.
    """
    node, growth, asked = outcome.node, outcome.growth, outcome.asked
    if node.data is not None and not _comes_back(node.data):
        return None
    begins = growth.text.find(node.text)
    known: list[Any] | None = None
    if growth.ids is not None:
        same = growth.ids == node.token_ids
        known = [growth.kept, growth.chars, None if same else growth.ids]
    record: Record = {
        "type": "node",
        "at": at,
        "node": node_json(node),
        "asked": asked[1:],
        "around": [growth.text[:begins], growth.text[begins + len(node.text) :]],
        "policy": _counts(outcome.policy),
        "prm": _counts(outcome.prm),
    }
    if known is not None:
        record["known"] = known
    if outcome.cuts:
        record["cuts"] = outcome.cuts
    if outcome.prefix:
        record["prefix"] = outcome.prefix
    return record


def outcome_of(record: Record) -> Outcome:
    """The inverse of `record_of`; raises LookupError, TypeError or ValueError for what is none."""
    node = node_of(record["node"])
    before, behind = record["around"]
    growth = Growth(before + node.text + behind)
    if "known" in record:
        kept, chars, ids = record["known"]
        growth = growth._replace(
            kept=kept, ids=node.token_ids if ids is None else tuple(ids), chars=chars
        )
    return Outcome(
        Asked(node.id, *record["asked"]),
        node,
        growth,
        tuple(record.get("cuts", ())),
        record.get("prefix", 0),
        Usage(*record["policy"]),
        Usage(*record["prm"]),
    )


def prompt_record(cost: Usage, at: float) -> Record:
    """That the policy has read the prompt."""
    return {"type": "prompt", "at": at, "policy": _counts(cost)}


def _counts(usage: Usage) -> list[int | None]:
    """The fields of a usage, in their order."""
    return [
        usage.prompt_tokens,
        usage.cached_tokens,
        usage.completion_tokens,
        usage.requests,
        usage.attended_tokens,
    ]


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _comes_back(data: Any) -> bool:
    """Whether JSON gives back the same, its lists read as tuples."""
    try:
        return bool(_tuples(orjson.loads(orjson.dumps(data))) == data)
    except (orjson.JSONEncodeError, TypeError, ValueError):
        return False


def trace_json(problem_id: str, trace: Trace) -> dict[str, Any]:
    """Every node that the search made, in the order in which they finished."""
    return {
        "id": problem_id,
        "policy": by_name(trace.policy),
        "prm": by_name(trace.prm),
        "nodes": [node_json(node) for node in trace.nodes],
    }
