"""The endpoints of a run or of many: given, warm, or started here and ended with it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

from sal.runtime.access import OPEN, Access, proxy_for
from sal.runtime.client import Engine
from sal.runtime.endpoint_errors import LaunchError
from sal.runtime.launch import OnStatus, Server, start_all, stop_all
from sal.runtime.plan import Plan, Role
from sal.runtime.server_log import tail
from sal.runtime.warm_servers import WarmServers

_WATCH_S = 1.0
_CONNECT_S = 2.0
_REFUSALS = 10  # in a row, a second apart: networks blink


def reachable(url: str) -> bool:
    """Whether something takes connections there, or its proxy; a busy server does, too."""
    parts = urlsplit(proxy_for(url) or url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), timeout=_CONNECT_S):
            return True
    except (OSError, ValueError):
        return False


class Servers:
    """Context manager that turns a plan into clients.

    Inside, a server started here that dies is started again, once; when it dies again, or one that
    was given takes no connection for some 10 s, its client is closed and `failed` says why: the run
    stops, to be resumed. Only what was started here is ended on exit. `on_status(role, text)`
    tells the progress, also of a restart; `client` makes the client of a URL with an `Access`,
    that of the role in `access`.
    """

    def __init__(
        self,
        plan: Plan,
        warm_servers: WarmServers | None = None,
        on_status: OnStatus | None = None,
        client: Callable[[str, Access], Engine] = Engine,
        access: Mapping[Role, Access] | None = None,
    ) -> None:
        self.plan = plan
        self.failed = ""
        self._warm_servers = warm_servers or WarmServers()
        self._on_status = on_status
        self._client = client
        self._access = access or {}
        self._started: list[Server] = []
        self._urls: dict[Role, str] = {}
        self._engines: dict[Role, Engine] = {}
        self._ending = threading.Event()
        self._watcher: threading.Thread | None = None

    @property
    def policy(self) -> Engine:
        """The policy's client. Raises `KeyError` if the plan has no policy."""
        return self._engines["policy"]

    @property
    def prm(self) -> Engine | None:
        return self._engines.get("prm")

    def __enter__(self) -> Servers:
        """Raises `LaunchError`, and leaves nothing running, if a server does not start."""
        urls = dict(self.plan.urls)
        for role, spec in self.plan.servers.items():
            warm = self._warm_servers.find(spec)
            if warm is not None:
                urls[role] = warm.url
                self._say(role, "warm")
            else:
                self._started.append(Server(spec, self._warm_servers.logs))
        self._warm_servers.prune_logs()
        start_all(self._started, self._on_status)
        urls.update({server.spec.role: server.url for server in self._started})
        self._urls = urls
        self.connect(urls)
        ours = {server.spec.role for server in self._started}
        given = {role: url for role, url in urls.items() if role not in ours}
        self._watcher = threading.Thread(
            target=self._watch, args=(given,), name="sal-watch", daemon=True
        )
        self._watcher.start()
        return self

    def connect(self, roles: Iterable[Role]) -> None:
        """New clients, of these roles alone: for a run by itself, which counts what it asked.

        The old ones are closed.
        """
        self._close()
        self._engines = {
            role: self._client(self._urls[role], self._access.get(role, OPEN)) for role in roles
        }
        for role, engine in self._engines.items():
            if (spec := self.plan.servers.get(role)) is not None:
                engine.adapter = spec.adapter

    def empty_caches(self) -> bool:
        """Empty the caches of the connected servers; False if one may hold something.

        Those that were given by URL are left alone, for others may use them.
        """
        emptied = [
            role in self.plan.servers and engine.flush_cache()
            for role, engine in self._engines.items()
        ]
        return all(emptied)

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._close()
        stop_all(self._started)
        while self._watcher is not None and self._watcher.is_alive():
            self._watcher.join(0.2)
            stop_all(self._started)  # one that was being started again just now

    def _watch(self, given: Mapping[Role, str]) -> None:
        restarted: set[Role] = set()
        refusals = dict.fromkeys(given, 0)
        while not self._ending.wait(_WATCH_S):
            for role, url in given.items():
                refusals[role] = 0 if reachable(url) else refusals[role] + 1
                if refusals[role] == _REFUSALS:
                    self._give_up(role, f"the {role} server at {url} takes no more connections")
                    return
            for server in self._started:
                if server.alive() or self._ending.is_set():
                    continue
                role = server.spec.role
                if role in restarted:
                    self._give_up(role, f"the {role} server died twice:\n{tail(server.log)}")
                    return
                restarted.add(role)
                self._say(role, "died, starting again")
                try:
                    server.restart(self._on_status)
                    self._say(role, "ready")
                except LaunchError as error:
                    if not self._ending.is_set():
                        self._give_up(role, str(error))
                    return

    def _give_up(self, role: Role, reason: str) -> None:
        self.failed = reason
        self._say(role, "died")
        engine = self._engines.get(role)
        if engine is not None:
            engine.close()

    def _close(self) -> None:
        for engine in self._engines.values():
            engine.close()

    def _say(self, role: Role, text: str) -> None:
        if self._on_status is not None:
            self._on_status(role, text)
