"""The same programs on real servers: stock SGLang's own backend, and the pooled one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sal.programs.ab_mcts import AbMctsParams, ab_mcts
from sal.programs.adaptive_best_of_n import AdaptiveBestOfNParams, adaptive_best_of_n
from sal.programs.adaptive_dvts import AdaptiveDvtsParams, adaptive_dvts
from sal.programs.beam import BeamParams, beam
from sal.programs.best_of_n import BestOfNParams, best_of_n
from sal.programs.deepconf import DeepConfParams, deepconf
from sal.programs.dvts import DvtsParams, dvts
from sal.programs.ets import EtsParams, ets
from sal.programs.greedy import GreedyParams, greedy
from sal.programs.lookahead import LookaheadParams, lookahead
from sal.programs.majority import MajorityParams, majority
from sal.programs.mcts import MctsParams, mcts
from sal.programs.particle import ParticleParams, particle
from sal.programs.problem import Problem
from sal.programs.rebase import RebaseParams, rebase
from sal.programs.revise import ReviseParams, revise
from sal.programs.trace import ROLLOUT
from sal.runtime.backend import PooledBackend
from sal.runtime.client import Engine
from sal.verifiers.family import load_verifier
from sal.verifiers.interface import Verifier

pytestmark = pytest.mark.servers

QUESTION = "Let p=12, q=p+4, r=q+p. Find r."
CAP = 160

SEARCHES = pytest.mark.parametrize(
    ("program", "params"),
    [
        (best_of_n, BestOfNParams(budget=4, max_tokens=CAP)),
        (beam, BeamParams(budget=4, width=2, max_tokens=CAP)),
        (dvts, DvtsParams(budget=4, width=2, max_tokens=CAP)),
        (adaptive_best_of_n, AdaptiveBestOfNParams(budget=4, batch=2, max_tokens=CAP)),
        (adaptive_dvts, AdaptiveDvtsParams(budget=4, width=2, batch=2, max_tokens=CAP)),
        (deepconf, DeepConfParams(budget=4, warmup=2, batch=2, window=8, max_tokens=CAP)),
        (lookahead, LookaheadParams(budget=4, width=2, max_tokens=CAP)),
        (rebase, RebaseParams(budget=4, max_tokens=CAP)),
        (ets, EtsParams(budget=4, max_tokens=CAP)),
        (particle, ParticleParams(budget=4, max_tokens=CAP)),
        (mcts, MctsParams(budget=4, width=2, in_flight=2, max_tokens=CAP)),
        (ab_mcts, AbMctsParams(budget=4, in_flight=2, max_tokens=CAP)),
        (revise, ReviseParams(budget=6, context=1, max_tokens=CAP)),
    ],
    ids=[
        "best_of_n",
        "beam",
        "dvts",
        "adaptive_best_of_n",
        "adaptive_dvts",
        "deepconf",
        "lookahead",
        "rebase",
        "ets",
        "particle",
        "mcts",
        "ab_mcts",
        "revise",
    ],
)


@pytest.fixture
def verifier(prm: Engine) -> Verifier:
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
    program: Any, params: Any, backend: Any, verifier: Verifier
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
        # A revision starts anew below what it revises.
        path = path[
            max(
                (
                    i
                    for i, n in enumerate(path, 1)
                    if n.id != completion.node and n.finish != "separator"
                ),
                default=0,
            ) :
        ]
        assert "\n\n".join(n.text for n in path if n.text).split() == completion.text.split()
    assert all(
        "\n\n" not in n.text
        for n in result.trace.nodes
        if n.finish == "separator" and n.id[-1] != ROLLOUT
    )
    assert result.trace.policy.requests >= len(result.trace.nodes)
    assert result.trace.prm.requests <= len(result.trace.nodes)
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("Thread-"):
            thread.join(30)
            assert not thread.is_alive()


def test_confidences_are_those_of_every_token(backend: Any) -> None:
    params = DeepConfParams(
        budget=6, warmup=2, batch=4, keep=0.5, window=4, consensus=1.0, max_tokens=CAP
    )
    question = "Let a=5, b=4-a+7, c=b*2-a, d=b-c+4. Find d."
    result = deepconf.run(question, params=params, backend=backend)["result"]
    assert result.errors == ()
    for node in result.trace.nodes:
        assert len(node.data) == node.tokens
        assert all(confidence > 0 for confidence in node.data)
    assert all(c.weight is None or c.weight > 0 for c in result.completions)
    # A step after the first finds all before it in the cache: no logprobs of the prompt are asked.
    usage = result.trace.policy
    assert usage.requests > len(result.completions)
    assert usage.cached_tokens > 0.5 * usage.prompt_tokens


def test_usage_is_what_the_servers_counted(policy: Engine, prm: Engine, verifier: Verifier) -> None:
    params = BeamParams(budget=4, width=2, max_tokens=CAP)
    result = beam.run(
        Problem(QUESTION, "p"), params=params, verifier=verifier, backend=PooledBackend(policy)
    )["result"]
    assert result.trace.policy == policy.usage
    assert result.trace.prm == prm.usage


def test_what_a_search_forks_comes_from_the_cache(policy: Engine, verifier: Verifier) -> None:
    params = BeamParams(budget=4, width=2, max_tokens=CAP)
    backend = PooledBackend(policy)
    beam.run(QUESTION, params=params, verifier=verifier, backend=backend)
    trace = beam.run(QUESTION, params=params, verifier=verifier, seed=1, backend=backend)["trace"]
    # All but the last token of every prompt that was seen before, in the policy and in the PRM.
    assert trace.policy.cached_tokens > 0.8 * trace.policy.prompt_tokens
    assert trace.prm.cached_tokens > 0.5 * trace.prm.prompt_tokens


@pytest.mark.parametrize("context", [7, 2], ids=["growing", "sliding"])
def test_a_revision_is_written_behind_the_ids_of_what_it_revises(
    policy_server: str, verifier: Verifier, context: int
) -> None:
    """Nothing that the policy wrote is tokenised again, nor prefilled while it stays in place."""
    asked: list[tuple[list[int], dict[str, Any]]] = []

    class Recording(Engine):
        def generate(self, payload: dict[str, Any]) -> dict[str, Any]:
            reply = super().generate(payload)
            asked.append((list(payload["input_ids"]), reply))
            return reply

    problem = Problem.of(QUESTION.replace("p", "k"))
    params = ReviseParams(budget=7, ratio=1e9, context=context, max_tokens=CAP)
    with Recording(policy_server) as engine:
        backend = PooledBackend(engine)
        result = revise.run(problem, params=params, verifier=verifier, backend=backend)["result"]
        tokenizer = backend.tokenizer
    assert tokenizer is not None
    assert result.errors == ()
    prompt = tokenizer.encode(problem.prompt or "", special=True)
    request = tokenizer.encode(problem.revision or "")
    view: list[list[int]] = []
    known: list[int] = []
    for (ids, reply), completion in zip(asked, result.completions, strict=True):
        assert ids == prompt + [i for attempt in view for i in attempt + request]
        if ids[: len(known)] == known:  # the window did not slide
            assert reply["meta_info"]["cached_tokens"] >= min(len(known), len(ids) - 1)
        else:
            assert len(view) == context == 2
            assert reply["meta_info"]["cached_tokens"] >= len(prompt)
        if completion.finish == "eot":
            written = reply["output_ids"][:-1]  # without the end of text
            view = [*view, written][-context:]
            known = ids + written
    assert len(view) == min(context, sum(c.finish == "eot" for c in result.completions))
    assert len(view) > 1


def test_token_ids_are_those_of_the_text(policy: Engine, verifier: Verifier) -> None:
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


def test_majority_asks_the_policy_alone(backend: Any, prm: Engine) -> None:
    params = MajorityParams(budget=4, max_tokens=CAP)
    result = majority.run(QUESTION, params=params, verifier=load_verifier(prm), backend=backend)[
        "result"
    ]
    assert result.errors == ()
    assert len(result.completions) == 4
    assert prm.usage.requests == 0


def test_a_prm_that_is_gone_is_an_error_and_no_score(
    policy: Engine, verifier: Verifier, prm: Engine
) -> None:
    prm.close()
    params = BestOfNParams(budget=2, max_tokens=CAP)
    result = best_of_n.run(
        QUESTION, params=params, verifier=verifier, backend=PooledBackend(policy)
    )["result"]
    assert result.completions == ()
    assert len(result.errors) == 2
    assert all("PRM: Closed" in error for error in result.errors)


def test_a_policy_that_is_gone_hangs_nothing(policy: Engine, verifier: Verifier) -> None:
    backend = PooledBackend(policy)
    policy.close()
    params = DvtsParams(budget=4, width=2, max_tokens=CAP)
    result = dvts.run(QUESTION, params=params, verifier=verifier, backend=backend)["result"]
    assert result.completions == ()
    assert all("policy: Closed" in error for error in result.errors)
