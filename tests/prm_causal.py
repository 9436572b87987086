"""Causal PRM families, read as by their authors' code, on the tiny PRM's weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prm_conformance import Positional, Reference, broken, verifier_of
from prm_models import llama_tokenizer, qwen_tokenizer

from sal.runtime.client import Engine
from sal.verifiers.contract import Prm
from sal.verifiers.interface import Verifier
from sal.verifiers.registry import find_family

LLAMA = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
QWEN = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<extra_0>")

Texts = Callable[[str, Sequence[str]], str]


def shepherd(question: str, steps: Sequence[str]) -> str:
    return f"{question} " + "\n".join(f"{step} ки" for step in steps)


def er_prm(question: str, steps: Sequence[str]) -> str:
    return shepherd(question, steps).replace(" ки\n", " ки")


def versa_prm(question: str, steps: Sequence[str]) -> str:
    tag = " \n\n\n\n"
    steps = [step.strip().replace(tag, "") for step in steps]
    question = question.strip().replace(tag, "")
    return f"{question} \n\n" + "".join(f"{step}{tag}" for step in steps)


def math_psa(question: str, steps: Sequence[str]) -> str:
    lines = [step.replace("\n", "") for step in steps]
    numbered = [f"Step {k}: {step} \n\n\n\n\n " for k, step in enumerate(lines, 1)]
    return question.replace("\n", "") + " " + "".join(numbered)


FAMILIES: dict[str, tuple[str, Texts, str, str]] = {
    "step-token": ("llama", shepherd, " ки", "+-"),
    "er-prm": ("llama", er_prm, " ки", " + -"),
    "versa-prm": ("llama", versa_prm, " \n\n\n\n", "+-"),
    "math-psa": ("qwen", math_psa, " \n\n\n\n\n", " + -"),
}
"""The tokenizer, the authors' text, a text whose last token is the tag, and the two verdicts."""


def pair_score(model: Any, good: int, bad: int) -> Callable[[list[int]], float]:
    def score(ids: list[int]) -> float:
        import torch

        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1]
        return float(logits[[good, bad]].softmax(0)[0])

    return score


def _step_token(folder: Path, name: str, model: Any) -> Reference:
    from transformers import AutoTokenizer

    _, text, tag, verdicts = FAMILIES[name]
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def encode(words: str) -> list[int]:
        return list(tokenizer(words, add_special_tokens=False)["input_ids"])

    tag_id = encode(tag)[-1]
    good, bad = (i for i in encode(verdicts) if tokenizer.decode([i]).strip())

    def inputs(question: str, steps: Sequence[str]) -> list[list[int]]:
        spelled = LLAMA if FAMILIES[name][0] == "llama" else QWEN
        tags = ("ки",) if tag == " ки" else ()
        plain = [broken(part, (*spelled, *tags)) for part in (question, *steps)]
        ids = list(tokenizer(text(plain[0], plain[1:]))["input_ids"])
        places = [i for i, token in enumerate(ids) if token == tag_id]
        assert len(places) == len(steps)
        return [ids[: place + 1] for place in places]

    return Reference(inputs, pair_score(model, good, bad))


def _chat_turn(folder: Path, _: str, model: Any) -> Reference:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)

    def ids_of(messages: list[dict[str, str]]) -> list[int]:
        text = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, date_string="26 Jul 2024"
        )
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    def inputs(question: str, steps: Sequence[str]) -> list[list[int]]:
        plain = [broken(part, LLAMA) for part in (f"{question} {steps[0]}", *steps[1:])]
        messages: list[dict[str, str]] = []
        found = []
        for turn in plain:
            messages.append({"role": "user", "content": turn})
            found.append(ids_of(messages))
            messages.append({"role": "assistant", "content": "+"})
        return found

    plus, minus = (tokenizer(v, add_special_tokens=False)["input_ids"][-1] for v in "+-")
    return Reference(inputs, pair_score(model, plus, minus))


NAMES = (*FAMILIES, "chat-turn")
OUTCOME = "outcome-chat"


class Causal:
    """The tiny PRM as `engine` serves it, under tokenizers of the families' kinds in `base`."""

    def __init__(self, engine: Engine, base: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        llama_tokenizer(base / "llama")
        qwen_tokenizer(base / "qwen")
        folder = engine.info()["model_path"]
        self._base = base
        self._model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def judged(self, name: str, engine: Engine) -> tuple[Positional, Reference]:
        """One of `NAMES`: its verifier, and its authors' read-out."""
        prm = self._prm(name, engine)
        read = _step_token if name in FAMILIES else _chat_turn
        return verifier_of(find_family(name), prm), read(Path(prm.model), name, self._model)

    def outcome(self, engine: Engine) -> tuple[Verifier, Reference]:
        """RLHFlow's of whole solutions."""
        prm = self._prm(OUTCOME, engine)
        turns = _chat_turn(Path(prm.model), OUTCOME, self._model)

        def inputs(question: str, steps: Sequence[str]) -> list[list[int]]:
            return turns.inputs(question, ["\n\n".join(steps)]) * len(steps)

        return find_family(OUTCOME).build(prm), Reference(inputs, turns.score)

    def _prm(self, name: str, engine: Engine) -> Prm:
        folder = self._base / (FAMILIES[name][0] if name in FAMILIES else "llama")
        return Prm(str(folder), {}, find_family(name).options({}), engine)
