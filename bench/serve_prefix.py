"""`python -m bench.serve_prefix`: what `sal serve` keeps of a conversation until its next turn.

A first turn of many tokens, then 20 other conversations, then the second turn; and the same second
turn once more from cold caches. Of the first turn's tokens the share that the second turn found in
each engine's cache, and its seconds to the first words of the search, warm and cold.

    python -m bench.serve_prefix            the tiny suite, 3,500 tokens, the others as long
    python -m bench.serve_prefix smollm2    SmolLM2 as policy and as PRM, 6,000 tokens
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from bench import ours
from bench.figures import start_servers
from bench.serving import LIMIT_S, Gateway
from sal.runs.endpoints import model_location
from sal.runs.recipe import installed_versions
from sal.runtime.client import Engine
from sal.runtime.hardware import detect
from sal.runtime.launch import Server, stop_all
from sal.runtime.placement import beside
from sal.runtime.plan import make_plan
from sal.runtime.tokenizer import Tokenizer
from sal.tiny.fresh import fresh_problems

RESULTS = Path(__file__).with_name("results-serve-prefix.json")
OTHERS = 20
SHARES, FIRST_WORDS = "best-of-n@1", "best-of-n@4"
"""One request to each engine, whose cached tokens are the share; and a search of several."""


@dataclass(frozen=True, slots=True)
class Case:
    """A model for both roles, the tokens of a first turn and of the others', and of a solution.

    A chat model ends without a word behind problems alone: `wish` is what it has an answer to."""

    model: str
    tokens: int
    others: int
    solution: int
    wish: str = ""


CASES = {
    "tiny": Case("tiny", tokens=3500, others=3500, solution=16),
    "smollm2": Case(
        "smollm2", tokens=6000, others=200, solution=16, wish="Write a sentence about apples."
    ),
}


@dataclass(frozen=True, slots=True)
class Turn:
    """A reply: seconds to its first words, its text, and what it tells of tokens."""

    first: float
    text: str
    usage: dict[str, Any]
    engines: dict[str, Any]

    @property
    def tokens(self) -> int:
        """Of the conversation so far, this reply's included, as the policy counts them."""
        hidden = self.usage["completion_tokens_details"]["reasoning_tokens"]
        return int(self.usage["prompt_tokens"] + self.usage["completion_tokens"] - hidden)


def ask(url: str, model: str, messages: Sequence[dict[str, str]], tokens: int) -> Turn:
    """One turn, as a stream. Raises RuntimeError for one that fails."""
    body = {"model": model, "messages": messages, "max_tokens": tokens, "seed": 1, "stream": True}
    body["stream_options"] = {"include_usage": True}
    first, text = 0.0, ""
    told: dict[str, Any] = {}
    began = time.monotonic()
    with (
        httpx.Client(timeout=LIMIT_S, trust_env=False) as client,
        client.stream("POST", f"{url}/v1/chat/completions", json=body) as reply,
    ):
        for line in reply.iter_lines():
            if not line.startswith("data: {"):
                continue
            chunk = json.loads(line.removeprefix("data: "))
            told |= {name: chunk[name] for name in ("sal", "usage", "error") if chunk.get(name)}
            for choice in chunk.get("choices", ()):
                delta = choice["delta"]
                if not first and (delta.get("content") or delta.get("reasoning")):
                    first = time.monotonic() - began
                text += delta.get("content") or ""
    if "sal" not in told:
        raise RuntimeError(f"{model}: HTTP {reply.status_code}: {told.get('error')}")
    return Turn(first, text, told["usage"], told["sal"]["usage"])


class Talks:
    """Conversations with the gateway, each of other words."""

    def __init__(self, url: str, case: Case, tokenizer: Tokenizer) -> None:
        self.url, self.case, self.tokenizer = url, case, tokenizer
        self._problems = fresh_problems(100_000, seed=4)

    def words(self, tokens: int) -> str:
        """About as many tokens of problems."""
        text = next(self._problems).question
        while len(self.tokenizer.encode(text)) < tokens:
            text += " " + next(self._problems).question
        return f"{text} {self.case.wish}".strip()

    def others(self) -> None:
        for _ in range(OTHERS):
            question = self.words(self.case.others)
            ask(self.url, FIRST_WORDS, [_user(question)], self.case.solution)

    def two_turns(self, model: str) -> tuple[Turn, Turn, list[dict[str, str]]]:
        """The first, the second with others between, and what the second asked."""
        asked = [_user(self.words(self.case.tokens))]
        one = ask(self.url, model, asked, self.case.solution)
        self.others()
        asked += [{"role": "assistant", "content": one.text}, _user(self.words(20))]
        return one, ask(self.url, model, asked, self.case.solution), asked


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def measure(talks: Talks, engines: Sequence[Engine]) -> dict[str, Any]:
    """Two conversations: one for the shares, one for the seconds."""
    ours.flush(*engines)
    one, two, _ = talks.two_turns(SHARES)
    firsts = {"policy": one.tokens, "prm": one.engines["prm"]["prompt_tokens"]}
    shares = {
        role: round(two.engines[role]["cached_tokens"] / two.engines[role]["requests"] / tokens, 3)
        for role, tokens in firsts.items()
    }
    ours.flush(*engines)
    _, warm, asked = talks.two_turns(FIRST_WORDS)
    ours.flush(*engines)
    cold = ask(talks.url, FIRST_WORDS, asked, talks.case.solution)
    return {
        "tokens of the first turn": firsts,
        "requests of the second": {role: two.engines[role]["requests"] for role in firsts},
        "cached of them for each request of the second": shares,
        "first words, s": {"warm": round(warm.first, 2), "cold": round(cold.first, 2)},
        "cold / warm": round(cold.first / warm.first, 2),
    }


def main(arguments: Sequence[str]) -> int:
    name = arguments[0] if arguments else "tiny"
    if name not in CASES:
        print(f"bench.serve_prefix takes one of {', '.join(CASES)}, not {name!r}", file=sys.stderr)
        return 2
    console = Console(stderr=True)
    case = CASES[name]
    policy_model, prm_model = (
        model_location(case.model, "policy"),
        model_location(case.model, "prm"),
    )
    figures: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as logs:
        plan = make_plan(detect(), policy_model, prm_model)
        servers = [Server(spec, Path(logs)) for spec in plan.servers.values()]
        start_servers(servers, console)
        try:
            with Engine(servers[0].url) as policy, Engine(servers[1].url) as prm, beside(policy):
                words = ["dvts", "--budget", "4"]
                if case.model != "tiny":
                    words += ["--prm-family", "chat-turn"]
                tokenizer = Tokenizer.load(str(policy_model))
                if tokenizer is None:
                    raise SystemExit(f"{policy_model} holds no tokenizer")
                with Gateway(policy, prm, words) as gateway:
                    figures[name] = measure(Talks(gateway.url, case, tokenizer), (policy, prm))
        finally:
            stop_all(servers)
    about = {"machine": ours.machine(), "versions": installed_versions()}
    RESULTS.write_text(json.dumps(about | figures, indent=1) + "\n")
    print(json.dumps(figures[name], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
