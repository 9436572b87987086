"""Training a policy through TRL, an optional package: planned and checked first."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sal.learn import checkpoints
from sal.learn.arguments import (
    check_settings,
    checkpoint_every,
    made,
    processes,
    shared_arguments,
)
from sal.learn.distill.examples import Example
from sal.learn.distill.rendered import Rendered, render, shares
from sal.learn.distill.settings import DistillSettings
from sal.learn.distill.trl import Trl, trl_for
from sal.learn.errors import TrainError
from sal.learn.follow import Follow, Say
from sal.learn.furnish import ADAPTER, furnish
from sal.learn.lora import check_peft, lora_config, merged
from sal.runs.export.files import without_bars
from sal.runtime.model_files import model_file
from sal.runtime.tokenizer import Tokenizer
from sal.verifiers.family import read_config


@dataclass(frozen=True, slots=True)
class Planned:
    """A training that is known to be possible."""

    settings: DistillSettings
    base: str
    rendered: Rendered
    trl: Trl
    config: Mapping[str, Any]
    """The model's own."""

    @property
    def told(self) -> dict[str, Any]:
        """The settings of the training, without those of its data."""
        settings = asdict(self.settings) | {"learning_rate": self.settings.rate, "base": None}
        return {k: v for k, v in settings.items() if k not in ("sources", "split", "limit")}


def plan(settings: DistillSettings, base: str, examples: Sequence[Example]) -> Planned:
    """Render and check all that is trained on, before any time is spent on training.

    `base` is the model, a folder or a Hub name. Raises `TrainError`, also where TRL is not
    installed.
    """
    trl = trl_for(settings.method)
    check_settings(settings, trl.config)
    if settings.lora:
        check_peft()
    config = read_config(base)
    tokenizer = Tokenizer.load(base)
    if not config or tokenizer is None:
        raise TrainError(f"{base}: has no config.json and tokenizer.json, here or on the Hub")
    if (what := _unfit(config)) is not None:
        raise TrainError(f"{base}: {what}")
    window = config.get("max_position_embeddings") or settings.max_length
    rendered = render(examples, settings.method, tokenizer, min(settings.max_length, window))
    if settings.method == "kto":
        if not all(shares(rendered.rows)):
            raise TrainError("kto: examples of one kind are left, and it needs both")
        if settings.batch_size < 2:
            raise TrainError("kto exchanges the replies of a batch: --batch-size 2 or more")
    # KTO takes its batches in order, and compares with replies to other prompts of the batch
    random.Random(settings.seed).shuffle(rendered.rows)
    return Planned(settings, base, rendered, trl, config)


def _unfit(config: Mapping[str, Any]) -> str | None:
    """Why a model of this config cannot be taught; None where it can."""
    [kind, *_] = config.get("architectures") or ["ForCausalLM"]
    if "sal_prm" in config:
        return "is a PRM, and no policy"
    if not kind.endswith("ForCausalLM"):
        return f"is a {kind}, and no language model"
    if "quantization_config" in config:
        return "its weights are quantized: name the model that it was made of"
    return None


def train(
    planned: Planned,
    out: Path,
    say: Say = print,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any] | None:
    """Train, or go on, and leave the policy in `out`; what the training came to.

    Goes on from the last whole checkpoint of the same training. None where `stop` asked for an end,
    for which a checkpoint is left. Raises `TrainError`, and OSError.
    """
    import transformers

    settings = planned.settings
    where = out / checkpoints.CHECKPOINTS
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    transformers.set_seed(settings.seed)
    arguments = arguments_of(planned, where)
    with arguments.main_process_first(local=False):
        record = checkpoints.begin(out, _recorded(planned))
        last = checkpoints.last_whole(where)
    if "figures" in record:
        shutil.rmtree(where, ignore_errors=True)
        return dict(record["figures"])
    follow = Follow(say, stop, measured=False, over=checkpoints.is_over(last, patience=0))
    trainer = make_trainer(planned, arguments, [follow])
    trainer.train(resume_from_checkpoint=None if last is None else str(last))
    if follow.stopped:
        return None
    history = trainer.state.log_history
    losses = [row["loss"] for row in history if "loss" in row]
    figures = {"loss": round(float(losses[-1]), 6), "steps": trainer.state.global_step}
    saved = out / (ADAPTER if settings.lora else ".saving")
    trainer.save_model(str(saved))
    if trainer.is_world_process_zero():
        _finish(planned, saved, out)
        checkpoints.write(out, record | {"figures": figures, "history": history})
        shutil.rmtree(where, ignore_errors=True)
    return figures


