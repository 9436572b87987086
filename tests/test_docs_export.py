"""docs/export.md: its commands are typed over a run, and its Python reads what they wrote."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from runs_examples import recipe, row, written_run
from test_cli_run import Sal, sal

from sal.runs.export.columns import schema_of
from sal.runs.export.names import run_name
from sal.runs.export.publication import publish
from sal.runs.found import read_run
from sal.runs.settings import Settings, prepare

__all__ = ["sal"]  # a fixture

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "export.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, flags=re.M | re.S)
COMMANDS = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return written_run(tmp_path / "runs-out" / "bon4", recipe(), [row("a"), row("b", False)])


def test_the_commands_do_what_they_say(sal: Sal, run: Path) -> None:
    assert len(COMMANDS) == 7
    for command in COMMANDS:
        code, out, err = sal(*shlex.split(command)[1:])
        assert (code, err) == (0, ""), command
        assert out


def test_the_frame_is_read(sal: Sal, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sal(*shlex.split(COMMANDS[0])[1:])[0] == 0
    [page] = [block for kind, block in BLOCKS if kind == "python" and "pandas" in block]
    exec(page, {})  # noqa: S102 - the page's own
    assert capsys.readouterr().out == "50% of 2\n"
    code, out, _ = sal("run", "greedy", "--dataset", "exports/bon4.parquet", "--dry-run")
    assert code == 0
    assert "# 2 problems" in out


def test_every_column_and_file_is_told(run: Path, tmp_path: Path) -> None:
    columns = PAGE[PAGE.index("| column |") : PAGE.index("Half of a surrogate")]
    firsts = [line.split("|")[1] for line in columns.splitlines() if line.startswith("| `")]
    told = [name for cell in firsts for name in re.findall(r"`(\w+)`", cell)]
    schema = schema_of(read_run(run), traces=True)
    assert sorted(told) == sorted(schema.names)
    inner = re.findall(r"`(\w+)`", columns[columns.index("| a list:") :].partition("\n")[0])
    assert {field.name for field in schema.field("completions").type.value_type} <= set(inner)
    for file in publish(read_run(run), "me/x", tmp_path).files:
        assert file.name == "README.md" or f"`{file.name}`" in PAGE


def test_the_name_is_that_of_such_a_run() -> None:
    settings = Settings(strategy="best-of-n", params={"budget": 4}, dataset="tiny")
    name = run_name(prepare(settings, gpu=False).recipe)
    [shown] = [block.strip() for kind, block in BLOCKS if not kind]
    assert name.rpartition("--")[0] == shown.rpartition("--")[0]
    assert PAGE.count(shown) == 2


def test_what_is_published_runs_again(sal: Sal, tmp_path: Path) -> None:
    settings = Settings(strategy="best-of-n", params={"budget": 4}, dataset="tiny", limit=1)
    first = prepare(settings, gpu=False).recipe
    run = read_run(written_run(tmp_path / "run", first, [row("a")]))
    publication = publish(run, "me/searches", tmp_path)
    command = "sal run -c recipe.yaml"
    assert f"\n{command}\n" in (publication.folder / "README.md").read_text()
    words = command.replace("recipe.yaml", str(publication.folder / "recipe.yaml")).split()[1:]
    code, out, err = sal(*words, "--dry-run", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["recipe"]["digest"] == first.digest
