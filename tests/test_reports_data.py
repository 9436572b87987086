"""What a report says, against numbers worked by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reports_examples import Asked, write_run

from sal.reports.curves_svg import Curve, _Frame
from sal.reports.page_data import common_parent, page_data
from sal.reports.run_data import INDEPENDENT, LONGEST, RunData, run_data
from sal.reports.series import Point, series_of
from sal.runs.found import read_run
from sal.runs.registry import STRATEGIES

RIGHT = Asked("q0", "1", [("1", 0.9), ("2", 0.3), ("1", 0.2), ("2", 0.1)])
FOOLED = Asked("q1", "1", [("2", 0.9), ("1", 0.1), ("2", 0.1), ("~1", 0.9)])
RESCUED = Asked("q2", "1", [("1", 0.9), ("2", 0.1), ("2", 0.1), ("2", 0.1)])
FAILED = Asked("q3", "1", [], error="lost")
FOUR = [RIGHT, FOOLED, RESCUED, FAILED]


def loaded(path: Path, strategy: str = "best-of-n", budget: int = 4, **keys: Any) -> RunData:
    problems = keys.pop("problems", FOUR)
    return run_data(read_run(write_run(path, strategy, budget, problems, **keys)))


class TestRun:
    def test_columns(self, tmp_path: Path) -> None:
        columns = loaded(tmp_path).columns
        assert columns.right == {
            "chosen": [True, False, True, False],
            "naive": [True, False, True, False],
            "weighted": [True, False, True, False],
            "majority": [True, False, False, False],
            "pass": [True, True, True, False],
        }
        assert columns.chosen == ["1", "2", "1", ""]
        assert columns.fooled == [False, True, False, False]
        assert columns.truncated == [0, 1, 0, 0]
        assert (columns.completions, columns.correct) == ([4, 4, 4, 0], [2, 1, 1, 0])
        assert columns.error == ["", "", "", "lost"]

    def test_without_a_prm_nobody_was_fooled(self, tmp_path: Path) -> None:
        assert not any(loaded(tmp_path, "majority").columns.fooled)

    def test_costs(self, tmp_path: Path) -> None:
        run = loaded(tmp_path)
        # 120 generated and 4 x 40 prefilled by the policy, 3 x 30 by the PRM; 4 problems in 2 s
        assert run.tokens == {
            "generated": 120, "prefilled": 160, "cached": 240, "prm_prefilled": 90,
            "prm_cached": 60,
        }  # fmt: skip
        assert run.cost == {"tokens": 30, "flops": (2000 * 280 + 4000 * 90) / 4, "seconds": 0.5}

    def test_samples_are_told_where_they_are_independent(self, tmp_path: Path) -> None:
        samples = loaded(tmp_path / "a").samples
        assert samples["pass"][1] == pytest.approx([0.5, 0.25, 0.25, 0])
        assert samples["pass"][2] == pytest.approx([5 / 6, 1 / 2, 1 / 2, 0])
        assert samples["naive"][4] == [1, 0, 1, 0]
        assert set(loaded(tmp_path / "b", "majority").samples) == {"pass", "majority"}
        assert loaded(tmp_path / "c", "beam").samples == {}

    def test_which_strategies_sample_independently(self) -> None:
        told = {name for name, s in STRATEGIES.items() if s.program.independent}
        assert told - {"greedy"} == INDEPENDENT

    def test_what_is_long_is_cut_and_says_so(self, tmp_path: Path) -> None:
        long = replace(RIGHT, question="x" * 100_000)
        (_, question) = loaded(tmp_path, problems=[long]).columns.problems[0]
        assert question == "x" * LONGEST + "… (100,000 characters)"

    def test_a_model_behind_a_url_has_its_name(self, tmp_path: Path) -> None:
        served = {"policy": {"model_path": "org/Llama-1B"}}
        run = loaded(tmp_path, policy="http://127.0.0.1:3000", served=served)
        assert (run.policy, run.prm) == ("org/Llama-1B", "tiny")


class TestSeries:
    def test_seeds_of_one_setting_are_pooled_by_problem(self, tmp_path: Path) -> None:
        other = [replace(RIGHT, found=[("2", 0.9)]), *FOUR[1:]]
        runs = [
            loaded(tmp_path / "a", seed=0),
            loaded(tmp_path / "b", seed=1, problems=other),
        ]
        ((line),) = series_of(runs)
        (point,) = line.points
        # problem by problem 0.5, 0, 1, 0: mean 3/8, variance 11/48 over 4 problems, not 8
        found = point.accuracy("chosen")
        assert found.mean == pytest.approx(3 / 8)
        assert found.stderr == pytest.approx(math.sqrt(11 / 48 / 4))
        assert point.cost("tokens") == pytest.approx((30 + 22.5) / 2)
        assert point.samples["pass"][4].mean == pytest.approx((0.5 + 1 + 1 + 0) / 4)

    def test_budgets_are_a_line_and_a_width_that_follows_them_parts_nothing(
        self, tmp_path: Path
    ) -> None:
        runs = [
            loaded(tmp_path / "b", "beam", 16, params={"width": 4}),
            loaded(tmp_path / "a", "beam", 4, params={"width": 2}),
        ]
        (line,) = series_of(runs)
        assert (line.name, [p.budget for p in line.points]) == ("beam", [4, 16])

    def test_what_differs_at_one_budget_parts_lines_and_names_them(self, tmp_path: Path) -> None:
        runs = [
            loaded(tmp_path / f"{width}-{budget}", "beam", budget, params={"width": width})
            for width in (2, 4)
            for budget in (4, 16)
        ]
        lines = series_of(runs)
        assert [line.name for line in lines] == ["beam · width=2", "beam · width=4"]
        assert [len(line.points) for line in lines] == [2, 2]

    def test_models_and_data_are_named_where_there_are_several(self, tmp_path: Path) -> None:
        runs = [
            loaded(tmp_path / "a", "greedy", 1, prm=None, policy="org/big"),
            loaded(tmp_path / "b", "dvts", 4, policy="org/small"),
            loaded(tmp_path / "c", "dvts", 4, policy="org/small", dataset="math", limit=9),
        ]
        names = [line.name for line in series_of(runs)]
        assert names == [
            "greedy · big · tiny test",
            "dvts · small · tiny test",
            "dvts · small · math test[:9]",
        ]

    def test_models_that_end_alike_are_not_taken_for_one(self, tmp_path: Path) -> None:
        runs = [
            loaded(tmp_path / "a", "dvts", 4, policy="one/last"),
            loaded(tmp_path / "b", "dvts", 16, policy="two/last"),
        ]
        assert [line.name for line in series_of(runs)] == ["dvts · one/last", "dvts · two/last"]

    def test_an_unknown_cost_is_unknown(self, tmp_path: Path) -> None:
        run = loaded(tmp_path)
        blind = replace(run, summary=replace(run.summary, flops={"policy": None, "prm": 1.0}))
        assert Point((run, blind)).cost("flops") is None


class TestPage:
    def test_problems_are_numbered_over_all_runs(self, tmp_path: Path) -> None:
        runs = [
            loaded(tmp_path / "a", problems=FOUR[:2]),
            loaded(tmp_path / "b", "beam", problems=[RESCUED, FOOLED]),
        ]
        data = page_data(runs, "t")
        assert [p["id"] for p in data["problems"]] == ["q0", "q1", "q2"]
        assert [run["rows"]["problem"] for run in data["runs"]] == [[0, 1], [2, 1]]
        assert data["runs"][1]["rows"]["right"]["chosen"] == "10"

    def test_the_same_id_in_two_data_sets_is_two_problems(self, tmp_path: Path) -> None:
        other = replace(RIGHT, question="What else?", answer="7")
        runs = [
            loaded(tmp_path / "a", problems=[RIGHT]),
            loaded(tmp_path / "b", dataset="other", problems=[other]),
        ]
        told = [(p["id"], p["answer"]) for p in page_data(runs, "t")["problems"]]
        assert told == [("q0", "1"), ("q0", "7")]

    def test_curves_of_n_samples_cost_their_share(self, tmp_path: Path) -> None:
        runs = [
            loaded(tmp_path / "a", budget=2, problems=[replace(RIGHT, found=RIGHT.found[:2])]),
            loaded(tmp_path / "b", budget=4, problems=[RIGHT]),
            loaded(tmp_path / "c", "majority", 4, problems=[RIGHT]),
        ]
        samples = page_data(runs, "t")["samples"]
        assert [c["name"] for c in samples] == [
            f"{rule}@n of best-of-n" for rule in ("naive", "weighted", "majority", "pass")
        ]
        points = samples[3]["points"]
        assert [(p["cost"]["n"], p["cost"]["tokens"]) for p in points] == [
            (1, 10),
            (2, 20),
            (4, 40),
        ]
        assert points[0]["accuracy"] == [pytest.approx(0.5), None]
        assert points[0]["cost"]["seconds"] is None

    def test_greedy_runs_are_levels(self, tmp_path: Path) -> None:
        wrong = [replace(RIGHT, found=[("2", 0.5)]), replace(RESCUED, found=[("1", 0.5)])]
        runs = [
            loaded(tmp_path / "a", "greedy", 1, policy="big", problems=wrong),
            loaded(tmp_path / "b", "beam", problems=[RIGHT, RESCUED]),
        ]
        (level,) = page_data(runs, "t")["levels"]
        assert level["name"] == "greedy, big"
        assert level["accuracy"] == [0.5, 0.5]

    def test_labels_are_unique(self, tmp_path: Path) -> None:
        runs = [loaded(tmp_path / "x/a", seed=0), loaded(tmp_path / "x/b", seed=1)]
        runs.append(loaded(tmp_path / "y", "beam"))
        labels = [run["label"] for run in page_data(runs, "t")["runs"]]
        assert labels == ["best-of-n N=4 (x/a)", "best-of-n N=4 (x/b)", "beam N=4"]

    def test_the_common_parent(self) -> None:
        assert common_parent([Path("/a/b/c"), Path("/a/b/d/e")]) == Path("/a/b")

    def test_unfinished_runs_say_so(self, tmp_path: Path) -> None:
        data = page_data([loaded(tmp_path, owed=3)], "t")
        assert data["runs"][0]["owed"] == 3
        assert data["series"][0]["points"][0]["partial"] is True


@pytest.mark.parametrize(
    ("at", "low", "high"), [(1.0, 0.9, 1.0), (0.0, 0.0, 0.1), (0.55, 0.44, 0.56)]
)
def test_equal_values_have_room_around_them(at: float, low: float, high: float) -> None:
    frame = _Frame.around([Curve("", "", "", False, ((4.0, at, 0.0),))], [])
    assert [frame.y0, frame.y1] == pytest.approx([low, high])
