"""What is sent of sampling where nothing was said, and whose default then holds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import CPU_ONLY, tiny_plan

from sal.programs.beam import BeamParams, beam
from sal.programs.greedy import greedy
from sal.programs.majority import MajorityParams, majority
from sal.runtime import generation_config
from sal.runtime.backend import PooledBackend
from sal.runtime.client import Engine
from sal.runtime.generation_config import FLAG, with_model_defaults
from sal.runtime.launch import Server, start_all, stop_all
from sal.runtime.openai_backend import OpenAIBackend
from sal.runtime.plan import ServerSpec, make_plan
from sal.tiny.paths import POLICY

PROBLEM = "Let a=7, b=a-3+2, c=b*2+a, d=c-b*3, e=d+c-a, f=e*2-b. Find f."
SAID = {"top_p": 1.0, "top_k": -1, "min_p": 0.0}
"""What SGLang's frontend holds where nothing is said, said."""

PLAIN = {"skip_special_tokens": True, "spaces_between_special_tokens": True}


class Recorder(Engine):
    """An engine without a server: it ends every text at once, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9")
        self.sent: list[dict[str, Any]] = []

    def info(self) -> dict[str, Any]:
        return {}

    def models(self) -> list[str]:
        return ["one"]

    def generate(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.sent.append(payload)
        meta = {"finish_reason": {"type": "stop", "matched": 362}, "completion_tokens": 1}
        return {"text": "a", "output_ids": [65], "meta_info": meta}

    def complete(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.sent.append(payload)
        return {"choices": [{"text": "a", "finish_reason": "stop", "matched_stop": 362}]}


def asked(backend: Callable[[Recorder], Any], **said: Any) -> dict[str, Any]:
    """The body of the one request of a search, without its seed."""
    with Recorder() as engine:
        params = MajorityParams(budget=1, max_tokens=9, **said)
        majority.run("Q", params=params, backend=backend(engine))
        (body,) = engine.sent
    body.get("sampling_params", body).pop("sampling_seed", None)
    body.pop("seed", None)
    return body


@pytest.mark.parametrize("said", [{}, SAID, {"top_p": 0.9}])
def test_what_the_pooled_backend_sends(said: dict[str, Any]) -> None:
    own = {"max_new_tokens": 9, "temperature": 0.8, "stop": ["S"], "no_stop_trim": True}
    assert asked(PooledBackend, stop_strings=("S",), **said) == {
        "text": "Q\n\n",
        "sampling_params": {**own, **PLAIN, **said},
    }


@pytest.mark.parametrize("said", [{}, SAID, {"min_p": 0.1}])
def test_what_the_openai_backend_sends(said: dict[str, Any]) -> None:
    own = {"model": "one", "prompt": "Q\n\n", "max_tokens": 9, "temperature": 0.8, "stop": ["S"]}
    assert asked(OpenAIBackend, stop_strings=("S",), **said) == {**own, **said}


@pytest.mark.parametrize("said", [{}, {"top_p": 0.9, "top_k": 20, "min_p": 0.1}])
def test_sglangs_own_backend_sends_its_own_defaults(
    said: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docs/your-own-backend.md tells."""
    from sglang.lang.backend import runtime_endpoint

    class Answer:
        status_code = 200

        def __init__(self, content: dict[str, Any]) -> None:
            self.content = content

        def json(self) -> dict[str, Any]:
            return self.content

    sent = []

    def answer(url: str, json: Any = None, **_: Any) -> Answer:
        if url.endswith("info"):
            return Answer({"model_path": "m"})
        sent.append(json["sampling_params"])
        return Answer({"text": "a", "meta_info": {"finish_reason": {"type": "stop"}}})

    monkeypatch.setattr(runtime_endpoint, "http_request", answer)
    params = MajorityParams(budget=1, **said)
    majority.run("Q", params=params, backend=runtime_endpoint.RuntimeEndpoint("http://h"))
    assert sent
    assert {name: sent[-1][name] for name in SAID} == {**SAID, **said}


def own_model(folder: Path, **generation: Any) -> str:
    """The tiny policy with a `generation_config.json` of these values."""
    tiny_plan()  # skips where there are no weights
    shutil.copytree(POLICY, folder)
    (folder / "generation_config.json").write_text(json.dumps(generation))
    return str(folder)


def planned(model: str, *args: str) -> ServerSpec:
    return make_plan(CPU_ONLY, model, None, policy_args=args).servers["policy"]


