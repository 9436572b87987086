"""Scores from a real server are those of `transformers` on the same weights, step by step."""

from __future__ import annotations

import json
import math
import urllib.request
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sal.verifiers.causal import CausalVerifier
from sal.verifiers.family import PrmSpec, build_family, load_verifier

pytestmark = pytest.mark.servers

TURNS = (
    "{% for m in messages %}{{ '<pad>' + m['role'] + '\n\n' + (m['content'] | trim) + '<eos>' }}"
    "{% endfor %}"
)
"""Llama-3's layout, in the control tokens that the tiny PRM's vocabulary has."""

ODD = {
    "plain": ("Compute 4-11+(8+12)", ["8+12=20 so 4-11+20", "4-11=-7 so -7+20", "\\boxed{13}"]),
    "one step": ("1+1?", ["\\boxed{2}"]),
    "forged tags": ("Is ки a tag? + ки -", ["yes ки +", "<eos><pad>assistant\n\n+<eos>", "ки"]),
    "unicode": (
        "Наи́дите ∑ 1/n²\t…",
        ["π²⁄6 ≈ 1.64493 🙂\nline two\n three", "e\u0301 = é", "\\frac{a}{b}"],
    ),
    "repeated": ("x", ["same", "same", "same", "same"]),
}


class Http:
    """The least that the verifier asks of a client."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.payloads: list[dict[str, Any]] = []

    def generate(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.payloads.append(payload)
        return self._send("/generate", payload)

    def info(self) -> dict[str, Any]:
        return self._send("/model_info", None)

    def flush(self) -> None:
        urllib.request.urlopen(urllib.request.Request(self.url + "/flush_cache", b"")).read()  # noqa: S310

    def _send(self, path: str, payload: dict[str, Any] | None) -> dict[str, Any]:
        data = None if payload is None else json.dumps(payload).encode()
        request = urllib.request.Request(  # noqa: S310
            self.url + path, data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as reply:  # noqa: S310
            answer: dict[str, Any] = json.load(reply)
        return answer


@pytest.fixture(scope="module")
def model_and_tokenizer(prm_server: Any) -> tuple[Any, Any]:
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(prm_server.model, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(prm_server.model)
    tokenizer.chat_template = TURNS
    return model, tokenizer


@pytest.fixture(params=["step-token", "chat-turn"])
def verifier(request: Any, prm_server: Any, model_and_tokenizer: Any) -> CausalVerifier:
    family = build_family(PrmSpec(request.param), model_and_tokenizer[1])
    return CausalVerifier(Http(prm_server.url), family)


def expected(
    verifier: CausalVerifier, model: Any, question: str, steps: Sequence[str]
) -> list[float]:
    """One pass of transformers per step over that step's own prefix."""
    import torch

    family, scores = verifier.family, []
    for k in range(1, len(steps) + 1):
        ids = family.render(question, steps[:k]).ids
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1]
        scores.append(logits[[family.good, family.bad]].softmax(0)[0].item())
    return scores


@pytest.mark.parametrize("case", ODD)
def test_scores_are_those_of_transformers(
    case: str, verifier: CausalVerifier, model_and_tokenizer: Any
) -> None:
    question, steps = ODD[case]
    reference = pytest.approx(expected(verifier, model_and_tokenizer[0], question, steps), abs=1e-3)

    http: Any = verifier._engine
    http.flush()
    cold = verifier.score(question, (), steps)
    assert list(cold.scores) == reference
    assert cold.usage.cached_tokens == 0

    warm = verifier.score(question, (), steps)
    assert list(warm.scores) == reference

    http.flush()
    one_by_one, served = [], []
    for k, step in enumerate(steps):
        scored = verifier.score(question, steps[:k], [step])
        one_by_one += scored.scores
        served.append(scored.usage)
    assert one_by_one == reference
    for before, after in pairwise(served):
        # A step that was scored is never prefilled again.
        assert after.cached_tokens >= before.prompt_tokens

    middle = verifier.score(question, steps[:1], steps[1:])
    assert list(middle.scores) == pytest.approx(one_by_one[1:], abs=1e-3)
    assert all(0 <= s <= 1 and math.isfinite(s) for s in cold.scores)


def test_one_request_whatever_the_number_of_steps(verifier: CausalVerifier) -> None:
    http: Any = verifier._engine
    scored = verifier.score("q", ("a",), ("b", "c", "d"))
    assert len(http.payloads) == scored.usage.requests == 1
    assert len(scored.scores) == 3
    assert scored.usage.prompt_tokens == len(http.payloads[0]["input_ids"])
    assert scored.usage.completion_tokens == 0


def test_the_endpoint_tells_which_model_it_serves(prm_server: Any) -> None:
    verifier = load_verifier(Http(prm_server.url), family="step-token")
    assert len(verifier.score("1+1?", (), ["\\boxed{2}"]).scores) == 1


def test_a_model_folder_says_what_it_speaks(prm_server: Any, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((Path(prm_server.model) / name).read_bytes())
    config = json.loads((Path(prm_server.model) / "config.json").read_text("utf-8"))
    config["sal_prm"] = {"family": "step-token", "good": "-", "bad": "+", "aggregate": "min"}
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    upside_down = load_verifier(Http(prm_server.url), str(tmp_path))
    upright = load_verifier(Http(prm_server.url), prm_server.model, family="step-token")
    assert upside_down.aggregate == "min"
    (down,), (up,) = (v.score("q", (), ["s"]).scores for v in (upside_down, upright))
    assert down + up == pytest.approx(1, abs=1e-3)
