"""Keys, search, filters, the icicle and links of the page's search tree, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import FloatRect, Page, expect
from trees_in_browser import drawn, selected, words

from bench.trees import beam_trace, with_result

pytest_plugins = ("browser", "tree_opener")


class TestKeyboard:
    def test_arrows_walk_and_fold(self, open_tree: Any) -> None:
        page = open_tree().page
        tree = page.locator(".sal-scroll")
        tree.focus()
        seen = []
        for key in ("ArrowDown", "ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowDown", "End"):
            page.keyboard.press(key)
            seen.append(selected(page))
        assert seen == [
            "alpha",
            "ahead one ahead two",
            "alpha",
            "alpha",
            "beta",
            "one two answer 7",
        ]
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert selected(page) == "one"
        page.keyboard.press("Home")
        assert page.evaluate("paths.at(-1)") == ""

    def test_enter_opens_and_escape_closes(self, open_tree: Any) -> None:
        page = open_tree().page
        page.locator(".sal-scroll").focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page.locator(".sal-detail")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator(".sal-detail")).to_be_hidden()
        assert page.evaluate("document.activeElement.className") == "sal-scroll"

    def test_focus_is_seen(self, open_tree: Any) -> None:
        page = open_tree().page
        page.locator(".sal-search").focus()
        page.keyboard.press("Escape")
        page.keyboard.press("ArrowDown")
        row = page.locator('.sal-row[aria-selected="true"]')
        assert "inset" in row.evaluate("row => getComputedStyle(row).boxShadow")

    def test_i_takes_the_icicle_away_and_back(self, open_tree: Any) -> None:
        page = open_tree().page
        page.locator(".sal-scroll").press("i")
        expect(page.locator(".sal-icicle")).to_be_hidden()
        page.locator(".sal-scroll").press("i")
        expect(page.locator(".sal-icicle")).to_be_visible()


class TestSearchAndFilters:
    def test_it_counts_and_jumps_also_into_what_is_folded(self, open_tree: Any) -> None:
        page = open_tree().page
        page.locator(".sal-scroll").press("/")
        page.keyboard.type("ANSWER")
        assert page.locator(".sal-found").inner_text() == "2"
        page.keyboard.press("Enter")
        assert selected(page) == "the answer is 42"
        assert page.locator(".sal-found").inner_text() == "1/2"
        page.keyboard.press("Escape")
        page.keyboard.press("n")
        assert selected(page) == "answer 7"
        page.keyboard.press("n")
        assert selected(page) == "the answer is 42"
        page.keyboard.press("N")
        assert selected(page) == "answer 7"
        assert page.locator(".sal-row mark").all_inner_texts() == ["answer"] * 3

    def test_errors_are_found_too(self, open_tree: Any) -> None:
        page = open_tree().page
        page.locator(".sal-search").fill("is gone")
        assert page.locator(".sal-found").inner_text() == "1"
        page.locator(".sal-search").fill("nowhere")
        assert page.locator(".sal-found").inner_text() == "0"

    @pytest.mark.parametrize(
        ("only", "shown"),
        [
            ("chosen path", ["?", "alpha", "the answer is 42"]),
            ("what finished", ["?", "alpha", "the answer is 42", "cut short", "one two answer 7"]),
        ],
    )
    def test_filters(self, open_tree: Any, only: str, shown: list[str]) -> None:
        page = open_tree(path="1").page
        page.get_by_label("show", exact=True).select_option(only)
        assert words(page) == shown
        assert selected(page) == "?"  # what was selected is not there

    def test_pruned_ones_can_be_hidden(self, open_tree: Any) -> None:
        page = open_tree().page
        page.get_by_label("hide pruned").check()
        assert "beta" not in words(page)
        assert "alpha" in words(page)
        page.locator(".sal-search").fill("beta")
        assert page.locator(".sal-found").inner_text() == "0"
        page.evaluate("tree.show('1')")  # a link to it ends the filter
        assert selected(page) == "beta"
        assert not page.get_by_label("hide pruned").is_checked()

    def test_what_the_icicle_shows_can_be_selected_in_spite_of_a_filter(
        self, open_tree: Any
    ) -> None:
        page = open_tree().page
        page.get_by_label("hide pruned").check()
        box = page.locator(".sal-canvas").bounding_box()
        assert box
        page.mouse.click(box["x"] + box["width"] * 16 / 30, box["y"] + 30)
        assert selected(page) == "beta"
        assert not page.get_by_label("hide pruned").is_checked()

    def test_all_can_be_folded(self, open_tree: Any) -> None:
        page = open_tree(path="0.1").page
        page.get_by_label("fold all", exact=True).click()
        assert words(page) == ["?", "alpha", "beta", "one two answer 7"]
        assert selected(page) == "alpha"
        page.get_by_label("unfold all").click()
        assert len(words(page)) == 1 + 7 + 2 + 3


class TestIcicle:
    def box(self, page: Page) -> FloatRect:
        box = page.locator(".sal-canvas").bounding_box()
        assert box
        return box

    def test_width_is_tokens_of_the_subtree(self, open_tree: Any) -> None:
        page = open_tree().page
        model = page.evaluate(
            "(({weight, left, level, levels}) => ({weight: [...weight], left: [...left], level: [...level], levels}))(salTree.model(data))"
        )
        #                   0   0.-1 0.0 0.1 0.2 1  2
        assert model["weight"] == [15, 3, 3, 3, 3, 3, 12]
        assert model["left"] == [0, 0, 3, 6, 9, 15, 18]
        assert model["level"] == [1, 2, 2, 2, 2, 1, 1]
        assert model["levels"] == 4

    @pytest.mark.parametrize("path", ["", "0.1", "2~1"])
    def test_it_is_drawn_wherever_a_link_opens(self, open_tree: Any, path: str) -> None:
        page = open_tree(path=path).page
        drawn(page)
        filled = page.evaluate(
            """() => {
              const canvas = document.querySelector(".sal-canvas");
              const { data: bytes } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
              return bytes.filter((byte, i) => i % 4 === 3 && byte > 0).length / (bytes.length / 4);
            }"""
        )
        assert filled > 0.4

    def test_a_click_selects_the_step_that_is_there(self, open_tree: Any) -> None:
        page = open_tree().page
        box = self.box(page)
        row = box["height"] / 4 if box["height"] / 4 < 20 else 20
        page.mouse.click(box["x"] + box["width"] * 16 / 30, box["y"] + 1.5 * row)
        assert selected(page) == "beta"
        page.mouse.click(box["x"] + box["width"] * 20 / 30, box["y"] + 2.5 * row)
        assert selected(page) == "two"
        assert page.evaluate("paths.at(-1)") == "2~1"

    def test_a_hint_tells_what_is_under_the_mouse(self, open_tree: Any) -> None:
        page = open_tree().page
        box = self.box(page)
        page.mouse.move(box["x"] + box["width"] * 16 / 30, box["y"] + 30)
        hint = page.locator(".sal-tip")
        expect(hint).to_be_visible()
        assert hint.inner_text().split() == [
            "0.10",
            "pruned:",
            "no",
            "step",
            "follows",
            "it,",
            "3",
            "tokens",
            "beta",
        ]
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 300)
        expect(hint).to_be_hidden()

    def test_wheel_drag_and_keys_move_the_window(self, open_tree: Any) -> None:
        page = open_tree().page
        box = self.box(page)
        row = 30
        middle = box["x"] + box["width"] * 16 / 30
        page.mouse.move(middle, box["y"] + row)
        page.mouse.wheel(0, -800)  # this is the page's
        page.keyboard.down("Control")
        page.mouse.wheel(0, -800)
        page.keyboard.up("Control")
        drawn(page)
        page.mouse.click(middle, box["y"] + row)
        assert selected(page) == "beta"  # what was under the mouse stays there
        page.mouse.down()
        page.mouse.move(middle + 500, box["y"] + row, steps=5)
        page.mouse.up()
        page.mouse.click(middle, box["y"] + row)
        assert selected(page) == "alpha"
        page.locator(".sal-canvas").press("0")
        page.mouse.click(middle, box["y"] + row)
        assert selected(page) == "beta"

    def test_a_finger_selects(self, open_tree: Any) -> None:
        page = open_tree().page
        box = self.box(page)
        page.evaluate(
            """([x, y]) => {
              const canvas = document.querySelector(".sal-canvas");
              const finger = { pointerType: "touch", pointerId: 1, isPrimary: true, clientX: x, clientY: y, bubbles: true };
              canvas.setPointerCapture = () => {};
              for (const name of ["pointerdown", "pointerup"]) canvas.dispatchEvent(new PointerEvent(name, finger));
            }""",
            [box["x"] + box["width"] * 16 / 30, box["y"] + 30],
        )
        assert selected(page) == "beta"
        expect(page.locator(".sal-tip")).to_be_visible()

    def test_thin_subtrees_cost_one_look_a_pixel(self, open_tree: Any) -> None:
        page = open_tree(with_result(beam_trace(10_000))).page
        drawn = page.evaluate(
            """() => {
              const model = salTree.model(data);
              let drawn = 0;
              salTree.eachInView(model, { x: 0, scale: 100 / model.total }, 100, () => drawn++);
              return [drawn, model.levels];
            }"""
        )
        assert 100 < drawn[0] <= 101 * drawn[1]


class TestLinks:
    def test_a_link_opens_at_its_node(self, open_tree: Any) -> None:
        page = open_tree(path="2~1").page
        assert selected(page) == "two"
        link = page.locator(".sal-link")
        assert link.get_attribute("href") == "#node=2~1"
        assert link.inner_text() == "2~1"

    def test_one_to_a_node_that_is_not_there_opens_what_is_above(self, open_tree: Any) -> None:
        assert selected(open_tree(path="0.7.7").page) == "alpha"
        for path in ("0~5", "~1", "x.y", "9"):
            assert selected(open_tree(path=path).page) in ("?", "alpha"), path

    def test_every_item_has_a_path_that_leads_back_to_it(self, open_tree: Any) -> None:
        page = open_tree().page
        assert page.evaluate(
            """() => {
              const model = salTree.model(data);
              const items = [...Array(model.items.count).keys()];
              return items.every((i) => salTree.itemAt(model, salTree.pathOf(model, i)) === i);
            }"""
        )

    def test_the_page_is_told_where_the_reader_is(self, open_tree: Any) -> None:
        page = open_tree().page
        page.locator(".sal-row", has_text="beta").click()
        assert page.evaluate("paths") == ["1"]
        page.evaluate("tree.show('1')")  # what the page says back changes nothing
        assert page.evaluate("paths") == ["1"]
