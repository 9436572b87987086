"""Whole runs on real servers: what they leave, and what survives a kill, Ctrl-C, a dead PRM."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from conftest import CPU_ONLY, several_cores
from runs_proxy import Proxy
from runs_terminal import SAL, Terminal, environment, records
from test_kills import told

from sal.cli.main import main
from sal.runs.journal import read_records
from sal.runs.problems import load_problems
from sal.runtime import hardware
from sal.tiny.paths import PROBLEMS

pytestmark = pytest.mark.servers

RULES = ("naive", "weighted", "majority", "pass")
WIDE = ["--budget", "64", "--max-tokens", "200"]
"""Four problems are in flight at first, for a server that runs 256 requests is full then: of `six`,
some are done while others are not."""

ALL_BUT_ONE = 330
"""Requests to the policy after which four of `six` at least are done, and one at least never is."""


def words_of(process: psutil.Process) -> str:
    """What it was started with; nothing of one that has ended."""
    with suppress(psutil.NoSuchProcess):  # a zombie is one, too
        return " ".join(process.cmdline())
    return ""


def sal(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SAL, *words],
        cwd=folder,
        env=environment(folder / "state"),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def check_whole(folder: Path, ids: list[str]) -> dict[str, Any]:
    """The run's folder is as design.md's Result contract says; returns the summary."""
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    assert {"strategy", "params", "versions", "digest", "seed", "problems_digest"} <= set(recipe)
    rows = rows_of(folder)
    assert [row["id"] for row in rows] == ids
    recorded = [record["row"] for record in records(folder, "problem")]
    assert sorted(recorded, key=lambda row: ids.index(row["id"])) == rows
    traces = sorted((folder / "traces").iterdir())
    assert [path.name[:5] for path in traces] == [f"{i:05d}" for i in range(len(ids))]
    assert [json.loads(path.read_text())["id"] for path in traces] == ids
    assert list((folder / "nodes").iterdir()) == []
    for row in rows:
        assert row["error"] is None
        assert 1 <= len(row["completions"]) <= recipe["params"].get("budget", 1)
        for completion in row["completions"]:
            assert {"text", "steps", "scores", "tokens", "finish", "key"} <= set(completion)
            assert len(completion["scores"]) == (len(completion["steps"]) if recipe["prm"] else 0)
            assert completion["finish"] in ("eot", "length")
        assert set(row["chosen"]) == set(RULES) - {"pass"}
        assert set(row["correct"]) == set(RULES)
        assert row["seconds"] > 0
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    assert (summary["strategy"], summary["recipe"]) == (recipe["strategy"], recipe["digest"])
    assert (summary["problems"], summary["failed"], summary["owed"]) == (len(ids), 0, 0)
    for rule in RULES:
        right = [row["correct"][rule] for row in rows]
        assert summary["accuracy"][rule]["mean"] == pytest.approx(sum(right) / len(right))
        assert summary["accuracy"][rule]["stderr"] is not None
    for endpoint in ("policy", "prm"):
        for name, total in summary["usage"][endpoint].items():
            assert total == sum(row["usage"][endpoint][name] for row in rows)
    assert summary["usage"]["policy"]["completion_tokens"] > 0
    assert summary["seconds"] > 0
    assert "sglang" in summary["versions"]
    return summary


def recalled(folder: Path, endpoint: str) -> int:
    """Requests that the next session need not make, for their nodes are recorded."""
    done = {record["row"]["id"] for record in records(folder, "problem")}
    kept = [read_records(path) for path in (folder / "nodes").iterdir()]
    # One that was finished when the kill came may have left its nodes.
    owed = [nodes for nodes in kept if nodes and nodes[0]["id"] not in done]
    return sum(record[endpoint][3] for nodes in owed for record in nodes if endpoint in record)


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The flag for a file of the six shortest problems of the tiny suite."""
    rows = map(json.loads, PROBLEMS["test"].read_text().splitlines())
    short = sorted(rows, key=lambda row: len(row["question"]))[:6]
    file = tmp_path_factory.mktemp("problems") / "six.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in short))
    return ["--dataset", str(file)]


@pytest.fixture(scope="module")
def ids(six: list[str]) -> list[str]:
    return [json.loads(line)["id"] for line in Path(six[1]).read_text().splitlines()]


@pytest.fixture
def urls(policy_server: str, prm_server: str) -> list[str]:
    return ["--policy", policy_server, "--prm", prm_server]


@pytest.fixture
def fronts(policy_server: str, prm_server: str) -> Iterator[tuple[Proxy, Proxy]]:
    with Proxy(policy_server) as policy, Proxy(prm_server) as prm:
        yield policy, prm


