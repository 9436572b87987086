"""Lockstep asks each endpoint once a step, for all beams; its scores are the verifier's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from bench import batch
from bench.batch import Batches
from bench.lockstep import Lockstep, causal_verifier
from bench.ours import TINY_SUITE
from sal.runtime.client import Engine
from sal.runtime.tokenizer import Tokenizer
from sal.strategies.steps import split_steps

QUESTIONS = [row["question"] for row in TINY_SUITE.rows(2)]
NOTHING = {"sampling_params": {"max_new_tokens": 0}}

Call = tuple[Engine, list[Sequence[int]], list[dict[str, Any]]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """What is asked and answered from now on, in turn."""
    made: list[Call] = []
    real = Batches.generate

    def generate(self: Batches, inputs: Any, asked: dict[str, Any]) -> list[dict[str, Any]]:
        replies = real(self, inputs, asked)
        made.append((self.engine, list(inputs), replies))
        return replies

    monkeypatch.setattr(Batches, "generate", generate)
    return made


def lockstep(policy: Engine, prm: Engine, *, newest_only: bool) -> Lockstep:
    tokenizer = Tokenizer.load(str(TINY_SUITE.policy))
    assert tokenizer is not None
    family = causal_verifier(prm).format
    return Lockstep(policy, prm, tokenizer, family, newest_only=newest_only)


@pytest.mark.servers
@pytest.mark.parametrize("newest_only", [False, True])
def test_each_step_is_one_list_to_the_policy_and_one_to_the_prm(
    policy: Engine, prm: Engine, calls: list[Call], newest_only: bool
) -> None:
    lockstep(policy, prm, newest_only=newest_only).run("dvts", QUESTIONS, 8)
    assert [engine for engine, *_ in calls] == [policy, prm] * (len(calls) // 2)
    assert len(calls) > 4
    assert len(calls[0][1]) == 2 * 8
    for step, (written, scored) in enumerate(zip(calls[::2], calls[1::2], strict=True), 1):
        assert len(scored[1]) <= len(written[1]) * (1 if newest_only else step)
    assert (len(calls[3][1]) > len(calls[2][1])) is not newest_only


@pytest.mark.servers
def test_the_prm_reuses_the_steps_before(policy: Engine, prm: Engine, calls: list[Call]) -> None:
    lockstep(policy, prm, newest_only=True).run("dvts", QUESTIONS, 8)
    cached = [reply["meta_info"]["cached_tokens"] for reply in calls[3][2]]
    assert min(cached) >= min(len(ids) for ids in calls[1][1])


@pytest.mark.servers
@pytest.mark.parametrize("newest_only", [False, True])
def test_scores_are_the_verifiers(
    policy: Engine, prm: Engine, calls: list[Call], newest_only: bool
) -> None:
    """Of every solution at its last step: those of all its steps, or of the newest."""
    schedule = lockstep(policy, prm, newest_only=newest_only)
    beams = schedule.best_of_n(QUESTIONS, 4)
    verifier = causal_verifier(prm)
    for beam in beams:
        steps = split_steps(beam.text)
        scores = verifier.score(QUESTIONS[beam.problem], (), steps).scores
        assert len(scores) > 1
        assert beam.scores == pytest.approx(scores[-1:] if newest_only else scores, abs=1e-3)
    assert len(calls) == 2


@pytest.mark.servers
def test_a_list_beyond_the_servers_limit_is_split(
    policy: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "MOST", 2)
    inputs = [[5] * length for length in (3, 9, 4, 7, 6)]
    replies = Batches(policy).generate(inputs, NOTHING)
    assert [r["meta_info"]["prompt_tokens"] for r in replies] == [3, 9, 4, 7, 6]


@pytest.mark.servers
def test_a_refusal_is_told(policy: Engine) -> None:
    with pytest.raises(RuntimeError, match="HTTP 400"):
        Batches(policy).generate([[5]], {"sampling_params": {"no_such_parameter": 1}})