def make_trainer(planned: Planned, arguments: Any, callbacks: Sequence[Any] = ()) -> Any:
    """TRL's trainer of the model, its examples tokenised."""
    import datasets
    import transformers

    rank = planned.settings.lora
    with without_bars():
        trainer = planned.trl.trainer(
            model=_model(planned.base),
            args=arguments,
            train_dataset=datasets.Dataset.from_list(planned.rendered.rows),
            processing_class=_tokenizer(planned),
            peft_config=lora_config(rank, causal=True) if rank else None,
            callbacks=list(callbacks),
        )
    for noisy in (transformers.PrinterCallback, transformers.ProgressCallback):
        trainer.remove_callback(noisy)
    return trainer


def arguments_of(planned: Planned, folder: Path) -> Any:
    """TRL's configuration; raises `TrainError` for what does not go together."""
    import torch

    settings = planned.settings
    every = checkpoint_every(settings, settings.epochs * len(planned.rendered.rows))
    told = {
        **shared_arguments(settings, folder, every),
        "gradient_checkpointing": torch.cuda.is_available(),
        # nothing is longer than that: what was is left out
        "max_length": settings.max_length,
    }
    if settings.method == "orpo":
        told["remove_unused_columns"] = False
    if settings.method == "kto":
        told |= _balanced(*shares(planned.rendered.rows))
    return made(planned.trl.config, told | dict(settings.set))


def _balanced(right: int, wrong: int) -> dict[str, float]:
    """Weights with which right and wrong examples count alike (arXiv 2402.01306, equation 8)."""
    if right > wrong:
        return {"undesirable_weight": right / wrong}
    return {"desirable_weight": wrong / right}


def _model(base: str) -> Any:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype="float32")
    model.config.use_cache = False
    return model


def _tokenizer(planned: Planned) -> Any:
    """That of the model, which ends a text as the examples do, and begins one as a search does."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(planned.base)
    tokenizer.eos_token = planned.rendered.end
    if not planned.rendered.leads:
        tokenizer.bos_token = None  # TRL's ORPO would put it there all the same
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _finish(planned: Planned, saved: Path, out: Path) -> None:
    """The folder of a policy: the base model's but for the weights, in the type that those had."""
    import torch
    from transformers import AutoModelForCausalLM

    base = planned.base
    if planned.settings.lora:
        (saved / "training_args.bin").unlink(missing_ok=True)  # a pickle, nobody should load it
        model = merged(_model(base), saved)
    else:
        model = AutoModelForCausalLM.from_pretrained(saved, dtype="float32")
    dtype = planned.config.get("dtype") or planned.config.get("torch_dtype") or "float32"
    finished = out / ".finished"
    model.to(getattr(torch, dtype)).save_pretrained(finished)
    if not planned.settings.lora:
        shutil.rmtree(saved)
    (finished / "generation_config.json").unlink(missing_ok=True)
    if (path := model_file(base, "generation_config.json")) is not None:
        shutil.copyfile(path, finished / "generation_config.json")
    furnish(base, finished, out, planned.config)


def _recorded(planned: Planned) -> dict[str, Any]:
    """What must be the same for a training to go on."""
    rows = json.dumps(planned.rendered.rows).encode()
    return {
        **planned.told,
        "base": planned.base,
        "processes": processes(),
        "train": hashlib.sha256(rows).hexdigest()[:16],
    }
