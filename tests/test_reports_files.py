"""`sal report` on disk: which files there are, and what is in them."""

from __future__ import annotations

import base64
import gzip
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as xml
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reports_examples import Asked, write_run
from test_reports_data import FOUR, RIGHT

from sal.cli.main import main
from sal.reports import html_page, page_traces
from sal.reports.curves_svg import COLOURS, curves_svg
from sal.reports.html_page import json_in_html
from sal.reports.page_traces import PackedTraces
from sal.reports.report import data, folders_of, write_report
from sal.reports.report_markdown import report_markdown
from sal.reports.run_data import problem_key, run_data
from sal.reports.series import series_of
from sal.reports.trace_data import trace_data
from sal.runs.found import read_run


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    folder = tmp_path / "sweep"
    write_run(folder / "best-of-n-16", "best-of-n", 16, FOUR)
    write_run(folder / "best-of-n-4", "best-of-n", 4, FOUR)
    write_run(folder / "beam-4", "beam", 4, [*FOUR[:3], replace(RIGHT, id="q3")], owed=1)
    write_run(folder / "greedy", "greedy", 1, [replace(p, found=p.found[:1]) for p in FOUR])
    return folder


def embedded(html: str, name: str) -> dict[str, Any]:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', html, re.S)
    assert found is not None
    content: dict[str, Any] = json.loads(found[1])
    return content


SVG = "{http://www.w3.org/2000/svg}"


def picture(shown: dict[str, Any], axis: str) -> xml.Element:
    text = curves_svg(shown, axis)
    assert text is not None
    return xml.fromstring(text)  # noqa: S314 - it is ours


