"""docs/explore.md: its commands, its keys, and its words for what became of a node."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from explore_examples import GrowingRun

from sal.cli import explore
from sal.reports.explore_server import ExploreServer
from sal.reports.html_page import part

PAGE = (Path(__file__).parent.parent / "docs/explore.md").read_text("utf-8")
COMMANDS = re.findall(r"^    sal (explore .*)$", PAGE, re.M)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from sal.cli.main import main

    for run in ("runs/dvts-64", "runs/sweep/a"):
        GrowingRun(tmp_path / run).finish(0, "p0")
    opened: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("webbrowser.open", opened.append)

    def interrupted(server: ExploreServer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ExploreServer, "serve_forever", interrupted)
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(command))
    assert ended.value.code == 130
    url = capsys.readouterr().out.split()[0]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
    assert opened == ([url] if "--open" in command else [])


def test_there_are_commands_and_the_port_is_told() -> None:
    assert len(COMMANDS) == 3
    assert f"it is at {explore.PORT}" in PAGE


def test_every_key_is_told() -> None:
    handled = re.search(r"const KEYS = \{(.*?)\n    \};", part("tree.js"), re.S)
    assert handled
    names = set(re.findall(r'^      "?([^":\s]*| )"?:', handled[1], re.M))
    table = PAGE.partition("## Keys")[2].partition("\n\nIn the icicle")[0]
    told = set(re.findall(r"^\| (`.*?)\|", table, re.M))
    keys = {key for cell in told for key in re.findall(r"`(.+?)`", cell)}
    words = {"↑": "ArrowUp", "↓": "ArrowDown", "←": "ArrowLeft", "→": "ArrowRight", "Space": " "}
    assert {words.get(key, key) for key in keys} - {"Esc"} == names


def test_every_state_is_told() -> None:
    states = re.search(r"const STATES = \[(.*?)\];", part("tree_model.js"), re.S)
    assert states
    table = PAGE.partition("## Kept and pruned")[2].partition("## Keys")[0]
    told = set(re.findall(r"^\| (\w+) ", table, re.M)) - {"shown"}
    assert told == set(re.findall(r'"(\w+)"', states[1]))


def test_the_pictures_are_there_and_small() -> None:
    pictures = re.findall(r"\]\((images/.*?)\)", PAGE)
    assert len(pictures) == 3
    for picture in pictures:
        assert (Path(__file__).parent.parent / "docs" / picture).stat().st_size < 150_000
