"""A run that grows as a test tells it to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from runs_examples import recipe
from runs_examples import row as example_row
from test_trace_data import completion, node

from sal.programs.recall import Asked, Outcome
from sal.programs.trace import Node
from sal.runs.encoding import json_bytes
from sal.runs.folder import RunFolder
from sal.runs.node_records import record_of
from sal.runtime.frontend.growth import Growth


class GrowingRun:
    """Its problems have two nodes each, of which the second finished."""

    def __init__(self, path: Path, **changes: Any) -> None:
        self.folder = RunFolder(path, recipe(**changes), resume=False)
        self.folder.journal.append({"type": "session", "problems": 9})
        (path / "nodes").mkdir(exist_ok=True)

    def begin(self, number: int, problem: str, nodes: int) -> None:
        """Its search is under way, with so many nodes."""
        records: list[Any] = [{"type": "search", "id": problem, "session": 1, "at": 0.0}]
        for i in range(nodes):
            step = Node((i,), f"{problem} step {i}", 3, "separator", (0.5,), begun=0)
            outcome = Outcome(Asked(step.id, 1, 0.8), step, Growth(step.text))
            records.append(record_of(outcome, 1.0))
        lines = b"".join(json_bytes(record) + b"\n" for record in records)
        self.folder.nodes_of(number, problem).write_bytes(lines)

    def finish(self, number: int, problem: str) -> None:
        """It is found, journaled, and no longer in flight."""
        nodes = [
            node(0, text=f"{problem} step 0", scores=[0.9]),
            node(0, 0, text="end", finish="eot", scores=[0.8]),
        ]
        usage = {"prompt_tokens": 5, "cached_tokens": 1, "completion_tokens": 6, "requests": 2}
        trace = {"id": problem, "policy": usage, "prm": usage, "nodes": nodes}
        row = replace(
            example_row(problem),
            question=f"What is {problem}?",
            completions=(completion(f"{problem} step 0\n\nend"),),
        )
        self.folder.write_trace(number, problem, trace)
        record = {"type": "problem", "number": number, "at": 1.0, "row": row.as_json()}
        self.folder.journal.append(record)
        self.folder.nodes_of(number, problem).unlink(missing_ok=True)
