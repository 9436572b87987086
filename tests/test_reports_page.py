"""The report's page in a real browser: what a reader sees, and what hostile output cannot do."""

from __future__ import annotations

import random
import re
import xml.etree.ElementTree as xml
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from reports_examples import Asked, write_run
from test_reports_data import FOUR, RIGHT

from sal.reports import page_traces
from sal.reports.report import folders_of, write_report
from sal.reports.statistics import holm, mcnemar, paired_difference

if TYPE_CHECKING:
    from browser import Opened, Opener

pytest_plugins = ("browser",)

MANY = [
    Asked(f"p{i:04d}", "1", [("1", 0.9), ("2", 0.1)] if i % 3 else [("2", 0.9)], f"Problem {i}?")
    for i in range(3000)
]
CHARTED = ".chart svg"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    truncated = replace(RIGHT, id="q4", found=[("~1", 0.5), ("2", 0.4)])
    write_run(folder / "a", "best-of-n", 4, [*FOUR, truncated])
    write_run(folder / "b", "best-of-n", 16, [*FOUR, truncated])
    write_run(folder / "c", "beam", 4, [*FOUR[:3], replace(RIGHT, id="q3"), truncated])
    write_run(folder / "d", "greedy", 1, [replace(p, found=p.found[:1]) for p in FOUR])
    return write_report(folders_of([folder]), folder / "report.html", "Four", None).page


@pytest.fixture
def opened(open_page: Opener, report: Path) -> Opened:
    return open_page(report)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_label(label, exact=True).select_option(label=option)


def rows(page: Page) -> list[str]:
    """The places of the problems that the table shows, as it numbers them."""
    return page.locator(".body .row .place").all_inner_texts()


class TestTheFile:
    def test_it_opens_from_disk_and_asks_nobody(self, opened: Opened) -> None:
        assert opened.page.title() == "Four"
        expect(opened.page.locator("#about")).to_contain_text("4 runs, 5 problems.")
        assert (opened.requests, opened.errors) == ([], [])

    def test_nothing_that_gets_in_can_ask_the_network(self, opened: Opened) -> None:
        opened.page.evaluate(
            """() => new Promise((done) => {
                const image = new Image();
                image.onerror = done;
                image.src = "http://127.0.0.1:9/spy.png";
            })"""
        )
        assert any("Content Security Policy" in error for error in opened.errors)

    @pytest.mark.parametrize("address", ["", "#run=beam+N%3D4&problem=q1"])
    def test_a_phone_needs_no_sideways_scroll(
        self,
        open_page: Opener,
        report: Path,
        address: str,
    ) -> None:
        page = open_page(report.resolve().as_uri() + address, width=400).page
        if address:
            expect(page.locator("#tree")).to_contain_text("boxed")
        assert page.evaluate("document.documentElement.scrollWidth") <= 400

    def test_light_and_dark(self, open_page: Opener, report: Path) -> None:
        seen = []
        for dark in (False, True):
            page = open_page(report, dark=dark).page
            colours = page.evaluate(
                """() => ["backgroundColor", "color"].map((name) =>
                    getComputedStyle(document.body)[name].match(/\\d+/g).slice(0, 3)
                        .reduce((sum, v) => sum + Number(v), 0) / 3)"""
            )
            seen.append(colours)
        (light, ink), (dim, chalk) = seen
        assert light - ink > 150
        assert chalk - dim > 150


