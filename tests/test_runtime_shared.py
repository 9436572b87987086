"""What is remembered of what was asked, and what it costs whoever asks again."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.runtime.client import Engine
from sal.runtime.shared import ColdCache, Replies, SharedEngine

PLENTY = 1 << 20


class Scripted:
    """Stands for the server: what it was asked, and what it says of its model."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[dict[str, Any]] = []
        self.model = "a/model"

        def generate(_: Engine, payload: dict[str, Any]) -> dict[str, Any]:
            self.asked.append(payload)
            return {"output_ids": [], "meta_info": {"cached_tokens": 99}}

        monkeypatch.setattr(Engine, "generate", generate)
        monkeypatch.setattr(Engine, "info", lambda _: {"model_path": self.model})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    return Scripted(monkeypatch)


def test_replies_are_remembered_and_counted_as_from_a_cold_cache(server: Scripted) -> None:
    said: dict[str, Any] = {"input_ids": [1, 2, 3]}
    large = {**said, "top_logprobs_num": 20}
    payloads = [said, dict(said), {**said, "logprob_start_len": 1}, large, large]
    replies = Replies(PLENTY)
    with SharedEngine("http://127.0.0.1:9", replies=replies) as engine:
        cached = [engine.generate(p)["meta_info"]["cached_tokens"] for p in payloads]
    assert server.asked == [said, payloads[2], large, large]
    assert cached == [0, 2, 1, 2, 2]
    assert replies.found == 1


def test_another_server_of_the_model_need_not_be_asked_again(server: Scripted) -> None:
    replies = Replies(PLENTY)
    for port, model in ((1, "a/model"), (2, "a/model"), (2, "b/model")):
        server.model = model
        with SharedEngine(f"http://127.0.0.1:{port}", replies=replies) as engine:
            engine.info()
            reply = engine.generate({"input_ids": [1, 2]})
        assert reply["meta_info"]["cached_tokens"] == 0, "each run begins with a cold cache"
    assert len(server.asked) == 2


def test_what_is_sent_as_text_is_asked_each_time_and_its_cache_is_the_servers(
    server: Scripted,
) -> None:
    with SharedEngine("http://127.0.0.1:9", replies=Replies(PLENTY)) as engine:
        replies = [engine.generate({"text": "1 + 1"}) for _ in range(2)]
    assert len(server.asked) == 2
    assert [reply["meta_info"]["cached_tokens"] for reply in replies] == [99, 99]


def test_what_was_not_wanted_for_the_longest_time_is_dropped_first(server: Scripted) -> None:
    """Room for two of these replies."""
    probe = Replies(PLENTY)
    probe.keep(b"", {"output_ids": [], "meta_info": {"cached_tokens": 99}})
    replies = Replies(2 * probe.kept)
    with SharedEngine("http://127.0.0.1:9", replies=replies) as engine:
        for prompt in (1, 2, 1, 3, 1, 2):
            engine.generate({"input_ids": [prompt]})
    assert [payload["input_ids"] for payload in server.asked] == [[1], [2], [3], [2]]
    assert len(replies) == 2
    assert replies.kept == replies.most


GROWTH = """
import psutil
from sal.runtime.shared import Replies

replies = Replies(1 << 30)
process = psutil.Process()
before = process.memory_info().rss
for number in range(40_000):
    replies.keep(number.to_bytes(16), {"text": "a step", "output_ids": [number] * 80})
print(replies.kept, process.memory_info().rss - before)
"""


def test_the_bytes_that_are_counted_are_those_that_are_taken() -> None:
    told = subprocess.run(
        [sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True
    ).stdout
    kept, grown = map(int, told.split())
    assert kept / 2 < grown < 2 * kept


def test_a_cold_cache_holds_what_was_read_and_written() -> None:
    cache = ColdCache()
    assert cache.read([1, 2, 3], [4, 5]) == 0
    assert cache.read([1, 2, 3], [6]) == 3
    assert cache.read([1, 2, 3, 4, 5], []) == 4, "behind the last token nothing was computed"
    assert cache.read([1, 2, 3, 4, 5, 9], []) == 5, "unless it was read since"
    assert cache.read([2, 3], []) == 0


@given(st.lists(st.lists(st.integers(0, 300), min_size=1, max_size=6), max_size=12))
def test_a_cold_cache_finds_the_longest_common_start(prompts: list[list[int]]) -> None:
    cache = ColdCache()
    for i, prompt in enumerate(prompts):
        starts = {tuple(earlier[:n]) for earlier in prompts[:i] for n in range(len(earlier) + 1)}
        common = max((len(s) for s in starts if s == tuple(prompt[: len(s)])), default=0)
        assert cache.read(prompt, []) == common
