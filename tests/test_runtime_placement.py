"""One core is the policy's where its server computes on this machine's CPU."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from conftest import several_cores

from sal.runtime.client import Engine
from sal.runtime.hardware import all_but_one, usable_cores
from sal.runtime.launch import Server
from sal.runtime.placement import beside
from sal.runtime.plan import ServerSpec

CORES = usable_cores()


def test_all_but_one() -> None:
    assert all_but_one((0, 1)) == (1,)
    assert all_but_one((3, 4, 8)) == (4, 8)
    assert all_but_one((5,)) == (5,)


@several_cores
def test_beside_an_engine_on_this_cpu_a_core_is_left_until_the_end(policy: Engine) -> None:
    with beside(policy):
        assert usable_cores() == CORES[1:]
        child = subprocess.check_output(
            [sys.executable, "-c", "import os; print(len(os.sched_getaffinity(0)))"]
        )
        assert int(child) == len(CORES) - 1
        seen: list[tuple[int, ...]] = []
        thread = threading.Thread(target=lambda: seen.append(usable_cores()))
        thread.start()
        thread.join()
        assert seen == [CORES[1:]]
    assert usable_cores() == CORES


@several_cores
def test_the_cores_are_given_back_after_an_error(policy: Engine) -> None:
    with pytest.raises(ZeroDivisionError), beside(policy):
        raise ZeroDivisionError
    assert usable_cores() == CORES


@several_cores
@pytest.mark.parametrize(("device", "left"), [("cpu", 1), ("cuda", 0), (None, 0)])
def test_what_counts_is_where_the_engine_computes(
    monkeypatch: pytest.MonkeyPatch, device: str | None, left: int
) -> None:
    said = {"device": device} if device else {}
    monkeypatch.setattr(Engine, "server_info", lambda _: said)
    with Engine("http://127.0.0.1:30000") as engine, beside(engine):
        assert usable_cores() == CORES[left:]


@several_cores
def test_another_machines_cpu_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "server_info", lambda _: {"device": "cpu"})
    for url in ("http://10.0.0.8:30000", "http://gpu-box:30000", "https://example.org"):
        with Engine(url) as engine, beside(engine):
            assert usable_cores() == CORES
    for url in ("http://localhost:30000", "http://[::1]:30000", "http://127.0.0.1:30000"):
        with Engine(url) as engine, beside(engine):
            assert usable_cores() == CORES[1:]


@several_cores
def test_where_it_is_forbidden_all_goes_on_as_before(
    policy: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(pid: int, cores: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refused)
    with beside(policy):
        assert usable_cores() == CORES


@several_cores
def test_a_server_runs_where_its_plan_says_whoever_starts_it(
    tmp_path: Path, policy: Engine
) -> None:
    argv = (sys.executable, "-c", "import time; time.sleep(60)")
    for cores in (CORES, CORES[1:]):
        server = Server(ServerSpec("policy", "m", "cpu", argv, {}, (), cores=cores), tmp_path)
        with beside(policy):
            server.start()
        try:
            assert psutil.Process(server.pid).cpu_affinity() == list(cores)
        finally:
            server.stop()
