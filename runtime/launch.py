"""Starts, watches and ends SGLang servers."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from sal.runtime.access import open_directly
from sal.runtime.endpoint_errors import LaunchError
from sal.runtime.generation_config import with_model_defaults
from sal.runtime.hub_model import check_available
from sal.runtime.placement import place
from sal.runtime.plan import Role, ServerSpec
from sal.runtime.server_log import progress, tail

OnStatus = Callable[[Role, str], None]

START_LIMIT_S = 1800.0  # a first start may download the model
_GRACE_S = 2.0  # a server has nothing to save
_POLL_S = 0.2
_GUARD = Path(__file__).resolve().parent / "guard.py"


class Server:
    """An SGLang server of ours: its processes live in a group of their own, logging to a file.

    It ends with this process, however that ends, unless `detached`. `name` tells its log from those
    of others of the same role.
    """

    def __init__(
        self, spec: ServerSpec, logs: Path, *, detached: bool = False, name: str = ""
    ) -> None:
        self.spec = spec
        self.detached = detached
        self.port = spec.port
        self.log = logs / f"{'-'.join(filter(None, [spec.role, name, str(os.getpid())]))}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The id of the server's process group; 0 before the start."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start the process and return at once. Raises `LaunchError` if it cannot even run."""
        if self.alive():
            return
        self.port = self.port or free_port()
        # Of a model that the plan could not look into: its files are fetched now.
        command = with_model_defaults(self.spec, download=True).command(self.port)
        if not self.detached:
            command = [sys.executable, "-S", str(_GUARD), str(os.getpid()), *command]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.log.open("wb") as out:
                self._process = subprocess.Popen(
                    command,
                    env=_environment(self.spec.env),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise LaunchError(f"the {self.spec.role} server cannot be run: {error}") from error
        if self.spec.cores:
            place(self.pid, self.spec.cores)
        self._started = time.monotonic()

    def alive(self) -> bool:
        """Whether the process runs; it may not answer yet."""
        return self._process is not None and self._process.poll() is None

    def status(self) -> str:
        """One line on how the start goes."""
        if not self.alive():
            return "stopped"
        doing = progress(self.log) or "starting"
        return f"{doing}, {time.monotonic() - self._started:.0f} s"

    def ready(self) -> bool:
        """Whether it takes requests. Raises `LaunchError` if it ended instead."""
        if not self.alive():
            words = tail(self.log)
            last = f":\n{words}" if words else ""
            raise LaunchError(
                f"the {self.spec.role} server for {self.spec.model} did not start{last}\n"
                f"(its log: {self.log})",
                tail=words,
            )
        return answers(self.url)

    def wait_ready(self, limit_s: float = START_LIMIT_S, on_status: OnStatus | None = None) -> None:
        """Block until the server takes requests; it is stopped if it never does.

        Raises `LaunchError` when it ends early or `limit_s` passes.
        """
        deadline = time.monotonic() + limit_s
        try:
            while not self.ready():
                if time.monotonic() > deadline:
                    raise LaunchError(
                        f"the {self.spec.role} server was not ready after {limit_s:.0f} s "
                        f"(its log: {self.log})",
                        tail=tail(self.log),
                    )
                if on_status is not None:
                    on_status(self.spec.role, self.status())
                time.sleep(_POLL_S)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server and everything that it started; no error if it is gone already."""
        if self._process is None:
            return
        end_group(self._process.pid, self._process.wait)
        self._process = None

    def restart(self, on_status: OnStatus | None = None) -> None:
        """Start again on the same port and wait until ready. Raises `LaunchError`."""
        self.stop()
        self.start()
        self.wait_ready(on_status=on_status)


def start_all(
    servers: Sequence[Server],
    on_status: OnStatus | None = None,
    on_start: Callable[[Server], object] | None = None,
) -> None:
    """Start the servers side by side (but for `spec.after`) and wait until all are ready.

    `on_start` is told of each process as soon as it exists.
    When one fails, all are stopped and its `LaunchError` is raised; for a model that cannot be had,
    before anything is started.
    """
    for server in servers:
        if server.pid == 0 and "sglang.launch_server" in server.spec.argv:
            check_available(server.spec.model)
    roles = {server.spec.role for server in servers}
    waiting = list(servers)
    ready: set[Role] = set()
    deadline = time.monotonic() + START_LIMIT_S
    try:
        while waiting:
            for server in list(waiting):
                role, after = server.spec.role, server.spec.after
                if server.pid == 0:
                    if after in roles and after not in ready:
                        continue
                    server.start()
                    if on_start is not None:
                        on_start(server)
                if server.ready():
                    ready.add(role)
                    waiting.remove(server)
                    if on_status is not None:
                        on_status(role, "ready")
                    continue
                if on_status is not None:
                    on_status(role, server.status())
                if time.monotonic() > deadline:
                    raise LaunchError(
                        f"the {role} server was not ready after {START_LIMIT_S:.0f} s "
                        f"(its log: {server.log})",
                        tail=tail(server.log),
                    )
            if waiting:
                time.sleep(_POLL_S)
    except BaseException:
        stop_all(servers)
        raise


def stop_all(servers: Sequence[Server]) -> None:
    """Ask all to end, then make sure of each."""
    for server in servers:
        if server.pid:
            _signal_group(server.pid, signal.SIGTERM)
    for server in servers:
        server.stop()


def end_group(pid: int, wait: Callable[[float], object] | None = None) -> None:
    """End the process group `pid`: ask, then after a moment kill. `wait` reaps a child of ours."""
    if _signal_group(pid, signal.SIGTERM):
        _gone(pid, wait, _GRACE_S)
        if _signal_group(pid, signal.SIGKILL):
            _gone(pid, wait, 10.0)
    elif wait is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            wait(0)


def answers(url: str) -> bool:
    """Whether a server there takes requests.

    /ready generates nothing, unlike /health; SGLang's server in Rust has the latter alone.
    """
    for path in ("/ready", "/health"):
        try:
            open_directly(url + path, 5)
            return True
        except urllib.error.HTTPError as error:
            if error.code != 404:
                return False
        except (urllib.error.URLError, OSError, ValueError):
            return False
    return False


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(extra: dict[str, str]) -> dict[str, str]:
    """Ours plus `extra`, whose PYTHONPATH goes before the one that is set.

    Keys of endpoints are no server's business, and a server asks itself without a proxy.
    """
    env = {**os.environ, **extra}
    for name in ("SAL_POLICY_KEY", "SAL_PRM_KEY", "SAL_POLICY_HEADER", "SAL_PRM_HEADER"):
        env.pop(name, None)
    for name in ("no_proxy", "NO_PROXY"):
        env[name] = ",".join(filter(None, [env.get(name), "127.0.0.1", "localhost", "::1"]))
    if "PYTHONPATH" in extra and os.environ.get("PYTHONPATH"):
        env["PYTHONPATH"] = os.pathsep.join([extra["PYTHONPATH"], os.environ["PYTHONPATH"]])
    return env


def _signal_group(pid: int, number: signal.Signals) -> bool:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _gone(pid: int, wait: Callable[[float], object] | None, limit_s: float) -> None:
    """Wait until no process of the group runs; those dead but not reaped count as gone."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if wait is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                wait(0)
        if not _running(pid):
            return
        time.sleep(0.05)


def _running(group: int) -> bool:
    for process in psutil.process_iter(["status"]):
        try:
            if os.getpgid(process.pid) == group and process.info["status"] != "zombie":
                return True
        except ProcessLookupError:
            continue
    return False
