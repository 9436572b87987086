"""A program called inside another app's own SGLang program."""

from __future__ import annotations

from typing import Any

import pytest
import sglang as sgl
from programs_scripted import ScriptedPolicy, ScriptedPrm, end

from sal.programs.best_of_n import BestOfNParams, best_of_n
from sal.programs.dvts import DvtsParams, dvts
from sal.programs.problem import Problem
from sal.programs.trace import SearchResult
from sal.runtime.backend import PooledBackend
from sal.runtime.client import Engine
from sal.strategies.seeds import derive
from sal.verifiers.family import load_verifier

SHOTS = "".join(
    f"Let m={i}, n=m+{i}. Find n.\n\nn={i}+{i}={2 * i}\n\n\\boxed{{{2 * i}}}\n\n"
    for i in range(2, 9)
)
QUESTION = "Let p=10, q=2-p+3, r=q-p. Find r."


class Recording(Engine):
    """Keeps what each request found in the cache."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked: list[tuple[int, int]] = []

    def generate(self, payload: dict[str, Any]) -> dict[str, Any]:
        reply = super().generate(payload)
        meta = reply["meta_info"]
        self.asked.append((len(payload["input_ids"]), meta["cached_tokens"]))
        return reply


@sgl.function
def app(s: Any, verifier: Any) -> None:
    s += SHOTS
    s += QUESTION + "\n\n" + sgl.gen("draft", max_tokens=200, temperature=0.0) + "\n\n"
    s["before"] = s.text()
    result = dvts(s, QUESTION, params=DvtsParams(budget=16, width=4), verifier=verifier)
    s["after"] = s.text()
    s["found"] = result
    s += "\n\nAgain: " + sgl.gen("more", max_tokens=4, temperature=0.0)


@pytest.mark.servers
def test_every_fork_shares_what_the_app_wrote_which_is_read_once(
    policy_server: str, prm: Engine
) -> None:
    import subprocess

    subprocess.run(
        ["curl", "-sf", "-X", "POST", f"{policy_server}/flush_cache?timeout=50"], check=True
    )
    with Recording(policy_server) as engine:
        backend = PooledBackend(engine)
        state = app.run(load_verifier(prm), backend=backend)
        state.sync()
        assert state.error() is None
        assert backend.tokenizer is not None
        shots = len(backend.tokenizer.encode(SHOTS, special=True))
    first, *others = engine.asked
    assert first[1] == 0
    assert shots > 100
    assert len(others) > 16
    # Whoever came later found the app's prefix read, and most of its own beginning too.
    assert all(cached >= shots for _, cached in others)
    read = sum(length - cached for length, cached in engine.asked)
    assert read < first[0] + 0.2 * sum(length for length, _ in engine.asked)


@pytest.mark.servers
def test_the_chosen_solution_is_the_apps_to_go_on_from(policy_server: str, prm: Engine) -> None:
    with Recording(policy_server) as engine:
        state = app.run(load_verifier(prm), backend=PooledBackend(engine))
        state.sync()
        assert state.error() is None
    result: SearchResult = state["found"]
    assert state["result"] is result
    assert result.best is not None
    assert state["after"].startswith(state["before"] + QUESTION + "\n\n")
    assert state["after"][len(state["before"] + QUESTION + "\n\n") :].rstrip() == result.best.text
    assert state["draft"] in state["before"]
    # The app's next request finds what the search wrote: its ids are known, and in the cache.
    length, cached = engine.asked[-1]
    assert length - cached < 12


def scripted(prompt: str | None) -> tuple[Any, ScriptedPolicy]:
    policy = ScriptedPolicy({(0,): end("\\boxed{1}"), (1,): end("\\boxed{2}")})
    policy._paths = {derive(0, "q", (i,)): (i,) for i in range(2)}

    @sgl.function
    def program(s: Any) -> None:
        s += "system\n"
        problem = Problem("q", prompt=prompt)
        best_of_n(s, problem, params=BestOfNParams(budget=2), verifier=ScriptedPrm(score))
        s += "!"

    def score(step: str) -> float:
        return 0.9 if "2" in step else 0.1

    state = program.run(backend=policy)
    state.sync()
    assert state.error() is None
    return state, policy


@pytest.mark.parametrize(
    ("prompt", "begins"),
    [(None, "system\nq\n\n"), ("Q: q\nA: ", "system\nQ: q\nA: "), ("", "system\n")],
)
def test_the_prompt_goes_behind_the_apps_text(prompt: str | None, begins: str) -> None:
    state, policy = scripted(prompt)
    assert set(policy.prefixes.values()) == {begins}
    assert state.text() == begins + "\\boxed{2}!"


def test_a_state_that_has_failed_is_not_searched_on() -> None:
    class Failing(ScriptedPolicy):
        def generate(self, s: Any, sampling_params: Any) -> Any:
            raise ConnectionError("gone")

    @sgl.function
    def program(s: Any) -> None:
        s += "system" + sgl.gen("x", max_tokens=3)
        best_of_n(s, "q", params=BestOfNParams(budget=2), verifier=ScriptedPrm())

    with (
        pytest.warns(UserWarning, match="Error in stream_executor"),
        pytest.raises(ConnectionError),
    ):
        program.run(backend=Failing({}))
