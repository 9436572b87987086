"""A search of the gateway in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect
from runs_examples import recipe
from serve_scripted import LIMITS, Scripted, Writer, catalogue

from sal.programs.vote import boxed_answers
from sal.runs.registry import find_strategy
from sal.serve.read_chat import read_chat
from sal.serve.searcher import Flight, Searcher
from sal.serve.trace_page import search_page

if TYPE_CHECKING:
    from browser import Opener

pytest_plugins = ("browser",)


def test_its_tree_is_there_and_nothing_is_called_wrong(open_page: Opener, tmp_path: Path) -> None:
    body = {"model": "dvts", "messages": [{"role": "user", "content": "Hello?"}]}
    wanted = read_chat(body, {}, catalogue(), LIMITS).search
    assert wanted is not None
    flight = Flight(wanted)
    Searcher(Scripted(Writer()), find_strategy, boxed_answers).run(flight)
    path = tmp_path / "search.html"
    path.write_text(search_page(flight, recipe(), {}), encoding="utf-8")
    opened = open_page(f"{path.resolve().as_uri()}#problem={flight.id}")
    shown = opened.page.locator("#problem")
    expect(shown.locator(".sal-row")).to_have_count(1 + len(flight.trace.nodes))
    expect(shown).to_contain_text("5 (not graded)")
    expect(shown.locator(".sal-wrong")).to_have_count(0)
    expect(shown.locator(".sal-right")).to_have_count(0)
    assert opened.errors == []
