"""Warm servers: what `sal up` left running, for the next run to find."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from sal.runtime.access import open_directly
from sal.runtime.launch import Server, end_group
from sal.runtime.plan import Role, ServerSpec

_CLOCK_SLACK_S = 2.0


@dataclass(frozen=True, slots=True)
class Process:
    """Of a recorded server. `started` is when (Unix seconds), against a reused pid."""

    url: str
    pid: int
    started: float
    log: str

    def alive(self) -> bool:
        """Whether that very process still runs."""
        try:
            process = psutil.Process(self.pid)
            runs = process.status() != psutil.STATUS_ZOMBIE
            return runs and abs(_started(self.pid) - self.started) < _CLOCK_SLACK_S
        except psutil.Error:
            return False


@dataclass(frozen=True, slots=True)
class Warm:
    """A recorded server, or a gateway with its `workers`; the rest as in `Process`."""

    role: Role
    model: str
    url: str
    pid: int
    started: float
    digest: str
    log: str
    workers: tuple[Process, ...] = ()

    @property
    def processes(self) -> tuple[Process, ...]:
        """Its own, and those behind it."""
        return Process(self.url, self.pid, self.started, self.log), *self.workers

    def alive(self) -> bool:
        """Whether that very process still runs."""
        return self.processes[0].alive()

    def answers(self) -> bool:
        """Whether it serves the model it was started for: of a gateway, whether any worker does."""
        urls = [worker.url for worker in self.workers] or [self.url]
        return any(self._serves(url) for url in urls)

    def _serves(self, url: str) -> bool:
        try:
            said = json.loads(open_directly(f"{url}/model_info", 5))
            return bool(said.get("model_path") == self.model)
        except (OSError, ValueError, AttributeError):
            return False


class WarmServers:
    """A folder with one small file per warm server."""

    def __init__(self, state: Path | None = None) -> None:
        self.state = state or state_folder()

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    def record(self, server: Server) -> Warm:
        """Remember a server that was started detached; it may still be loading."""
        warm = Warm(
            server.spec.role,
            server.spec.model,
            server.url,
            server.pid,
            _started(server.pid),
            server.spec.digest,
            str(server.log),
        )
        return self._write(warm)

    def record_worker(self, server: Server) -> Warm:
        """Remember one more server behind the gateway of its role, and forget those that ended.

        Raises KeyError where there is no gateway.
        """
        gateway = self.get(server.spec.role)
        if gateway is None:
            raise KeyError(server.spec.role)
        new = Process(server.url, server.pid, _started(server.pid), str(server.log))
        alive = [worker for worker in gateway.workers if worker.alive()]
        return self._write(replace(gateway, workers=(*alive, new)))

    def _write(self, warm: Warm) -> Warm:
        path = self._path(warm.role)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(asdict(warm)))
        part.replace(path)
        return warm

    def entries(self) -> list[Warm]:
        """The recorded servers whose process runs; the records of others are removed."""
        found = []
        for role in ("policy", "prm"):
            try:
                told = json.loads(self._path(role).read_text())
                workers = tuple(Process(**worker) for worker in told.pop("workers", ()))
                warm = Warm(**told, workers=workers)
            except FileNotFoundError:
                continue
            except (OSError, ValueError, TypeError, AttributeError):  # torn, or of another version
                self.forget(role)
                continue
            if any(process.alive() for process in warm.processes):
                found.append(warm)
            else:
                self.forget(role)
        return found

    def get(self, role: Role) -> Warm | None:
        """The warm server of a role, still loading or ready."""
        return next((warm for warm in self.entries() if warm.role == role), None)

    def find(self, spec: ServerSpec) -> Warm | None:
        """A live server, ready to use, that was started for the same model and flags."""
        warm = self.get(spec.role)
        fits = warm is not None and warm.digest == spec.digest and warm.alive()
        return warm if warm is not None and fits and warm.answers() else None

    def forget(self, role: str) -> None:
        self._path(role).unlink(missing_ok=True)

    def stop(self, warm: Warm) -> None:
        """End a warm server, those behind it, and its record."""
        for process in warm.processes:
            if process.alive():
                end_group(process.pid)
        self.forget(warm.role)

    def prune_logs(self, older_than_s: float = 7 * 24 * 3600) -> None:
        """Remove the logs of servers long gone."""
        kept = {process.log for warm in self.entries() for process in warm.processes}
        for log in self.logs.glob("*.log"):
            if str(log) not in kept and time.time() - log.stat().st_mtime > older_than_s:
                log.unlink(missing_ok=True)

    def _path(self, role: str) -> Path:
        return self.state / "servers" / f"{role}.json"


def _started(pid: int) -> float:
    return float(psutil.Process(pid).create_time())


def state_folder() -> Path:
    """$SAL_STATE, or where this platform keeps a user's state."""
    if named := os.environ.get("SAL_STATE"):
        return Path(named).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "sal"
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "sal"
