"""Checkpoints of PRMs with heads, as their authors publish them, and their authors' read-outs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prm_conformance import Reference, broken
from prm_models import (
    backbone,
    llama_tokenizer,
    pieces_tokenizer,
    qwen_tokenizer,
    save_checkpoint,
)

QWEN = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<extra_0>")
PIECES = ("<s>", "</s>")
LLAMA = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."
HIDDEN = 64

Read = Callable[[Any], float]
Inputs = Callable[[Any, str, Sequence[str]], list[list[int]]]
"""Of a transformers tokenizer, a question and its steps, whose control tokens are broken."""


def weights(*shape: int, seed: int) -> Any:
    import torch

    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 0.5


def encode(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


@dataclass(frozen=True)
class Kind:
    """A checkpoint: its backbone, its head's tensors and the architecture's name."""

    backbone: str
    architecture: str
    head: dict[str, tuple[int, ...]]
    qwen: bool = True
    bos: str | None = None
    shards: bool = False
    pieces: bool = False

    def save(self, folder: Path, seed: int = 1) -> tuple[Any, dict[str, Any]]:
        """Write it; returns the backbone and the head's tensors."""
        model = backbone(self.backbone, seed)
        head = {
            name: weights(*shape, seed=seed + i)
            for i, (name, shape) in enumerate(self.head.items())
        }
        save_checkpoint(folder, model, head, self.architecture, shards=self.shards)
        if self.pieces:
            pieces_tokenizer(folder)
        elif self.qwen:
            qwen_tokenizer(folder, bos=self.bos)
        else:
            llama_tokenizer(folder)
        return model, head


TWO = {"score.weight": (2, HIDDEN), "score.bias": (2,)}
MLP = {"score.0.weight": (HIDDEN, HIDDEN), "score.0.bias": (HIDDEN,)}
KINDS: dict[str, Kind] = {
    "classifier": Kind("Qwen2", "Qwen2ForTokenClassification", TWO, shards=True),
    "llama-classifier": Kind("Llama", "LlamaForTokenClassification", TWO, qwen=False),
    "qwen": Kind(
        "Qwen2",
        "Qwen2ForProcessRewardModel",
        {**MLP, "score.2.weight": (2, HIDDEN), "score.2.bias": (2,)},
    ),
    "skywork": Kind(
        "Qwen2",
        "Qwen2ForPrmModel",
        {"v_head.summary.weight": (1, HIDDEN), "v_head.summary.bias": (1,)},
        bos="<|endoftext|>",
    ),
    "universal": Kind(
        "Qwen2",
        "Qwen2ForRewardModel",
        {**MLP, "score.2.weight": (1, HIDDEN), "score.2.bias": (1,)},
    ),
    "reasoneval": Kind(
        "Mistral",
        "ReasonEval_7B",
        {"score_head.weight": (3, HIDDEN), "score_head.bias": (3,)},
        qwen=False,
    ),
    "llemma": Kind("Llama", "LlamaForCausalLM", {"lm_head.weight": (320, HIDDEN)}, pieces=True),
    "outcome": Kind(
        "Llama", "LlamaForSequenceClassification", {"score.weight": (1, HIDDEN)}, qwen=False
    ),
}


def trl(tokenizer: Any, question: str, steps: Sequence[str], end: str = "\n\n") -> list[list[int]]:
    ids = list(tokenizer(question)["input_ids"]) + encode(tokenizer, end)
    found = []
    for step in steps:
        ids = ids + encode(tokenizer, step) + encode(tokenizer, "\n\n")
        found.append(ids)
    return found


def pure(tokenizer: Any, question: str, steps: Sequence[str]) -> list[list[int]]:
    return trl(tokenizer, question, steps, end="")


def qwen(
    tokenizer: Any, question: str, steps: Sequence[str], system: str | None = SYSTEM
) -> list[list[int]]:
    messages = [{"role": "system", "content": system}] if system else []
    messages += [
        {"role": "user", "content": question},
        {"role": "assistant", "content": "<extra_0>".join(steps) + "<extra_0>"},
    ]
    ids = encode(tokenizer, tokenizer.apply_chat_template(messages, tokenize=False))
    mark = tokenizer.encode("<extra_0>", add_special_tokens=False)[0]
    return [ids[: i + 1] for i, token in enumerate(ids) if token == mark]


def reasonflux(tokenizer: Any, question: str, steps: Sequence[str]) -> list[list[int]]:
    return qwen(tokenizer, question, steps, None)