class TestCurves:
    def test_the_reader_switches_axes_and_the_address_keeps_them(self, opened: Opened) -> None:
        page = opened.page
        for option, label in [
            ("tokens generated", "tokens generated a problem"),
            ("FLOPs", "FLOPs a problem"),
            ("seconds", "seconds a problem"),
        ]:
            choose(page, "against", option)
            expect(page.locator(".chart .axis").first).to_have_text(label)
        assert "x=seconds" in page.url
        page.reload()
        expect(page.locator(".chart .axis").first).to_have_text("seconds a problem")

    def test_the_logarithmic_axis(self, opened: Opened) -> None:
        xs = [
            float(opened.page.locator(f".chart .tick:text-is('{n}')").last.get_attribute("x") or 0)
            for n in ("1", "4", "16")
        ]
        assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1])

    def test_points_are_told_by_keyboard_with_their_interval(self, opened: Opened) -> None:
        page = opened.page
        page.locator(CHARTED).focus()
        page.keyboard.press("ArrowRight")
        # 2 of 5 right: the standard error is sqrt(0.3 / 5)
        expect(page.locator(".tip")).to_have_text(
            re.compile(
                r"^best-of-n: 40\.0 % ± 48\.0 \(95 %\), N = 4, 28 tokens, 232k FLOPs, 0\.4 s a problem$"
            )
        )
        page.keyboard.press("ArrowDown")
        expect(page.locator(".tip")).to_have_text(re.compile("^beam: 60.0 %"))

    def test_the_pointer_finds_a_greedy_level_and_points(self, opened: Opened) -> None:
        page = opened.page
        page.locator(".chart [data-line='beam'] .mark").hover()
        expect(page.locator(".tip")).to_contain_text("beam: 60.0 %")
        line = page.locator(".chart .level").bounding_box()
        assert line is not None
        page.mouse.move(line["x"] + line["width"] * 0.37, line["y"])
        expect(page.locator(".tip")).to_contain_text("greedy, tiny: 50.0 %")

    def test_by_another_rule(self, opened: Opened) -> None:
        page = opened.page
        choose(page, "by", "pass@N (any is right)")
        page.locator(".chart [data-line='beam'] .mark").hover()
        expect(page.locator(".tip")).to_contain_text("beam: 80.0 %")
        dashed = page.locator(".legend .dashed").all_inner_texts()
        assert dashed == ["pass@n of best-of-n", "greedy, tiny"]

    def test_lines_are_hidden_and_stay_so(self, opened: Opened) -> None:
        page = opened.page
        page.get_by_role("button", name="beam", exact=True).click()
        expect(page.locator(".chart [data-line='beam']")).to_have_count(0)
        expect(page.get_by_role("button", name="beam", exact=True)).to_be_focused()
        page.reload()
        expect(page.locator(".chart [data-line='beam']")).to_have_count(0)
        page.get_by_role("button", name="show all").click()
        expect(page.locator(".chart [data-line='beam']")).to_have_count(1)

    @pytest.mark.parametrize("dark", [False, True])
    def test_what_is_shown_is_saved(self, open_page: Opener, report: Path, dark: bool) -> None:
        opened = open_page(report, dark=dark)
        page = opened.page
        page.get_by_role("button", name="beam", exact=True).click()
        with page.expect_download() as told:
            page.get_by_role("button", name="save as SVG").click()
        assert told.value.suggested_filename == "accuracy-n.svg"
        root = xml.parse(told.value.path()).getroot()  # noqa: S314 - it is ours
        words = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
        assert "best-of-n" in words
        assert "beam" not in words
        assert "var(" not in xml.tostring(root, "unicode")
        with page.expect_download() as told:
            page.get_by_role("button", name="save as PNG").click()
        with Image.open(told.value.path()) as picture:
            assert picture.width == 2 * float(root.get("width") or 0)
            colours = picture.convert("RGB").getcolors(1 << 24) or []
        assert len(colours) > 20  # it is not blank
        assert (max(colours)[1] == (255, 255, 255)) is not dark
        assert opened.errors == []

    def test_bands(self, opened: Opened) -> None:
        box = opened.page.locator(".chart [data-line='best-of-n'] .band").bounding_box()
        assert box is not None
        assert box["height"] > 50


