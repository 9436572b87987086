"""docs/report.md does what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from reports_examples import write_run
from test_reports_data import FOUR

from sal.cli.main import main
from sal.reports.html_page import part
from sal.reports.page_traces import WITHIN
from sal.reports.run_data import LONGEST

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", re.findall(r"^    sal (report .*)$", PAGE, re.M))
def test_the_commands(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "runs/dvts-64", "dvts", 64, FOUR)
    write_run(tmp_path / "runs/sweep/a", "beam", 4, FOUR)
    with pytest.raises(SystemExit) as end:
        main(shlex.split(command))
    assert end.value.code == 0
    named = re.findall(r"^\| `([^`]+)`", PAGE, re.M)
    written = {str(p) for p in tmp_path.rglob("*")}
    for name in named[:3]:
        pattern = re.escape(name).replace(r"\*", r"\w+")
        assert any(re.search(f"/{pattern}$", path) for path in written), name


def test_the_filters_are_those_of_the_page() -> None:
    told = re.findall(r"^\| ([a-zA-Z, ]+?) +\| ", PAGE.partition("| show ")[2], re.M)
    filters = part("table.js").partition("const FILTERS")[2].partition("];")[0]
    assert told == re.findall(r'\["\w+", "([^"]+)"', filters)


def test_the_figures() -> None:
    assert f"{WITHIN / 1e6:g} MB" in PAGE
    assert f"{LONGEST} characters" in PAGE


@pytest.mark.parametrize("image", sorted(re.findall(r"\]\((images/[^)]+)\)", PAGE)))
def test_the_pictures_are_there_and_small(image: str) -> None:
    assert (DOCS / image).stat().st_size < 150_000
