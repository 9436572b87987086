"""PRMBench: its data, and its figures against a slow reading of their definition."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.learn.bench import bench, read_sets
from sal.learn.bench_prm import BenchSettings
from sal.learn.errors import LabelError
from sal.learn.prmbench import read_prmbench
from sal.learn.prmbench_figures import KINDS, Item, prmbench_figures
from sal.learn.sets import labels_in

STEPS = st.lists(st.tuples(st.sampled_from([0.0, 0.3, 0.5, 0.6, 1.0]), st.booleans()), min_size=1)


def item(kind: str, question: str, steps: Sequence[tuple[float, bool]]) -> Item:
    if kind == "multi_solutions":
        steps = [(score, True) for score, _ in steps]
    return Item(kind, question, tuple(s for s, _ in steps), tuple(r for _, r in steps))


@st.composite
def benchmarks(draw: st.DrawFn) -> list[Item]:
    """Of each kind one solution at least, of few questions."""
    made = [item(kind, "0", draw(STEPS)) for kind in KINDS]
    more = draw(st.lists(st.tuples(st.sampled_from(KINDS), STEPS), max_size=6))
    return made + [item(kind, str(i % 3 + 1), steps) for i, (kind, steps) in enumerate(more)]


def slow_f1(pairs: Sequence[tuple[bool, bool]], positive: bool) -> float:
    """Of what is said and what is so, by precision and recall."""
    hits = sum(said == so == positive for said, so in pairs)
    called = sum(said == positive for said, _ in pairs)
    there = sum(so == positive for _, so in pairs)
    if not hits:
        return 0.0
    precision, recall = hits / called, hits / there
    return 2 * precision * recall / (precision + recall)


def slow_score(some: Sequence[Item]) -> float:
    pairs = [
        (score > 0.5, right)
        for one in some
        for score, right in zip(one.scores or (), one.right, strict=True)
    ]
    if all(right for _, right in pairs):
        return slow_f1(pairs, True)
    return (slow_f1(pairs, True) + slow_f1(pairs, False)) / 2


@given(benchmarks())
def test_scores_are_those_of_the_definition(made: list[Item]) -> None:
    told = prmbench_figures(made, draws=3)
    assert told["overall"]["score"] == pytest.approx(slow_score(made))
    by_kind = {kind: slow_score([one for one in made if one.kind == kind]) for kind in KINDS}
    assert {kind: told["kinds"][kind]["score"] for kind in KINDS} == pytest.approx(by_kind)
    simplicity = (by_kind["redundency"] + by_kind["circular"]) / 2
    assert told["groups"]["simplicity"]["score"] == pytest.approx(simplicity)


def test_parts_by_hand() -> None:
    right, wrong = True, False
    made = [Item(kind, "a", (0.9,), (True,)) for kind in KINDS if kind != "circular"]
    made += [
        Item("circular", "a", (0.9, 0.6, 0.5, 0.1), (right, wrong, wrong, right)),
        Item("circular", "b", (0.9, 0.2), (right, wrong)),
        Item("circular", "c", None, (right,)),
        Item("correct", "a", (0.9, 0.9, 0.9, 0.1), (right,) * 4),
        Item("correct", "b", (0.1, 0.1), (right,) * 2),  # nothing is called right there
    ]
    told = prmbench_figures(made, draws=3)
    found = told["kinds"]["circular"]
    # right ones said right 2 of 3; wrong ones said wrong 2 of 3
    assert (found["right"], found["wrong"], found["steps"]) == pytest.approx((2 / 3,) * 3)
    assert (found["f1"], found["negative_f1"]) == pytest.approx((2 / 3, 2 / 3))
    assert found["first_error"] == 0.5
    assert found["similarity"] == pytest.approx(abs(2 / 4 - 3 / 4))
    # of 3 x 3 pairs: 0.9, 0.9 and 0.1 against 0.6, 0.5 and 0.2
    assert found["auc"] == pytest.approx(6 / 9)
    assert (told["failed"], told["solutions"]) == (1, 13)
    none_wrong = told["kinds"]["multi_solutions"]
    assert (none_wrong["auc"], none_wrong["negative_f1"], none_wrong["first_error"]) == (None,) * 3


def test_where_nothing_could_be_scored_it_says_so() -> None:
    with pytest.raises(LabelError, match="none of 1 solutions could be scored"):
        prmbench_figures([Item("circular", "a", None, (True,))])


def test_the_interval_holds_the_score_and_draws_whole_questions() -> None:
    """Solutions of a question stand and fall together, so that copies of them add no certainty."""
    dice = random.Random(3)

    def made(questions: int, copies: int) -> list[Item]:
        found = []
        for q in range(questions):
            good = dice.random()
            for kind in KINDS:
                steps = [(good, True), (1 - good, kind == "multi_solutions")]
                found += [item(kind, str(q), steps * copies)]
        return found

    widths = []
    for questions, copies in ((40, 1), (40, 9), (640, 1)):
        told = prmbench_figures(made(questions, copies), draws=200)["overall"]
        low, high = told["interval"]
        assert low <= told["score"] <= high
        widths.append(high - low)
    assert widths[1] > widths[0] / 2
    assert widths[2] < widths[0] / 2


def raw(kind: str, number: int, **told: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "idx": f"q_{number}",
        "original_question": "Q?",
        "original_process": ["1. a", "2. b"],
        "modified_question": "Q!",
        "modified_process": ["1. a", "2. x", "3. b"],
        "error_steps": [] if kind == "multi_solutions" else [2, 9],
        "classification": kind,
        "question": "Q",
    }
    return given | told


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [raw(kind, number) for kind in KINDS for number in range(3)] + [
        raw("multi_solutions", 0)
    ]
    (tmp_path / "prmbench.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setenv("SAL_DATA", str(tmp_path))


@pytest.mark.usefixtures("copy")
def test_it_is_read_from_a_local_copy_each_solution_once() -> None:
    rows = {row.id: row for row in read_prmbench()}
    assert len(rows) == 3 * len(KINDS) + 3
    circular = rows["circular/q_1"]
    assert (circular.question, circular.steps) == ("Q!", ("1. a", "2. x", "3. b"))
    assert circular.labels == (True, False, True)
    correct = rows["correct/q_1"]
    assert (correct.question, correct.steps, correct.labels) == (
        "Q?", ("1. a", "2. b"), (True, True),
    )  # fmt: skip
    assert rows["multi_solutions/q_0"].labels == (True, True, True)
    assert {id.partition("/")[2] for id in rows} == {"q_0", "q_1", "q_2"}
    few = read_sets(["prmbench"], limit=2)["prmbench"]
    assert len(few) == 2 * (len(KINDS) + 1)


def knows(question: str, steps: list[str]) -> list[float]:
    """A PRM that sees an x; of solutions without one it calls the first step wrong."""
    return [0.1 if "x" in step else 0.9 for step in steps]


@pytest.mark.usefixtures("copy")
def test_a_prm_is_measured_on_it_beside_its_pages(tmp_path: Path) -> None:
    settings = BenchSettings(prm=f"{__name__}:knows")
    found = bench(settings, read_sets(["prmbench"]), tmp_path / "bench")
    assert found is not None
    assert "mean" not in found
    told = found["prmbench"]
    assert told["kinds"]["circular"]["score"] == 1.0
    assert told["kinds"]["multi_solutions"]["score"] == pytest.approx(2 * 2 / 3 / (1 + 2 / 3))
    assert json.loads((tmp_path / "bench" / "bench.json").read_text()) == json.loads(
        json.dumps(found)
    )
    page = (tmp_path / "bench" / "bench.md").read_text()
    assert (
        "| NCL circular | 100.0 | 100.0 to 100.0 | 100.0 | 100.0 | 100.0 | 1.000 | 0.100 |" in page
    )
    assert "![calibration](calibration.svg)" in page
    assert "PRMBench (ECE " in (tmp_path / "bench" / "calibration.svg").read_text()


@pytest.mark.recorded
def test_prmbench_as_published(recorded_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """6,216 solutions with 83,456 steps (its section 3): 15 are empty, five solutions there twice."""
    file = need(recorded_data, "prmbench.jsonl")
    rows = [r for r in labels_in(str(file)).rows if not r.id.startswith("correct/")]
    assert len(rows) == 6216
    assert sum(len(row.steps) for row in rows) == 83_456 - 15
    monkeypatch.setenv("SAL_DATA", str(recorded_data))
    assert len(read_prmbench()) == 6211 + 758


@pytest.mark.recorded
def test_recorded_scores_come_to_what_its_own_code_makes_of_them(recorded_data: Path) -> None:
    """Of R-PRM-7B (arXiv 2503.21295), whose authors call a step right above 0.6; that code's figures."""
    scored: dict[str, list[float]] = {}
    made: dict[tuple[str, str], Item] = {}
    for line in need(recorded_data, "prmbench_r_prm.jsonl").read_text().splitlines():
        row = json.loads(line)
        scored[row["idx"]] = row["scores"]["step_level_validity_scores"]
    for line in need(recorded_data, "prmbench.jsonl").read_text().splitlines():
        row = json.loads(line)
        kind, number = row["classification"], row["idx"]
        scores = tuple(score - 0.1 for score in scored[f"{kind}_{number}"])
        right = tuple(k not in row["error_steps"] for k in range(1, len(scores) + 1))
        made.setdefault((kind, number), Item(kind, number, scores, right))
    told = prmbench_figures(list(made.values()))
    assert round(100 * told["overall"]["score"], 1) == 64.9
    groups = {name: round(100 * of["score"], 1) for name, of in told["groups"].items()}
    assert groups == {"simplicity": 58.7, "soundness": 66.4, "sensitivity": 75.7}


def need(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        pytest.skip(f"the recorded data have no {name}")
    return folder / name
