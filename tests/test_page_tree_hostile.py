"""The page's search tree with text that means harm, and in every light, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect
from test_trace_data import completion, node, row, trace
from trees_in_browser import drawn

from bench.trees import samples_trace, with_result
from sal.reports.trace_data import trace_data

pytest_plugins = ("browser", "tree_opener")


HOSTILE = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
TURNED = "safe \u202eevil\u202c \u2066x\u2069 \x00\x1b[31m\ud800 &lt;b&gt;"


class TestHostileText:
    def data(self, text: str) -> Any:
        failed = node(1, text="", finish="error", error=text)
        made = row(completion(text))
        return trace_data(trace(node(0, text=text, finish="eot"), failed), made) | {
            "question": text,
            "answer": text,
        }

    @pytest.mark.parametrize("text", [HOSTILE, TURNED], ids=["script", "turned"])
    def test_it_stays_text(self, open_tree: Any, text: str) -> None:
        opened = open_tree(self.data(text), path="0")
        page = opened.page
        page.locator(".sal-search").fill("e")
        box = page.locator(".sal-canvas").bounding_box()
        assert box
        page.mouse.move(box["x"] + 50, box["y"] + 30)
        drawn(page)
        assert page.title() == ""
        assert page.locator("#tree img, #tree script").count() == 0
        assert opened.errors == []
        assert opened.requests == []
        shown = page.locator("#tree").inner_text()
        for hidden in "\u202e\u202c\u2066\u2069\x00\x1b":
            assert hidden not in shown

    def test_controls_are_named(self, open_tree: Any) -> None:
        page = open_tree(self.data(TURNED), path="0").page
        text = page.locator(".sal-detail .sal-text").inner_text()
        assert text == "safe U+202Eevil U+202C U+2066x U+2069 ␀␛[31mU+D800 &lt;b&gt;".replace(
            " U+202C", "U+202C"
        ).replace("x U+2069", "xU+2069")
        assert page.evaluate("salTree.visible('\\0'.repeat(5000)).length") < 30

    def test_what_it_turns_around_ends_with_it(self, open_tree: Any) -> None:
        page = open_tree(self.data("\u05d0\u05d1\u05d2 1"), path="0").page
        badge = page.locator(".sal-wrong, .sal-right").first
        assert badge.inner_text().startswith(("✓", "✗"))
        row = page.locator(".sal-row").nth(1)
        chip, said = row.locator(".sal-chip"), row.locator(".sal-words")
        boxes = [chip.bounding_box(), said.bounding_box()]
        assert boxes[0]
        assert boxes[1]
        assert boxes[0]["x"] < boxes[1]["x"]
        isolated = said.evaluate("node => getComputedStyle(node).unicodeBidi")
        assert isolated == "isolate"

    def test_a_line_of_100_kilobytes(self, open_tree: Any) -> None:
        opened = open_tree(self.data("x" * 100_000), path="0", width=400)
        page = opened.page
        assert len(page.locator(".sal-detail .sal-text").first.inner_text()) == 100_000
        assert page.evaluate("document.documentElement.scrollWidth") <= 400

    def test_ten_megabytes_come_in_two_parts(self, open_tree: Any) -> None:
        text = "word and number 12345 \n\n" * 430_000
        data = trace_data(trace(node(0, text=text + "\x00end", scores=[0.5])), None)
        opened = open_tree(data, path="0")
        page = opened.page
        assert len(page.locator(".sal-detail .sal-text").inner_text()) < 250_000
        page.locator(".sal-search").fill("end")
        assert page.locator(".sal-found").inner_text() == "1/1"
        expect(page.locator(".sal-more")).to_contain_text("show all 1032")
        page.locator(".sal-more").click()
        assert page.locator(".sal-detail .sal-text").evaluate("n => n.textContent.endsWith('␀end')")
        assert opened.errors == []


class TestLook:
    def test_dark_and_light(self, open_tree: Any) -> None:
        grounds = []
        for dark in (False, True):
            page = open_tree(dark=dark).page
            ground, ink = page.evaluate(
                "(s => [s.backgroundColor, s.color])(getComputedStyle(document.querySelector('.sal-tree')))"
            )
            assert contrast(rgb(ground), rgb(ink)) > 7
            grounds.append(sum(rgb(ground)))
        assert grounds[0] > 3 * 240
        assert grounds[1] < 3 * 40

    def test_the_theme_can_change_while_it_is_open(self, open_tree: Any) -> None:
        page = open_tree().page
        chip = page.locator(".sal-row", has_text="alpha").locator(".sal-chip")
        before = chip.evaluate("chip => getComputedStyle(chip).backgroundColor")
        page.emulate_media(color_scheme="dark")
        expect(chip).not_to_have_css("background-color", before)

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_numbers_can_be_read_on_every_colour(self, open_tree: Any, theme: str) -> None:
        pairs = open_tree().page.evaluate(
            """theme => { const scale = salTree.scale(theme);
              return [...Array(101).keys()].map((i) => [scale.fill(i / 100), scale.ink(i / 100)]); }""",
            theme,
        )
        inks = {"#000": (0, 0, 0), "#fff": (255, 255, 255)}
        assert min(contrast(rgb(fill), inks[ink]) for fill, ink in pairs) > 4.5

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_low_and_high_differ_for_the_colour_blind(self, open_tree: Any, theme: str) -> None:
        fills = open_tree().page.evaluate(
            "theme => [0, 0.5, 1].map(salTree.scale(theme).fill)", theme
        )
        for blindness in BLINDNESS.values():
            low, middle, high = ([*seen(rgb(f), blindness)] for f in fills)
            assert distance(low, high) > 100, fills
            assert min(distance(low, middle), distance(middle, high)) > 50, fills

    @pytest.mark.parametrize("width", [400, 1200])
    def test_nothing_sticks_out(self, open_tree: Any, width: int) -> None:
        page = open_tree(with_result(samples_trace(5, 3)), path="1~2", width=width).page
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        rows = page.locator(".sal-scroll").bounding_box()
        detail = page.locator(".sal-detail").bounding_box()
        assert rows
        assert detail
        below = detail["y"] >= rows["y"] + rows["height"]
        assert below == (width == 400)
        text = page.locator(".sal-row .sal-words").nth(1).bounding_box()
        assert text
        assert text["width"] > 120


BLINDNESS = {  # Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
    "protan": ((0.1523, 1.0526, -0.2049), (0.1145, 0.7863, 0.0992), (-0.0039, -0.0481, 1.0520)),
    "deutan": ((0.3673, 0.8606, -0.2280), (0.2803, 0.6727, 0.0471), (-0.0118, 0.0430, 0.9689)),
}


def rgb(css: str) -> tuple[int, int, int]:
    r, g, b = (int(part) for part in css[css.index("(") + 1 : -1].split(",")[:3])
    return r, g, b


def linear(part: float) -> float:
    share = part / 255
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """WCAG 2's ratio."""
    light = [
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) for r, g, b in (one, other)
    ]
    return (max(light) + 0.05) / (min(light) + 0.05)


def seen(colour: tuple[int, int, int], blindness: tuple[tuple[float, ...], ...]) -> list[float]:
    """sRGB as it looks to them, 0 to 255."""
    parts = [linear(part) for part in colour]
    mixed = [sum(w * p for w, p in zip(line, parts, strict=True)) for line in blindness]
    clipped = [min(1.0, max(0.0, part)) for part in mixed]
    return [
        255 * (12.92 * c if c <= 0.0031308 else 1.055 * c ** (1 / 2.4) - 0.055) for c in clipped
    ]


def distance(one: list[float], other: list[float]) -> float:
    return float(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5)
