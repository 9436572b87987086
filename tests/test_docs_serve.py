"""docs/serve.md: its commands, its efforts, its errors and its limits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sal.cli import serve as command
from sal.cli.main import main
from sal.serve import effort
from sal.serve.keys import read_keys
from sal.serve.limits import MOST_BUDGETS
from sal.serve.queue import PATIENCE, SMALL
from sal.serve.start import SECONDS

PAGE = (Path(__file__).parent.parent / "docs/serve.md").read_text("utf-8")
COMMANDS = re.findall(r"^    sal (serve .*)$", PAGE, re.M)


def rows(text: str) -> list[list[str]]:
    table = re.findall(r"^\| *(.*?) *\|$", text, re.M)
    return [[cell.strip(" `") for cell in row.split("|")] for row in table]


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_are_understood(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[Any] = []
    monkeypatch.chdir(tmp_path)

    def serve(*given: Any) -> int:
        started.append(given)
        return 0

    monkeypatch.setattr(command, "_serve", serve)
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--new-key", "bob", "--keys", "keys.txt"])
    assert ended.value.code == 0
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    assert ended.value.code == 0
    if "--new-key" in line:
        key = capsys.readouterr().out.strip()
        assert read_keys(Path("keys.txt")).account(f"Bearer {key}") == "alice"
        return
    settings, _, operator, host, port = started[0]
    assert settings.strategy == line.split()[1]
    assert settings.params["budget"] == int(line.split("--budget ")[1].split()[0])
    assert port == command.PORT
    assert host == ("0.0.0.0" if "--host" in line else "127.0.0.1")  # noqa: S104
    assert bool(operator.keys) == ("--keys" in line)
    assert operator.tokens_per_hour == (2_000_000 if "--tokens-per-hour" in line else None)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--host", "0.0.0.0"], "none of them would need a key"),  # noqa: S104
        (["--host", "::"], "none of them would need a key"),
        (["--keys", "nowhere"], "--keys nowhere"),
        (["--colour"], "No such option"),
        (["--new-key", "a"], "goes with --keys"),
        (["--max-budget", "2"], "--max-budget 2 is less than the budget, 4"),
    ],
)
def test_what_cannot_be_served_is_refused_in_a_line(
    flags: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["serve", "majority", "--budget", "4", "--policy", "tiny", *flags])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_the_efforts_are_those_of_the_code() -> None:
    told = rows(PAGE.partition("| `reasoning_effort` |")[2].partition("\n\n")[0])[1:]
    code = rows(effort.__doc__ or "")[2:]
    shares = {name: share for name, share, *_ in told}
    assert list(shares) == [name for name, *_ in code] == list(effort.EFFORTS)
    words = {1 / 8: "an eighth", 1 / 4: "a quarter", 1.0: "the operator's", 2.0: "twice"}
    for name, share in effort.SHARES.items():
        wanted = words.get(share, "four times")
        assert shares[name].startswith(wanted)
        assert dict(row[:2] for row in code)[name].startswith(wanted)


def test_the_figures_are_those_of_the_code() -> None:
    assert MOST_BUDGETS == 4
    assert "four times `--budget` by default" in PAGE
    assert f"{SECONDS:g} by default" in PAGE
    assert SMALL == 8
    assert "an eighth of the room" in PAGE
    assert f"overtaken {PATIENCE} times" in PAGE
    assert f":{command.PORT}/v1" in PAGE


def test_the_clients_are_those_that_are_asked() -> None:
    root = Path(__file__).parent.parent
    told = rows(PAGE.partition("## Clients")[2].partition("```")[0])[2:]
    pinned = pins(root / "tests/clients/requirements.txt")
    assert {row[0]: row[1] for row in told} == pinned
    beside = pins(root / "tests/clients/constraints.txt")
    assert pinned == {name: beside[name] for name in pinned}


def pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w-]+)(?:\[\w+\])?==(\S+)$", path.read_text("utf-8"), re.M))
