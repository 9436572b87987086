"""Shared fixtures: the two real servers, started side by side once per session; recorded data.

For quick local turns, `sal up` once and set SAL_TEST_POLICY_URL and SAL_TEST_PRM_URL.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from sal.grading.grader import Grader
from sal.runtime.client import Engine
from sal.runtime.default_models import default_models
from sal.runtime.hardware import Hardware, usable_cores
from sal.runtime.launch import Server, start_all, stop_all
from sal.runtime.plan import Plan, make_plan

settings.register_profile("untimed", deadline=None)  # a busy machine is no defect
settings.load_profile("untimed")

several_cores = pytest.mark.skipif(
    len(usable_cores()) < 2 or not hasattr(os, "sched_setaffinity"),
    reason="no core to leave, or no say in it",
)

CPU_ONLY = Hardware(gpus=(), cores=(0, 1), memory_bytes=16 << 30)


def known(count: int | None) -> int:
    """A count that the endpoint must have told."""
    assert count is not None
    return count


def tiny_plan(*policy_args: str) -> Plan:
    """The tiny models on the CPU engine, whatever this machine has."""
    policy, prm = default_models(None, None)
    if policy is None or prm is None:
        pytest.skip("this checkout has no tiny weights")
    return make_plan(CPU_ONLY, policy, prm, policy_args=policy_args)


@pytest.hookimpl(tryfirst=True)  # before xdist looks for the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For several processes (`just test`): a file is of one, and all servers are of one: two
    processes with servers of their own would take more than 16 GB."""
    for item in items:
        if "server_urls" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.servers)
        own = any(map(item.get_closest_marker, ("servers", "smollm2")))
        item.add_marker(pytest.mark.xdist_group("servers" if own else item.location[0]))


@pytest.fixture(autouse=True)
def collector_as_before() -> Iterator[None]:
    """A run in this process collects rarely, and would for all that follow it."""
    before = gc.get_threshold()
    yield
    if gc.get_threshold() != before:
        gc.set_threshold(*before)
        gc.unfreeze()


@pytest.fixture(scope="session")
def server_urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """URLs of the policy's and the PRM's server."""
    given = os.environ.get("SAL_TEST_POLICY_URL"), os.environ.get("SAL_TEST_PRM_URL")
    if given[0] and given[1]:
        yield given[0], given[1]
        return
    logs: Path = tmp_path_factory.mktemp("servers")
    servers = [Server(spec, logs) for spec in tiny_plan().servers.values()]
    start_all(servers)
    try:
        yield servers[0].url, servers[1].url
    finally:
        stop_all(servers)


@pytest.fixture(scope="session")
def policy_server(server_urls: tuple[str, str]) -> str:
    """URL of the policy's server."""
    return server_urls[0]


@pytest.fixture(scope="session")
def prm_server(server_urls: tuple[str, str]) -> str:
    """URL of the PRM's server."""
    return server_urls[1]


@pytest.fixture
def policy(policy_server: str) -> Iterator[Engine]:
    """A client of the policy, with counts of its own."""
    with Engine(policy_server) as engine:
        yield engine


@pytest.fixture
def prm(prm_server: str) -> Iterator[Engine]:
    """A client of the PRM, with counts of its own."""
    with Engine(prm_server) as engine:
        yield engine


@pytest.fixture(scope="session")
def recorded_data() -> Path:
    """The folder of recorded problems and model outputs: SAL_DATA, else shared/data next door."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SAL_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no recorded data: {folder} is absent (set SAL_DATA to its folder)")
    return folder


@pytest.fixture(scope="session")
def grader() -> Iterator[Grader]:
    """One grader with one worker for all tests that do not break it."""
    with Grader() as shared:
        yield shared
