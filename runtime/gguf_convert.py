"""A GGUF of a Llama as a model folder: `python -m sal.runtime.gguf_convert FILE FOLDER [FAMILY]`.

The weights are dequantised to bfloat16. With FAMILY, the config says how the model is asked as a
PRM. What the file says and transformers does not read is heeded or refused here: where a tokenizer
splits text, whether every prompt begins with bos, and Llama 3's frequencies.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from sal.runtime.made_models import REFUSED
from sal.runtime.weight_files import gguf_reader


class Refused(Exception):
    """The file cannot be converted; the message says why."""


def main(source: str, target: str, family: str | None = None) -> int:
    """Returns the exit code; stdout tells what is being done, and last why it cannot be."""
    try:
        convert(Path(source), Path(target), family)
    except Refused as why:
        print(why, flush=True)
        return REFUSED
    return 0


def convert(source: Path, target: Path, family: str | None = None) -> None:
    """Write the model in `source` to the folder `target`. Raises `Refused`."""
    _tell("reading the GGUF")
    told, tensors = read(source)
    check(told, tensors)
    rope = scaled_rope(told, tensors)

    _tell("converting its tokenizer")
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.quantization_config import GgufConfig

    where = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    split_as_told(tokenizer.backend_tokenizer, told)
    lead_as_told(tokenizer.backend_tokenizer, told)
    tokenizer.save_pretrained(target)

    _tell("converting its weights to bfloat16")
    import torch

    how = GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(
        **where, dtype=torch.bfloat16, quantization_config=how
    )
    model.hf_quantizer = None  # or it refuses to be saved
    model.config.rope_parameters.update(rope)
    _tell("writing the model folder")
    model.save_pretrained(target)
    if family is not None:
        path = target / "config.json"
        config = json.loads(path.read_text("utf-8"))
        path.write_text(json.dumps({**config, "sal_prm": {"family": family}}, indent=2), "utf-8")


def read(source: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the file tells, by its own names, and its tensors by theirs. Raises `Refused`."""
    try:
        reader = gguf_reader(source)
        told = {name: field.contents() for name, field in reader.fields.items()}
        tensors = {tensor.name: tensor.data for tensor in reader.tensors}
    except Exception as error:  # whatever gguf's reader trips over
        raise Refused(f"this is no whole GGUF file ({error})") from error
    return told, tensors


def check(told: dict[str, Any], tensors: dict[str, Any]) -> None:
    """Raise `Refused` for what is no Llama, or one that would come out as another model."""
    kind = told.get("general.architecture")
    if kind != "llama":
        raise Refused(f"its architecture is {kind}; only Llama's is converted here")
    if told.get("llama.expert_count"):
        raise Refused("it is a mixture of experts; only plain Llamas are converted here")
    if told.get("split.count", 1) > 1 or "token_embd.weight" not in tensors:
        raise Refused("it is a part of a model: join the parts first (llama-gguf-split --merge)")
    if "tokenizer.ggml.tokens" not in told:
        raise Refused("it has no tokenizer")
    scaling = told.get("llama.rope.scaling.type", "none")
    if scaling != "none":
        raise Refused(f"its positions are scaled ({scaling}), which is not converted here")


TRAINED = 8192
"""Positions that Llama 3 was trained on before its frequencies were scaled."""
LOW, HIGH = 1.0, 4.0
"""Wavelengths that fit so often into them are scaled wholly, and not at all (Llama 3.1)."""


def scaled_rope(told: dict[str, Any], tensors: dict[str, Any]) -> dict[str, Any]:
    """Llama 3's scaling of its frequencies, as a config has it; {} where there is none.

    The file holds what each frequency is divided by. Raises `Refused` where these numbers are not
    those of Llama 3.1's rule.
    """
    if "rope_freqs.weight" not in tensors:
        return {}
    import numpy as np

    divided = np.asarray(tensors["rope_freqs.weight"], np.float64)
    factor = round(float(divided.max()), 4)  # the file holds float32
    base = float(told.get("llama.rope.freq_base", 10000.0))
    waves = 2 * np.pi * base ** (np.arange(len(divided)) / len(divided))
    share = np.clip((TRAINED / waves - LOW) / (HIGH - LOW), 0, 1)
    if not np.allclose(divided, 1 / (share + (1 - share) / factor), rtol=1e-3):
        raise Refused("its frequencies are scaled in a way that is not known here")
    return {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": LOW,
        "high_freq_factor": HIGH,
        "original_max_position_embeddings": TRAINED,
    }


BY_TRANSFORMERS = ("llama-bpe", "llama3", "llama-v3", "falcon3", "tekken", "gpt-2")
"""Ways to split text that transformers takes from the file; of others it knows nothing, and splits
as GPT-2 does."""
DIGITS = ("smollm", "starcoder", "refact", "command-r")
"""Each digit stands alone, whatever is around it; what is between them is split as GPT-2 does."""


def split_as_told(core: Any, told: dict[str, Any]) -> None:
    """Have the tokenizer split text where the model's own does, or its tokens are not the model's.

    Raises `Refused` for a way that is not known here.
    """
    way = told.get("tokenizer.ggml.pre")
    if told.get("tokenizer.ggml.model") == "llama" or way in BY_TRANSFORMERS:
        return
    if way not in DIGITS:
        raise Refused(f"its tokenizer splits text in a way that is not known here ({way})")
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    core.pre_tokenizer = Sequence([Digits(individual_digits=True), ByteLevel(False)])


def lead_as_told(core: Any, told: dict[str, Any]) -> None:
    """Have every prompt begin with bos where the file says so, or where its kind is known to."""
    known = told.get("tokenizer.ggml.model") == "llama" or "llama" in str(
        told.get("tokenizer.ggml.pre")
    )
    number = told.get("tokenizer.ggml.bos_token_id")
    if number is None or not told.get("tokenizer.ggml.add_bos_token", known):
        return
    from tokenizers.processors import TemplateProcessing

    bos = core.id_to_token(number)
    core.post_processor = TemplateProcessing(
        single=[bos, "$A"], pair=[bos, "$A", bos, "$B"], special_tokens=[(bos, number)]
    )


def _tell(doing: str) -> None:
    print(doing, flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
