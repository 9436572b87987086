"""The SGLang backend against the real policy server."""

from __future__ import annotations

from typing import Any

import pytest
import sglang as sgl
from sglang.lang.ir import SglSamplingParams

from sal.runtime.backend import PooledBackend
from sal.runtime.client import Engine
from sal.runtime.endpoint_errors import Rejected
from sal.runtime.policy import KnownIds
from sal.runtime.tokenizer import Tokenizer
from sal.runtime.usage import Usage

pytestmark = pytest.mark.servers

PROMPT = "What is 17 + 4?\n\n"


@pytest.fixture
def backend(policy: Engine) -> PooledBackend:
    return PooledBackend(policy)


class Recorder(Engine):
    """An engine that keeps what went over the wire."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.sent: list[dict[str, Any]] = []
        self.got: list[dict[str, Any]] = []

    def generate(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.sent.append(payload)
        self.got.append(super().generate(payload))
        return self.got[-1]


@sgl.function
def two_turns(s: Any, prompt: str, middle: str) -> None:
    s += prompt
    s += sgl.gen("first", max_tokens=8, ignore_eos=True)
    s += middle
    s += sgl.gen("second", max_tokens=4, ignore_eos=True)


def test_a_second_turn_sends_the_ids_of_the_first_and_only_the_new_text_is_tokenised(
    policy_server: str,
) -> None:
    with Recorder(policy_server) as engine:
        backend = PooledBackend(engine)
        state = two_turns.run(PROMPT, "and so", backend=backend)
        state.sync()
        assert state.error() is None
        tokenizer = backend.tokenizer
        assert tokenizer is not None
        first, second = engine.sent
        assert first["input_ids"] == tuple(tokenizer.encode(PROMPT, special=True))
        expected = (
            *first["input_ids"],
            *engine.got[0]["output_ids"],
            *tokenizer.encode("and so"),
        )
        assert second["input_ids"] == expected
        # The cache held all of the first turn but for its last token, which was never fed back.
        reused = len(first["input_ids"]) + len(engine.got[0]["output_ids"]) - 1
        assert engine.got[1]["meta_info"]["cached_tokens"] >= reused
        covered = state["token_ids"]
        assert covered == ((*expected, *engine.got[1]["output_ids"]), len(state.text()))
        assert state.get_meta_info("second")["output_ids"] == engine.got[1]["output_ids"]


@sgl.function
def forked(s: Any, prompt: str, width: int) -> None:
    s += prompt
    forks = s.fork(width)
    for index, fork in enumerate(forks.states):
        fork["sampling_seed"] = index
        fork += sgl.gen("step", max_tokens=12, temperature=1.0, ignore_eos=True)
    s["texts"] = [fork["step"] for fork in forks.states]
    s["errors"] = [fork.error() for fork in forks.states]
    s["ids"] = [fork["token_ids"] for fork in forks.states]


def test_forks_share_the_prefix_and_usage_is_the_sum_of_the_replies(policy_server: str) -> None:
    with Recorder(policy_server) as engine:
        backend = PooledBackend(engine)
        state = forked.run(PROMPT, 8, backend=backend)
        state.sync()
        assert state["errors"] == [None] * 8
        assert len(engine.sent) == 8  # no request but the eight: a fork commits nothing
        assert {p["sampling_params"]["sampling_seed"] for p in engine.sent} == set(range(8))
        assert len(set(state["texts"])) > 1
        prompts = {ids.ids[: len(engine.sent[0]["input_ids"])] for ids in state["ids"]}
        assert prompts == {engine.sent[0]["input_ids"]}
        metas = [reply["meta_info"] for reply in engine.got]
        each = [
            Usage(meta["prompt_tokens"], meta["cached_tokens"], meta["completion_tokens"], 1)
            for meta in metas
        ]
        assert engine.usage == sum(each, Usage())
        assert engine.usage.requests == 8
        assert engine.usage.completion_tokens == 8 * 12


@sgl.function
def greedy(s: Any) -> None:
    s += PROMPT
    s += sgl.gen("step", max_tokens=64, temperature=0.0, ignore_eos=True)


def test_the_text_keeps_its_stop_string_and_the_stop_list_stays_the_callers(
    backend: PooledBackend,
) -> None:
    whole = greedy.run(backend=backend)["step"]
    stop = next(char for char in whole if char != "\ufffd")
    mine = [stop]

    @sgl.function
    def stopped(s: Any) -> None:
        s += PROMPT
        s += sgl.gen("step", max_tokens=64, temperature=0.0, ignore_eos=True, stop=mine)

    state = stopped.run(backend=backend)
    assert state["step"] == whole[: whole.index(stop) + 1]
    finish = state.get_meta_info("step")["finish_reason"]
    assert (finish["type"], finish["matched"]) == ("stop", stop)
    assert mine == [stop]


def test_known_prompt_ids_are_sent_as_they_are(policy_server: str) -> None:
    @sgl.function
    def given(s: Any) -> None:
        s += PROMPT
        s["token_ids"] = ((5, 6, 7), len(PROMPT))
        s += sgl.gen("step", max_tokens=2, ignore_eos=True)

    with Recorder(policy_server) as engine:
        state = given.run(backend=PooledBackend(engine))
        state.sync()
        assert engine.sent[0]["input_ids"] == (5, 6, 7)


def test_without_a_tokenizer_text_goes_out(policy_server: str) -> None:
    with Recorder(policy_server) as engine:
        backend = PooledBackend(engine)
        backend.tokenizer = None
        state = two_turns.run(PROMPT, "x", backend=backend)
        state.sync()
        assert state.error() is None
        assert engine.sent[1]["text"] == PROMPT + state["first"] + "x"
        assert "input_ids" not in engine.sent[1]


@pytest.mark.filterwarnings("ignore:Error in stream_executor")
def test_a_refused_request_is_the_states_typed_error(backend: PooledBackend) -> None:
    @sgl.function
    def wrong(s: Any) -> None:
        s += PROMPT
        s += sgl.gen("step", max_tokens=2, top_p=7.0)

    state = wrong.run(backend=backend)
    error = state.error()
    assert isinstance(error, Rejected)
    assert "top_p" in str(error)


class Scripted(Engine):
    """Answers with one fixed reply."""

    def __init__(self, reply: dict[str, Any]) -> None:
        super().__init__("http://127.0.0.1:9")
        self.reply = reply

    def info(self) -> dict[str, Any]:
        return {}

    def generate(self, payload: dict[str, Any]) -> dict[str, Any]:
        return self.reply


class Executor:
    """As much of a StreamExecutor as `generate` looks at."""

    def __init__(self, text: str) -> None:
        self.text_ = text
        self.variables: dict[str, Any] = {}


def test_an_end_token_that_the_text_does_not_show_is_not_continued(
    policy_server: str, policy: Engine
) -> None:
    tokenizer = PooledBackend(policy).tokenizer
    assert isinstance(tokenizer, Tokenizer)
    eos = next(i for i in range(tokenizer.size) if tokenizer.decode([i]) == "")
    text_ids = tokenizer.encode("1+")
    reply = {
        "text": "1+",
        "output_ids": [*text_ids, eos],
        "meta_info": {"finish_reason": {"type": "stop", "matched": eos}},
    }
    with Scripted(reply) as engine:
        backend = PooledBackend(engine, tokenizer)
        state = Executor("Q")
        _, meta = backend.generate(state, SglSamplingParams(max_new_tokens=4))
    ids = (*tokenizer.encode("Q", special=True), *text_ids)
    assert state.variables["token_ids"] == KnownIds(ids, 3)
    assert meta["output_ids"] == reply["output_ids"]
