"""`sal explore` in a real browser: a run is followed while it is written."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from explore_examples import GrowingRun
from playwright.sync_api import expect

from sal.reports.explore_server import ExploreServer
from sal.reports.followed import FollowedRuns

if TYPE_CHECKING:
    from browser import Opener

pytest_plugins = ("browser",)

STRANGE = "p/1 <b>\u202e"


@pytest.fixture
def serve(tmp_path: Path) -> Callable[[], ExploreServer]:
    """Begins to serve the runs in the test's folder."""

    def serve_it() -> ExploreServer:
        server = ExploreServer(FollowedRuns(tmp_path, "followed"), 0)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    return serve_it


def test_a_problem_from_its_first_node_to_its_end(
    open_page: Opener, serve: Callable[[], ExploreServer], tmp_path: Path
) -> None:
    run = GrowingRun(tmp_path / "run")
    run.finish(0, "p0")
    opened = open_page(serve().url)
    page = opened.page
    expect(page.locator("#flight")).to_be_hidden()
    run.begin(1, STRANGE, 2)
    flight = page.locator("#flight").get_by_role("link")
    expect(flight).to_have_text("p/1 <b>⟨U+202E⟩ (2)")
    flight.click()
    rows = page.locator("#flight .sal-row")
    expect(rows).to_have_count(3)
    rows.nth(1).click()
    run.begin(1, STRANGE, 5)
    expect(rows).to_have_count(6)
    expect(page.locator('#flight .sal-row[aria-selected="true"]')).to_contain_text("step 0")
    expect(page.locator("#flight .sal-is-pruned")).to_have_count(0)
    run.finish(1, STRANGE)
    expect(page.locator("#problem .sal-row")).to_have_count(3)
    expect(page.locator("#flight")).to_be_hidden()
    assert page.locator('#problem .sal-row[aria-selected="true"]').inner_text().count("step 0") == 1
    expect(page.locator("#about")).to_contain_text("2 problems")
    expect(page.locator(".body .row")).to_have_count(2)
    assert opened.errors == []


def test_a_run_of_which_nothing_is_done_yet(
    open_page: Opener, serve: Callable[[], ExploreServer], tmp_path: Path
) -> None:
    run = GrowingRun(tmp_path / "run")
    opened = open_page(serve().url)
    expect(opened.page.locator("#about")).to_contain_text("0 runs")
    run.finish(0, "p0")
    expect(opened.page.locator(".body .row")).to_have_count(1)
    assert opened.errors == []


def test_an_open_tree_stays_as_it_is_when_others_are_finished(
    open_page: Opener, serve: Callable[[], ExploreServer], tmp_path: Path
) -> None:
    run = GrowingRun(tmp_path / "run")
    run.finish(5, "p5")
    page = open_page(serve().url).page
    page.locator(".body .row").click()
    page.locator("#problem .sal-row .sal-fold").nth(1).click()
    expect(page.locator("#problem .sal-row")).to_have_count(2)
    run.finish(0, "p0")  # it takes the place that p5 had
    expect(page.locator(".body .row")).to_have_count(2)
    expect(page.locator("#problem .sal-row")).to_have_count(2)
    expect(page.locator("#problem .sal-is-problem")).to_contain_text("What is p5?")


def test_it_says_when_nobody_answers(
    open_page: Opener, serve: Callable[[], ExploreServer], tmp_path: Path
) -> None:
    GrowingRun(tmp_path / "run").finish(0, "p0")
    server = serve()
    page = open_page(server.url).page
    status = page.get_by_role("status").filter(has_text="does not answer")
    expect(status).to_be_hidden()
    (tmp_path / "run/recipe.yaml").unlink()
    expect(status).to_be_visible()
    (tmp_path / "run/recipe.yaml").write_text(
        GrowingRun(tmp_path / "other").folder.recipe_path.read_text()
    )
    expect(status).to_be_hidden()
