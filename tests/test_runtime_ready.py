"""Whether a server takes requests, asked of SGLang's releases old and new."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sal.runtime.launch import answers


@contextmanager
def server(statuses: Mapping[str, int]) -> Iterator[str]:
    """The URL of a server that gives these statuses by path, 404 for any other."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(statuses.get(self.path, 404))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{serving.server_port}"
    finally:
        serving.shutdown()
        serving.server_close()


@pytest.mark.parametrize(
    ("statuses", "ready"),
    [
        ({"/ready": 200}, True),
        ({"/ready": 503, "/health": 200}, False),  # it loads still
        ({"/health": 200}, True),  # a release that has no /ready
        ({"/health": 503}, False),
        ({}, False),
    ],
)
def test_a_server_is_ready_when_it_says_so(statuses: dict[str, int], ready: bool) -> None:
    with server(statuses) as url:
        assert answers(url) is ready


def test_nothing_there_is_not_ready() -> None:
    with server({}) as url:
        pass
    assert answers(url) is False
