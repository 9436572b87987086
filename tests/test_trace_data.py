"""What the tree explorer is given of a search."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from programs_replay import Improvised, Improvising
from programs_scripted import search
from runs_examples import row as example_row
from test_strategies_registry import small

from sal.reports.trace_data import trace_data
from sal.runs.encoding import json_bytes
from sal.runs.node_records import trace_json
from sal.runs.registry import STRATEGIES
from sal.runs.results import CompletionRow, ResultRow


def node(*path: int, text: str = "x", finish: str = "separator", **more: Any) -> dict[str, Any]:
    return {"id": list(path), "text": text, "tokens": 3, "finish": finish, "begun": 0, **more}


def trace(*nodes: dict[str, Any]) -> dict[str, Any]:
    return {"id": "p", "policy": {"requests": 1}, "prm": {"requests": 2}, "nodes": list(nodes)}


def completion(text: str, finish: str = "eot") -> CompletionRow:
    return CompletionRow(text, (text,), (), 3, finish, "1", "match")


def row(*completions: CompletionRow, chosen: int | None = 0) -> ResultRow:
    return replace(
        example_row("p"),
        completions=completions,
        chosen={"naive": None, "weighted": chosen, "majority": None},
    )


def ends(data: dict[str, Any]) -> list[int | None]:
    return [c["node"] for c in data["completions"]]


def test_nodes_come_depth_first_whatever_finished_first() -> None:
    data = trace_data(trace(node(1), node(0), node(0, 2), node(0, -1), node(0, 0)), None)
    columns = data["nodes"]
    assert columns["last"] == [0, -1, 0, 2, 1]
    assert columns["parent"] == [-1, 0, 0, 0, -1]
    assert data["live"]
    assert "completions" not in data
    assert data["usage"] == {"policy": {"requests": 1}, "prm": {"requests": 2}}


def test_a_text_is_there_once_and_token_ids_are_not() -> None:
    data = trace_data(trace(node(0, token_ids=[1, 2]), node(1), node(2, text="y")), None)
    assert data["texts"] == ["x", "y"]
    assert data["nodes"]["steps"] == [[0], [0], [1]]
    assert "token_ids" not in json.dumps(data)


def test_a_node_of_many_steps_has_a_score_for_each_or_its_text_whole() -> None:
    text = "a\n\n\n\nb\n\nc"
    data = trace_data(
        trace(
            node(0, text=text, scores=[0.123456, 0.5, 1e-9]),
            node(1, text=text),
            node(2, text=text, scores=[0.5, 0.25]),
        ),
        None,
    )
    steps = [[data["texts"][i] for i in steps] for steps in data["nodes"]["steps"]]
    assert steps == [["a", "b", "c"], ["a", "b", "c"], [text]]
    assert data["nodes"]["scores"] == [[0.1235, 0.5, 1e-9], [], [0.5, 0.25]]
    assert trace_data(trace(node(0, text="a|b")), None, separator="|")["texts"] == ["a", "b"]


def test_a_completion_is_found_by_what_its_path_reads() -> None:
    data = trace_data(
        trace(
            node(0, text="one"),
            node(0, 0, text="two", finish="eot"),
            node(0, 1, text="other", finish="length"),
            node(1, text="onetwo", finish="separator"),
        ),
        row(
            completion("one\n\ntwo"),
            completion("one\n\nother", "length"),
            completion("one\n\nother"),  # it did not end so
            completion("onetwo\n\nthree"),
        ),
    )
    assert ends(data) == [1, 2, None, None]
    assert data["chosen"]["weighted"] == 0
    assert data["rule"] == "weighted"


def test_equal_completions_have_equal_nodes_in_the_order_of_ids() -> None:
    nodes = [node(i, text="same", finish="eot") for i in (2, 0, 1)]
    assert ends(trace_data(trace(*nodes), row(*[completion("same")] * 3))) == [0, 1, 2]


def test_a_particle_that_was_drawn_twice_is_one_node() -> None:
    nodes = [node(0, text="a", finish="eot"), node(1, text="b", finish="eot")]
    drawn = row(completion("a"), completion("a"), completion("b"))
    assert ends(trace_data(trace(*nodes), drawn)) == [0, 0, 1]


def test_no_completion_ends_at_a_rollout() -> None:
    nodes = [
        node(0, text="a"),
        node(0, -1, text="b", finish="eot"),
        node(0, 0, text="b", finish="eot"),
    ]
    assert ends(trace_data(trace(*nodes), row(completion("a\n\nb")))) == [2]


def test_what_follows_an_end_is_a_completion_of_its_own() -> None:
    nodes = [
        node(0, text="first", finish="eot"),
        node(0, 0, text="cut off", finish="length"),
        node(0, 0, 0, text="third", finish="eot"),
    ]
    attempts = row(completion("third"), completion("first"), completion("cut off", "length"))
    assert ends(trace_data(trace(*nodes), attempts)) == [2, 0, 1]


def test_a_node_whose_parent_is_not_there_hangs_on_what_is_above() -> None:
    data = trace_data(trace(node(0), node(0, 1, 2), node(3, 3)), None)
    assert data["nodes"]["parent"] == [-1, 0, -1]


def test_errors_and_strange_text_stay_as_they_are() -> None:
    failed = node(0, text="\ud800</script>\x00", finish="error", error="policy: gone")
    failed.pop("tokens")
    content = json.loads(json_bytes(trace_data(trace(failed), None)))
    assert content["errors"] == {"0": "policy: gone"}
    assert content["texts"] == ["\ud800</script>\x00"]
    assert content["nodes"]["tokens"] == [None]


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_completions_of_every_strategy(name: str) -> None:
    strategy = STRATEGIES[name]
    verifier = Improvising() if strategy.program.needs_prm else None
    result = search(strategy.program, Improvised(), verifier, small(strategy, 24))
    found = [
        CompletionRow(c.text, c.steps, c.scores, c.tokens, c.finish, c.key, "match")
        for c in result.completions
    ]
    content = json.loads(json_bytes(trace_json("p", result.trace)))
    data = trace_data(content, row(*found))
    ids = sorted(node.id for node in result.trace.nodes)
    texts = {c.node: c.text for c in result.completions}
    for end, completion in zip(ends(data), result.completions, strict=True):
        assert end is not None
        # one of equal ones may stand for another: particles are drawn more than once
        assert ids[end] == completion.node or texts[ids[end]] == completion.text
    for steps, scores in zip(data["nodes"]["steps"], data["nodes"]["scores"], strict=True):
        assert len(scores) in (0, len(steps))


def test_a_chain_as_deep_as_they_come() -> None:
    nodes = [node(*[0] * depth, text=f"s{depth}") for depth in range(1, 1501)]
    nodes[-1]["finish"] = "eot"
    whole = "\n\n".join(f"s{depth}" for depth in range(1, 1501))
    data = trace_data(trace(*nodes), row(completion(whole)))
    assert ends(data) == [1499]
    assert data["nodes"]["parent"] == list(range(-1, 1499))
