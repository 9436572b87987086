"""A client of one endpoint: what can be asked of SGLang's servers and of OpenAI-compatible ones."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from time import monotonic
from typing import Any

from sal.runtime import gateway, replies
from sal.runtime.endpoint_errors import Closed, EndpointError, Misread, Missing, Rejected
from sal.runtime.model_size import model_context
from sal.runtime.replicas import Replicas
from sal.runtime.retries import Again
from sal.runtime.wire import Payload, Reply, Wire

_INFO_LIMIT_S = 15.0
_WORKER_LIMIT_S = 5.0
_FLUSH_LIMIT_S = 10.0
_LOADS_LIMIT_S = 2.0


class Engine(Wire):
    """A client of one SGLang endpoint, for any number of threads; see `Wire`."""

    adapter: str | None = None
    """The LoRA adapter that requests name, where the server has one."""
    _replicas: Replicas | None = None
    _behind_gateway = False
    _workers: tuple[float, list[Engine]] = 0.0, []
    """Those behind a gateway, and when they were listed."""
    _wrote = False
    """Whether a reply held text."""

    def generate(self, payload: Payload) -> Reply:
        """Send `payload` to /generate and wait for the reply; raises an `EndpointError`."""
        payload = self._of_adapter(payload)
        with nullcontext() if self._replicas is None else self._replicas.one() as replica:
            if replica is not None:
                payload = {"routed_dp_rank": replica, **payload}
            return self._ask("/generate", payload, self.deadline_s, self._generated)

    def _of_adapter(self, payload: Payload) -> Payload:
        """`payload` for the adapter, where there is one; without its name the base answers."""
        return payload if self.adapter is None else {"lora_path": self.adapter, **payload}

    def find_replicas(self) -> None:
        """Ask the server how many it has; from now on all requests of a problem go to one of them.

        One that does not say has none, unless it is a gateway, which is told the problem.
        """
        count = None
        with suppress(Misread):  # no SGLang server, as a judge's need not be
            count = self.server_info().get("dp_size")
        self._behind_gateway = bool(self._workers[1])
        self._replicas = Replicas(count) if isinstance(count, int) and count > 1 else None

    def classify(self, payload: Payload) -> Reply:
        """Send `payload` to /classify, the read-out of a model's head; raises an `EndpointError`.

        Of a server that was started with `--is-embedding`, on one input.
        """
        payload = self._of_adapter(payload)
        return self._ask("/classify", payload, self.deadline_s, replies.classified)

    def complete(self, payload: Payload) -> Reply:
        """Send `payload` to the OpenAI-compatible /v1/completions; raises an `EndpointError`."""
        return self._ask(self._v1("completions"), payload, self.deadline_s, replies.completed)

    def chat(self, payload: Payload) -> Reply:
        """Send `payload` to the OpenAI-compatible /v1/chat/completions; raises `EndpointError`."""
        return self._ask(self._v1("chat/completions"), payload, self.deadline_s, replies.chatted)

    def models(self) -> list[str]:
        """The names of the models that an OpenAI-compatible server lists."""
        listed = self._ask(self._v1("models"), None, _INFO_LIMIT_S, replies.listed)
        return [model["id"] for model in listed["data"]]

    def _v1(self, path: str) -> str:
        """Below a URL that may end in /v1, as OpenAI's clients want it, or not."""
        return f"/{path}" if self.url.endswith("/v1") else f"/v1/{path}"

    def info(self) -> dict[str, Any]:
        """What the server says of its model: `model_path`, `tokenizer_path` and more.

        Raises `Unreachable` if nothing answers within seconds.
        """
        try:
            return self._ask("/model_info", None, _INFO_LIMIT_S, replies.described)
        except Missing:  # sglang-router knows the older path only
            return self._ask("/get_model_info", None, _INFO_LIMIT_S, replies.described)

    def server_info(self) -> dict[str, Any]:
        """What the server says of itself: its arguments and its state.

        Of a gateway, its workers' together, as far as they answer; {} where none does. Raises
        `Misread` where that is no JSON object.
        """
        try:
            return self._ask("/server_info", None, _INFO_LIMIT_S, replies.an_object)
        except (Closed, Misread):
            raise
        except EndpointError:
            return gateway.together([worker._info_at_once() for worker in self._listed()])

    def _info_at_once(self) -> dict[str, Any]:
        """As `server_info`, of a worker, which may be gone: {} then, and at once."""
        try:
            return self._once("/server_info", None, _WORKER_LIMIT_S, replies.an_object)
        except (Again, EndpointError):
            return {}

    def workers(self) -> list[str]:
        """The URLs of the servers behind a gateway; none of what is no gateway."""
        return [worker.url for worker in self._listed()]

    def _listed(self) -> list[Engine]:
        """Clients of the gateway's workers, as of a moment ago, or as it told them last."""
        when, known = self._workers
        if monotonic() - when < gateway.FRESH_S:
            return known
        try:
            told = self._once("/workers", None, _INFO_LIMIT_S, replies.an_object)
        except (Again, EndpointError):
            self._workers = monotonic(), known
            return known
        urls = [url for url in gateway.listed(told) if url != self.url]
        clients = {worker.url: worker for worker in known}
        listed = [clients.get(url) or Engine(url, self._access) for url in urls]
        self._workers = monotonic(), listed
        return listed

    def context(self) -> int | None:
        """The longest text that the server takes, in tokens; None where that is not told here."""
        told = self.server_info()
        asked = told.get("context_length")
        if isinstance(asked, int):
            return asked
        if told.get("json_model_override_args") not in (None, "{}"):
            return None
        return model_context(str(told.get("model_path") or ""))

    def flush_cache(self) -> bool:
        """Empty the server's cache, once it has nothing to do; False when it refuses, being busy.

        Raises an `EndpointError` when nothing answers.
        """
        try:
            self._ask(f"/flush_cache?timeout={_FLUSH_LIMIT_S:g}", {}, 2 * _FLUSH_LIMIT_S, None)
        except Rejected:
            return False
        return True

    def capacity(self) -> int | None:
        """How many requests the server runs at a time; None where it does not say (a router)."""
        try:
            states = [
                state["effective_max_running_requests_per_dp"]
                for state in self.server_info()["internal_states"]
            ]
            return sum(int(number) for number in states) or None
        except (KeyError, TypeError, ValueError):
            return None

    def generated(self) -> int | None:
        """Tokens that the server has generated since its start, for requests under way as well.

        Whoever asked for them. None where it does not say (a router, another engine, an older
        SGLang) or is too busy to; asked once, beside the requests that count as in flight.
        """
        try:
            loads = self._once(
                self._v1("loads?include=core"), None, _LOADS_LIMIT_S, replies.an_object
            )["loads"]
            # None before the first decoding step; the last sum is of the generated tokens.
            return sum(int((load["decode_moments"] or [0])[-1]) for load in loads)
        except (Again, EndpointError, LookupError, TypeError, ValueError):
            return None

    def close(self) -> None:
        """End the client, and those of a gateway's workers: see `Wire`."""
        super().close()
        _, workers = self._workers
        for worker in workers:
            worker.close()

    def _servers(self) -> Sequence[Wire]:
        return self._listed() if self._behind_gateway else super()._servers()

    def _headers(self) -> tuple[str, ...]:
        return gateway.routing() if self._behind_gateway else super()._headers()

    def _generated(self, reply: Reply) -> str:
        wrong = replies.generated(reply)
        if wrong or self._wrote:
            return wrong
        if reply.get("text"):
            self._wrote = True
            return ""
        meta = reply["meta_info"]
        tokens = meta.get("completion_tokens") or 0
        if tokens > 1 and meta["finish_reason"]["type"] != "abort":
            return f"{tokens} tokens were generated, and their text is empty"
        return ""