class TestThePlan:
    def test_a_policys_server_takes_its_models_defaults_but_for_the_temperature(
        self, tmp_path: Path
    ) -> None:
        told = {"temperature": 0.6, "top_p": 0.9, "top_k": 0, "eos_token_id": 362, "min_p": None}
        spec = planned(own_model(tmp_path / "m", **told, repetition_penalty=1.05))
        said = json.loads(spec.argv[spec.argv.index(FLAG) + 1])
        assert said == {"top_p": 0.9, "top_k": -1, "repetition_penalty": 1.05}
        assert "top_p 0.9, top_k -1, repetition_penalty 1.05" in spec.reasons[-1]

    def test_a_model_without_any_is_served_as_it_is(self, tmp_path: Path) -> None:
        model = own_model(tmp_path / "m", eos_token_id=362)
        assert FLAG not in planned(model).argv
        (tmp_path / "m" / "generation_config.json").write_text("no json")
        assert FLAG not in planned(model).argv

    def test_what_the_user_says_of_defaults_stands(self, tmp_path: Path) -> None:
        model = own_model(tmp_path / "m", top_k=1)
        assert FLAG not in planned(model, "--sampling-defaults openai").argv
        assert planned(model, FLAG + " '{}'").argv.count(FLAG) == 1

    def test_a_prm_draws_no_tokens(self, tmp_path: Path) -> None:
        model = own_model(tmp_path / "m", top_k=1)
        assert FLAG not in make_plan(CPU_ONLY, None, model).servers["prm"].argv

    def test_what_must_be_downloaded_is_not_while_planning(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = tmp_path / "generation_config.json"
        told.write_text('{"top_k": 7}')
        monkeypatch.setattr(generation_config, "model_file", lambda *_: told)
        spec = planned("nobody/has-this-model")
        assert FLAG not in spec.argv
        assert with_model_defaults(spec, download=True).argv[-2:] == (FLAG, '{"top_k": 7}')


@pytest.mark.servers
def test_sglang_by_itself_does_not_look_at_the_models_file(tmp_path: Path) -> None:
    spec = planned(own_model(tmp_path / "m", top_k=1), FLAG + " '{}'")
    server = Server(spec, tmp_path)
    start_all([server])
    try:
        with Engine(server.url) as engine:
            assert len(texts(engine, PooledBackend)) > 1
    finally:
        stop_all([server])


def texts(engine: Engine, backend: Callable[[Engine], Any], **said: Any) -> set[str]:
    """The different ones of 32 samples at temperature 0.8."""
    params = MajorityParams(budget=32, max_tokens=200, **said)
    result = majority.run(PROBLEM, params=params, backend=backend(engine))["result"]
    assert result.errors == ()
    assert len(result.completions) == 32
    return {completion.text for completion in result.completions}


@pytest.fixture(scope="module")
def greedy_by_default(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A server of a model whose authors want the likeliest token alone."""
    folder = tmp_path_factory.mktemp("greedy")
    spec = planned(own_model(folder / "model", top_k=1))
    server = Server(spec, folder)
    start_all([server])
    try:
        with Engine(server.url) as engine:
            yield engine
    finally:
        stop_all([server])


@pytest.mark.servers
class TestAServer:
    def test_the_models_default_holds_where_nothing_is_said(
        self, greedy_by_default: Engine
    ) -> None:
        state = greedy.run(PROBLEM, backend=PooledBackend(greedy_by_default))
        (likeliest,) = state["result"].completions
        assert texts(greedy_by_default, PooledBackend) == {likeliest.text}

    def test_and_not_where_it_is(self, greedy_by_default: Engine) -> None:
        assert len(texts(greedy_by_default, PooledBackend, top_k=-1)) > 1

    def test_sglangs_own_completions_do_not_look_at_it(self, greedy_by_default: Engine) -> None:
        assert len(texts(greedy_by_default, OpenAIBackend)) > 1

    def test_a_search_with_everything_said(self, greedy_by_default: Engine) -> None:
        params = BeamParams(
            budget=4, width=2, top_p=0.9, top_k=20, min_p=0.01, max_step_tokens=4, max_tokens=150
        )
        state = beam.run(
            PROBLEM, params=params, verifier=Flat(), backend=PooledBackend(greedy_by_default)
        )
        result = state["result"]
        assert result.errors == ()
        cut = [node for node in result.trace.nodes if node.finish == "cut"]
        assert cut
        # A separator that stands before a step is no part of it.
        assert {node.tokens for node in cut} <= {4, 5}
        assert [node.tokens for node in cut] == [len(node.token_ids) for node in cut]
        for completion in result.completions:
            assert completion.tokens is not None
            assert completion.tokens <= 150
            assert len(completion.steps) == len(completion.scores)


class Flat:
    """A PRM that likes all steps alike."""

    def score(self, question: str, prefix: Any, steps: Any) -> Any:
        from sal.verifiers.interface import Scored

        return Scored((0.5,) * len(steps))
