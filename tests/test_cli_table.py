"""The table that a run ends with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from runs_examples import row

from sal.cli.table import summary_table
from sal.runs.summary import Summary, summarise
from sal.runtime.model_cost import ModelCost
from sal.runtime.usage import Usage


def summary(**changes: object) -> Summary:
    """100 prompt tokens of which 60 are cached, 10 generated, 4,000 positions attended."""
    rows = [replace(row("a"), kv_peak=1234)]
    made = summarise(
        rows,
        strategy="beam",
        budget=4,
        owed=0,
        seconds=1.0,
        versions={},
        recipe="",
        models={"policy": ModelCost(10**9, 0), "prm": None},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def cells(of: Summary) -> dict[str, str]:
    lines = summary_table(of, Path("runs/x")).splitlines()
    return dict([cell.strip() for cell in line.strip("|").split("|")] for line in lines)


def test_what_the_policy_and_the_prm_computed_stand_apart() -> None:
    assert cells(summary())["compute"] == "policy 100 GFLOPs, PRM unknown"
    assert cells(summary(prm=Usage()))["compute"] == "policy 100 GFLOPs"


@pytest.mark.parametrize(
    ("flops", "told"),
    [(8.1e5, "0.81 MFLOPs"), (2.5e9, "2.5 GFLOPs"), (3.21e13, "32.1 TFLOPs"), (4e19, "40 EFLOPs")],
)
def test_flops_in_words(flops: float, told: str) -> None:
    assert cells(summary(flops={"policy": flops, "prm": 0.0}))["compute"].startswith(
        f"policy {told},"
    )


def test_the_kv_cache_held() -> None:
    peak = "1.2k tokens at a search's peak, 1.2k at most"
    assert cells(summary())["KV held"] == peak
    assert cells(summary(kv_peak={"mean": None, "max": None}))["KV held"] == "unknown"