def skywork(tokenizer: Any, question: str, steps: Sequence[str]) -> list[list[int]]:
    ids = encode(tokenizer, tokenizer.bos_token + question + "\n")
    line = encode(tokenizer, "\n")[-1]
    found = []
    for step in steps:
        ids = [*ids, *encode(tokenizer, step.replace("\n", " ")), line]
        found.append(ids)
    return found


def universal(tokenizer: Any, question: str, steps: Sequence[str]) -> list[list[int]]:
    no_reference = "There is no reference answer for this question."
    asked = f"{question}\n\n###\n\nThe reference answer is: {no_reference}"
    messages = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": asked},
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    eos = tokenizer.convert_tokens_to_ids("<|im_end|>")
    found = []
    for k in range(1, len(steps) + 1):
        said = encode(tokenizer, "\n\n".join(steps[:k]) + "\n\n")
        if not all(steps[:k]):  # the authors' split makes no empty step: each by itself
            said = [i for step in steps[:k] for i in encode(tokenizer, step + "\n\n")]
        found.append([*encode(tokenizer, text), *said, eos])
    return found


def reasoneval(tokenizer: Any, question: str, steps: Sequence[str]) -> list[list[int]]:
    separator = "<|end_header_id|>"  # any control token that is removed again
    mark = tokenizer.convert_tokens_to_ids(separator)
    prompt = f"Question:\n{question}\nAnswer:\nLet's think step by step.\n"
    ids = tokenizer(prompt + separator + "".join(f"{step}{separator}" for step in steps))[
        "input_ids"
    ]
    found: list[list[int]] = []
    kept: list[int] = []
    for token in ids:
        if token != mark:
            kept.append(token)
        else:
            found.append(list(kept))
    return found[1:]


def llemma(tokenizer: Any, question: str, steps: Sequence[str]) -> list[list[int]]:
    said = [step.replace("\n\n", "").strip() for step in steps]
    text = f"# Question\n\n{question}\n\n# Solution\n\n"
    found = []
    for step in said:
        text += f"{step}\n\n"
        found.append(list(tokenizer(text)["input_ids"])[:-1])  # to the first of two line breaks
    return found


def reply(tokenizer: Any, question: str, steps: Sequence[str]) -> list[list[int]]:
    """Of an outcome model: the whole solution, for each of its steps."""
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": "\n\n".join(steps)},
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False, date_string="26 Jul 2024")
    return [encode(tokenizer, text)] * len(steps)


def two_class(logits: Any) -> float:
    return float(logits.softmax(-1)[1])


def scalar(logits: Any) -> float:
    return float(logits.sigmoid()[0])


def of_all(logits: Any) -> float:
    return float(logits.mean().sigmoid())


def validity(logits: Any) -> float:
    return float(logits.softmax(-1)[1:].sum())


FAMILIES: dict[str, tuple[str, Inputs, Read]] = {
    "token-classifier": ("classifier", trl, two_class),
    "pure": ("classifier", pure, two_class),
    "reasoneval": ("reasoneval", reasoneval, validity),
    "qwen-prm": ("qwen", qwen, two_class),
    "reasonflux": ("qwen", reasonflux, two_class),
    "universal-prm": ("universal", universal, scalar),
    "skywork": ("skywork", skywork, scalar),
    "llemma": ("llemma", llemma, of_all),
}
"""A family's checkpoint, and how its authors make inputs and scores."""

OUTCOMES: dict[str, tuple[str, Inputs, Read]] = {"outcome-head": ("outcome", reply, scalar)}
"""The same, of families that score whole solutions."""


def reference(folder: Path, name: str, model: Any, head: dict[str, Any]) -> Reference:
    """The authors' read-out of one of `FAMILIES` or `OUTCOMES`."""
    import torch
    from transformers import AutoTokenizer

    kind, inputs, read = (FAMILIES | OUTCOMES)[name]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    controls = PIECES if KINDS[kind].pieces else QWEN if KINDS[kind].qwen else LLAMA

    def score(ids: list[int]) -> float:
        with torch.no_grad():
            x = model(torch.tensor([ids])).last_hidden_state[0, -1]
            layers = sorted({key.rpartition(".")[0] for key in head})
            for i, layer in enumerate(layers):
                x = head[f"{layer}.weight"] @ x + head.get(f"{layer}.bias", 0)
                x = x if i == len(layers) - 1 else x.relu()
        return read(x)

    def plain(question: str, steps: Sequence[str]) -> list[list[int]]:
        seen = [broken(part, controls) for part in (question, *steps)]
        return inputs(tokenizer, seen[0], seen[1:])

    return Reference(plain, score)
