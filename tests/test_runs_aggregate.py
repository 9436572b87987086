"""Which aggregate a run has, and why: the flag's, the strategy's authors', or the PRM's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from programs_replay import Improvised, Improvising
from programs_scripted import ScriptedPolicy, ScriptedPrm, Tree, end, search

from sal.programs.best_of_n import BestOfNParams, best_of_n
from sal.programs.dvts import DvtsParams, dvts
from sal.programs.params import with_own_aggregate
from sal.runs.aggregate import settle_aggregate
from sal.runs.endpoints import prm_spec
from sal.runs.errors import RunError
from sal.runs.recipe import differences
from sal.runs.registry import STRATEGIES
from sal.runs.settings import Settings, prepare
from sal.verifiers import chat_turn
from sal.verifiers.family import PrmSpec

RLHFLOW = "RLHFlow/Llama3.1-8B-PRM-Deepseek-Data"
SHEPHERD = "peiyi9979/math-shepherd-mistral-7b-prm"


def prepared(tmp_path: Path, strategy: str = "best-of-n", **said: Any) -> Any:
    problems = tmp_path / "problems.jsonl"
    problems.write_text('{"question": "Let a=1, b=a+1. Find b.", "answer": "2"}\n')
    params = said.pop("params", {})
    return prepare(
        Settings(strategy=strategy, params=params, dataset=str(problems), **said), gpu=False
    )


@pytest.mark.parametrize(
    ("strategy", "prm", "given", "words"),
    [
        ("best-of-n", RLHFLOW, {}, "mean (RLHFlow's own)"),
        ("best-of-n", SHEPHERD, {}, "min (Math-Shepherd's own)"),
        ("best-of-n", "tiny", {}, "last (the PRM's own)"),
        ("revise", RLHFLOW, {}, "mean (RLHFlow's own)"),
        ("ab-mcts", SHEPHERD, {}, "min (Math-Shepherd's own)"),
        ("adaptive-best-of-n", SHEPHERD, {}, "min (Math-Shepherd's own)"),
        ("beam", RLHFLOW, {}, "last (Snell et al.)"),
        ("lookahead", RLHFLOW, {}, "last (Snell et al.)"),
        ("dvts", RLHFLOW, {}, "last (Beeching et al.)"),
        ("adaptive-dvts", RLHFLOW, {}, "last (Beeching et al.)"),
        ("particle", RLHFLOW, {}, "last (Puri et al.)"),
        ("rebase", RLHFLOW, {}, "last (Wu et al.)"),
        ("ets", RLHFLOW, {}, "last (Hooper et al.)"),
        ("mcts", RLHFLOW, {}, "last (Guan et al.)"),
        ("dvts", RLHFLOW, {"aggregate": "min"}, "min (given)"),
        ("best-of-n", RLHFLOW, {"aggregate": "mean"}, "mean (given)"),
        ("dvts", RLHFLOW, {"aggregate": None}, "mean (RLHFlow's own)"),  # --set aggregate=null
        ("majority", None, {}, ""),
        ("greedy", None, {}, ""),
        ("deepconf", None, {}, ""),
    ],
)
def test_which_and_why(
    tmp_path: Path, strategy: str, prm: str | None, given: dict[str, Any], words: str
) -> None:
    recipe = prepared(tmp_path, strategy, prm=prm, params=given).recipe
    assert recipe.aggregate == words
    assert recipe.params.get("aggregate", "") == words.partition(" ")[0]


def test_every_strategy_that_states_one_says_whose_it_is() -> None:
    for name, strategy in STRATEGIES.items():
        params = strategy.params({})
        if getattr(params, "aggregate", None) is not None:
            assert params.aggregate_source, name


def test_a_flag_and_a_default_that_differ_are_different_recipes(tmp_path: Path) -> None:
    default = prepared(tmp_path, prm=RLHFLOW).recipe
    flag = prepared(tmp_path, prm=RLHFLOW, params={"aggregate": "min"}).recipe
    same = prepared(tmp_path, prm=RLHFLOW, params={"aggregate": "mean"}).recipe
    assert differences(default, flag) == ["params.aggregate"]
    assert default.digest != flag.digest
    # Why it is so determines nothing.
    assert differences(default, same) == []
    assert default.digest == same.digest


def test_extraction_is_part_of_the_recipe(tmp_path: Path) -> None:
    strict, flexible = prepared(tmp_path).recipe, prepared(tmp_path, extract="flexible").recipe
    assert differences(strict, flexible) == ["extract"]


def test_a_recipe_from_before_is_the_same_run(tmp_path: Path) -> None:
    from sal.runs.recipe import read_recipe

    path = tmp_path / "recipe.yaml"
    ours = prepared(tmp_path).recipe
    lines = ours.dump().splitlines(keepends=True)
    path.write_text(
        "".join(line for line in lines if not line.startswith(("extract", "aggregate")))
    )
    assert differences(read_recipe(path), ours) == []


def test_a_prm_that_states_one_of_its_own(tmp_path: Path) -> None:
    entry = {"family": "chat-turn", "aggregate": "prod"}
    (tmp_path / "config.json").write_text(json.dumps({"sal_prm": entry}))
    assert prepared(tmp_path, prm=str(tmp_path)).recipe.aggregate == "prod (the PRM's own)"
    entry["aggregate"] = "median"
    (tmp_path / "config.json").write_text(json.dumps({"sal_prm": entry}))
    with pytest.raises(RunError, match="aggregate must be one of last, min, prod, mean, not 'medi"):
        prepared(tmp_path, prm=str(tmp_path))


def test_a_prm_that_is_not_served_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="compares two answers; sal does not serve this family"):
        prepared(tmp_path, prm="RLHFlow/pair-preference-model-LLaMA3-8B")


@pytest.fixture
def prm_url() -> Iterator[str]:
    """A server that tells which model it serves."""

    class Told(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"model_path": RLHFLOW}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Told) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_url_is_asked_and_resumes_as_the_same_recipe(
    tmp_path: Path, prm_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("sal.verifiers.family.model_file", lambda *_: None)
    first, second = (prepared(tmp_path, prm=prm_url).recipe for _ in range(2))
    assert first.aggregate == "mean (RLHFlow's own)"
    assert differences(first, second) == []
    # What the PRM does not decide, it is not asked for.
    assert prepared(tmp_path, "dvts", prm=prm_url).recipe.aggregate == "last (Beeching et al.)"


def test_a_url_that_does_not_answer_leaves_it_open(tmp_path: Path) -> None:
    found = prepared(tmp_path, prm="http://127.0.0.1:9")
    assert found.recipe.params["aggregate"] is None
    assert found.recipe.aggregate == "the PRM's own (its server tells it)"


def test_what_is_known_without_a_prm() -> None:
    assert prm_spec(None, None) is None
    params, words = settle_aggregate(BestOfNParams(), {}, lambda: PrmSpec(chat_turn.RLHFLOW))
    assert (params.aggregate, words) == ("mean", "mean (RLHFlow's own)")
    assert asdict(params) == {**asdict(BestOfNParams()), "aggregate": "mean"}


class Stating(ScriptedPrm):
    """A verifier that states an aggregate."""

    aggregate = "min"


# By the last step 7 is better; by the worst one, 6.
TREE: Tree = {(0,): end("a\n\nb \\boxed{7}"), (1,): end("c\n\nd \\boxed{6}")}
SCORES = {"a": 0.1, "b": 0.9, "c": 0.6, "d": 0.5}


@pytest.mark.parametrize(
    ("prm", "given", "answer"),
    [
        (ScriptedPrm, None, "7"),  # states none: the last
        (Stating, None, "6"),
        (Stating, "last", "7"),
    ],
)
def test_in_a_library_call_the_verifiers_own_counts(prm: Any, given: Any, answer: str) -> None:
    result = search(
        best_of_n,
        ScriptedPolicy(TREE),
        prm(lambda step: SCORES[step[0]]),
        BestOfNParams(budget=2, aggregate=given),
    )
    assert result.best is not None
    assert result.best.key == answer


def test_what_a_strategys_authors_state_is_not_the_verifiers_to_change() -> None:
    assert with_own_aggregate(DvtsParams(), Stating(lambda _: 0.5)).aggregate == "last"
    open_one = DvtsParams(aggregate=None)
    assert with_own_aggregate(open_one, Stating(lambda _: 0.5)).aggregate == "min"
    assert with_own_aggregate(open_one, None) is open_one


def test_an_aggregate_that_nobody_knows_is_told() -> None:
    class Odd(Improvising):
        aggregate = "median"

    with pytest.raises(ValueError, match="'median'"):
        best_of_n.run("?", verifier=Odd(), backend=Improvised())
    assert dvts.run("?", verifier=Odd(), backend=Improvised())["result"].errors == ()
