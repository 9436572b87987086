"""Sampling from the policy and asking the PRM in plain torch.

This serves training and its evaluation alone; searches run on SGLang.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from sal.tiny.tokenizer import TAG, judged_text

ROWS = 256
"""Sequences that are worked on at once."""

LONGEST_STEP = 40
"""Tokens; a step that goes on is broken off."""


class Sampler:
    """The policy: continues token sequences by one step or to the end of text."""

    def __init__(self, folder: Path, temperature: float, seed: int) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.temperature = temperature
        self.random = torch.Generator().manual_seed(seed)
        self.separator = self.tokenizer.convert_tokens_to_ids("ĊĊ")

    def solutions(
        self, questions: Sequence[str], begun: Sequence[Sequence[str]], most_steps: int
    ) -> list[list[str]]:
        """The steps of one solution per question, which goes on from `begun`.

        At most `most_steps` are added.
        """
        starts = [
            "".join(f"{part}\n\n" for part in (q, *b))
            for q, b in zip(questions, begun, strict=True)
        ]
        prompts = self.tokenizer(starts)["input_ids"]
        ids = [list(prompt) for prompt in prompts]
        going = list(range(len(ids)))
        for _ in range(most_steps):
            for i, step in zip(going, self.step([ids[i] for i in going]), strict=True):
                ids[i] += step
            going = [i for i in going if ids[i][-1] != self.tokenizer.eos_token_id]
        made = [row[len(prompt) :] for row, prompt in zip(ids, prompts, strict=True)]
        texts = self.tokenizer.batch_decode(made, skip_special_tokens=True)
        return [
            [*steps, *text.removesuffix("\n\n").split("\n\n")]
            for steps, text in zip(begun, texts, strict=True)
        ]

    def step(self, prefixes: Sequence[list[int]]) -> list[list[int]]:
        """One more step per prefix, up to and with its separator or end-of-text."""
        order = sorted(range(len(prefixes)), key=lambda i: (len(prefixes[i]), prefixes[i]))
        made: list[list[int]] = [[] for _ in prefixes]
        for i in range(0, len(order), ROWS):
            rows = order[i : i + ROWS]
            with torch.inference_mode():
                steps = self._steps([prefixes[j] for j in rows])
            for row, step in zip(rows, steps, strict=True):
                made[row] = step
        return made

    def _steps(self, prefixes: list[list[int]]) -> list[list[int]]:
        """As `step`, for rows padded on the left (rotary positions are relative).

        Equal prefixes are read once.
        """
        pad, end = self.tokenizer.pad_token_id, self.tokenizer.eos_token_id
        different = {prefix: i for i, prefix in enumerate(dict.fromkeys(map(tuple, prefixes)))}
        longest = max(map(len, prefixes))
        ids = torch.tensor([[pad] * (longest - len(p)) + list(p) for p in different])
        mask = (ids != pad).long()
        cache = DynamicCache()
        out = self.model(ids, attention_mask=mask, past_key_values=cache, logits_to_keep=1)
        source = torch.tensor([different[tuple(prefix)] for prefix in prefixes])
        cache.batch_select_indices(source)
        logits, mask = out.logits[source, -1], mask[source]
        rows = torch.arange(len(prefixes))
        made: list[list[int]] = [[] for _ in prefixes]
        while True:
            odds = (logits / self.temperature).softmax(-1)
            ids = torch.multinomial(odds, 1, generator=self.random)
            for row, token in zip(rows.tolist(), ids[:, 0].tolist(), strict=True):
                made[row].append(token)
            going = ((ids[:, 0] != end) & (ids[:, 0] != self.separator)).nonzero()[:, 0]
            if not len(going) or len(made[rows[going[0]]]) == LONGEST_STEP:
                return made
            if len(going) < len(rows):
                rows, ids, mask = rows[going], ids[going], mask[going]
                cache.batch_select_indices(going)
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
            logits = self.model(ids, attention_mask=mask, past_key_values=cache).logits[:, -1]


class Judge:
    """The PRM: a score in [0, 1] per step, remembered."""

    def __init__(self, folder: Path) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        ids = self.tokenizer.convert_tokens_to_ids([TAG, "+", "-"])
        self.tag, self.marks = ids[0], ids[1:]
        self.known: dict[str, list[float]] = {}

    def scores(self, solutions: Sequence[tuple[str, Sequence[str]]]) -> list[list[float]]:
        """Per (question, steps): the scores of its steps."""
        texts = [judged_text(question, steps) for question, steps in solutions]
        new = sorted({text for text in texts if text not in self.known}, key=len)
        for i in range(0, len(new), ROWS):
            with torch.inference_mode():
                self._ask(new[i : i + ROWS])
        return [self.known[text] for text in texts]

    def _ask(self, texts: list[str]) -> None:
        batch = self.tokenizer(texts, padding=True, padding_side="right", return_tensors="pt")
        hidden = self.model.model(batch["input_ids"]).last_hidden_state
        pairs = self.model.lm_head(hidden)[..., self.marks].softmax(-1)[..., 0]
        for text, row, ids in zip(texts, pairs, batch["input_ids"], strict=True):
            self.known[text] = row[ids == self.tag].tolist()
