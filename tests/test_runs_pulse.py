"""Signs of life before the first problem is done: a server's counter, completions, an ETA."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from runs_examples import COST, row

from sal.programs.trace import ROLLOUT, Finish, Node, Trace
from sal.runs.progress import RATE_SECONDS, Progress
from sal.runs.pulse import Pulse
from sal.runtime.client import Engine


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def ended(trace: Trace, *finishes: Finish, parent: tuple[int, ...] = ()) -> None:
    for finish in finishes:
        trace.add(Node((*parent, len(trace.nodes)), "x", 10, finish), COST)


def test_a_counter_says_what_was_written_since_and_survives_a_restart() -> None:
    told = iter([1000, 1300, None, 1400, 50, 80])
    pulse = Pulse(lambda: next(told))
    seen = []
    for _ in range(6):
        pulse.look()
        seen.append(pulse.written)
    assert seen == [0, 300, 300, 400, 450, 480]


def test_a_server_that_does_not_tell_is_soon_left_alone() -> None:
    asked = 0

    def silent() -> None:
        nonlocal asked
        asked += 1

    with Pulse(silent, period_s=0.001) as pulse:
        pulse._thread.join(20)
        assert not pulse._thread.is_alive()
    assert asked == 5
    assert pulse.written is None


def test_tokens_move_while_one_request_writes_for_minutes() -> None:
    clock = Clock()
    progress = Progress(24, budget=4, written=lambda: int(clock.now * 200), clock=clock)
    progress.begin("q", Trace())
    seen = []
    for clock.now in (0.0, 5.0, 10.0, 60.0, 120.0):
        seen.append(progress.snapshot())
    assert [s.written for s in seen] == [0, 1000, 2000, 12_000, 24_000]
    assert [s.rate for s in seen] == [None, 200.0, 200.0, 200.0, 200.0]
    assert {(s.ended, s.allowed, s.eta) for s in seen} == {(0, 96, None)}


def test_the_rate_is_of_the_last_seconds_and_falls_to_nothing() -> None:
    clock = Clock()
    written = 0
    progress = Progress(1, written=lambda: written, clock=clock)
    for second in range(100):
        clock.now = float(second)
        written += 50 if second < 50 else 0
        snapshot = progress.snapshot()
        if second == 49:
            assert snapshot.rate == pytest.approx(50.0)
        if second == 50 + RATE_SECONDS // 3:
            assert 0 < (snapshot.rate or 0) < 50
    assert snapshot.rate == 0.0


def test_replies_count_where_the_server_does_not_tell() -> None:
    clock = Clock()
    progress = Progress(1, budget=4, clock=clock)
    trace = Trace()
    progress.begin("q", trace)
    assert (progress.snapshot().written, progress.snapshot().rate) == (0, None)
    clock.now = 2.0
    ended(trace, "eot")
    assert (progress.snapshot().written, progress.snapshot().rate) == (10, 5.0)


def test_completions_that_ended_are_counted_and_never_more_than_the_budget() -> None:
    progress = Progress(3, [row("earlier")], budget=4, clock=Clock())
    trace = Trace()
    progress.begin("q", trace)
    ended(trace, "separator", "eot", "length")
    ended(trace, "eot", "error", parent=(0,))
    trace.add(Node((0, ROLLOUT), "aside", 10, "eot"), COST)
    assert [progress.snapshot().ended for _ in range(2)] == [4 + 4] * 2
    progress.finish(row("q"))
    assert progress.snapshot().ended == 8
    other = Trace()
    progress.begin("r", other)
    for _ in range(9):
        ended(other, "eot")
    assert (progress.snapshot().ended, progress.snapshot().allowed) == (12, 12)


def test_there_is_an_eta_before_the_first_problem_is_done() -> None:
    clock = Clock()
    progress = Progress(24, budget=4, clock=clock)
    traces = [Trace() for _ in range(12)]
    for number, trace in enumerate(traces):
        progress.begin(f"q{number}", trace)
    clock.now = 30.0
    ended(traces[0], "eot")
    # 1 of 96 would be 47 minutes; half of the problems have run for 30 s.
    assert progress.snapshot().eta == pytest.approx(60.0)
    clock.now = 100.0
    for trace in traces:
        ended(trace, "eot", "eot", "eot")
    ended(traces[5], "eot")
    assert progress.snapshot().eta == pytest.approx(100.0 / 38 * (96 - 38))


def test_a_router_or_another_engine_does_not_tell() -> None:
    class Other(BaseHTTPRequestHandler):
        answers = iter([(404, b"no"), (200, b"<html>"), (200, b'{"loads": 3}'), (200, b"null")])

        def do_GET(self) -> None:
            status, body = next(self.answers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Engine(f"http://127.0.0.1:{server.server_port}") as engine:
            assert [engine.generated() for _ in range(4)] == [None] * 4
        server.shutdown()
    assert engine.generated() is None  # the client is closed


@pytest.mark.servers
def test_a_real_server_counts_during_one_long_request(policy: Engine) -> None:
    sampling = {"max_new_tokens": 1500, "ignore_eos": True}
    with ThreadPoolExecutor(1) as threads, Pulse(policy.generated, period_s=0.1) as pulse:
        assert pulse.look()  # what is counted from
        writing = threads.submit(
            policy.generate, {"text": "Let p=12.\n\n", "sampling_params": sampling}
        )
        seen = set()
        while not writing.done():
            seen.add(pulse.written)
            assert policy.in_flight <= 1
            time.sleep(0.05)
        used = writing.result()["meta_info"]["completion_tokens"]
        pulse.look()
    told = sorted(number for number in seen if number is not None)
    assert len(told) >= 5
    assert used == 1500
    assert pulse.written is not None
    assert 0.9 * used <= pulse.written  # others may have asked it too