class TestCommand:
    def test_a_sweep_gets_its_report_inside(
        self, sweep: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as end:
            main(["report", str(sweep)])
        assert end.value.code == 0
        told = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in told] == [
            f"{sweep}/report.html", f"{sweep}/report.md", f"{sweep}/report-curves"
        ]  # fmt: skip
        assert re.search(r"  \d+ kB$", told[0])
        for address in re.findall(r"\]\(([^)]*)\)", (sweep / "report.md").read_text()):
            assert (sweep / address).is_file()

    def test_out_and_svg(self, sweep: Path, tmp_path: Path) -> None:
        out, svg = tmp_path / "out/mine.html", tmp_path / "figures"
        with pytest.raises(SystemExit):
            main(
                ["report", str(sweep), str(sweep / "greedy"), "--out", str(out), "--svg", str(svg)]
            )
        assert {p.name for p in out.parent.iterdir()} == {"mine.html", "mine.md"}
        assert "](../figures/accuracy-n.svg)" in (tmp_path / "out/mine.md").read_text()
        data = embedded(out.read_text(), "sal-data")
        assert len(data["runs"]) == 4

    def test_where_there_is_no_run(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as end:
            main(["report", str(tmp_path)])
        assert end.value.code == 2
        assert "holds no run" in capsys.readouterr().err

    def test_a_run_of_which_nothing_is_done(
        self, sweep: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        empty = write_run(sweep / "empty", "dvts", 4, [], owed=4)
        with pytest.raises(SystemExit):
            main(["report", str(sweep)])
        assert "nothing is done yet: empty" in capsys.readouterr().err
        with pytest.raises(SystemExit) as end:
            main(["report", str(empty)])
        assert end.value.code == 2


def test_runs_come_by_strategy_and_budget(sweep: Path) -> None:
    names = [folder.name for folder in folders_of([sweep / "greedy", sweep])]
    assert names == ["greedy", "beam-4", "best-of-n-4", "best-of-n-16"]


class TestMarkdown:
    def test_the_tables(self, sweep: Path) -> None:
        text = report_markdown(
            series_of(run_data(read_run(f)) for f in folders_of([sweep])), "A title", []
        )
        assert text.startswith("# A title\n\nNot finished, told by what is done: beam at N = 4 (1 ")
        rows = [line for line in text.splitlines() if line.startswith("| best-of-n")]
        cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
        # 2 of 4 are right; the standard error is sqrt(1/3 / 4)
        assert cells[:4] == ["best-of-n", "4", "50.0 ± 28.9", "0.0 to 100.0"]
        assert "75.0 ± 25.0" in cells
        assert "gain on best-of-n, points" in text
        for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
            widths = {line.replace("\\|", "").count("|") for line in block.splitlines()}
            assert len(widths) == 1

    def test_a_bar_in_a_name_stays_in_its_cell(self, tmp_path: Path) -> None:
        found = [
            run_data(read_run(write_run(tmp_path / name, "dvts", 4, FOUR, policy=f"a|{name}")))
            for name in ("x", "y")
        ]
        assert "| dvts · a\\|x |" in report_markdown(series_of(found), "t", [])

    def test_problems_that_others_do_not_have_are_not_paired(self, sweep: Path) -> None:
        write_run(sweep / "other", "dvts", 4, [replace(RIGHT, id="q9")])
        text = report_markdown(
            series_of(run_data(read_run(f)) for f in folders_of([sweep])), "t", []
        )
        assert "**beam**" in text
        assert "**dvts**" not in text


class TestCurves:
    def test_what_is_drawn(self, sweep: Path) -> None:
        shown = data(map(read_run, folders_of([sweep])), "t")
        root = picture(shown, "n")
        words = [node.text for node in root.iter(SVG + "text")]
        for name in ("beam", "best-of-n", "pass@n of best-of-n", "greedy, tiny", "N (completions)"):
            assert name in words
        assert {"1", "2", "4", "8", "16", "40", "100"} <= set(words)
        circles = list(root.iter(SVG + "circle"))
        assert len(circles) == 4
        colours = {node.get("fill") for node in circles}
        assert colours == set(COLOURS[:3])

    def test_the_heights_are_the_accuracies(self, tmp_path: Path) -> None:
        found = [
            read_run(write_run(tmp_path / "a", "beam", 4, FOUR[:1])),
            read_run(write_run(tmp_path / "b", "beam", 16, FOUR[1:2])),
        ]
        root = picture(data(found, "t"), "n")
        circles = list(root.iter(SVG + "circle"))
        ticks = {
            node.text: float(node.get("y") or 0) - 4
            for node in root.iter(SVG + "text")
            if node.get("text-anchor") == "end"
        }
        heights = [float(circle.get("cy") or 0) for circle in circles]
        assert heights == pytest.approx([ticks["100"], ticks["0"]], abs=0.1)

    def test_an_axis_that_nothing_is_known_of_is_not_drawn(self, sweep: Path) -> None:
        shown = data([read_run(sweep / "beam-4")], "t")
        shown["series"][0]["points"][0]["cost"]["flops"] = None
        assert curves_svg(shown, "flops") is None

    def test_names_that_begin_alike_can_be_told_apart(self, sweep: Path) -> None:
        shown = data([read_run(sweep / "beam-4")], "t")
        name = "beam · a-policy-of-the-family · the-judge-of-"
        shown["series"] = [{**shown["series"][0], "name": name + end} for end in ("a", "b")]
        root = picture(shown, "n")
        legend = [n for n in root.iter(SVG + "text") if str(n.text).startswith("beam")]
        assert [n.text for n in legend] == [name + "a", name + "b"]
        from_left = float(legend[0].get("x") or 0)
        assert float(root.get("width") or 0) - from_left > 6 * len(name)  # at 12 px, Helvetica's

    def test_names_are_text(self, tmp_path: Path) -> None:
        found = [
            read_run(write_run(tmp_path / str(i), "beam", 4, FOUR, policy=name))
            for i, name in enumerate(("<b>", "&c"))
        ]
        root = picture(data(found, "t"), "n")
        words = [node.text for node in root.iter(SVG + "text")]
        assert "beam · <b>" in words

    def test_the_colours_are_those_of_the_page(self) -> None:
        light = html_page.part("style.css").partition("@media")[0]
        assert tuple(re.findall(r"--c\d: (#\w+)", light)) == COLOURS


class TestTraces:
    def test_what_does_not_fit_goes_beside(
        self, sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(page_traces, "FILE", 1)  # a file for each
        beside = tmp_path / "r-traces"
        beside.mkdir()
        (beside / "009-00000.js").write_text("of an earlier report")
        found = read_run(sweep / "beam-4")
        numbers = {problem_key(row): 10 + i for i, row in enumerate(found.rows)}
        monkeypatch.setattr(page_traces, "WITHIN", 500)
        traces = PackedTraces(trace_data, beside)
        traces.add(found, numbers)
        held = traces.as_json()
        assert list(held["packed"]) == ["0/10"]
        trace = json.loads(gzip.decompress(base64.b64decode(held["packed"]["0/10"])))
        assert trace["id"] == "q0"
        assert held["files"] == {0: [(i, f"r-traces/000-0000{i}.js") for i in (1, 2, 3)]}
        assert sorted(p.name for p in beside.iterdir()) == [f"000-0000{i}.js" for i in (1, 2, 3)]
        text = (beside / "000-00002.js").read_text()
        assert re.fullmatch(r'salTraces\.add\(\{"0/12":"[\w+/=]+"\}\);\n', text)

    def test_a_trace_without_its_problem_or_half_written_is_passed_over(self, sweep: Path) -> None:
        (sweep / "greedy/traces/00000-q0.json").write_text('{"id": "q0", "nod')
        (sweep / "greedy/traces/00009-q9.json").write_text('{"id": "q9", "nodes": []}')
        found = read_run(sweep / "greedy")
        traces = PackedTraces(trace_data, sweep / "none")
        traces.add(found, {problem_key(row): i for i, row in enumerate(found.rows)})
        assert set(traces.as_json()["packed"]) == {"0/1", "0/2", "0/3"}


def test_who_reads_runs_does_not_wait_for_sglang() -> None:
    script = "import sys, sal.reports.report as r; print({'sglang', 'torch'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_json_cannot_end_its_element() -> None:
    hostile = {"a": "</script><script>alert(1)</script><!--\u2028\u2029\ud800"}
    text = json_in_html(hostile)
    assert "<" not in text
    assert text.isascii()
    assert json.loads(text) == hostile


def test_what_is_put_into_the_template_is_not_a_template(tmp_path: Path) -> None:
    asked = Asked("q", "1", [("1", 0.5)], question="{{traces}} {{scripts}}")
    run = write_run(tmp_path / "{{data}}", "dvts", 4, [asked])
    written = write_report([run], tmp_path / "r.html", "{{data}}", None)
    html = written.page.read_text()
    assert "<title>{{data}}</title>" in html
    (problem,) = embedded(html, "sal-data")["problems"]
    assert problem["question"] == asked.question


def test_the_licence_of_what_is_not_ours_is_in_the_page(sweep: Path, tmp_path: Path) -> None:
    html = write_report([sweep / "greedy"], tmp_path / "r.html", "t", None).page.read_text()
    assert "Temml" in html
    assert "The MIT License" in html
