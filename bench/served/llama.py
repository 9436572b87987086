"""Llama with random weights, for `--load-format dummy`: as much work as the real one.

SGLang's own dummy weights lie within 0.001 of 0, which lets a deep model see its last token only;
these are drawn as an untrained model's are, so that a PRM's scores depend on the whole solution.
"""

from __future__ import annotations

from typing import Any

import torch
from sglang.srt.models.llama import LlamaForCausalLM

from bench.lengths import Lengths
from bench.vocabulary import NEVER, Rules, Vocabulary


class BenchPrm(LlamaForCausalLM):  # type: ignore[misc]  # sglang is untyped
    """Its verdicts are noise, but always the same for the same solution."""

    def post_load_weights(self) -> None:
        """SGLang calls this once its dummy weights are drawn."""
        for number, (name, weight) in enumerate(self.named_parameters()):
            if name.endswith("norm.weight"):
                weight.data.fill_(1.0)
            elif weight.is_floating_point():
                generator = torch.Generator(device=weight.device).manual_seed(number)
                std = self.config.initializer_range
                weight.data.normal_(0.0, std, generator=generator)


class BenchPolicy(BenchPrm):
    """Its solutions are noise of recorded lengths: see `bench.vocabulary`.

    What the layers compute is thrown away at the end, by one write over the logits.
    """

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        drawn = config.drawn
        counts = ({int(n): count for n, count in table.items()} for table in drawn["lengths"])
        vocabulary = Vocabulary(**drawn["vocabulary"])
        self.draw = Draw(vocabulary.rules(Lengths(*counts)), vocabulary, config.vocab_size)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def forward(
        self, input_ids: Any, positions: Any, forward_batch: Any, *args: Any, **kwargs: Any
    ) -> Any:
        output = super().forward(input_ids, positions, forward_batch, *args, **kwargs)
        logits = getattr(output, "next_token_logits", None)
        if logits is not None:
            last = input_ids
            if not forward_batch.forward_mode.is_decode_or_idle():
                last = input_ids[torch.cumsum(forward_batch.extend_seq_lens, dim=0) - 1]
            self.draw(last[: logits.shape[0]], logits)
        return output


class Draw(torch.nn.Module):  # type: ignore[misc]  # torch is not followed
    """Writes the rules over the logits; a few kernels, the same in a CUDA graph."""

    def __init__(self, rules: Rules, vocabulary: Vocabulary, size: int) -> None:
        super().__init__()
        if size < vocabulary.least_size:
            raise ValueError(f"{vocabulary} needs {vocabulary.least_size} rows, not {size}")
        more = size - vocabulary.size  # ids that are never sampled; a solution begins behind them
        start = vocabulary.word(1, 0)
        tables = {
            "low": torch.tensor([*rules.low, *[start] * more], dtype=torch.int64),
            "width": torch.tensor([*rules.width, *[1] * more], dtype=torch.int64),
            "also": torch.tensor([*rules.also, *[start] * more], dtype=torch.int64),
            "bias": torch.tensor([*rules.bias, *[NEVER] * more], dtype=torch.float32),
            "window": torch.arange(vocabulary.block, dtype=torch.int64),
        }
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)

    def forward(self, last: Any, logits: Any) -> None:
        """`last`: [batch] ids; `logits`: [batch, vocabulary], overwritten."""
        index = self.low[last][:, None] + self.window
        allowed = self.window < self.width[last][:, None]
        bias = torch.where(allowed, self.bias[index], NEVER)
        also = self.also[last][:, None]
        logits.fill_(NEVER)
        logits.scatter_(1, index, bias.to(logits.dtype))
        logits.scatter_(1, also, self.bias[also].to(logits.dtype))


EntryClass = [BenchPrm, BenchPolicy]
