"""Tiny PRMs of the true architectures with random weights, and tokenizers with the true tokens.

The tokenizers are byte-level BPE as Llama's and Qwen's are: a token each for the marks, the
verdicts and some runs of line breaks, and a token for every byte. The chat templates are those of
the models, written anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors

WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Llama 3 and Qwen 2.5 cut a text before they merge (Llama takes up to three digits)."""

CHATML = (
    "{% if messages[0]['role'] == 'system' %}"
    "<|im_start|>system\n{{ messages[0]['content'] }}<|im_end|>\n"
    "{% else %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for m in messages %}{% if not (loop.first and m['role'] == 'system') %}"
    "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA_3 = (
    "{{ bos_token }}<|start_header_id|>system<|end_header_id|>\n\n"
    "Cutting Knowledge Date: December 2023\nToday Date: {{ date_string }}\n\n<|eot_id|>"
    "{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)

MERGED = ("ки", " ки", " +", " -", "\n\n", "\n\n\n\n", "\n\n\n\n\n", " \n\n\n\n", ".\n\n")
"""Texts that are one token, without being a control token."""


def bpe(specials: list[str], *, bos: str | None = None) -> tokenizers.Tokenizer:
    """Bytes, the merged texts and `specials`, in fewer ids than the tiny PRM has."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {letter: i for i, letter in enumerate(alphabet)}
    merges: list[tuple[str, str]] = []
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for text in MERGED:
        letters = level.pre_tokenize_str(text)[0][0]
        while letters not in vocab:
            parts = _split(letters, merges)
            merges.append((parts[0], parts[1]))
            vocab.setdefault(parts[0] + parts[1], len(vocab))
    core = tokenizers.Tokenizer(models.BPE(vocab, merges))
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(specials)
    if bos is not None:
        core.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, core.token_to_id(bos))]
        )
    return core


def _split(letters: str, merges: list[tuple[str, str]]) -> list[str]:
    """As BPE has it with the merges so far."""
    parts = list(letters)
    for left, right in merges:
        i = 0
        while i < len(parts) - 1:
            if (parts[i], parts[i + 1]) == (left, right):
                parts[i : i + 2] = [left + right]
            i += 1
    return parts


def llama_tokenizer(folder: Path) -> tokenizers.Tokenizer:
    """Llama 3's kind, in a folder."""
    specials = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    core = bpe(specials, bos=specials[0])
    return _save(folder, core, {"bos_token": specials[0], "chat_template": LLAMA_3})


def qwen_tokenizer(folder: Path, *, bos: str | None = None) -> tokenizers.Tokenizer:
    """Qwen 2.5's kind: no bos before a prompt, though a config may name one."""
    core = bpe(["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<extra_0>"])
    core.normalizer = normalizers.NFC()
    return _save(folder, core, {"bos_token": bos, "chat_template": CHATML})


def pieces_tokenizer(folder: Path) -> tokenizers.Tokenizer:
    """Llama 2's and Llemma's kind: a text begins with a space, and a line break is a byte."""
    controls = ["<unk>", "<s>", "</s>"]
    letters = [f"<0x{byte:02X}>" for byte in range(256)] + list("▁abcdefghijklmnopqrstuvwxyz#.+")
    vocab = {piece: i for i, piece in enumerate([*controls, *letters, "an", "▁a", "▁an"])}
    merges = [("a", "n"), ("▁", "a"), ("▁", "an")]
    core = tokenizers.Tokenizer(
        models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    core.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    core.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    core.add_special_tokens(controls[1:])
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", vocab["<s>"])]
    )
    return _save(folder, core, {"bos_token": "<s>", "eos_token": "</s>"})


def _save(folder: Path, core: tokenizers.Tokenizer, config: dict[str, Any]) -> tokenizers.Tokenizer:
    folder.mkdir(parents=True, exist_ok=True)
    core.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    return core


SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "vocab_size": 320,
}


def backbone(kind: str, seed: int = 0) -> Any:
    """A headless Qwen2, Qwen3, Llama or Mistral with weights large enough to tell inputs apart."""
    import torch
    import transformers

    torch.manual_seed(seed)
    config = getattr(transformers, f"{kind}Config")(**SIZES, initializer_range=0.2)
    return getattr(transformers, f"{kind}Model")(config).float().eval()


def save_checkpoint(
    folder: Path, model: Any, head: dict[str, Any], architecture: str, *, shards: bool = False
) -> Path:
    """As its authors publish it: a backbone's weights under `model.`, the head's beside them.

    With `shards`, in two files and an index.
    """
    from safetensors.torch import save_file

    tensors = {f"model.{name}": value.contiguous() for name, value in model.state_dict().items()}
    tensors |= {name: value.contiguous() for name, value in head.items()}
    config = model.config.to_dict() | {
        "architectures": [architecture],
        "auto_map": {"AutoModel": "modeling_own.Own"},
        "dtype": "float32",
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, default=str), "utf-8")
    (folder / "modeling_own.py").write_text("raise SystemExit('remote code')\n")
    if not shards:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return folder
    names = sorted(tensors)
    halves = names[: len(names) // 2], names[len(names) // 2 :]
    where: dict[str, str] = {}
    for i, half in enumerate(halves, 1):
        file = f"model-{i:05d}-of-00002.safetensors"
        save_file({n: tensors[n] for n in half}, folder / file, metadata={"format": "pt"})
        where |= dict.fromkeys(half, file)
    index = {"metadata": {}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), "utf-8")
    return folder
