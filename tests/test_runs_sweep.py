"""Sweeps before and beside their servers: axes, cells, folders, groups and votes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from runs_examples import row

import sal.runs.experiment as experiment_module
from sal.programs.trace import Node, Trace
from sal.runs.display import Begun
from sal.runs.errors import FolderError, RunError
from sal.runs.execute import Outcome
from sal.runs.experiment import Experiment
from sal.runs.folder import RunFolder
from sal.runs.node_records import trace_json
from sal.runs.planned_run import PlannedRun
from sal.runs.recipe_file import load
from sal.runs.recipe_yaml import RecipeError
from sal.runs.registry import STRATEGIES
from sal.runs.results import CompletionRow, ResultRow
from sal.runs.settings import Settings
from sal.runs.sweep.axes import read_axes
from sal.runs.sweep.cells import Cell
from sal.runs.sweep.folder import (
    Grid,
    SweepFolder,
    check_grown,
    check_problems,
    grid_of,
    moved_to,
    places,
)
from sal.runs.sweep.revote import families, vote_again
from sal.runs.sweep.sweep import Sweep, served_together
from sal.runs.write_results import write_results
from sal.runtime.plan import Plan
from sal.runtime.shared import Replies
from sal.strategies.aggregate import aggregate
from sal.strategies.voting import elect

PROBLEMS = 3


def grid(folder: Path, text: str) -> Grid:
    """Of a recipe of the tiny suite."""
    file = folder / "recipe.yaml"
    file.write_text(f"dataset: tiny\nlimit: {PROBLEMS}\n{text}", encoding="utf-8")
    loaded = load(file)
    return Grid(loaded.settings, read_axes(loaded.sweep or {}))


def cells(folder: Path, text: str) -> list[Cell]:
    return grid(folder, text).cells(gpu=False)


def names(folder: Path, text: str) -> list[str]:
    return [cell.name for cell in cells(folder, text)]


class TestAxes:
    @pytest.mark.parametrize(
        ("sweep", "line", "words"),
        [
            ("stratgy: [beam]", 4, r"unknown axis 'stratgy' \(did you mean strategy\?\)"),
            ("width: [2]", 4, r"'width'; there are .* and params.NAME"),
            ("strategy: [beem]", 4, r"not 'beem' \(did you mean beam\?\)"),
            ("strategy:\n    - beam\n    - beem", 6, r"not 'beem'"),
            ("strategy: [{strategy: beam, with: 4}]", 4, r"unknown key 'with'"),
            ("strategy: [{strategy: beam, as: a/b}]", 4, r"as: must be a name .* not 'a/b'"),
            ("strategy: [{as: wide}]", 4, r"has a strategy at least"),
            ("strategy: [beam, {strategy: beam, params: {width: 2}}]", 4, r"two are 'beam'.*as: N"),
            ("strategy: [{strategy: beam, params: [4]}]", 4, r"params: must be a mapping"),
            ("budget: [4, 0]", 4, r"budget: must be a whole number of at least 1, not 0"),
            ("budget: [4, 4]", 4, r"budget: 4 stands there twice"),
            ("budget: []", 4, r"budget: an axis has one value at least"),
            ("seed: [-1]", 4, r"seed: must be a whole number of at least 0"),
            ("policy: [1]", 4, r"policy: must be a model's name"),
            ("params.: [1]", 4, r"unknown axis 'params.'"),
        ],
    )
    def test_a_wrong_one_is_refused_with_its_line(
        self, tmp_path: Path, sweep: str, line: int, words: str
    ) -> None:
        with pytest.raises(RecipeError, match=rf"recipe.yaml:{line}: .*{words}"):
            grid(tmp_path, f"sweep:\n  {sweep}\n")

    def test_they_are_written_as_they_are_read(self, tmp_path: Path) -> None:
        text = (
            "sweep:\n"
            "  strategy: [greedy, {strategy: beam, as: sqrt, budget: [4, 16], params: {width: 2}}]\n"
            "  budget: [16, 4]\n  policy: [a, b]\n  prm: c\n  seed: [0, 1]\n"
            "  params.temperature: [0.5, 1]\n"
        )
        axes = grid(tmp_path, text).axes
        assert axes.budgets == (4, 16)
        (tmp_path / "again.yaml").write_text(yaml.safe_dump({"sweep": axes.as_mapping()}))
        assert read_axes(load(tmp_path / "again.yaml").sweep or {}) == axes

    def test_all_are_those_that_are_registered(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(STRATEGIES, "newest", STRATEGIES["beam"])
        found = grid(tmp_path, "sweep:\n  strategy: all\n").axes.methods
        assert [method.strategy for method in found] == list(STRATEGIES)


class TestCells:
    def test_small_budgets_come_first_and_what_takes_no_n_is_searched_once(
        self, tmp_path: Path
    ) -> None:
        found = cells(tmp_path, "sweep:\n  strategy: [greedy, majority, dvts]\n  budget: [8, 4]\n")
        assert [(cell.name, cell.prepared.budget) for cell in found] == [
            ("greedy", 1),
            ("majority-4", 4),
            ("dvts-4", 4),
            ("majority-8", 8),
            ("dvts-8", 8),
        ]

    def test_a_name_says_what_varies_and_models_are_outermost(self, tmp_path: Path) -> None:
        text = (
            "sweep:\n  strategy: [majority, best-of-n]\n  budget: [4]\n  seed: [0, 1]\n"
            "  prm: [tiny, RLHFlow/Llama3.1-8B-PRM-Deepseek-Data]\n"
        )
        assert names(tmp_path, text) == [
            *("majority-4-seed-0", "majority-4-seed-1"),
            *("best-of-n-4-tiny-seed-0", "best-of-n-4-tiny-seed-1"),
            "best-of-n-4-Llama3.1-8B-PRM-Deepseek-Data-seed-0",
            "best-of-n-4-Llama3.1-8B-PRM-Deepseek-Data-seed-1",
        ]

    def test_models_of_one_name_are_told_apart(self, tmp_path: Path) -> None:
        text = "strategy: majority\nsweep:\n  policy: [a/model, b/model, b/other]\n"
        assert names(tmp_path, text) == [
            "majority-16-a-model",
            "majority-16-b-model",
            "majority-16-other",
        ]

    def test_a_strategy_may_have_names_parameters_and_budgets_of_its_own(
        self, tmp_path: Path
    ) -> None:
        text = (
            "sweep:\n  budget: [4, 16]\n  strategy:\n    - beam\n"
            "    - {strategy: beam, as: beam-sqrt, budget: 4, params: {width: 2}}\n"
            "    - {strategy: beam, as: beam-sqrt, budget: 16, params: {width: 8}}\n"
        )
        found = {cell.name: cell.prepared.params.width for cell in cells(tmp_path, text)}
        assert found == {"beam-4": 4, "beam-sqrt-4": 2, "beam-16": 4, "beam-sqrt-16": 8}

    def test_a_parameter_goes_to_those_that_take_it(self, tmp_path: Path) -> None:
        text = (
            "temperature: 0.5\nsweep:\n  strategy: [majority, best-of-n]\n  budget: 4\n"
            "  params.aggregate: [last, min]\n"
        )
        found = cells(tmp_path, text)
        assert [cell.name for cell in found] == [
            "majority-4",
            "best-of-n-4-aggregate-last",
            "best-of-n-4-aggregate-min",
        ]
        assert {cell.prepared.params.temperature for cell in found} == {0.5}
        assert found[2].method == "best-of-n, aggregate=min"

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("sweep:\n  strategy: [greedy]\n  params.width: [2]\n", "no strategy .* takes --width"),
            ("width: 2\nsweep:\n  strategy: [greedy]\n", "no strategy .* takes --width"),
            ("seed: 3\nsweep:\n  strategy: [greedy]\n  seed: [0, 1]\n", "^seed: this sweep varies"),
            ("strategy: beam\nsweep:\n  strategy: [greedy]\n", "^strategy: this sweep varies"),
            ("budget: 4\nsweep:\n  strategy: [beam]\n  budget: [8]\n", "^budget: this sweep"),
            ("width: 4\nsweep:\n  strategy: [beam]\n  params.width: [2]\n", "^width: this sweep"),
            ("sweep:\n  budget: [4]\n", "a sweep has strategies"),
            (
                "sweep:\n  strategy: [beam]\n  params.width: [2, wide]\n",
                "beam-16-width-wide: width",
            ),
        ],
    )
    def test_what_says_nothing_or_two_things_is_refused(
        self, tmp_path: Path, text: str, words: str
    ) -> None:
        with pytest.raises(RunError, match=words):
            cells(tmp_path, text)

    def test_all_cells_that_a_strategy_refuses_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(RunError) as refused:
            cells(
                tmp_path, "sweep:\n  strategy: [majority, dvts, adaptive-dvts]\n  budget: [4, 6]\n"
            )
        assert str(refused.value).splitlines() == [
            "these cells are refused:",
            "  dvts-6: budget must be a multiple of width (4), not 6",
            "  adaptive-dvts-6: budget must be a multiple of width (4), not 6",
        ]


SMALL = "sweep:\n  strategy: [majority, best-of-n]\n  budget: [2, 4]\n"


class TestFolder:
    def sweep_there(self, tmp_path: Path, text: str = SMALL) -> tuple[Path, list[Cell]]:
        """A sweep of which every cell has begun."""
        of = grid(tmp_path, text)
        planned, path = of.cells(gpu=False), tmp_path / "out"
        with SweepFolder(path) as folder:
            folder.write(of, planned)
        for cell in planned:
            with RunFolder(path / cell.name, cell.prepared.recipe, resume=True) as run:
                run.journal.append({"type": "session"})
        return path, planned

    def test_it_says_all_that_its_cells_are(self, tmp_path: Path) -> None:
        path, planned = self.sweep_there(tmp_path)
        there = grid_of(path)
        assert there is not None
        assert [c.prepared.recipe for c in there.cells(gpu=False)] == [
            c.prepared.recipe for c in planned
        ]
        written = yaml.safe_load((path / "sweep.yaml").read_text())
        assert written["policy"] == "tiny"
        assert written["limit"] == PROBLEMS
        assert {"digest", "versions", "problems_digest"} <= written.keys()

    def test_on_a_machine_with_a_gpu_it_is_the_same(self, tmp_path: Path) -> None:
        """There the models by default are others."""
        path, _ = self.sweep_there(tmp_path)
        there = grid_of(path)
        assert there is not None
        assert {c.policy for c in there.cells(gpu=True)} == {"tiny"}

    def test_cells_may_be_added_and_those_that_are_there_keep_their_folders(
        self, tmp_path: Path
    ) -> None:
        path, planned = self.sweep_there(tmp_path)
        more = cells(tmp_path, SMALL + "  seed: [1, 0]\n")
        assert check_grown(planned, more, path) == 4
        found = {c.name: place.name for c, place in zip(more, places(path, more), strict=True)}
        assert found["majority-4-seed-0"] == "majority-4"
        assert found["best-of-n-2-seed-0"] == "best-of-n-2"
        assert found["best-of-n-2-seed-1"] == "best-of-n-2-seed-1"

    @pytest.mark.parametrize(
        ("text", "keys"),
        [
            (SMALL.replace("2, 4", "4, 8"), r"majority-2 .* params.budget$"),
            (SMALL.replace("majority, ", ""), r"majority-2 .* strategy"),
            (SMALL + "  seed: [1, 2]\n", r"majority-2 .* seed$"),
            (f"temperature: 0.5\n{SMALL}", r"majority-2 .* params.temperature$"),
        ],
    )
    def test_whatever_else_differs_is_refused_by_its_key(
        self, tmp_path: Path, text: str, keys: str
    ) -> None:
        path, planned = self.sweep_there(tmp_path)
        with pytest.raises(FolderError, match=rf"none left out or changed: {keys}"):
            check_grown(planned, cells(tmp_path, text), path)

    def test_a_server_may_come_back_at_another_port(self, tmp_path: Path) -> None:
        there = Grid(Settings(strategy="", params={}, policy="http://h:1"), read_axes({}))
        assert moved_to(there, replace(there.base, policy="http://h:2")).base.policy == "http://h:2"
        assert moved_to(there, replace(there.base, policy="a/b")).base.policy == "http://h:1"

    def test_other_problems_are_refused(self, tmp_path: Path) -> None:
        path, planned = self.sweep_there(tmp_path)
        check_problems(path, planned)
        written = yaml.safe_load((path / "sweep.yaml").read_text())
        (path / "sweep.yaml").write_text(yaml.safe_dump({**written, "problems_digest": "0" * 16}))
        with pytest.raises(FolderError, match="tiny holds other problems"):
            check_problems(path, planned)

    def test_a_second_process_is_refused_while_the_first_lives(self, tmp_path: Path) -> None:
        refused = pytest.raises(FolderError, match="another sweep is writing there")
        with SweepFolder(tmp_path / "out"), refused:
            SweepFolder(tmp_path / "out")
        with SweepFolder(tmp_path / "out"):
            assert grid_of(tmp_path / "out") is None

    def test_a_folder_of_something_else_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(FolderError, match="holds no sweep"):
            grid_of(tmp_path)
        with pytest.raises(FolderError, match="not a folder"):
            grid_of(tmp_path / "notes.txt")
        assert grid_of(tmp_path / "nowhere") is None


def judged(id: str, how: Any, *completions: tuple[str, tuple[float, ...], bool]) -> ResultRow:
    """A row whose completions have answers, step scores, and may be right."""
    weights = [aggregate(scores, how) for _, scores, _ in completions]
    chosen = elect([key for key, _, _ in completions], weights)
    rows = tuple(
        CompletionRow(key, ("s",) * len(scores), scores, 3, "eot", key, verdict, weight)
        for (key, scores, right), weight in zip(completions, weights, strict=True)
        for verdict in ["match" if right else "mismatch"]
    )
    correct = {rule: i is not None and completions[i][2] for rule, i in chosen.items()}
    correct["pass"] = any(right for *_, right in completions)
    return replace(row(id), completions=rows, chosen=chosen, correct=correct)


FOUND = (("7", (0.9, 0.1), True), ("8", (0.3, 0.4), False))
"""By `last` and `min` the second wins, by `mean` the first."""


def finish(run: PlannedRun, rows: Sequence[ResultRow]) -> None:
    """As a search leaves it that took 4 s for the first problem, and after a pause 1 s more."""
    with run.open() as folder:
        session = {"type": "session", "problems": len(rows)}
        for number, of in enumerate(rows):
            if number < 2:
                folder.journal.append(session | {"before": 4.0 * number})
            trace = Trace()
            trace.add(Node((0,), of.id, 3, "eot", (0.5,)))
            folder.write_trace(number, of.id, trace_json(of.id, trace))
            folder.journal.append(
                {
                    "type": "problem",
                    "number": number,
                    "at": 1.0 if number else 4.0,
                    "row": of.as_json(),
                }
            )


class TestVotes:
    def runs(self, tmp_path: Path, strategy: str = "best-of-n") -> list[PlannedRun]:
        text = f"sweep:\n  strategy: [{strategy}]\n  budget: 4\n  params.aggregate: [last, mean]\n"
        return [
            PlannedRun(c.prepared, tmp_path / "out" / c.name, title=c.name)
            for c in cells(tmp_path, text)
        ]

    def rows(self, run: PlannedRun, how: str) -> list[ResultRow]:
        ids = [question.id for question in run.prepared.problems.questions]
        return [judged(id, how, *FOUND) for id in ids]

    def test_only_independent_samples_are_one_family(self, tmp_path: Path) -> None:
        assert len(families(self.runs(tmp_path))) == 1
        assert len(families(self.runs(tmp_path, "beam"))) == 2
        assert len(families(self.runs(tmp_path, "adaptive-best-of-n"))) == 2

    def test_another_aggregate_is_another_count_of_the_same_votes(self, tmp_path: Path) -> None:
        last, mean = self.runs(tmp_path)
        finish(last, self.rows(last, "last"))
        assert vote_again(last, mean)
        summary, _ = mean.look()
        assert summary is not None
        assert list(mean.rows()) == self.rows(mean, "mean")
        assert [r.correct["weighted"] for r in mean.rows()] == [True] * PROBLEMS
        there, _ = last.look()
        assert there is not None
        assert summary.policy == there.policy
        assert summary.seconds == there.seconds == 5.0
        traces = [sorted((run.path / "traces").iterdir()) for run in (last, mean)]
        assert [t.read_bytes() for t in traces[1]] == [t.read_bytes() for t in traces[0]]
        assert len(traces[1]) == PROBLEMS

    def test_killed_between_two_problems_it_goes_on(self, tmp_path: Path) -> None:
        last, mean = self.runs(tmp_path)
        finish(last, self.rows(last, "last"))
        finish(mean, self.rows(mean, "mean")[:1])
        (mean.path / "traces").joinpath("stray").write_text("kept")
        assert vote_again(last, mean)
        assert list(mean.rows() if mean.look()[0] else ()) == self.rows(mean, "mean")

    def test_votes_that_weigh_something_else_are_not_counted_again(self, tmp_path: Path) -> None:
        last, mean = self.runs(tmp_path)
        odd = [replace(r, chosen={**r.chosen, "weighted": 0}) for r in self.rows(last, "last")]
        finish(last, odd)
        assert not vote_again(last, mean)
        assert mean.look() == (None, [])

    def test_a_failed_problem_failed_for_all(self, tmp_path: Path) -> None:
        last, mean = self.runs(tmp_path)
        failed, *rest = self.rows(last, "last")
        finish(last, [replace(row(failed.id, error="no reply"), correct={}), *rest])
        assert vote_again(last, mean)
        summary, _ = mean.look()
        assert summary is not None
        assert summary.failed == 1
        assert replace(mean, retry_failed=True).look() == (None, [])


class Follower:
    """A display and an interruption."""

    asked = False

    def __init__(self) -> None:
        self.said: list[str] = []
        self.begun: list[Begun] = []

    def begin(self, run: Begun) -> None:
        self.begun.append(run)

    def note(self, text: str) -> None:
        self.said.append(text)

    def status(self, role: str, text: str) -> None: ...
    def update(self, snapshot: object) -> None: ...
    def close(self) -> None: ...

    @contextmanager
    def deferred(self) -> Iterator[None]:
        yield


@pytest.fixture
def happened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Servers and searches that only say that they were there; every search finds `FOUND`."""
    events: list[str] = []

    class Scripted:
        def __init__(self, plan: Plan, **_: Any) -> None:
            self.name = str(plan.urls["policy"])

        def __enter__(self) -> Scripted:
            events.append(f"start {self.name}")
            return self

        def __exit__(self, *_: object) -> None:
            events.append(f"end {self.name}")

    def search(
        self: Experiment, run: PlannedRun, folder: RunFolder, live: object, *shared: Any
    ) -> None:
        events.append(run.name)
        if f"kill {run.name}" in events:
            raise KeyboardInterrupt
        how = run.prepared.recipe.params.get("aggregate", "last")
        ids = [question.id for question in run.prepared.problems.questions]
        rows = {id: judged(id, how, *FOUND) for id in ids}
        folder.journal.append({"type": "session", "problems": len(rows)})
        for number, of in enumerate(rows.values()):
            record = {"type": "problem", "number": number, "at": 1.0, "row": of.as_json()}
            folder.journal.append(record)
        summary = write_results(run.prepared, folder, rows, 1.0, {})
        self.outcomes[run.path] = Outcome(summary, interrupted=False, timed_out=False)

    monkeypatch.setattr(experiment_module, "Servers", Scripted)
    monkeypatch.setattr(experiment_module, "collect_rarely", lambda: None)
    monkeypatch.setattr(Experiment, "_search", search)
    return events


