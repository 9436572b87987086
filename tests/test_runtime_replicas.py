"""All requests of a problem go to one replica of a server that has several."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import CPU_ONLY, several_cores, tiny_plan

from sal.programs.beam import BeamParams, beam
from sal.runtime.backend import PooledBackend
from sal.runtime.client import Engine
from sal.runtime.endpoint_errors import Misread
from sal.runtime.launch import Server
from sal.runtime.plan import PlanError, make_plan
from sal.runtime.policy import requests_of
from sal.runtime.replicas import Replicas
from sal.tiny.paths import POLICY


class TestReplicas:
    def test_a_problem_stays_where_it_began(self) -> None:
        replicas = Replicas(3)
        first = {}
        for problem in "abcdef":
            with requests_of(problem), replicas.one() as rank:
                first[problem] = rank
        assert sorted(first.values()) == [0, 0, 1, 1, 2, 2]
        for problem in "fedcba":
            with requests_of(problem), replicas.one() as rank:
                assert rank == first[problem]

    def test_a_new_problem_goes_where_least_is_in_flight(self) -> None:
        replicas = Replicas(2)
        with ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(requests_of("large"))
                assert stack.enter_context(replicas.one()) == 0
            for problem in ("b", "c", "d"):
                stack.enter_context(requests_of(problem))
                assert stack.enter_context(replicas.one()) == 1
        with requests_of("e"), replicas.one() as rank:
            assert rank == 0  # nothing is in flight, and it was given fewer

    def test_problems_that_have_long_been_over_are_forgotten(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sal.runtime.replicas._REMEMBERED", 2)
        replicas = Replicas(2)
        for problem in "abac":
            with requests_of(problem), replicas.one():
                pass
        assert list(replicas._of) == ["a", "c"]

    def test_what_is_for_no_problem_is_spread(self) -> None:
        replicas = Replicas(2)
        with replicas.one() as first, replicas.one() as second:
            assert {first, second} == {0, 1}

    def test_a_failed_request_is_in_flight_no_more(self) -> None:
        replicas = Replicas(2)
        with pytest.raises(ValueError, match="gone"), replicas.one():
            raise ValueError("gone")
        assert replicas._in_flight == [0, 0]


class Recorder(Engine):
    """What would be sent; a server of `count` replicas answers."""

    def __init__(self, count: Any) -> None:
        super().__init__("http://127.0.0.1:9")
        self.count = count
        self.sent: list[dict[str, Any]] = []
        self.lock = threading.Lock()

    def info(self) -> dict[str, Any]:
        return {}

    def server_info(self) -> dict[str, Any]:
        if self.count == "page":
            raise Misread("a page", url=self.url)
        return {} if self.count is None else {"dp_size": self.count}

    def _ask(self, path: str, payload: Any, limit_s: float, check: Any) -> dict[str, Any]:
        with self.lock:
            self.sent.append(payload)
        meta = {"finish_reason": {"type": "stop", "matched": 2}, "completion_tokens": 1}
        return {"text": "a", "output_ids": [65], "meta_info": meta}


class TestClient:
    @pytest.mark.parametrize("count", [None, 1, "many", "page"])
    def test_a_server_without_replicas_is_asked_as_ever(self, count: Any) -> None:
        with Recorder(count) as engine:
            engine.find_replicas()
            engine.generate({"text": "a"})
            assert engine.sent == [{"text": "a"}]

    def test_a_search_names_one_replica_in_all_its_requests(self) -> None:
        with Recorder(2) as engine, ThreadPoolExecutor(4) as threads:
            engine.find_replicas()

            def search(question: str) -> None:
                beam.run(
                    question,
                    params=BeamParams(budget=4, width=2, max_steps=3),
                    verifier=_Flat(),
                    backend=PooledBackend(engine),
                )

            list(threads.map(search, ["one", "two", "three", "four"]))
            ranks: dict[str, set[int]] = {}
            for payload in engine.sent:
                ranks.setdefault(payload["text"].split()[0], set()).add(payload["routed_dp_rank"])
        assert len(engine.sent) > 4 * 4
        assert sorted(len(of) for of in ranks.values()) == [1, 1, 1, 1]
        assert set().union(*ranks.values()) == {0, 1}

    def test_an_adapter_is_named_by_every_request(self) -> None:
        with Recorder(1) as engine:
            engine.adapter = "adapter"
            engine.generate({"text": "a"})
            engine.classify({"input_ids": [1]})
            named = {"lora_path": "adapter"}
            assert engine.sent == [{**named, "text": "a"}, {**named, "input_ids": [1]}]


class _Flat:
    aggregate = "last"

    def score(self, question: str, prefix: Any, steps: Any) -> Any:
        from sal.verifiers.interface import Scored

        return Scored(tuple(0.5 for _ in steps))


def test_replicas_are_for_gpus() -> None:
    with pytest.raises(PlanError, match="--dp-size shares a model out among GPUs"):
        make_plan(CPU_ONLY, str(POLICY), None, policy_args=["--dp-size 2"])


@pytest.fixture
def two_replicas(tmp_path: Path) -> Iterator[Server]:
    """A server of ours with two schedulers, each on a core, as a plan for two GPUs starts it."""
    spec = tiny_plan("--max-total-tokens 16384").servers["policy"]
    env = {**spec.env, "SGLANG_CPU_OMP_THREADS_BIND": "0|1"}
    env.pop("SGLANG_RUST_SERVER", None)  # there each replica has a port of its own
    two = replace(spec, argv=(*spec.argv, "--dp-size", "2"), env=env)
    server = Server(two, tmp_path)
    server.start()
    try:
        server.wait_ready(280)
        yield server
    finally:
        server.stop()


@several_cores
@pytest.mark.servers
def test_a_real_server_keeps_a_problems_prefix_on_its_replica(two_replicas: Server) -> None:
    """What SGLang does with --dp-size, --schedule-policy lpm and one port."""
    asked = {"sampling_params": {"max_new_tokens": 1, "temperature": 0}}
    prompts = {name: list(range(5 + i, 55 + i)) for i, name in enumerate("abcd")}

    def cached(engine: Engine, problem: str) -> tuple[int, int]:
        with requests_of(problem):
            told = engine.generate({"input_ids": prompts[problem], **asked})["meta_info"]
        return told["dp_rank"], told["cached_tokens"]

    with Engine(two_replicas.url) as engine:
        turns = [cached(engine, "a") for _ in range(3)]
        assert [rank for rank, _ in turns] in ([0, 1, 0], [1, 0, 1])  # in turn: read twice
        assert [tokens > 0 for _, tokens in turns] == [False, False, True]
        assert engine.flush_cache()
        engine.find_replicas()
        assert engine.capacity() == 512  # 256 each
        seen = [{name: cached(engine, name) for name in "abcd"} for _ in range(3)]
        assert [tokens > 0 for _, tokens in seen[0].values()] == [False] * 4
        assert all(tokens == 49 for later in seen[1:] for _, tokens in later.values())
        ranks = [[rank for rank, _ in of.values()] for of in seen]
        assert ranks[0] == ranks[1] == ranks[2]
        assert sorted(ranks[0]) == [0, 0, 1, 1]
        assert engine.flush_cache()
        assert cached(engine, "a") == (ranks[0][0], 0)  # both caches are empty again
        assert cached(engine, "b") == (ranks[0][1], 0)
