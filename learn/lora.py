"""LoRA (Hu et al., arXiv 2106.09685) through peft, an optional package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sal.learn.errors import TrainError


def check_peft() -> None:
    """Raise `TrainError` where peft is not installed."""
    _peft()


def adapted(model: Any, rank: int, *, causal: bool) -> Any:
    """`model` with an adapter, which alone is trained."""
    return _peft().get_peft_model(model, lora_config(rank, causal=causal))


def lora_config(rank: int, *, causal: bool) -> Any:
    """An adapter on every linear layer, and a new head as a whole, which is saved with it.

    The scale is 2, as alpha = 2 r.
    """
    return _peft().LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules="all-linear",
        task_type="CAUSAL_LM" if causal else "TOKEN_CLS",
        modules_to_save=None if causal else ["score"],
    )


def merged(model: Any, adapter: Path) -> Any:
    """`model`, as it was before, with a saved adapter added to its weights."""
    return _peft().PeftModel.from_pretrained(model, adapter).merge_and_unload()


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise TrainError("LoRA needs peft: pip install 'sal-sglang[learn]'") from error
    return peft
