"""`just bench-verifiers`: what it asks is what it says."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prm_causal import Causal

from bench import siblings
from bench.verifiers import RESULTS
from sal.runtime.client import Engine
from sal.runtime.endpoint_errors import Missing
from sal.verifiers.interface import Scored
from sal.verifiers.registry import OWN, find_family


def test_siblings_share_all_but_their_last_step() -> None:
    nodes = list(siblings.chain(3))
    assert len(nodes) == siblings.DEPTH
    for depth, node in enumerate(nodes):
        assert {len(steps) for steps in node.children} == {depth + 1}
        assert len({steps[:-1] for steps in node.children}) == 1
        assert len(set(node.children)) == siblings.WIDTH


@pytest.mark.parametrize(
    ("inputs", "begin"), [([[1, 2, 3], [1, 2, 4, 5]], 2), ([[1, 2], [1, 2]], 1), ([[1], [2]], 0)]
)
def test_what_they_begin_with_leaves_something_of_each(inputs: list[list[int]], begin: int) -> None:
    assert siblings.common(inputs) == begin


class Lengths:
    """Scores a solution by its number of steps."""

    def score(self, question: str, prefix: Any, steps: Any) -> Scored:
        return Scored(tuple((len(prefix) + k + 1) / 10 for k in range(len(steps))))


@pytest.mark.servers
def test_every_child_is_scored(prm: Engine) -> None:
    with ThreadPoolExecutor(8) as threads:
        scores, seconds = siblings.search(siblings.as_sal(Lengths(), threads), prm, problems=2)
    levels = [depth / 10 for depth in range(1, siblings.DEPTH + 1) for _ in range(siblings.WIDTH)]
    assert scores == levels * 2
    assert seconds > 0


@pytest.mark.servers
def test_the_server_in_rust_scores_no_items(prm: Engine, tmp_path: Path) -> None:
    verifier, _ = Causal(prm, tmp_path).judged("chat-turn", prm)
    with pytest.raises(Missing):
        siblings.together(verifier, prm)(next(siblings.chain(0)))


PAGE = (Path(__file__).parent.parent / "docs" / "verifiers.md").read_text("utf-8")
MEASURED = json.loads(RESULTS.read_text("utf-8"))


def test_the_pages_table_is_what_was_measured() -> None:
    row = r"^\| `([\w-]+)` \| ([\d.e-]+) \| ([\d.]*) ?\| (\d+) \|$"
    told = {name: (*figures,) for name, *figures in re.findall(row, PAGE, re.M)}
    assert told == {
        name: (
            f"{figures['difference']:.0e}",
            "" if (factor := figures["prefill factor"]) is None else f"{factor:.2f}",
            f"{figures['scores a second']:.0f}",
        )
        for name, figures in MEASURED["families"].items()
    }


def test_all_families_that_are_read_at_a_position_are_in_it() -> None:
    read = {name for name in OWN if not find_family(name).writes}
    assert read - set(MEASURED["families"]) == {"implicit", "function"}


def test_they_hold_what_is_promised() -> None:
    for figures in MEASURED["families"].values():
        assert figures["difference"] <= 1e-3
        assert figures["prefill factor"] is None or figures["prefill factor"] <= 1.10
