"""docs/your-own-backend.md, run from top to bottom against the real servers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from sal import Request, SearchResult
from sal.tiny.paths import POLICY

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "your-own-backend.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.M | re.S)
ANSWER = "19"


@pytest.fixture(scope="module")
def page(policy_server: str, prm_server: str) -> Iterator[dict[str, Any]]:
    names: dict[str, Any] = {
        "POLICY_URL": policy_server, "PRM_URL": prm_server, "POLICY_FOLDER": str(POLICY)
    }  # fmt: skip
    for block in BLOCKS:
        exec(compile(block, "your-own-backend.md", "exec"), names)  # noqa: S102
    yield names
    for made in ("pooled", "remote"):
        assert made in names


@pytest.mark.servers
class TestThePage:
    @pytest.mark.parametrize("backend", ["stock", "pooled", "remote", "local"])
    def test_a_program_runs_on_it(self, page: dict[str, Any], backend: str) -> None:
        result: SearchResult = page[backend]
        assert result.errors == ()
        assert 1 <= len(result.completions) <= 4
        assert result.best is not None
        assert result.best.key == ANSWER

    def test_what_is_not_told_is_unknown(self, page: dict[str, Any]) -> None:
        """The server tells OpenAI's clients nothing of its cache, unless it is asked to."""
        told = page["remote"].trace.policy
        assert told.prompt_tokens > 0
        assert told.completion_tokens > 0
        assert told.cached_tokens is None
        assert page["pooled"].trace.policy.cached_tokens > 0

    def test_a_seeded_backend_repeats_a_search(self, page: dict[str, Any]) -> None:
        again = page["search"](page["Local"](page["POLICY_FOLDER"]))
        assert again.completions == page["local"].completions
        assert again.chosen == page["local"].chosen


def test_every_default_of_a_request_is_told() -> None:
    table = PAGE[PAGE.index("What a request asks") : PAGE.index("What a search needs")]
    told = dict(re.findall(r"^\| `(\w+)` \| (?:`([^`]+)`|-) \|", table, flags=re.M))
    defaults = {
        field.name: "{}"
        if field.default_factory is not MISSING
        else ""
        if field.default is MISSING
        else repr(field.default)
        for field in fields(Request)
    }
    assert told == defaults


def test_the_class_is_about_thirty_lines() -> None:
    (own,) = (block for block in BLOCKS if "class Local" in block)
    lines = own[own.index("class Local") : own.index("local = ")].splitlines()
    assert len([line for line in lines if line.strip()]) <= 31