class TestSweep:
    def sweep(self, tmp_path: Path, text: str, follower: Follower) -> Sweep:
        groups = []
        for (policy, prm), of in served_together(cells(tmp_path, text)).items():
            plan = Plan(urls={"policy": f"{policy}+{prm}"})
            runs = [PlannedRun(c.prepared, tmp_path / "out" / c.name, title=c.name) for c in of]
            groups.append((plan, runs))
        return Sweep(groups, replies=Replies(1 << 20), display=follower, interruption=follower)

    GRID = (
        "sweep:\n  strategy: [majority, best-of-n]\n  budget: [2, 4]\n"
        "  policy: [tiny, p]\n  prm: [tiny, RLHFlow/Llama3.1-8B-PRM-Mistral-Data]\n"
    )

    def test_each_pair_of_models_is_served_once_and_one_ends_before_the_next_begins(
        self, tmp_path: Path, happened: list[str]
    ) -> None:
        follower = Follower()
        done = self.sweep(tmp_path, self.GRID, follower)
        done.run()
        other = "RLHFlow/Llama3.1-8B-PRM-Mistral-Data"
        short = "Llama3.1-8B-PRM-Mistral-Data"
        assert happened == [
            "start tiny+tiny",
            *("majority-2-tiny", "best-of-n-2-tiny-tiny"),
            *("majority-4-tiny", "best-of-n-4-tiny-tiny"),
            *("end tiny+tiny", f"start tiny+{other}"),
            *(f"best-of-n-2-tiny-{short}", f"best-of-n-4-tiny-{short}"),
            *(f"end tiny+{other}", "start p+tiny"),
            *("majority-2-p", "best-of-n-2-p-tiny", "majority-4-p", "best-of-n-4-p-tiny"),
            *("end p+tiny", f"start p+{other}"),
            *(f"best-of-n-2-p-{short}", f"best-of-n-4-p-{short}"),
            f"end p+{other}",
        ]
        assert done.owed == []
        assert [(run.number, run.total) for run in follower.begun] == [
            (i, 12) for i in range(1, 13)
        ]
        assert follower.begun[-1].left == 2.0, "12 completions, of which 6 took 1 s"

    def test_what_is_finished_is_not_searched_again(
        self, tmp_path: Path, happened: list[str]
    ) -> None:
        happened.append("kill best-of-n-4-tiny-tiny")
        with pytest.raises(KeyboardInterrupt):
            self.sweep(tmp_path, self.GRID, Follower()).run()
        assert happened[-1] == "end tiny+tiny"
        happened.clear()
        resumed = self.sweep(tmp_path, self.GRID, Follower())
        assert len(resumed.summaries) == 3
        resumed.run()
        assert happened[:3] == ["start tiny+tiny", "best-of-n-4-tiny-tiny", "end tiny+tiny"]
        happened.clear()
        self.sweep(tmp_path, self.GRID, Follower()).run()
        assert happened == []

    def test_of_aggregates_that_only_vote_one_is_searched(
        self, tmp_path: Path, happened: list[str]
    ) -> None:
        text = (
            "sweep:\n  strategy: [best-of-n, beam]\n  budget: 4\n  params.aggregate: [last, mean]\n"
        )
        follower = Follower()
        done = self.sweep(tmp_path, text, follower)
        done.run()
        searched = [*(f"best-of-n-4-aggregate-{how}" for how in ["last"])]
        searched += [f"beam-4-aggregate-{how}" for how in ("last", "mean")]
        assert happened == ["start tiny+tiny", *searched, "end tiny+tiny"]
        assert follower.said == [
            "best-of-n-4-aggregate-mean: from what best-of-n-4-aggregate-last found"
        ]
        assert len(done.summaries) == 4
        happened.clear()
        assert self.sweep(tmp_path, text, follower).owed == []

    def test_cells_that_are_the_same_are_searched_once(
        self, tmp_path: Path, happened: list[str]
    ) -> None:
        """Beam search of width 4 at N = 16 is that of width sqrt(N)."""
        text = (
            "sweep:\n  budget: [16]\n  strategy:\n    - {strategy: beam, as: m4}\n"
            "    - {strategy: beam, as: sqrt, params: {width: 4}}\n"
        )
        done = self.sweep(tmp_path, text, Follower())
        done.run()
        assert happened == ["start tiny+tiny", "m4-16", "end tiny+tiny"]
        m4, sqrt = done.runs
        assert list(m4.rows()) == list(sqrt.rows())
        planned = cells(tmp_path, text)
        assert places(tmp_path / "out", planned) == [m4.path, sqrt.path]

    def test_where_votes_cannot_be_counted_again_all_are_searched(
        self, tmp_path: Path, happened: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sal.runs.sweep.sweep.vote_again", lambda *_: False)
        text = "sweep:\n  strategy: [best-of-n]\n  budget: 4\n  params.aggregate: [last, mean]\n"
        done = self.sweep(tmp_path, text, Follower())
        done.run()
        assert [name for name in happened if name.startswith("best")] == [
            "best-of-n-4-aggregate-last",
            "best-of-n-4-aggregate-mean",
        ]
        assert done.owed == []
