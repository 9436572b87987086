"""`sal up`, `sal down`, `sal doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from sal.cli.doctor import doctor
from sal.cli.down import down
from sal.cli.up import up
from sal.runtime import checkup
from sal.runtime.default_models import default_models
from sal.runtime.hardware import Gpu, Hardware
from sal.runtime.warm_servers import WarmServers

app = typer.Typer()
app.command()(up)
app.command()(down)
app.command()(doctor)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAL_STATE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "300")
    return tmp_path


def sal(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def no_gpu() -> Hardware:
    return Hardware((), (0, 1), 16 << 30)


def test_doctor_says_what_would_run(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "detect", no_gpu)
    code, out = sal("doctor", "--policy", "some/model-1B", "--prm", "http://host:1", "--json")
    assert code == 0
    report = json.loads(out)
    found = {check["what"]: check["found"] for check in report["checks"]}
    assert report["ok"] is True
    assert {"python", "sglang", "torch", "transformers", "GPU", "CPU", "sgl_kernel"} <= set(found)
    assert found["plan: policy"].startswith("some/model-1B; no GPU: SGLang's CPU engine")
    assert found["plan: prm"] == "http://host:1"
    assert found["warm servers"].startswith("none")


def test_doctor_says_how_to_mend_what_makes_a_run_impossible(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 8 << 30
    monkeypatch.setattr(
        checkup, "detect", lambda: Hardware((Gpu(0, "GPU", size, size),), (0, 1), size)
    )
    monkeypatch.setattr(checkup, "_PACKAGES", ("sglang", "no-such-package"))
    code, out = sal("doctor", "--policy", "some/model-1B", "--prm", "some/model-8B")
    assert code == 1
    assert "pip install no-such-package" in out
    assert "take smaller models, or 8 such GPUs, or give one as a URL" in out


def test_bad_usage_of_up_is_told_without_a_traceback(state: Path) -> None:
    code, out = sal("up", "--policy", str(state / "absent"))
    assert (code, "there is no model folder" in out) == (2, True)
    code, out = sal("up", "--policy", "some/model", "--policy-arg", "tp 2")
    assert (code, "not an SGLang flag" in out) == (2, True)
    code, out = sal("up", "--policy", "http://host:1")
    assert (code, "Nothing to start" in out) == (2, True)


def test_down_with_nothing_up(state: Path) -> None:
    assert sal("down") == (0, "Nothing is up.\n")


@pytest.mark.servers
def test_up_twice_then_down(state: Path) -> None:
    policy, _ = default_models(None, None)
    if policy is None:
        pytest.skip("this checkout has no tiny weights")
    try:
        code, out = sal("up", "--policy", policy)
        assert code == 0, out
        warm = WarmServers().get("policy")
        assert warm is not None
        assert f"policy: up at {warm.url}" in out
        code, out = sal("up", "--policy", policy)
        assert code == 0
        assert f"policy: already up at {warm.url}" in out
        code, out = sal("up", "--policy", policy, "--policy-arg", "--stream-interval 2")
        assert (code, "sal down" in out) == (2, True)
        code, out = sal("doctor", "--policy", policy)
        assert f"{policy} at {warm.url}, pid {warm.pid}, ready" in out
    finally:
        code, out = sal("down")
    assert (code, out) == (0, f"policy: stopped {policy} (pid {warm.pid})\n")
    assert not warm.alive()
