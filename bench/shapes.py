"""Model folders without weights: a config and a tokenizer, which `--load-format dummy` serves."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.lengths import Lengths
from bench.vocabulary import CONTROL, END, Vocabulary, vocabulary_for
from sal.runtime.hardware import Hardware
from sal.runtime.model_size import ModelSize
from sal.runtime.plan import ServerSpec, make_plan

ROOT = Path(__file__).resolve().parent.parent

LLAMA_3 = {
    "max_position_embeddings": 131072,
    "rope_theta": 500000.0,
    "rms_norm_eps": 1e-05,
    "torch_dtype": "bfloat16",
}
_ROPE = {
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
    "rope_type": "llama3",
}

LLAMA_3_2_1B: dict[str, Any] = LLAMA_3 | {
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "vocab_size": 128256,
    "tie_word_embeddings": True,
    "rope_scaling": {"factor": 32.0, **_ROPE},
}
"""As in meta-llama/Llama-3.2-1B-Instruct."""

LLAMA_3_1_8B: dict[str, Any] = LLAMA_3 | {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
    "rope_scaling": {"factor": 8.0, **_ROPE},
}
"""As in RLHFlow/Llama3.1-8B-PRM-Deepseek-Data."""

TINY: dict[str, Any] = LLAMA_3 | {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "tie_word_embeddings": True,
    "torch_dtype": "float32",
}
"""For a machine without a GPU; its vocabulary is as large as it must be."""

CHAT = (
    "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message['role'] }}"
    "<|end_header_id|>\n\n{{ message['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
"""Llama 3's turns, for the PRM. The policy has none: its prompt is the bare question."""

FLAGS = ("--load-format dummy",)
SERVED = "bench.served"


@dataclass(frozen=True, slots=True)
class Shapes:
    """A policy and a PRM by the entries of their config.json, and the lengths of what is written.

    `variants`: how many words the policy chooses from (`Vocabulary`).
    """

    policy: dict[str, Any]
    prm: dict[str, Any]
    lengths: Lengths
    variants: int

    @property
    def vocabulary(self) -> Vocabulary:
        return vocabulary_for(self.lengths, self.variants)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """The policy's and the PRM's folder, in `folder`."""
        vocabulary, lengths = self.vocabulary, self.lengths
        drawn = {
            "vocabulary": asdict(vocabulary),
            "lengths": [lengths.step_tokens, lengths.steps, lengths.question_tokens],
        }
        policy = self._write(folder / "policy", "BenchPolicy", self.policy, {"drawn": drawn})
        family = {"family": "chat-turn", "aggregate": "mean"}
        prm = self._write(folder / "prm", "BenchPrm", self.prm, {"sal_prm": family}, CHAT)
        return policy, prm

    def _write(
        self,
        folder: Path,
        architecture: str,
        shape: dict[str, Any],
        more: dict[str, Any],
        template: str = "",
    ) -> Path:
        folder.mkdir(parents=True)
        vocabulary = self.vocabulary
        vocabulary.tokenizer().save(str(folder / "tokenizer.json"))
        config = {
            "architectures": [architecture],
            "model_type": "llama",
            "hidden_act": "silu",
            "initializer_range": 0.02,
            "attention_bias": False,
            "bos_token_id": CONTROL.index("<|begin_of_text|>"),
            "eos_token_id": CONTROL.index(END),
            "vocab_size": -(-vocabulary.least_size // 64) * 64,
            **shape,
            **more,
        }
        (folder / "config.json").write_text(json.dumps(config))
        tokens = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<|begin_of_text|>",
            "eos_token": END,
            "model_max_length": shape["max_position_embeddings"],
            "clean_up_tokenization_spaces": False,
        }
        if template:
            tokens["chat_template"] = template
        (folder / "tokenizer_config.json").write_text(json.dumps(tokens))
        return folder


def plan_servers(hardware: Hardware, policy: Path, prm: Path) -> list[ServerSpec]:
    """The servers as `sal` would start them, on one GPU where there is any."""
    hardware = replace(hardware, gpus=hardware.gpus[:1])
    plan = make_plan(
        hardware, str(policy), str(prm), policy_args=FLAGS, prm_args=FLAGS, size_of=size_of
    )
    return [_serving(spec) for spec in plan.servers.values()]


def size_of(model: str) -> ModelSize:
    """What a folder of ours takes in 16 bits, by its config."""
    config = json.loads((Path(model) / "config.json").read_text())
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    heads = config["num_attention_heads"] * config["head_dim"]
    kv_heads = config["num_key_value_heads"] * config["head_dim"]
    a_layer = hidden * (2 * heads + 2 * kv_heads + 3 * config["intermediate_size"])
    embeddings = config["vocab_size"] * hidden * (1 if config["tie_word_embeddings"] else 2)
    weights = 2 * (embeddings + layers * a_layer)
    return ModelSize(weights, 4 * layers * kv_heads, f"weights {weights / 2**30:.1f} GiB, random")


def _serving(spec: ServerSpec) -> ServerSpec:
    paths = [p for p in (spec.env.get("PYTHONPATH"), str(ROOT)) if p]
    env = {"SGLANG_EXTERNAL_MODEL_PACKAGE": SERVED, "PYTHONPATH": os.pathsep.join(paths)}
    return replace(spec, env={**spec.env, **env})
