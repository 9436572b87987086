"""The page of runs over HTTP on this machine alone, which follows them while they are written.

GET / is the page, /data what it shows of finished problems, /flight the problems that are being
searched, /trace/RUN/PROBLEM the tree of a finished one (RUN is its place in /data), and
/live/RUN/PROBLEM that of one in flight (RUN is its name in /flight). There is nothing else: no
path leads to a file.
"""

from __future__ import annotations

import hashlib
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from sal.reports.followed import FollowedRuns
from sal.reports.html_page import html_page
from sal.runs.encoding import json_bytes
from sal.runs.errors import RunError

HOST = "127.0.0.1"
HERE = ("127.0.0.1", "localhost")
"""Names by which a browser may call this machine. Another name that leads here is an attack: a
page elsewhere whose address was changed to ours (DNS rebinding)."""

_JSON = "application/json"


class ExploreServer(ThreadingHTTPServer):
    """Listens at once; a `port` of 0 is any that is free. Raises OSError."""

    daemon_threads = True

    def __init__(self, runs: FollowedRuns, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.runs = runs

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that has gone away is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: ExploreServer
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        if not self._is_from_here():
            self._send(HTTPStatus.FORBIDDEN, b"only for this machine's own browser", "text/plain")
            return
        try:
            self._answer([unquote(part) for part in self.path.partition("?")[0].split("/")[1:]])
        except ConnectionError:
            raise
        except (RunError, OSError) as error:
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, str(error).encode(), "text/plain")

    def _answer(self, path: list[str]) -> None:
        runs = self.server.runs
        match path:
            case [""]:
                page = html_page(runs.data(), {"packed": {}, "files": {}, "url": "trace"})
                self._send(HTTPStatus.OK, page.encode(), "text/html; charset=utf-8")
            case ["data"]:
                self._send_new(runs.version(), runs.data)
            case ["flight"]:
                flight = runs.in_flight()
                tag = hashlib.sha256(json_bytes(flight)).hexdigest()[:16]
                self._send_new(tag, lambda: flight)
            case ["trace", run, problem] if run.isdecimal():
                self._send_trace(runs.trace(int(run), problem))
            case ["live", run, problem]:
                self._send_trace(runs.live_trace(run, problem))
            case _:
                self._send(HTTPStatus.NOT_FOUND, b"no such page", "text/plain")

    def _is_from_here(self) -> bool:
        host = self.headers.get("Host", "")
        origin = self.headers.get("Origin")
        return host.partition(":")[0] in HERE and origin in (None, f"http://{host}")

    def _send_new(self, version: str, make: Any) -> None:
        tag = f'"{version}"'
        if self.headers.get("If-None-Match") == tag:
            self.send_response(HTTPStatus.NOT_MODIFIED)
            self.send_header("ETag", tag)
            self.end_headers()
        else:
            self._send(HTTPStatus.OK, json_bytes(make()), _JSON, tag)

    def _send_trace(self, trace: dict[str, Any] | None) -> None:
        if trace is None:
            self._send(HTTPStatus.NOT_FOUND, b"there is no such trace", "text/plain")
        else:
            self._send(HTTPStatus.OK, json_bytes(trace), _JSON)

    def _send(self, status: HTTPStatus, body: bytes, kind: str, tag: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        if tag is not None:
            self.send_header("ETag", tag)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal is the user's."""
