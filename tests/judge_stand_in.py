"""A stand-in of the OpenAI API: `/v1/models` and `/v1/chat/completions`, behind a key."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

KEY = "sk-judge-marker-11aa22"

Say = Callable[[dict[str, Any]], Any]
"""Makes a judge's words of a request, or a status with its body."""


class JudgeApi:
    """Answers what `say` makes of each request; `asked` are the requests to the model."""

    def __init__(self, say: Say, models: tuple[str, ...] = ("small", "large")) -> None:
        api = self
        self.asked: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                if self.path == "/v1/models" and models:
                    self.answer(200, {"data": [{"id": name} for name in models]})
                else:
                    self.answer(404, {"error": {"message": "no such page"}})

            def do_POST(self) -> None:
                payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path != "/v1/chat/completions":
                    self.answer(404, {"error": {"message": "no such page"}})
                    return
                api.asked.append(payload)
                said = say(payload)
                if isinstance(said, tuple):
                    self.answer(*said)
                    return
                self.answer(
                    200,
                    {
                        "object": "chat.completion",
                        "model": payload["model"],
                        "choices": [
                            {
                                "index": 0,
                                "message": {"role": "assistant", "content": said},
                                "finish_reason": "stop" if said else "length",
                            }
                        ],
                        "usage": {
                            "prompt_tokens": 100,
                            "completion_tokens": 7,
                            "prompt_tokens_details": {"cached_tokens": 64},
                        },
                    },
                )

            def answer(self, status: int, body: Any) -> None:
                if self.headers.get("Authorization") != f"Bearer {KEY}":
                    status, body = 401, {"error": {"message": f"wrong key, not {KEY}"}}
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