class TestSignificance:
    def test_the_numbers_are_those_of_python(self, opened: Opened) -> None:
        rng = random.Random(0)
        for n in (1, 5, 40, 300, 3000):
            ours = [rng.random() < 0.6 for _ in range(n)]
            theirs = [a if rng.random() < 0.5 else rng.random() < 0.5 for a in ours]
            bits = [["".join("01"[v] for v in values) for values in (ours, theirs)]]
            found = opened.page.evaluate(
                """([[a, b]]) => {
                    const rows = (bits) => ({ problem: [...bits].map((_, i) => i),
                        right: { chosen: bits } });
                    return salSignificance.paired(rows(a), rows(b), "chosen");
                }""",
                bits,
            )
            expected = paired_difference(ours, theirs)
            assert found["mean"] == pytest.approx(expected.mean, abs=1e-12)
            assert found["p"] == pytest.approx(mcnemar(ours, theirs), rel=1e-9)
            if n > 1:
                assert found["stderr"] == pytest.approx(expected.stderr)

    @pytest.mark.parametrize(("wins", "losses"), [(0, 0), (3, 3), (2000, 1900), (1500, 900)])
    def test_any_counts(self, opened: Opened, wins: int, losses: int) -> None:
        pairs = [(True, False)] * wins + [(False, True)] * losses
        expected = mcnemar([a for a, _ in pairs], [b for _, b in pairs])
        found = opened.page.evaluate("([a, b]) => salSignificance.mcnemar(a, b)", [wins, losses])
        assert found == pytest.approx(expected, rel=1e-6)

    def test_holm(self, opened: Opened) -> None:
        values = [0.04, 0.001, 0.5, 0.02, 0.02, 1.0]
        assert opened.page.evaluate("(v) => salSignificance.holm(v)", values) == holm(values)

    def test_two_runs(self, opened: Opened) -> None:
        page = opened.page
        choose(page, "with", "greedy N=1")
        choose(page, "compare", "beam N=4")
        cells = page.locator("#pairs tbody td").all_inner_texts()
        # on q0 to q3, which both have: greedy is right on q0 and q2, beam on q3 too
        assert cells == ["beam N=4", "4", "+25.0 ± 49.0", "1", "0", "1.0000", "1.0000", ""]

    def test_all_against_one(self, opened: Opened) -> None:
        names = opened.page.locator("#pairs tbody td:first-child").all_inner_texts()
        assert names == ["best-of-n N=16", "beam N=4", "greedy N=1"]
        choose(opened.page, "compare", "all runs of its N")
        names = opened.page.locator("#pairs tbody td:first-child").all_inner_texts()
        assert names == ["beam N=4"]

    def test_a_control_keeps_the_focus(self, opened: Opened) -> None:
        control = opened.page.get_by_label("compare", exact=True)
        control.focus()
        opened.page.keyboard.press("ArrowDown")
        expect(control).to_have_value("budget")
        expect(control).to_be_focused()


class TestCosts:
    def test_a_bar_for_each_run_with_its_parts(self, opened: Opened) -> None:
        bars = opened.page.locator("#costs .stack")
        assert bars.count() == 4
        # of 5 problems: 14 completions of 10 tokens, 40 prefilled and 60 cached each
        assert bars.first.get_attribute("aria-label") == (
            "policy, generated 28, policy, prefilled 40, policy, cached 60, "
            "PRM, prefilled 24, PRM, cached 16"
        )
        choose(opened.page, "tokens", "only those that were computed")
        expect(opened.page.locator("#costs .sum").first).to_have_text("92")


