"""What the tree explorer shows of a search: its trace and its result as one small JSON object.

Nodes are columns in depth-first order, each text is there once, and token ids stay behind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sal.runs.results import ResultRow

NodeId = tuple[int, ...]
ROLLOUT = -1
"""The last index of a node that was written to judge its parent; no completion ends there."""
ENDS = ("eot", "length")
"""What ends a completion: a node below one that ended is a new attempt."""


def trace_data(
    trace: Mapping[str, Any], row: ResultRow | None, *, separator: str = "\n\n"
) -> dict[str, Any]:
    """The explorer's object for a trace file's content and the problem's row.

    Without a row the search is still under way. `separator` is that of the run's steps.
    `nodes["steps"]` are indices into `texts`, one per step; a node whose scores do not fit its
    steps keeps its text whole. `completions[i]["node"]` is the node that ends it, None where the
    trace does not hold it.
    """
    by_id: dict[NodeId, Mapping[str, Any]] = {tuple(n["id"]): n for n in trace["nodes"]}
    ids = sorted(by_id)  # depth first: a parent is smaller than its children
    nodes = [by_id[i] for i in ids]
    parents = _parents(ids)
    texts: dict[str, int] = {}
    columns: dict[str, list[Any]] = {
        "parent": parents,
        "last": [i[-1] if i else 0 for i in ids],
        "steps": [],
        "scores": [[float(f"{s:.4g}") for s in n.get("scores", ())] for n in nodes],
        "tokens": [n.get("tokens") for n in nodes],
        "finish": [n["finish"] for n in nodes],
        "begun": [n.get("begun") for n in nodes],
    }
    for node in nodes:
        steps = _steps(node.get("text", ""), len(node.get("scores", ())), separator)
        columns["steps"].append([texts.setdefault(step, len(texts)) for step in steps])
    data: dict[str, Any] = {
        "id": trace["id"],
        "usage": {role: trace[role] for role in ("policy", "prm") if role in trace},
        "nodes": columns,
        "errors": {str(i): n["error"] for i, n in enumerate(nodes) if n.get("error")},
        "texts": list(texts),
        "live": row is None,
    }
    return data if row is None else data | _result(row, _ending_nodes(row, nodes, parents))


def _result(row: ResultRow, ends: Sequence[int | None]) -> dict[str, Any]:
    return {
        "question": row.question,
        "answer": row.answer,
        "rule": row.rule,
        "chosen": row.chosen,
        "error": row.error,
        "capped": row.capped,
        "completions": [
            {"node": node, "key": c.key, "verdict": c.verdict, "finish": c.finish}
            for c, node in zip(row.completions, ends, strict=True)
        ],
    }


def _parents(ids: Sequence[NodeId]) -> list[int]:
    """Of each node the index of its nearest recorded ancestor, -1 for the root."""
    parents: list[int] = []
    for index, node in enumerate(ids):
        above = index - 1
        while above >= 0 and ids[above] != node[: len(ids[above])]:
            above = parents[above]
        parents.append(above)
    return parents


def _steps(text: str, scores: int, separator: str) -> list[str]:
    """The text's steps, if there is a score for each or none at all; else the text."""
    steps = [step for piece in text.split(separator) if (step := piece.strip())]
    return steps if len(steps) > 1 and scores in (0, len(steps)) else [text]


def _ending_nodes(
    row: ResultRow, nodes: Sequence[Mapping[str, Any]], parents: Sequence[int]
) -> list[int | None]:
    """Of each completion the node that ends it: the one whose path reads the same.

    Of equal completions the first has the first such node, in the order of ids, and so on; those
    that are left over, particles drawn more than once, have the last.
    """
    found: dict[bytes, list[int]] = {}
    paths: list[Any] = []  # of each node the digest of its completion so far, white space apart
    for index, node in enumerate(nodes):
        parent = parents[index]
        begins = parent < 0 or nodes[parent]["finish"] in ENDS
        path = hashlib.sha256() if begins else paths[parent].copy()
        path.update(_squeezed(node.get("text", "")))
        paths.append(path)
        if node["finish"] in ENDS and node["id"][-1:] != [ROLLOUT]:
            found.setdefault(path.digest() + node["finish"].encode(), []).append(index)
    ends: list[int | None] = []
    for completion in row.completions:
        digest = hashlib.sha256(_squeezed(completion.text)).digest()
        equal = found.get(digest + completion.finish.encode(), [])
        ends.append(None if not equal else equal.pop(0) if len(equal) > 1 else equal[0])
    return ends


def _squeezed(text: str) -> bytes:
    return "".join(text.split()).encode("utf-8", "surrogatepass")
