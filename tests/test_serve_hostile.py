"""A thousand malformed and hostile requests: each gets a reply or a typed error, none a 500."""

from __future__ import annotations

import random
import socket
import threading

import httpx
import pytest
from serve_hostile import BODY, RAW, hostile
from serve_scripted import PATIENCE, gateway, listening, page
from starlette.testclient import TestClient

from sal.serve.app import make_app


@pytest.mark.parametrize("seed", range(4))
def test_no_request_breaks_the_gateway(seed: int) -> None:
    dice = random.Random(seed)
    made_gateway = gateway(longest=100)
    statuses: set[int] = set()
    with TestClient(
        make_app(made_gateway, page), base_url="http://127.0.0.1", raise_server_exceptions=False
    ) as client:
        for _ in range(250):
            path, body, headers = hostile(dice)
            reply = client.post(path, content=body, headers=headers)
            statuses.add(reply.status_code)
            shown = (path, body[:500], headers, reply.text[:500])
            assert reply.status_code in (200, 400, 403, 404, 502, 504), shown
            if reply.status_code != 200:
                assert set(reply.json()["error"]) == {"message", "type", "param", "code"}, shown
            assert len(reply.content) < 1_000_000
        plain = {"model": "dvts@4", "messages": BODY["messages"]}
        assert client.post("/v1/chat/completions", json=plain).status_code == 200
    assert {200, 400} <= statuses
    assert made_gateway.queue.held == 0
    assert made_gateway.ledger.account("").reserved == 0


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
WIRE = [
    *(
        b"",
        b"\r\n" * 100,
        b"\x00" * 1000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
    ),
    *(b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n"),
    b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /searches/%00%ff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /searches/../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
    *(
        HEAD + b"Content-Length: " + length + b"\r\n\r\n{}"
        for length in (b"-1", b"x", b"1e9", b"5, 6")
    ),
    HEAD + b"Content-Length: 100\r\n\r\n{}",
    HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n{}",
    HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
    (HEAD + b"Content-Length: 2\r\n\r\n{}") * 200,
    *(HEAD + b"Content-Length: %d\r\n\r\n" % len(raw) + raw for raw in RAW),
]
"""What a client may put on the wire that is no request, or hardly one."""


def test_nothing_on_the_wire_breaks_the_gateway() -> None:
    made_gateway = gateway(longest=100)
    with listening(made_gateway) as url:
        port = int(url.rpartition(":")[2])
        threads = threading.active_count()
        for data in WIRE:
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as wire:
                try:
                    wire.sendall(data)
                    wire.shutdown(socket.SHUT_WR)
                    answer = b"".join(iter(lambda: wire.recv(1 << 20), b""))
                except OSError:
                    answer = b""  # it was cut off
            assert not answer or answer.startswith(b"HTTP/1.1 "), data[:100]
            assert b" 500 " not in answer[:20], data[:100]
        reply = httpx.post(
            f"{url}/v1/chat/completions", json={"model": "dvts", "messages": BODY["messages"]}
        )
        assert reply.status_code == 200
        assert threading.active_count() <= threads + 20
    assert made_gateway.queue.held == 0
