"""A policy's server that answers at once what its script says: SGLang's routes, and no model."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class ScriptedServer:
    """While entered, answers `/generate` after `pause_s`: one of three answers, by the seed."""

    def __init__(self, pause_s: float = 0.0, requests: int = 4) -> None:
        self.asked = 0
        self.go = threading.Event()
        """Answers wait for it, where it is cleared."""
        self.go.set()
        self._lock = threading.Lock()
        served = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                told: dict[str, Any] = {
                    "/model_info": {"model_path": "scripted"},
                    "/server_info": {
                        "internal_states": [{"effective_max_running_requests_per_dp": requests}]
                    },
                }
                self._answer(told.get(self.path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path != "/generate":
                    self._answer({} if self.path.startswith("/flush_cache") else None)
                    return
                with served._lock:
                    served.asked += 1
                served.go.wait(120)
                time.sleep(pause_s)
                sampling = json.loads(body)["sampling_params"]
                answer = sampling.get("sampling_seed", 0) % 3
                meta = {
                    "finish_reason": {"type": "stop", "matched": 2},
                    "prompt_tokens": 10,
                    "cached_tokens": 5,
                    "completion_tokens": 4,
                }
                self._answer({"text": f"It is \\boxed{{{answer}}}.", "meta_info": meta})

            def _answer(self, content: dict[str, Any] | None) -> None:
                body = json.dumps(content or {}).encode()
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