@pytest.mark.parametrize(
    "words",
    [
        ["greedy"],
        ["best-of-n", "--budget", "4", "--aggregate", "min"],
        ["beam", "--budget", "4", "--width", "2", "--temperature", "0.6"],
        ["dvts", "--budget", "4", "--width", "2", "--seed", "3"],
    ],
    ids=lambda words: words[0],
)
def test_a_run_leaves_a_whole_folder_and_nothing_else(
    words: list[str],
    urls: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(hardware, "detect", lambda: CPU_ONLY)
    urls = urls[:2] if words == ["greedy"] else urls
    before = set(threading.enumerate())
    children = set(psutil.Process().children(recursive=True))
    with pytest.raises(SystemExit) as end:
        main(["run", *words, "--limit", "3", *urls, "--out", str(tmp_path / "run"), "--json"])
    out, err = capsys.readouterr()
    assert end.value.code == 0, err
    first = [question.id for question in load_problems("tiny", limit=3).questions]
    summary = check_whole(tmp_path / "run", first)
    assert json.loads(out) == summary
    assert "embedded tiny suite" in err
    assert "3/3" in err
    assert (summary["usage"]["prm"]["requests"] > 0) == (words != ["greedy"])
    assert "Traceback" not in err
    for thread in set(threading.enumerate()) - before:
        if thread.name != "sal-wire":  # one for the whole process
            thread.join(30)
            assert not thread.is_alive(), thread.name
    started = set(psutil.Process().children(recursive=True)) - children
    assert not [p for p in started if "launch_server" in words_of(p)]


@pytest.fixture
def three(tmp_path: Path) -> list[str]:
    """The flag for a file of three long problems of the tiny suite."""
    rows = map(json.loads, PROBLEMS["test"].read_text().splitlines())
    long = sorted(rows, key=lambda row: -len(row["question"]))[:3]
    file = tmp_path / "three.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in long))
    return ["--dataset", str(file)]


def run_here(words: list[str], folder: Path) -> tuple[int, list[dict[str, Any]]]:
    """The exit code of `sal run` in this process, and the rows."""
    with pytest.raises(SystemExit) as end:
        main(["run", *words, "--resume", str(folder)])
    return int(end.value.code or 0), rows_of(folder)


def test_a_cap_on_tokens_ends_a_problem_within_a_step(
    urls: list[str],
    three: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(hardware, "detect", lambda: CPU_ONLY)
    words = ["best-of-n", "--budget", "4", *three, *urls]
    _, free = run_here(words, tmp_path / "free")
    capsys.readouterr()
    code, rows = run_here([*words, "--max-problem-tokens", "60"], tmp_path / "capped")
    assert code == 0
    assert re.search(r"^\| capped +\| 3 of 3 problems ", capsys.readouterr().out, re.M)
    for row, uncapped in zip(rows, free, strict=True):
        # Each of the four ends with its present step; a token has a character or more.
        step = 3 + max(len(step) for c in row["completions"] for step in c["steps"])
        used, wanted = (r["usage"]["policy"]["completion_tokens"] for r in (row, uncapped))
        assert 60 <= used < 60 + 4 * step < wanted
        assert (row["capped"], uncapped["capped"]) == (True, False)
        assert "length" in {c["finish"] for c in row["completions"]}
    recipe = yaml.safe_load((tmp_path / "capped" / "recipe.yaml").read_text())
    assert recipe["max_problem_tokens"] == 60
    assert json.loads((tmp_path / "capped" / "summary.json").read_text())["capped"] == 3


def test_what_was_found_before_a_cap_counts(
    urls: list[str], three: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "detect", lambda: CPU_ONLY)
    words = ["ab-mcts", "--budget", "16", "--max-problem-tokens", "300", *three, *urls]
    code, rows = run_here(words, tmp_path / "found")
    assert code == 0
    for row in rows:
        ended = [c for c in row["completions"] if c["finish"] == "eot"]
        assert 1 <= len(ended) < 16
        assert row["unspent"] >= 1
        assert row["capped"]
        assert row["chosen"]["weighted"] is not None
    words = ["beam", "--budget", "4", "--max-problem-seconds", "1e-9", *three, *urls]
    code, rows = run_here(words, tmp_path / "none")
    assert code == 1
    assert {row["error"] for row in rows} == {"no completion before a cap was reached"}
    assert {row["unspent"] for row in rows} == {4}


def test_a_killed_run_goes_on_and_searches_nothing_twice(
    fronts: tuple[Proxy, Proxy], six: list[str], ids: list[str], tmp_path: Path
) -> None:
    policy, prm = fronts
    run = tmp_path / "run"
    words = [
        "run",
        "dvts",
        *WIDE,
        *six,
        "--policy",
        policy.url,
        "--prm",
        prm.url,
        "--resume",
        str(run),
    ]
    first = Terminal(words, tmp_path)  # --resume also starts a run that is not there yet
    first.until(lambda: records(run, "problem"))
    first.process.kill()
    assert first.wait() == -signal.SIGKILL
    before = (run / "journal.jsonl").read_bytes()
    done = [record["row"]["id"] for record in records(run, "problem")]
    assert 1 <= len(done) < len(ids), "it was not killed in the middle"
    # What a power loss may leave besides: a torn record, owed again.
    with (run / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"type":"problem","row":{"id":"' + ids[-1].encode())
    for front in fronts:  # what the killed one had sent is counted by now, or dropped
        front.cut()
        front.mend()
    asked = policy.requests, prm.requests
    kept = {endpoint: recalled(run, endpoint) for endpoint in ("policy", "prm")}
    assert kept["policy"]

    second = sal([*words, "--json"], tmp_path)

    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout) == check_whole(run, ids)
    after = (run / "journal.jsonl").read_bytes()
    assert after.startswith(before[: before.rfind(b"\n") + 1])
    new = [record["row"] for record in records(run, "problem")[len(done) :]]
    assert sorted(done + [row["id"] for row in new]) == sorted(ids)
    # The servers were asked for what is owed and nothing else.
    for front, was, endpoint in zip(fronts, asked, ("policy", "prm"), strict=True):
        needed = sum(row["usage"][endpoint]["requests"] for row in new)
        assert front.requests - was == needed - kept[endpoint]

    asked = policy.requests, prm.requests
    third = sal(words, tmp_path)
    assert third.returncode == 0
    assert "| weighted" in third.stdout
    assert (policy.requests, prm.requests) == asked
    assert (run / "journal.jsonl").read_bytes() == after

    other = sal([*words, "--seed", "9", "--width", "2"], tmp_path)
    assert other.returncode == 2
    assert other.stderr.strip().endswith("these differ: params.width, seed")


def test_ctrl_c_says_how_to_go_on_and_that_completes_the_run(
    fronts: tuple[Proxy, Proxy], six: list[str], ids: list[str], tmp_path: Path
) -> None:
    run = tmp_path / "a run"
    policy, prm = fronts
    policy.most = ALL_BUT_ONE
    urls = ["--policy", policy.url, "--prm", prm.url]
    terminal = Terminal(["run", "best-of-n", *WIDE, *six, *urls, "--out", str(run)], tmp_path)
    terminal.until(lambda: records(run, "problem"))
    terminal.press_ctrl_c()
    assert terminal.wait() == 130
    assert terminal.stdout.read_bytes() == b""
    shown = terminal.shown
    assert "Traceback" not in shown
    assert "best-of-n  budget=64  max_tokens=200" in shown.splitlines()[0]
    assert "policy " in shown
    assert "in flight" not in shown  # the live display, not plain lines
    done = len(rows_of(run))
    assert 1 <= done < len(ids)
    assert json.loads((run / "summary.json").read_text())["owed"] == len(ids) - done
    *_, said, command = shown.rstrip().splitlines()
    assert said == f"sal: interrupted after {done} problem{'s' if done > 1 else ''}; resume with"

    name, *words = shlex.split(command)
    assert name == "sal"
    policy.most = None
    resumed = sal(words, tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    check_whole(run, ids)
    head, rule, *table = resumed.stdout.splitlines()
    assert head.startswith("| best-of-n, budget 64 | 6 problems")
    assert set(rule) == {"|", "-"}
    assert [line.split()[1] for line in table[:4]] == list(RULES)
    assert len({len(line) for line in resumed.stdout.splitlines()}) == 1


@several_cores
def test_a_search_leaves_one_core_to_a_policy_on_this_cpu(
    urls: list[str], six: list[str], tmp_path: Path
) -> None:
    words = ["run", "best-of-n", *WIDE, *six, *urls, "--out", str(tmp_path / "run")]
    terminal = Terminal(words, tmp_path)
    left = [*hardware.all_but_one(hardware.usable_cores())]
    terminal.until(lambda: psutil.Process(terminal.process.pid).cpu_affinity() == left)
    terminal.press_ctrl_c()
    assert terminal.wait() == 130


@pytest.mark.parametrize(
    ("moment", "way", "code"),
    [
        ("starting", signal.SIGINT, 130),
        ("starting", signal.SIGKILL, -signal.SIGKILL),
        ("searching", signal.SIGINT, 130),
        ("searching", signal.SIGTERM, 143),
    ],
)
def test_a_stopped_run_leaves_no_server_of_ours_behind(
    moment: str, way: signal.Signals, code: int, prm_server: str, tmp_path: Path
) -> None:
    """By SIGTERM also while the server has stopped to answer."""
    run = tmp_path / "run"
    words = ["run", "best-of-n", "--budget", "64", "--limit", "300", "--policy", "tiny"]
    terminal = Terminal([*words, "--prm", prm_server, "--out", str(run)], tmp_path)
    whole = psutil.Process(terminal.process.pid)

    def servers() -> list[psutil.Process]:
        return [p for p in whole.children(recursive=True) if "launch_server" in words_of(p)]

    def searching() -> bool:
        return bool(records(run, "session"))

    terminal.until(servers if moment == "starting" else searching)
    ours = whole.children(recursive=True)
    assert servers()
    if way == signal.SIGTERM:
        for process in servers():
            process.suspend()
    if way == signal.SIGINT:
        terminal.press_ctrl_c()
    else:
        terminal.process.send_signal(way)
    assert terminal.wait(60) == code
    assert "Traceback" not in terminal.shown
    assert (f"--resume {run}" in terminal.shown) == (code > 0)
    _, alive = psutil.wait_procs(ours, timeout=20)
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []


def test_servers_that_are_killed_cost_nothing_that_is_found(
    urls: list[str], six: list[str], ids: list[str], tmp_path: Path
) -> None:
    """Both at once: each is started again. The policy once more: the run stops, and is resumed."""
    run = tmp_path / "run"
    words = ["run", "dvts", "--budget", "64", *six, "--out"]
    alone = sal([*words, "alone", *urls], tmp_path)
    assert alone.returncode == 0, alone.stderr
    terminal = Terminal([*words, str(run), "--policy", "tiny", "--prm", "tiny"], tmp_path)
    whole = psutil.Process(terminal.process.pid)

    def groups(word: str = "launch_server") -> set[int]:
        found = [p.pid for p in whole.children(recursive=True) if word in words_of(p)]
        with suppress(ProcessLookupError):
            return set(map(os.getpgid, found))
        return set()

    def policies() -> set[int]:
        return groups("tiny/policy")

    def nodes() -> int:
        lines = [p.read_bytes().count(b"\n") for p in (run / "nodes").glob("*.jsonl")]
        return sum(lines) + 1000 * len(records(run, "problem"))

    terminal.until(nodes)
    killed = groups()
    for group in killed:
        os.killpg(group, signal.SIGKILL)
    started_again = terminal.until(lambda: policies() - killed)
    before = nodes()
    terminal.until(lambda: nodes() > before + 5)
    for group in started_again:
        os.killpg(group, signal.SIGKILL)
    assert terminal.wait() == 1
    assert "the policy server died twice" in terminal.shown
    assert "Traceback" not in terminal.shown
    resumed = sal(["run", "--resume", str(run)], tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    check_whole(run, ids)
    assert [told(row) for row in rows_of(run)] == [told(row) for row in rows_of(tmp_path / "alone")]


def test_a_dead_prm_stops_the_run_which_goes_on_when_it_is_back(
    fronts: tuple[Proxy, Proxy], six: list[str], ids: list[str], tmp_path: Path
) -> None:
    policy, prm = fronts
    run = tmp_path / "run"
    words = ["run", "best-of-n", *WIDE, *six, "--policy", policy.url, "--prm", prm.url]
    terminal = Terminal([*words, "--out", str(run)], tmp_path)
    terminal.until(lambda: records(run, "problem"))
    prm.cut()
    assert terminal.wait() == 1
    *_, said, command = terminal.shown.rstrip().splitlines()
    assert "Traceback" not in terminal.shown
    assert f"sal: the prm server at {prm.url} takes no more connections" in terminal.shown
    assert said == "resume with"
    done = rows_of(run)
    assert 1 <= len(done) < len(ids)
    assert all(row["error"] is None for row in done)  # what it left undone is owed, not failed

    gone = sal(shlex.split(command)[1:], tmp_path)
    assert (gone.returncode, gone.stdout) == (2, "")
    prm.mend()
    resumed = sal(shlex.split(command)[1:], tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    check_whole(run, ids)
    assert all(row in rows_of(run) for row in done)


def test_a_problem_that_fails_is_a_failed_row_and_exit_code_1(
    urls: list[str], tmp_path: Path
) -> None:
    rows = [
        {"question": "Let p=12, q=p+4, r=q+p. Find r.", "answer": "28"},
        {"question": "Let p=1. " * 2000, "answer": "1"},  # more than the policy's context
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["run", "best-of-n", "--budget", "2", "--dataset", "rows.jsonl", "--out", "run"]
    done = sal([*words, *urls], tmp_path)
    assert done.returncode == 1, done.stderr
    *_, said, command = done.stderr.splitlines()
    assert said == "sal: 1 of 2 problems failed; search them again with"
    assert command.strip() == "sal run --resume run --retry-failed"
    assert "1 failed (counted as wrong)" in done.stdout
    first, second = rows_of(tmp_path / "run")
    assert first["error"] is None
    assert second["error"]
    assert second["completions"] == []
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["problems"], summary["failed"], summary["owed"]) == (2, 1, 0)
    assert not os.path.exists(tmp_path / "runs-out")

    final = sal(["run", "--resume", "run"], tmp_path)
    assert final.returncode == 1
    assert len(records(tmp_path / "run", "problem")) == 2
    again = sal(shlex.split(command)[1:], tmp_path)
    assert again.returncode == 1, again.stderr
    assert again.stderr.splitlines()[-1] == command
    *_, last = (record["row"] for record in records(tmp_path / "run", "problem"))
    assert len(records(tmp_path / "run", "problem")) == 3
    assert last["id"] == second["id"]
    assert [row["id"] for row in rows_of(tmp_path / "run")] == [first["id"], second["id"]]


def test_a_run_goes_on_when_its_server_came_back_elsewhere(
    policy_server: str, six: list[str], ids: list[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with Proxy(policy_server) as before:
        before.most = ALL_BUT_ONE
        words = ["run", "majority", *WIDE, *six, "--policy", before.url]
        terminal = Terminal([*words, "--out", str(run)], tmp_path)
        terminal.until(lambda: records(run, "problem"))
        terminal.press_ctrl_c()
        assert terminal.wait() == 130
    done = len(records(run, "problem"))
    assert 1 <= done < len(ids)
    kept = recalled(run, "policy")
    assert terminal.shown.rstrip().splitlines()[-1] == f"  sal run --resume {run}"
    with Proxy(policy_server) as now:
        moved = sal(["run", "--resume", str(run), "--policy", now.url], tmp_path)
        assert moved.returncode == 0, moved.stderr
        check_whole(run, ids)
        new = records(run, "problem")[done:]
        needed = sum(record["row"]["usage"]["policy"]["requests"] for record in new)
        assert now.requests == needed - kept
        recipe = yaml.safe_load((run / "recipe.yaml").read_text())
        assert recipe["policy"] == now.url
        assert recipe["served"]["policy"]["model_path"]


def test_a_disk_that_takes_no_more_stops_the_run_which_goes_on_when_it_does(
    policy_server: str, six: list[str], ids: list[str], tmp_path: Path
) -> None:
    """A limit on the size of files stands for the disk's."""
    words = ["run", "majority", "--budget", "4", *six, "--policy", policy_server, "--out", "run"]
    full = subprocess.run(
        ["bash", "-c", f"ulimit -f 6; {shlex.join([str(SAL), *words])}"],
        cwd=tmp_path,
        env=environment(tmp_path / "state"),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert (full.returncode, full.stdout) == (1, "")
    *_, said, advice, command = full.stderr.splitlines()
    assert re.fullmatch(r"sal: run/\S+: File too large", said)
    assert (advice, command) == ("resume with", "  sal run --resume run")
    assert len(records(tmp_path / "run", "problem")) < len(ids)
    resumed = sal(shlex.split(command)[1:], tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    check_whole(tmp_path / "run", ids)


def test_a_closed_or_full_stdout_is_told_and_the_results_are_whole(
    policy_server: str, six: list[str], ids: list[str], tmp_path: Path
) -> None:
    words = ["run", "majority", "--budget", "2", *six, "--policy", policy_server]
    for name, redirection in (("closed", ">&-"), ("full", "> /dev/full"), ("pipe", "| true")):
        run = tmp_path / name
        line = shlex.join([str(SAL), *words, "--out", str(run)])
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line} {redirection}"],
            cwd=tmp_path,
            env=environment(tmp_path / "state"),
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=240,
        )
        assert done.returncode == 1, (name, done.stderr)
        assert done.stderr.splitlines()[-1].startswith("sal: cannot write to stdout: "), name
        assert "Traceback" not in done.stderr
        check_whole(run, ids)
