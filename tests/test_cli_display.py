"""What follows a run on the terminal, from a sequence of moments."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sal.cli.display.choose import choose_display
from sal.cli.display.interface import Display
from sal.cli.display.lines import LogDisplay, NoDisplay, PlainDisplay
from sal.cli.display.live import MAX_ROWS, RichDisplay, draw
from sal.cli.display.words import count, duration
from sal.runs.display import Begun
from sal.runs.snapshot import Finished, InFlight, Snapshot
from sal.runtime.retries import Retrying
from sal.runtime.usage import Usage

START = Snapshot(
    total=40,
    done=0,
    failed=0,
    accuracy=None,
    seconds=1.0,
    eta=None,
    policy=Usage(200, 100, 50, 4),
    prm=Usage(),
    in_flight=(InFlight("tiny-1", "step 1", 0, 1.0), InFlight("tiny-2", "queued", 0, 0.0)),
    finished=(),
    allowed=160,
    written=50,
)
MIDDLE = replace(
    START,
    done=10,
    failed=1,
    accuracy=0.725,
    seconds=100.0,
    eta=300.0,
    policy=Usage(100_000, 80_000, 20_000, 900),
    prm=Usage(50_000, 45_000, 0, 900),
    ended=43,
    written=21_000,
    rate=240.4,
    in_flight=(InFlight("tiny-11", "step 7", 93, 12.0), InFlight("tiny-12", "grade", 41, 65.0)),
    finished=(
        Finished("tiny-1", True, 9.0, ""),
        Finished("tiny-2", False, 8.0, ""),
        Finished("tiny-3", False, 7.0, "Unreachable: refused"),
    ),
)
END = replace(MIDDLE, done=40, seconds=400.0, eta=0.0, in_flight=(), ended=160, rate=0.0)


def shown(snapshot: Snapshot, width: int = 100) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(draw(snapshot, width))
    out = console.file.getvalue()  # type: ignore[attr-defined]
    return [line.rstrip() for line in out.splitlines()]


def test_the_live_region_has_progress_usage_and_the_problems_in_flight() -> None:
    progress, written, policy, prm, *rows = shown(MIDDLE)
    assert progress.startswith("━")
    assert progress.strip("━╸ ") == "10/40  1m40s  ETA 5m00s  accuracy 72.5%  failed 1"
    assert written == "43/160 completions  21.0k generated  240/s"
    assert policy.split("  ")[0] == "policy"
    assert policy.endswith("120.0k tokens  80% cached  400 tokens/s")
    assert prm.split("  ")[0] == "PRM"
    assert prm.endswith("50.0k tokens  90% cached  50 tokens/s")
    assert [row.split() for row in rows] == [
        ["tiny-11", "step", "7", "93", "steps", "12s"],
        ["tiny-12", "grade", "41", "steps", "1m05s"],
    ]


def test_what_is_not_known_yet_is_not_shown() -> None:
    progress = shown(START)[0]
    assert "0/40  1s  failed 0" in progress
    assert "ETA" not in progress
    assert "accuracy" not in progress
    assert shown(START)[1] == "0/160 completions  50 generated"
    untold = replace(START, allowed=40, written=None)  # greedy, on an endpoint that does not tell
    assert len(shown(untold)) == len(shown(START)) - 1


def test_a_time_limit_that_comes_first_is_said() -> None:
    assert "ETA 20s (time limit)  accuracy" in shown(replace(MIDDLE, eta=20.0, limited=True))[0]


def test_more_problems_than_rows_are_counted() -> None:
    many = tuple(InFlight(f"p{i}", "step 1", 1, 1.0) for i in range(MAX_ROWS + 5))
    rows = shown(replace(MIDDLE, in_flight=many))[4:]
    assert len(rows) == MAX_ROWS + 1
    assert rows[-1].strip() == "and 5 more"


@pytest.mark.parametrize("width", [100, 60, 52])
def test_a_narrow_terminal_keeps_one_progress_line_and_every_word(width: int) -> None:
    lines = shown(MIDDLE, width)
    assert len(lines) == 6
    assert all(len(line) <= width for line in lines)
    assert lines[0].endswith("10/40  1m40s  ETA 5m00s  accuracy 72.5%  failed 1")


def test_a_long_problem_id_is_cut_and_not_its_phase() -> None:
    long = InFlight("x" * 200, "step 3", 5, 2.0)
    row = shown(replace(MIDDLE, in_flight=(long,)), 60)[4]
    assert len(row) <= 60
    assert row.split()[-5:] == ["step", "3", "5", "steps", "2s"]


ONE = Begun("dvts, N = 128", Path("runs-out/x"), 1, 1, None)
SECOND = Begun("beam, N = 4", Path("runs-out/y"), 2, 3, 125.0)


def follow(display: Display) -> None:
    display.header("sal dvts", {"budget": "128", "seed": "3"})
    display.begin(ONE)
    display.status("policy", "loading weights, 1 s")
    display.status("policy", "loading weights, 2 s")
    display.status("policy", "ready")
    for snapshot in (START, MIDDLE, END, END):
        display.update(snapshot)
    display.close()


FAILING = {"policy": Retrying("http://h/generate: HTTP 503:\n full", 12, 45.0, 75.0)}
FAILS = "policy: trying 12 requests again for 45s, 1m15s more at most: http://h/generate: HTTP 503: full"


def test_the_live_region_says_what_is_tried_again() -> None:
    assert FAILS in " ".join(shown(replace(MIDDLE, retrying=FAILING), 120))


@pytest.mark.parametrize("kind", [PlainDisplay, LogDisplay])
def test_lines_say_what_is_tried_again_and_when_it_is_over(
    kind: type[PlainDisplay | LogDisplay], capsys: pytest.CaptureFixture[str]
) -> None:
    display = kind()
    short = {"PRM": Retrying("a blink", 1, 0.3, 600.0)}
    for second in range(1, 50):
        retrying = short if second == 1 else FAILING if 10 <= second < 45 else {}
        display.update(replace(START, seconds=float(second), retrying=retrying))
    lines = [line.partition("Z ")[2] or line for line in capsys.readouterr().err.splitlines()]
    told = [line for line in lines if "trying" in line or "again" in line or "blink" in line]
    assert told == [FAILS, FAILS, "policy: answers again"]


def test_the_live_display_redraws_and_leaves_the_last_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    display = RichDisplay()
    display._console = Console(file=io.StringIO(), width=100, force_terminal=True)
    follow(display)
    out = display._console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[1A" in out  # it went up to draw over what was there
    assert out.count("\x1b[?25l") == out.count("\x1b[?25h")  # the cursor is back
    last = out[out.rindex("\x1b[?25h") :]
    assert "40/40" in last
    assert "tiny-11" not in last


@pytest.mark.parametrize("kind", [PlainDisplay, LogDisplay])
def test_one_display_follows_run_after_run(
    kind: type[PlainDisplay | LogDisplay], capsys: pytest.CaptureFixture[str]
) -> None:
    display = kind()
    follow(display)
    capsys.readouterr()
    display.begin(SECOND)
    for snapshot in (START, MIDDLE, END):
        display.update(snapshot)
    display.close()
    first, *rest = capsys.readouterr().err.splitlines()
    assert first.endswith("2/3  beam, N = 4  left=about 2m05s")
    alone = kind()
    for snapshot in (START, MIDDLE, END):
        alone.update(snapshot)
    alone.close()
    said = capsys.readouterr().err.splitlines()
    assert [line.partition("Z ")[2] or line for line in rest] == [
        line.partition("Z ")[2] or line for line in said
    ]


def test_without_a_terminal_there_are_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    display = choose_display("auto")
    assert isinstance(display, PlainDisplay)
    follow(display)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "sal dvts  budget=128  seed=3",
        "folder runs-out/x",
        "policy: loading weights, 1 s",
        "policy: ready",
        "10/40  1m40s  ETA 5m00s  accuracy 72.5%  failed 1  in flight 2  43/160 completions  "
        "21.0k generated  240/s",
        "40/40  6m40s  accuracy 72.5%  failed 1  in flight 0  160/160 completions  "
        "21.0k generated  0/s",
        "policy  120.0k tokens  80% cached  100 tokens/s",
        "PRM     50.0k tokens  90% cached  12 tokens/s",
    ]


def test_plain_lines_come_neither_too_often_nor_too_rarely(
    capsys: pytest.CaptureFixture[str],
) -> None:
    display = PlainDisplay()
    for tenth in range(1000):  # 100 s in which a problem is done each second, then none
        done = min(tenth // 10, 50)
        display.update(replace(MIDDLE, seconds=tenth / 10, done=done))
    seconds = [line.split()[1] for line in capsys.readouterr().err.splitlines()]
    assert seconds[:3] == ["5s", "10s", "15s"]
    assert seconds[-2:] == ["50s", "1m20s"]


@pytest.mark.parametrize("kind", [PlainDisplay, LogDisplay])
def test_while_no_problem_is_done_a_line_comes_within_ten_seconds_and_each_half_minute(
    kind: type[PlainDisplay | LogDisplay], capsys: pytest.CaptureFixture[str]
) -> None:
    """Four minutes of 24 long answers: the tokens move, and so does what is shown."""
    display = kind()
    for quarter in range(4 * 240):
        seconds = quarter / 4
        now = replace(START, total=24, seconds=seconds, written=int(seconds * 300), rate=300.0)
        display.update(now)
    lines = [line.partition("Z ")[2] or line for line in capsys.readouterr().err.splitlines()]
    assert lines[0] == ("0/24  5s  failed 0  in flight 2  0/160 completions  1.5k generated  300/s")
    assert [line.split()[1] for line in lines[1:4]] == ["35s", "1m05s", "1m35s"]
    assert len({line.split()[-3] for line in lines}) == len(lines) == 8


def test_the_log_has_a_dated_line_per_problem(capsys: pytest.CaptureFixture[str]) -> None:
    follow(LogDisplay())
    err = capsys.readouterr().err
    lines = [line.split(" ", 1)[1] for line in err.splitlines()]
    assert lines[-4:] == [
        "problem tiny-1: right in 9s",
        "problem tiny-2: wrong in 8s",
        "problem tiny-3: failed: Unreachable: refused in 7s",
        "10/40  1m40s  ETA 5m00s  accuracy 72.5%  failed 1  in flight 2  43/160 completions  "
        "21.0k generated  240/s",
    ]
    assert all(line.startswith("20") and line[19] == "Z" for line in err.splitlines())


def test_none_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    follow(NoDisplay())
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("tty", "term"), [(False, "xterm"), (True, "dumb")])
def test_what_cannot_be_redrawn_gets_lines(
    monkeypatch: pytest.MonkeyPatch, tty: bool, term: str
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr("sys.stderr.isatty", lambda: tty)
    assert isinstance(choose_display("rich"), PlainDisplay)


def test_a_terminal_gets_the_live_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert isinstance(choose_display("auto"), RichDisplay)
    assert isinstance(choose_display("plain"), PlainDisplay)


def test_durations_and_counts_are_short() -> None:
    assert [duration(s) for s in (0.4, 59.4, 59.6, 3599, 7384)] == [
        "0s",
        "59s",
        "1m00s",
        "59m59s",
        "2h03m",
    ]
    assert [count(n) for n in (0, 812, 8100, 999_960, 1_300_000, 2e9)] == [
        "0",
        "812",
        "8.1k",
        "1.0M",
        "1.3M",
        "2.0G",
    ]
