"""`sal serve` as a user starts it, asked by many clients and watched from outside."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

import psutil

from bench.ours import SAL, environment
from sal.runtime.client import Engine
from sal.runtime.connection import Connection

LIMIT_S = 600.0
LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to the gateway: what was asked of which model, and what came of it."""

    question: str
    model: str
    status: int
    seconds: float
    content: str
    told: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """The gateway's process, so many seconds after its start: bytes of memory, threads."""

    at: float
    memory: int
    threads: int


class Gateway:
    """A context manager; `looks` has its process once a second."""

    def __init__(self, policy: Engine, prm: Engine, words: Sequence[str]) -> None:
        """`words` stand behind `sal serve`."""
        self._words = [str(SAL), "serve", *words, "--port", "0"]
        self._words += ["--policy", policy.url, "--prm", prm.url]
        self.url = ""
        self.looks: list[Look] = []
        self._ending = threading.Event()

    def __enter__(self) -> Gateway:
        self._process = psutil.Popen(
            self._words, env=environment(), stdout=subprocess.PIPE, text=True
        )
        self.url = self._process.stdout.readline().split("/v1")[0]
        if not self.url:
            raise RuntimeError(f"{' '.join(self._words)} did not start")
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, where: TracebackType | None
    ) -> None:
        self._ending.set()
        self._process.terminate()
        self._process.wait()
        self._watcher.join()

    def _watch(self) -> None:
        began = time.monotonic()
        while not self._ending.wait(LOOK_S) and self._process.is_running():
            with self._process.oneshot():
                memory, threads = self._process.memory_info().rss, self._process.num_threads()
            self.looks.append(Look(time.monotonic() - began, memory, threads))

    def ask(
        self, connection: Connection, question: str, model: str, *, stream: bool = False
    ) -> Asked:
        """Wait for the reply, as a whole or as a stream that is put together."""
        body = {"model": model, "messages": [{"role": "user", "content": question}]}
        began = time.monotonic()
        answer = connection.exchange(
            f"{self.url}/v1/chat/completions",
            json.dumps({**body, "stream": stream}).encode(),
            LIMIT_S,
        )
        seconds = time.monotonic() - began
        content, told = _read(answer.body, stream=stream and answer.status == 200)
        return Asked(question, model, answer.status, seconds, content, told)

    def ask_all(
        self,
        wanted: Iterable[tuple[str, str]],
        clients: int,
        until: Callable[[], bool] = lambda: False,
    ) -> tuple[float, list[Asked]]:
        """Seconds, and the replies to all (question, model) of `wanted`, `clients` at a time.

        Every second one is a stream. None is begun once `until` says so.
        """
        todo: SimpleQueue[tuple[int, tuple[str, str]]] = SimpleQueue()
        for item in enumerate(wanted):
            todo.put(item)
        replies: list[Asked] = []

        def work() -> None:
            connection = Connection(self.url)
            while not until():
                try:
                    number, (question, model) = todo.get_nowait()
                except Empty:
                    return
                replies.append(self.ask(connection, question, model, stream=number % 2 == 1))

        threads = [threading.Thread(target=work) for _ in range(clients)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.monotonic() - began, replies

    def gauge(self, name: str) -> float:
        """A figure of /metrics."""
        text = Connection(self.url).exchange(f"{self.url}/metrics", None, LIMIT_S).body.decode()
        lines = (line.split() for line in text.splitlines())
        return next(float(words[1]) for words in lines if words[0] == name)


def _read(body: bytes, *, stream: bool) -> tuple[str, dict[str, Any]]:
    """The content, and what the field `sal` tells of the search."""
    if not stream:
        reply = json.loads(body)
        choices = reply.get("choices") or [{"message": {"content": ""}}]
        return choices[0]["message"]["content"] or "", reply.get("sal", {})
    content = ""
    told: dict[str, Any] = {}
    for line in body.decode().splitlines():
        name, _, data = line.partition(": ")
        if name != "data" or data == "[DONE]":
            continue
        chunk = json.loads(data)
        told = chunk.get("sal", told)
        for choice in chunk.get("choices", []):
            content += choice["delta"].get("content") or ""
    return content, told
