"""docs/costs.md says what is counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_programs_ets import TestGoldenSteps as Golden

from sal.programs.ets import EtsParams
from sal.runtime.model_cost import model_cost
from sal.runtime.usage import Usage
from sal.tiny.paths import POLICY

PAGE = " ".join((Path(__file__).parent.parent / "docs" / "costs.md").read_text("utf-8").split())


def test_the_example() -> None:
    cost = model_cost(POLICY)
    assert cost is not None
    assert f"the tiny policy has {cost.parameters:,} weights" in PAGE
    assert f"= {cost.attention:,} FLOPs a position" in PAGE
    told = "2 x 899,840 x 30 + 2,048 x (60 x 61/2 - 30 x 31/2)"
    assert told in PAGE
    value = 2 * cost.parameters * 30 + 2048 * (60 * 61 // 2 - 30 * 31 // 2)
    assert cost.flops(Usage(40, 30, 20, 1)) == value


def test_the_row_of_the_default_vectors() -> None:
    precision, recall = Golden().precision_recall(Golden.SETS[1::2])
    row = f"| {EtsParams().cluster_distance} | {precision:.2f} | {recall:.2f} |"
    assert f"the default) {row}" in PAGE


@pytest.mark.parametrize("name", ["attended_tokens", "kv_peak"])
def test_names_that_rows_have(name: str) -> None:
    from runs_examples import row

    content = row("a").as_json()
    assert f"`{name}`" in PAGE
    assert name in content or name in content["usage"]["policy"]
