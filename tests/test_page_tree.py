"""The rows of the page's search tree, and what it tells of one, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect
from test_trace_data import completion, node, row, trace
from trees_in_browser import TREE, drawn, row_at_the_top, selected, words

from bench.trees import beam_trace, chain_trace, with_result
from sal.reports.trace_data import trace_data

pytest_plugins = ("browser", "tree_opener")


class TestRows:
    def test_each_says_what_became_of_its_node(self, open_tree: Any) -> None:
        page = open_tree().page
        states = {
            row.locator(".sal-words").inner_text(): row.get_attribute("class")
            for row in page.locator(".sal-row").all()
        }
        for text, state in {
            "alpha": "kept",
            "ahead one ahead two": "rollout",
            "the answer is 42": "finished",
            "cut short": "truncated",
            "": "failed",
            "beta": "pruned",
            "one two answer 7": "finished",
        }.items():
            assert f"sal-is-{state}" in (states[text] or ""), text
        assert page.locator(".sal-chosen .sal-words").all_inner_texts() == [
            "alpha",
            "the answer is 42",
        ]
        assert page.locator(".sal-right").all_inner_texts() == ["✓ 1 ★", "✓ 1"]
        assert "it is gone" in page.locator(".sal-is-failed").inner_text()
        assert page.locator(".sal-tally").inner_text().startswith("7 nodes · 30 tokens · 1 kept")

    def test_a_score_is_a_number_on_its_colour(self, open_tree: Any) -> None:
        page = open_tree().page
        chip = page.locator(".sal-row", has_text="alpha").locator(".sal-chip")
        assert chip.inner_text() == "0.90"
        fill = page.evaluate("salTree.scale('light').fill(0.9)")
        colour = chip.evaluate("chip => getComputedStyle(chip).backgroundColor")
        assert colour.replace(" ", "") == fill

    def test_a_whole_solution_unfolds_into_its_steps(self, open_tree: Any) -> None:
        page = open_tree().page
        assert "two" not in words(page)
        row = page.locator(".sal-row", has_text="answer 7")
        assert row.locator(".sal-strip i").count() == 3
        row.locator(".sal-fold").click()
        assert words(page)[-3:] == ["one", "two", "answer 7"]
        chips = page.locator(".sal-inner .sal-chip").all_inner_texts()
        assert chips == ["0.50", "0.30", "0.20"]

    def test_a_search_under_way_prunes_nothing_yet(self, open_tree: Any) -> None:
        page = open_tree(trace_data(trace(node(0), node(1), node(0, 0)), None)).page
        assert page.locator(".sal-is-pruned").count() == 0
        assert page.locator(".sal-is-open").count() == 2

    def test_unknown_tokens_are_not_made_up(self, open_tree: Any) -> None:
        untold = node(0)
        untold["tokens"] = None
        page = open_tree(trace_data(trace(untold, node(1)), None)).page
        assert page.locator(".sal-tokens").all_inner_texts() == ["?", "3"]
        assert "tokens" not in page.locator(".sal-tally").inner_text()

    def test_only_rows_in_sight_are_in_the_document(self, open_tree: Any) -> None:
        page = open_tree(with_result(beam_trace(10_000))).page
        assert page.locator(".sal-row").count() < 60
        page.locator(".sal-scroll").press("End")
        assert page.locator(".sal-row").count() < 60
        scrolled = page.evaluate("document.querySelector('.sal-scroll').scrollTop")
        assert scrolled > 10_000 * 24 - 900
        page.locator(".sal-scroll").press("Home")
        assert selected(page).startswith("Find the sum")

    def test_a_chain_of_1500_steps(self, open_tree: Any) -> None:
        opened = open_tree(with_result(chain_trace(1500)), path=".".join("0" * 1500))
        page = opened.page
        row = page.locator('.sal-row[aria-selected="true"]')
        expect(row).to_have_attribute("aria-level", "1501")
        box = row.locator(".sal-words").bounding_box()
        assert box
        assert box["width"] > 150
        assert "1200 earlier steps are not shown" in page.locator(".sal-detail").inner_text()
        assert opened.errors == []

    def test_it_is_a_tree_to_assistive_technology(self, open_tree: Any) -> None:
        page = open_tree().page
        tree = page.get_by_role("tree", name="search tree")
        row = tree.get_by_role("treeitem").filter(has_text="alpha")
        expect(row).to_have_attribute("aria-level", "2")
        expect(row).to_have_attribute("aria-expanded", "true")
        row.click()
        active = tree.get_attribute("aria-activedescendant")
        assert page.locator(f"#{active}").get_attribute("aria-selected") == "true"


class TestDetail:
    def test_a_click_shows_why_and_the_whole_path(self, open_tree: Any) -> None:
        page = open_tree().page
        assert page.locator(".sal-detail").is_hidden()
        page.locator(".sal-row", has_text="the answer is 42").click()
        detail = page.locator(".sal-detail")
        assert "Finished: the policy ended" in detail.inner_text()
        assert detail.locator(".sal-step .sal-text").all_inner_texts() == [
            "alpha",
            "the answer is 42",
        ]
        assert "chosen by\nweighted" in detail.inner_text()
        detail.get_by_label("the whole path").uncheck()
        assert detail.locator(".sal-step .sal-text").all_inner_texts() == ["the answer is 42"]

    @pytest.mark.parametrize(
        ("path", "says"),
        [
            ("0", "Kept: 3 steps follow it."),
            ("1", "Pruned: more could follow, and nothing does."),
            ("0.-1", "Rollout: written to judge the step above, then let go."),
            ("0.1", "Truncated: a limit ended the solution here. It has no vote."),
            ("0.2", "PRM: it is gone"),
            ("", "Right answer: 1"),
        ],
    )
    def test_what_it_says(self, open_tree: Any, path: str, says: str) -> None:
        page = open_tree().page
        page.evaluate("path => tree.show(path || '1')", path)
        page.evaluate("path => tree.show(path)", path)
        assert says in page.locator(".sal-detail").inner_text()

    def test_a_cap_is_told_where_it_may_be_the_reason(self, open_tree: Any) -> None:
        page = open_tree(TREE | {"capped": True}, path="1").page
        assert "A cap ended this search" in page.locator(".sal-detail").inner_text()

    def test_an_attempt_is_shown_without_those_before_it(self, open_tree: Any) -> None:
        attempts = trace(
            node(0, text="first", finish="eot"), node(0, 0, text="second", finish="eot")
        )
        data = trace_data(attempts, row(completion("second")))
        page = open_tree(data, path="0.0").page
        assert page.locator(".sal-detail .sal-text").all_inner_texts() == ["second"]
        assert page.locator(".sal-chosen .sal-words").all_inner_texts() == ["second"]

    def test_mathematics_is_the_pages_to_set(self, open_tree: Any) -> None:
        page = open_tree().page
        page.evaluate(
            """() => salTree.mount(document.getElementById("tree"), data, { path: "1",
              math: (text) => Object.assign(document.createElement("em"), { textContent: text + "!" }) })"""
        )
        assert page.locator(".sal-detail em").inner_text() == "beta!"


class TestGrowth:
    def test_what_the_reader_does_outlasts_it(self, open_tree: Any) -> None:
        nodes = beam_trace(400, beams=16)["nodes"]
        page = open_tree(trace_data(trace(*nodes[:300]), None), path="3").page
        page.locator('.sal-row[aria-level="2"][aria-expanded="true"] .sal-fold').first.click()
        drawn(page)
        folded = page.locator('.sal-row[aria-expanded="false"] .sal-words').all_inner_texts()
        assert len(folded) == 1
        page.evaluate("document.querySelector('.sal-scroll').scrollTop = 1210")
        drawn(page)
        at_the_top = row_at_the_top(page)
        grown = trace_data(trace(node(0, -1, text="it is new"), *nodes), None)
        page.evaluate("grown => tree.update(grown)", grown)
        drawn(page)
        assert row_at_the_top(page) == at_the_top
        assert page.locator(".sal-tally").inner_text().startswith("401 nodes")
        assert page.locator(".sal-link").inner_text() == "3"
        page.locator(".sal-scroll").evaluate("list => (list.scrollTop = 0)")
        drawn(page)
        assert "it is new" in words(page)
        now = page.locator('.sal-row[aria-expanded="false"] .sal-words').all_inner_texts()
        assert now == folded

    def test_items_are_known_again(self, open_tree: Any) -> None:
        page = open_tree().page
        more = trace_data(
            trace(
                node(0, text="alpha"),
                node(0, -1, text="ahead one\n\nahead two"),
                node(0, 0, text="the answer is 42"),
                node(0, 0, 0, text="new"),
                node(2, text="one\n\ntwo\n\nanswer 7"),
            ),
            None,
        )
        pairs = page.evaluate(
            """more => {
              const [grown, old] = [salTree.model(more), salTree.model(data)];
              const path = (model, item) => (item < 0 ? null : salTree.pathOf(model, item));
              return [...salTree.before(grown, old)].map((then, now) => [path(grown, now), path(old, then)]);
            }""",
            more,
        )
        assert dict(pairs) == {path: None if path == "0.0.0" else path for path, _ in pairs}

    def test_it_can_be_taken_away(self, open_tree: Any) -> None:
        page = open_tree().page
        page.evaluate("tree.destroy()")
        assert page.locator("#tree *").count() == 0
        page.emulate_media(color_scheme="dark")
