"""A gateway before a real server, that answers as deployments do when something is wrong."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

LOGIN = (
    b"<!doctype html>\n<html><head><title>Sign in</title></head><body>Welcome back</body></html>"
)


@dataclass(frozen=True)
class Reply:
    """What goes back to the client."""

    status: int
    body: bytes
    type: str = "application/json"
    headers: Mapping[str, str] | None = None


Fault = Callable[["Handler", Callable[[], Reply]], Reply | None]
"""Given the handler and a way to ask the server behind; None when it has dealt with it."""


def says(body: Any, status: int = 200, **headers: str) -> Fault:
    """Always the same; bytes as HTML, anything else as JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def fault(handler: Handler, ask: Callable[[], Reply]) -> Reply:
        if isinstance(body, bytes):
            return Reply(status, body, "text/html", named)
        return Reply(status, json.dumps(body).encode(), headers=named)

    return fault


def changed(change: Callable[[dict[str, Any]], Any]) -> Fault:
    """The server's reply, changed; `change` returns another object, or None for the same one."""

    def fault(handler: Handler, ask: Callable[[], Reply]) -> Reply:
        reply = json.loads(ask().body)
        other = change(reply)
        return Reply(200, json.dumps(reply if other is None else other).encode())

    return fault


def cut(handler: Handler, ask: Callable[[], Reply]) -> Reply:
    """JSON that ends in its middle, with a length that says so: the connection is fine."""
    body = ask().body
    return Reply(200, body[: len(body) // 2])


def closed(handler: Handler, ask: Callable[[], Reply]) -> None:
    """The connection is closed before a status line."""
    handler.close_connection = True


def closed_in_the_body(handler: Handler, ask: Callable[[], Reply]) -> None:
    """The connection is closed after the head and a part of the body."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"text": "')
    handler.close_connection = True


def dripping(handler: Handler, ask: Callable[[], Reply]) -> None:
    """A byte now and then, without end."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    for _ in range(300):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


class Gateway:
    """`faults` by path; `wants` are headers without which it answers 401.

    With `first` the first so many requests of a faulty path pass; with `times` so many are faulty.
    """

    def __init__(
        self,
        target: str,
        *,
        prefix: str = "",
        wants: Mapping[str, str] | None = None,
        certificate: Path | None = None,
    ) -> None:
        self.target = urlsplit(target).netloc
        self.prefix = prefix
        self.wants = wants or {}
        self.faults: dict[str, Fault] = {}
        self.first = 0
        self.times = 10**9
        self.seen: list[str] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.gateway = self  # type: ignore[attr-defined]
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients leave
        self._scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}{self.prefix}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fault(self, path: str) -> Fault | None:
        """What is to go wrong with this request, which is counted."""
        with self._lock:
            before = self.seen.count(path)
            self.seen.append(path)
        faulty = self.first <= before < self.first + self.times
        return self.faults.get(path) if faulty else None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._pass(None)

    def do_POST(self) -> None:
        self._pass(self.rfile.read(int(self.headers["Content-Length"])))

    def _pass(self, body: bytes | None) -> None:
        gateway: Gateway = self.server.gateway  # type: ignore[attr-defined]
        path = self.path.removeprefix(gateway.prefix)
        missing = [name for name, v in gateway.wants.items() if self.headers.get(name) != v]

        def ask() -> Reply:
            there = http.client.HTTPConnection(gateway.target, timeout=120)
            there.request(
                self.command, path, body, {"Content-Type": "application/json"} if body else {}
            )
            reply = there.getresponse()
            return Reply(
                reply.status, reply.read(), reply.headers.get_content_type() or "text/plain"
            )

        reply: Reply | None
        if not self.path.startswith(gateway.prefix):
            reply = Reply(404, b"{}")
        elif missing:
            given = self.headers.get(missing[0])  # some servers repeat it
            reply = Reply(401, json.dumps({"error": f"bad key {given}"}).encode())
        else:
            fault = gateway.fault(path)
            reply = ask() if fault is None else fault(self, ask)
        if reply is None:
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in (reply.headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: object) -> None:
        pass
