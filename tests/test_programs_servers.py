"""The same programs on real servers: stock SGLang's own backend, and the pooled one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sal.programs.ab_mcts import AbMctsParams, ab_mcts
from sal.programs.beam import BeamParams, beam
from sal.programs.best_of_n import BestOfNParams, best_of_n
from sal.programs.dvts import DvtsParams, dvts
from sal.programs.greedy import GreedyParams, greedy
from sal.programs.mcts import MctsParams, mcts
from sal.programs.particle import ParticleParams, particle
from sal.programs.problem import Problem
from sal.runtime.backend import PooledBackend
from sal.runtime.client import Engine
from sal.verifiers.causal import CausalVerifier
from sal.verifiers.family import load_verifier

pytestmark = pytest.mark.servers

QUESTION = "Let p=12, q=p+4, r=q+p. Find r."
CAP = 160

SEARCHES = pytest.mark.parametrize(
    ("program", "params"),
    [
        (best_of_n, BestOfNParams(budget=4, max_tokens=CAP)),
        (beam, BeamParams(budget=4, width=2, max_tokens=CAP)),
        (dvts, DvtsParams(budget=4, width=2, max_tokens=CAP)),
        (particle, ParticleParams(budget=4, max_tokens=CAP)),
        (mcts, MctsParams(budget=4, width=2, in_flight=2, max_tokens=CAP)),
        (ab_mcts, AbMctsParams(budget=4, in_flight=2, max_tokens=CAP)),
    ],
    ids=["best_of_n", "beam", "dvts", "particle", "mcts", "ab_mcts"],
)


@pytest.fixture
def verifier(prm: Engine) -> CausalVerifier:
    return load_verifier(prm)


@pytest.fixture(params=["stock", "pooled"])
def backend(request: Any, policy_server: str, policy: Engine) -> Iterator[Any]:
    if request.param == "pooled":
        yield PooledBackend(policy)
    else:
        from sglang.lang.backend.runtime_endpoint import RuntimeEndpoint

        yield RuntimeEndpoint(policy_server)


@SEARCHES
def test_a_search_runs_unchanged_on_either_backend(
    program: Any, params: Any, backend: Any, verifier: CausalVerifier
) -> None:
    before = set(threading.enumerate())
    state = program.run(QUESTION, params=params, verifier=verifier, backend=backend)
    result = state["result"]
    assert result.errors == ()
    assert 1 <= len(result.completions) <= params.budget
    for completion in result.completions:
        assert len(completion.scores) == len(completion.steps)
        assert all(0 <= score <= 1 for score in completion.scores)
        assert 0 < completion.tokens <= CAP
        path = [n for n in result.trace.nodes if n.id == completion.node[: len(n.id)]]
        path.sort(key=lambda n: len(n.id))
        assert "\n\n".join(n.text for n in path if n.text).split() == completion.text.split()
    assert all("\n\n" not in n.text for n in result.trace.nodes if n.finish == "separator")
    assert result.trace.policy.requests >= len(result.trace.nodes)
    assert result.trace.prm.requests <= len(result.trace.nodes)
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("Thread-"):
            thread.join(30)
            assert not thread.is_alive()


def test_usage_is_what_the_servers_counted(
    policy: Engine, prm: Engine, verifier: CausalVerifier
) -> None:
    params = BeamParams(budget=4, width=2, max_tokens=CAP)
    result = beam.run(
        Problem(QUESTION, "p"), params=params, verifier=verifier, backend=PooledBackend(policy)
    )["result"]
    assert result.trace.policy == policy.usage
    assert result.trace.prm == prm.usage


def test_what_a_search_forks_comes_from_the_cache(policy: Engine, verifier: CausalVerifier) -> None:
    params = BeamParams(budget=4, width=2, max_tokens=CAP)
    backend = PooledBackend(policy)
    beam.run(QUESTION, params=params, verifier=verifier, backend=backend)
    trace = beam.run(QUESTION, params=params, verifier=verifier, seed=1, backend=backend)["trace"]
    # All but the last token of every prompt that was seen before, in the policy and in the PRM.
    assert trace.policy.cached_tokens > 0.8 * trace.policy.prompt_tokens
    assert trace.prm.cached_tokens > 0.5 * trace.prm.prompt_tokens


def test_token_ids_are_those_of_the_text(policy: Engine, verifier: CausalVerifier) -> None:
    backend = PooledBackend(policy)
    assert backend.tokenizer is not None
    params = DvtsParams(budget=2, width=2, max_tokens=CAP)
    trace = dvts.run(QUESTION, params=params, verifier=verifier, backend=backend)["trace"]
    for node in trace.nodes:
        assert len(node.token_ids) == node.tokens
        assert backend.tokenizer.decode(node.token_ids).strip() == node.text


def test_greedy_is_the_same_on_both_backends(policy_server: str, policy: Engine) -> None:
    from sglang.lang.backend.runtime_endpoint import RuntimeEndpoint

    texts = {
        greedy.run(QUESTION, params=GreedyParams(max_tokens=CAP), backend=backend)["result"]
        .completions[0]
        .text
        for backend in (RuntimeEndpoint(policy_server), PooledBackend(policy))
    }
    assert len(texts) == 1


def test_a_prm_that_is_gone_is_an_error_and_no_score(
    policy: Engine, verifier: CausalVerifier, prm: Engine
) -> None:
    prm.close()
    params = BestOfNParams(budget=2, max_tokens=CAP)
    result = best_of_n.run(
        QUESTION, params=params, verifier=verifier, backend=PooledBackend(policy)
    )["result"]
    assert result.completions == ()
    assert len(result.errors) == 2
    assert all("PRM: Closed" in error for error in result.errors)


def test_a_policy_that_is_gone_hangs_nothing(policy: Engine, verifier: CausalVerifier) -> None:
    backend = PooledBackend(policy)
    policy.close()
    params = DvtsParams(budget=4, width=2, max_tokens=CAP)
    result = dvts.run(QUESTION, params=params, verifier=verifier, backend=backend)["result"]
    assert result.completions == ()
    assert all("policy: Closed" in error for error in result.errors)