class TestProblems:
    @pytest.mark.parametrize(
        ("filter", "expected"),
        [
            ("all", ["1", "2", "3", "4", "5"]),
            ("wrong", ["2", "4", "5"]),
            ("majority wrong, search right", ["3"]),
            ("PRM fooled", ["2"]),
            ("truncated", ["2", "5"]),
            ("failed", ["4"]),
        ],
    )
    def test_filters(self, opened: Opened, filter: str, expected: list[str]) -> None:
        choose(opened.page, "show", filter)
        expect(opened.page.locator("#problems [role=status]")).to_have_text(f"{len(expected)} of 5")
        assert rows(opened.page) == expected

    def test_search_and_sort(self, open_page: Opener, tmp_path: Path) -> None:
        run = write_run(tmp_path / "run", "dvts", 2, MANY[:200])
        page = open_page(write_report([run], tmp_path / "r.html", "t", None).page).page
        page.keyboard.press("/")
        page.keyboard.type("problem 12")
        expect(page.locator("#problems [role=status]")).to_have_text("11 of 200")
        assert rows(page)[:3] == ["13", "121", "122"]
        page.get_by_role("columnheader", name="#").click()
        assert rows(page)[:2] == ["130", "129"]
        page.get_by_role("columnheader", name="tokens").click()
        assert rows(page)[:2] == ["13", "121"]  # one sample each; else the order of the run
        page.reload()
        assert rows(page)[:2] == ["13", "121"]

    def test_only_rows_in_view_are_there(self, open_page: Opener, tmp_path: Path) -> None:
        run = write_run(tmp_path / "run", "dvts", 2, MANY)
        page = open_page(write_report([run], tmp_path / "r.html", "t", None).page).page
        assert page.locator(".body .row").count() < 40
        page.locator(".body .row").first.focus()
        page.keyboard.press("End")
        expect(page.locator(".row:focus .place")).to_have_text("3000")
        page.keyboard.press("ArrowUp")
        expect(page.locator(".row:focus .place")).to_have_text("2999")
        assert page.locator(".body .row").count() < 40

    def test_a_problem_opens_with_its_tree_and_closes(self, opened: Opened) -> None:
        page = opened.page
        choose(page, "run", "beam N=4")
        page.locator(".body .row").first.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        problem = page.locator("#problem")
        expect(problem.locator("h2")).to_have_text("q1")
        expect(problem).to_contain_text("2 (wrong)")
        expect(page.locator("#tree")).to_contain_text("boxed")
        assert "problem=q1" in page.url
        page.get_by_role("button", name="next →").click()
        expect(problem.locator("h2")).to_have_text("q2")
        page.go_back()
        expect(problem.locator("h2")).to_have_text("q1")
        page.keyboard.press("Escape")
        expect(problem).to_be_hidden()
        assert opened.errors == []

    def test_a_tree_beside_the_page(
        self,
        open_page: Opener,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(page_traces, "WITHIN", 0)
        monkeypatch.setattr(page_traces, "FILE", 1)
        run = write_run(tmp_path / "run", "beam", 4, FOUR)
        written = write_report([run], tmp_path / "a #1%.html", "t", None)
        opened = open_page(written.page.as_uri() + "#problem=q2")
        expect(opened.page.locator("#tree")).to_contain_text("boxed")
        assert opened.requests == [written.traces[2].as_uri()]
        written.traces[1].unlink()
        opened.page.get_by_role("button", name="← previous").click()
        expect(opened.page.locator("#tree")).to_contain_text("is not beside this page")


class TestHostile:
    EVIL = (
        "</script><script>window.hit = 1</script><img src=x onerror='window.hit = 2'>"
        "<!-- \u202e\u2066 \u2028 $x^2 \\href{javascript:window.hit=3}{y}$ "
        "$\\frac{1}{2}$ \\boxed{7} it costs $5 and $6 \ud800"
    )

    @pytest.fixture
    def evil(self, open_page: Opener, tmp_path: Path) -> Opened:
        asked = Asked(
            self.EVIL, self.EVIL, [(self.EVIL, 0.5), ("x" * 100_000, 0.4)], self.EVIL + "y" * 99_000
        )
        run = write_run(tmp_path / "run", "beam", 4, [asked], policy="<b>bold</b>")
        return open_page(write_report([run], tmp_path / "r.html", "<i>t</i>", None).page)

    def test_it_stays_text(self, evil: Opened) -> None:
        page = evil.page
        expect(page.locator("h1")).to_have_text("<i>t</i>")
        expect(page.locator(".body .row")).to_contain_text("<img src=x onerror=")
        page.locator(".body .row").click()
        expect(page.locator("#problem h2")).to_contain_text("</script><script>")
        expect(page.locator("#tree")).to_contain_text("boxed")
        assert page.evaluate("window.hit") is None
        assert page.locator("img, #problem script, [href^='javascript']").count() == 0
        assert evil.errors == []

    def test_what_would_turn_or_hide_text_is_shown(self, evil: Opened) -> None:
        evil.page.locator(".body .row").click()
        question = evil.page.locator("#problem .question")
        expect(question).to_contain_text("⟨U+202E⟩⟨U+2066⟩ ⟨U+2028⟩")
        assert "\u202e" not in evil.page.locator("#problem").inner_text()

    def test_mathematics_is_shown_where_it_is_some(self, evil: Opened) -> None:
        evil.page.locator(".body .row").click()
        question = evil.page.locator("#problem .question")
        assert question.locator("math").count() >= 2
        assert question.locator("math mfrac").count() == 1
        expect(question).to_contain_text("it costs $5 and $6")

    def test_long_text_does_not_widen_the_page(self, evil: Opened) -> None:
        evil.page.locator(".body .row").click()
        assert evil.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_page_that_follows_a_run_is_drawn_again(opened: Opened) -> None:
    page = opened.page
    page.evaluate(
        """() => {
            const data = JSON.parse(document.getElementById("sal-data").textContent);
            data.runs = data.runs.slice(0, 1);
            data.runs[0].owed = 7;
            salReport.update(data);
        }"""
    )
    expect(page.locator("#about")).to_contain_text("1 run, 5 problems, 1 not finished")
    expect(page.locator("#pairs")).to_be_hidden()
