"""What Prometheus reads at /metrics."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from sal.programs.trace import Trace

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """Counts of one gateway. `waiting` and `held` are asked when somebody looks."""

    def __init__(self, waiting: Callable[[], int], held: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "sal_serve_requests",
            "Requests by what answered them (a strategy, or policy) and HTTP status (499: its "
            "client went away).",
            ("strategy", "status"),
            registry=self.registry,
        )
        self._tokens = Counter(
            "sal_serve_tokens",
            "Tokens of searches: by engine, and prefilled, cached or generated.",
            ("engine", "kind"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "sal_serve_search_seconds",
            "How long searches took.",
            ("strategy",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        for name, words, read in (
            ("sal_serve_waiting", "Requests that wait for their turn.", waiting),
            ("sal_serve_completions_in_flight", "Completions that are searched for.", held),
        ):
            Gauge(name, words, registry=self.registry).set_function(read)

    def answered(self, strategy: str, status: int) -> None:
        self._requests.labels(strategy, str(status)).inc()

    def searched(self, strategy: str, trace: Trace, seconds: float) -> None:
        """A search has ended, whatever it came to. What is unknown is not counted."""
        self._seconds.labels(strategy).observe(seconds)
        for engine, usage in (("policy", trace.policy), ("prm", trace.prm)):
            prompt, cached = usage.prompt_tokens, usage.cached_tokens
            prefilled = None if prompt is None or cached is None else prompt - cached
            for kind, count in (
                ("prefilled", prefilled),
                ("cached", cached),
                ("generated", usage.completion_tokens),
            ):
                if count:
                    self._tokens.labels(engine, kind).inc(count)

    def text(self) -> bytes:
        return generate_latest(self.registry)
