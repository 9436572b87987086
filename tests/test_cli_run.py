"""`sal run` before anything is searched: its help, what it refuses, and what it would do."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from conftest import CPU_ONLY

from sal.cli.main import build, main
from sal.cli.run import EPILOG
from sal.runs.folder import RunFolder
from sal.runs.settings import Settings, prepare
from sal.runtime import hardware
from sal.runtime.launch import Server, free_port

Sal = Callable[..., tuple[int, str, str]]

DEMANDED = {
    *("--budget", "--width", "--max-steps", "--temperature", "--seed", "--policy", "--prm"),
    *("--dataset", "--split", "--limit", "--aggregate", "--out", "--resume", "--dry-run"),
    "--retry-failed",
    *(
        "--max-problem-tokens",
        "--max-problem-seconds",
        "--display",
        "--json",
        "--question-field",
        "--answer-field",
        "--system-prompt",
    ),
}


@pytest.fixture
def sal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sal:
    """Runs `sal WORDS` here without a GPU; gives (exit code, stdout, stderr). No server starts."""

    def start(server: Server) -> None:
        raise AssertionError(f"a {server.spec.role} server was started")

    monkeypatch.setattr(Server, "start", start)
    monkeypatch.setattr(hardware, "detect", lambda: CPU_ONLY)
    monkeypatch.setenv("SAL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(words)
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return run


def command() -> Any:
    return typer.main.get_command(build(["run"])).commands["run"]  # type: ignore[attr-defined]


def test_every_option_has_a_help_line_a_panel_and_a_variable() -> None:
    options = {p.opts[0]: p for p in command().params if p.param_type_name == "option"}
    assert options.keys() >= DEMANDED
    for flag, option in options.items():
        assert option.help, flag
        assert option.rich_help_panel, flag
        assert option.envvar == "SAL_" + flag[2:].replace("-", "_").upper()


def test_help_shows_each_option_and_ends_with_examples(sal: Sal) -> None:
    code, out, _ = sal("run", "--help")
    assert code == 0
    for flag in DEMANDED:
        assert f" {flag} " in out
        assert f"[env var: SAL_{flag[2:].replace('-', '_').upper()}]" in out
    for panel in ("Search", "Models", "Problems", "The run"):
        assert f"─ {panel} ─" in out
    assert "Examples" in out
    assert out[out.index("Examples") :].count(" sal run ") >= 5
    assert out.rindex("sal run ") > out.rindex("╰")


def test_the_examples_are_accepted() -> None:
    examples = [shlex.split(text) for text in EPILOG.split("\n\n") if text.startswith("sal run ")]
    assert len(examples) >= 5
    for words in examples:
        command().make_context("run", words[2:])  # raises on a flag or a value it does not know


def test_the_root_lists_the_commands_and_the_version(sal: Sal) -> None:
    code, out, _ = sal()
    assert code == 0
    for name in ("run", "up", "down", "grade", "doctor"):
        assert re.search(rf"^│ {name} +\w", out, re.M)
    assert sal("--version")[1].startswith("sal ")


def problems(path: Path, *rows: dict[str, str]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def full_folder(path: Path) -> Path:
    path.mkdir()
    (path / "thesis.tex").touch()
    return path


def run_folder(path: Path, **params: int) -> Path:
    """A folder that holds a run of DVTS over two problems of the tiny suite."""
    prepared = prepare(Settings(strategy="dvts", params=params, limit=2), gpu=False)
    with RunFolder(path, prepared.recipe, resume=False) as folder:
        folder.journal.append({"type": "session", "versions": {}})
    return path


BAD: dict[str, tuple[str, str]] = {
    "a width that does not divide": ("dvts --budget 6 --width 4", r"budget.*multiple of width"),
    "no budget": ("dvts --budget 0", r"--budget.*greater than or equal to 1"),
    "a cap of no tokens": ("dvts --max-problem-tokens 0", r"--max-problem-tokens.*equal to 1"),
    "a cap of no time": ("dvts --max-problem-seconds 0", r"a cap on seconds must be positive"),
    "no number": ("dvts --budget many", r"--budget.*many|--budget.*integer"),
    "an unknown strategy": ("magic", r"'magic' is not one of greedy, .*dvts"),
    "no strategy": ("", r"Missing argument 'STRATEGY'"),
    "an unknown flag": ("dvts --bugdet 4", r"No such option: --bugdet"),
    "an unknown aggregate": ("dvts --aggregate max", r"--aggregate.*'last', 'min', 'prod', 'mean'"),
    "what the strategy does not take": ("best-of-n --width 4", r"does not take --width"),
    "an unknown dataset file": ("dvts --dataset no/such.jsonl", r"no/such\.jsonl: No such file"),
    "another kind of file": ("dvts --dataset full/thesis.tex", r"not one of \.jsonl"),
    "a broken file": ("dvts --dataset broken.jsonl", r"broken\.jsonl:1: not JSON .* cut off"),
    "an empty file": ("dvts --dataset empty.jsonl", r"empty\.jsonl: "),
    "an unknown split": ("dvts --split val", r"no split 'val'; there are test, train"),
    "a field that is not there": (
        "dvts --dataset rows.jsonl --question-field q",
        r"no field 'q'; there are question, reply",
    ),
    "no field for the answer": ("dvts --dataset rows.jsonl", r"--answer-field: question, reply"),
    "a folder that is not empty": ("dvts --out full", r"full: not empty"),
    "a folder with a run": (
        "dvts --out run --limit 2",
        r"continue the run there with --resume run",
    ),
    "another recipe": (
        "dvts --resume run --limit 2 --budget 8 --seed 7",
        r"another recipe; these differ: params\.budget, seed$",
    ),
    "another cap": (
        "dvts --resume run --limit 2 --max-problem-tokens 9",
        r"these differ: max_problem_tokens$",
    ),
    "a folder without a run": ("dvts --resume full", r"full: not empty, and holds no run"),
    "a file for a folder": ("dvts --out rows.jsonl", r"rows\.jsonl: not a folder"),
    "a strategy of another run": ("beam --resume run", r"another recipe; these differ: strategy,"),
    "no strategy and no run": ("--resume nowhere", r"nowhere: no recipe to go on with.*STRATEGY"),
    "no strategy and no recipe": ("--resume full", r"full: no recipe to go on with.*STRATEGY"),
    "failed problems of no run": ("dvts --retry-failed", r"--retry-failed goes with --resume"),
    "two folders": ("dvts --out a --resume b", r"not both"),
    "a policy that is not there": ("dvts --policy ./nothing", r"no model folder ./nothing"),
    "a policy without a config": ("dvts --policy full", r"full is no model folder"),
    "an unknown family": (
        "dvts --prm-family magic",
        r"--prm-family magic: 'magic' is not one of the PRM families step-token",
    ),
    "a PRM of no known family": ("dvts --prm bare", r"cannot tell what format.*--prm-family"),
    "a policy URL that nobody serves": (
        "dvts --policy http://127.0.0.1:PORT",
        r"--policy http://127\.0\.0\.1:\d+: nothing takes connections there",
    ),
    "a PRM URL that is none": ("dvts --prm http://", r"--prm http:.*nothing takes connections"),
}


@pytest.mark.parametrize(("words", "message"), BAD.values(), ids=BAD)
def test_bad_usage_is_one_line_and_exit_code_2_before_any_server_starts(
    sal: Sal, tmp_path: Path, words: str, message: str
) -> None:
    problems(tmp_path / "rows.jsonl", {"question": "1+1?", "reply": "2"})
    (tmp_path / "broken.jsonl").write_text('{"question": "1+1?", "answer"')
    (tmp_path / "empty.jsonl").touch()
    full_folder(tmp_path / "full")
    run_folder(tmp_path / "run")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "config.json").write_text("{}")
    before = sorted(tmp_path.rglob("*"))

    code, out, err = sal("run", *words.replace("PORT", str(free_port())).split())

    assert code == 2, err
    assert out == ""
    assert err.count("\n") == 1, err
    assert err.startswith("sal: ")
    assert re.search(message, err.strip()), err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_url_that_speaks_something_else_is_told(sal: Sal, tmp_path: Path) -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        code, _, err = sal("run", "dvts", "--policy", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert code == 2
    assert err.count("\n") == 1
    assert "not an SGLang server" in err


def test_a_dry_run_prints_plan_and_recipe_and_leaves_nothing(sal: Sal, tmp_path: Path) -> None:
    code, out, err = sal("run", "dvts", "--budget", "128", "--dry-run")
    assert (code, err) == (0, "")
    plan, _, recipe = out.partition("# recipe")
    assert "policy: " in plan
    assert "prm: " in plan
    assert plan.count("sglang.launch_server") == 2
    assert "budget: 128" in recipe
    assert "\n# 500 problems\n" in plan
    assert "max_problem_tokens: null" in recipe
    assert list(tmp_path.iterdir()) == []


def test_a_bad_row_names_the_flag_that_passes_over_it(sal: Sal, tmp_path: Path) -> None:
    (tmp_path / "rows[1].CSV").write_text("Problem,Answer\n1+1?,2\n2+2?\n,4\n")
    words = ("run", "greedy", "--dataset", "rows[1].CSV", "--dry-run")
    code, out, err = sal(*words)
    assert (code, out) == (2, "")
    assert err.startswith("sal: rows[1].CSV:3: 1 cells where the header has 2")
    assert err.endswith("; --skip-bad-rows passes over such rows\n")
    code, out, err = sal(*words, "--skip-bad-rows")
    assert (code, err) == (0, "")
    assert "# 1 problem, skipped 2 of 3 rows\n#   line 3: 1 cells" in out
    assert "#   line 4: field 'Problem' is empty\n" in out
    assert "skip_bad_rows: true" in out
    assert "question_field: Problem" in out


def test_a_dry_run_as_json_takes_settings_from_variables(
    sal: Sal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAL_BUDGET", "8")
    monkeypatch.setenv("SAL_SYSTEM_PROMPT", "Think.")
    monkeypatch.setenv("SAL_DRY_RUN", "1")
    monkeypatch.setenv("SAL_MAX_PROBLEM_SECONDS", "2.5")
    words = ("--max-problem-tokens", "400", "--aggregate", "min", "--out", "here")
    code, out, err = sal("run", "beam", "--json", *words)
    assert (code, err) == (0, "")
    report = json.loads(out)
    recipe = report["recipe"]
    assert recipe["strategy"] == "beam"
    assert (recipe["params"]["budget"], recipe["params"]["aggregate"]) == (8, "min")
    assert recipe["system_prompt"] == "Think."
    assert (recipe["max_problem_tokens"], recipe["max_problem_seconds"]) == (400, 2.5)
    assert (recipe["policy"], recipe["prm"], recipe["dataset"]) == ("tiny", "tiny", "tiny")
    assert report["folder"] == "here"


def test_a_bad_variable_is_named(sal: Sal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAL_BUDGET", "-3")
    code, _, err = sal("run", "dvts")
    assert code == 2
    assert "SAL_BUDGET" in err
