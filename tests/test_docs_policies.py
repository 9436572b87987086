"""docs/policies.md: its commands are typed, with the problems of the tiny suite; nothing starts."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from test_cli_run import Sal, sal

from sal.strategies.thinking import TAGS

__all__ = ["sal"]  # a fixture

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "policies.md").read_text("utf-8")
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.M | re.S)
    for line in block.splitlines()
]


def test_the_page_has_commands_and_every_pair_of_tags() -> None:
    assert len(COMMANDS) == 6
    assert all(f"`{tags.opens}`" in PAGE for tags in TAGS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_accepted_and_stands_in_the_recipe(sal: Sal, command: str) -> None:
    words = shlex.split(command)[1:]
    code, out, err = sal(*words, "--dataset", "tiny", "--prm", "tiny", "--dry-run", "--json")
    assert (code, err) == (0, "")
    recipe = json.loads(out)["recipe"]
    said = dict(zip(words[2::2], words[3::2], strict=False))
    assert recipe["policy"] == said["--policy"]
    for name in ("think_budget", "think_extensions"):
        flag = "--" + name.replace("_", "-")
        assert recipe["params"][name] == (int(said[flag]) if flag in said else None)
    assert recipe["thinking"] is (False if "--no-thinking" in words else None)
    if "--prompt-template" in said:
        escaped = said["--prompt-template"].replace(r"\n", "\n").replace("\\\\", "\\")
        assert recipe["prompt_template"] == escaped
        assert "{question}\n" in escaped
