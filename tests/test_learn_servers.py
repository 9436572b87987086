"""A PRM of either head, trained here, on a stock SGLang server: its scores are its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from learn_examples import base_model, labelled, scores_of

from sal.learn.bench import bench
from sal.learn.bench_folder import JOURNAL
from sal.learn.bench_prm import BenchSettings
from sal.learn.train import TrainSettings, plan, train
from sal.learn.weights import weights_digest
from sal.runs.journal import read_records

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("family", ["step-token", "token-classifier"])
def test_a_trained_prm_scores_on_a_server_as_it_does_in_training(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAL_STATE", str(tmp_path / "state"))
    base = base_model(tmp_path / "base", hidden=64)
    settings = TrainSettings(
        base=str(base), family=family, held_out=0.2, learning_rate=4e-3, epochs=3, batch_size=16
    )
    figures = train(plan(settings, labelled(200)), tmp_path / "prm", lambda _: None)
    assert figures is not None
    rows = labelled(30, seed=1)
    told = BenchSettings(prm=str(tmp_path / "prm"), prm_args=("--max-total-tokens 16384",))
    found = bench(told, {"own": rows}, tmp_path / "bench")
    assert found is not None
    assert found["subsets"]["own"]["best"]["f1"] > 0.9
    assert found["weights"] == figures["weights"] == weights_digest(str(tmp_path / "prm"))
    records = read_records(tmp_path / "bench" / JOURNAL)
    served = {r["id"]: r["scores"] for r in records if r["type"] == "scores"}
    for row, scores in zip(rows, scores_of(tmp_path / "prm", rows), strict=True):
        assert served[row.id] == pytest.approx(scores, abs=1e-3)
