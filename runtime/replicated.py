"""Servers of one model behind SGLang's model gateway, started here and kept warm."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from dataclasses import replace

from sal.runtime.access import open_directly
from sal.runtime.connection import Broken, Connection
from sal.runtime.endpoint_errors import LaunchError
from sal.runtime.gateway import listed
from sal.runtime.launch import (
    START_LIMIT_S,
    OnStatus,
    Server,
    answers,
    free_port,
    start_all,
    stop_all,
)
from sal.runtime.server_spec import ServerSpec
from sal.runtime.warm_servers import Process, Warm, WarmServers

_JOIN_S = 60.0
_POLL_S = 0.1


def gateway_spec(spec: ServerSpec) -> ServerSpec:
    """The gateway before servers of `spec`, for which it stands in. Raises `LaunchError`."""
    if importlib.util.find_spec("smg") is None:
        raise LaunchError(
            "SGLang's model gateway is not installed: pip install 'sal-sglang[replicas]'"
        )
    flags = {
        "--policy": "manual",  # by the routing key: a key stays where it came first
        "--assignment-mode": "min_load",
        "--health-check-interval-secs": "2",
        "--cb-timeout-duration-secs": "5",
        "--prometheus-port": str(free_port()),
        "--prometheus-host": "127.0.0.1",
        "--log-level": "warn",
    }
    words = [word for pair in flags.items() for word in pair]
    # A worker that is busy is no reason to read a problem's prefix elsewhere.
    words += ["--disable-worker-overload-protection", "--disable-tokenizer-autoload"]
    argv = (sys.executable, "-m", "smg.launch_router", *words)
    return replace(spec, argv=argv, env={}, cores=(), after=None)


def keep_replicas(
    spec: ServerSpec, count: int, warm_servers: WarmServers, on_status: OnStatus | None = None
) -> Warm:
    """Start as many servers of `spec` as are missing of `count`, and a gateway if there is none.

    Those that run go on. Raises `LaunchError`; then what was started here is ended.
    """
    warm = warm_servers.get(spec.role)
    if warm is not None and not warm.alive():  # the gateway has died
        warm_servers.stop(warm)
        warm = None
    ours = warm is None
    if warm is None:
        gateway = Server(gateway_spec(spec), warm_servers.logs, detached=True, name="gateway")
        start_all([gateway], on_status, warm_servers.record)
        warm = warm_servers.record(gateway)
    missing = count - sum(worker.alive() for worker in warm.workers)
    servers = [
        Server(replace(spec, port=0, after=None), warm_servers.logs, detached=True, name=str(i))
        for i in range(missing)
    ]
    try:
        start_all(servers, on_status, warm_servers.record_worker)
        warm = warm_servers.get(spec.role) or warm
        for worker in warm.workers:  # also those of a command that was ended before it got here
            if worker.alive():
                _join(warm.url, worker)
    except BaseException:
        stop_all(servers)
        if ours:
            warm_servers.stop(warm_servers.get(spec.role) or warm)
        raise
    return warm


def _join(gateway: str, worker: Process) -> None:
    """Have the gateway use a server, once that takes requests. Raises `LaunchError`."""
    deadline = time.monotonic() + START_LIMIT_S
    connection = Connection(gateway)
    try:
        while not answers(worker.url):
            if time.monotonic() > deadline or not worker.alive():
                raise LaunchError(f"{worker.url} does not start (its log: {worker.log})")
            time.sleep(_POLL_S)
        if worker.url not in healthy(gateway):
            body = json.dumps({"url": worker.url}).encode()
            answer = connection.exchange(f"{gateway}/workers", body, _JOIN_S)
            if answer.status >= 300:
                raise LaunchError(f"the gateway refuses {worker.url}: {answer.body.decode()}")
        deadline = time.monotonic() + _JOIN_S
        while worker.url not in healthy(gateway):
            if time.monotonic() > deadline:
                raise LaunchError(f"the gateway at {gateway} does not take {worker.url}")
            time.sleep(_POLL_S)
    except (Broken, OSError, ValueError) as error:
        raise LaunchError(f"the gateway at {gateway} does not answer: {error}") from error
    finally:
        connection.close()


def healthy(gateway: str) -> list[str]:
    """Which of its workers a gateway sends requests to. Raises OSError, ValueError."""
    told = json.loads(open_directly(f"{gateway}/workers", 5.0))
    workers = [worker for worker in told.get("workers", ()) if worker.get("is_healthy")]
    return listed({"workers": workers})
