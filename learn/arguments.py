"""What `transformers.TrainingArguments` is told: ours, and whatever a user overrules."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sal.learn.errors import TrainError

if TYPE_CHECKING:
    from sal.learn.train import TrainSettings

OURS = {
    *("output_dir", "remove_unused_columns", "label_names", "metric_for_best_model"),
    *("load_best_model_at_end", "greater_is_better", "resume_from_checkpoint", "save_strategy"),
    *("eval_strategy", "eval_steps", "save_steps", "num_train_epochs", "learning_rate", "seed"),
    *("per_device_train_batch_size", "per_device_eval_batch_size", "prediction_loss_only"),
    *("train_sampling_strategy", "ignore_data_skip", "save_only_model"),
    "restore_callback_states_from_checkpoint",
}
"""Fields that are settings of their own, or on which the training here relies."""

EVALUATIONS = 10
WARM_UP = 0.05


def processes() -> int:
    """How many train together, as `accelerate launch` and torchrun tell each."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def per_step(settings: TrainSettings) -> int:
    """How many examples an optimizer step learns from, on all devices."""
    accumulated = int(settings.overrides.get("gradient_accumulation_steps", 1))
    return settings.batch_size * processes() * accumulated


def check_overrides(overrides: Mapping[str, Any]) -> None:
    """Raise `TrainError` for a name that is no field, or is not the user's to say."""
    from transformers import TrainingArguments

    known = {f.name for f in fields(TrainingArguments)} - OURS
    for name in overrides:
        if name in OURS:
            raise TrainError(f"{name} cannot be set: it has an option, or is relied upon")
        if name not in known:
            near = get_close_matches(name, known, 1)
            meant = f" (did you mean {near[0]}?)" if near else ""
            raise TrainError(f"{name} is no field of transformers.TrainingArguments{meant}")


def training_arguments(settings: TrainSettings, folder: Path, examples: int) -> Any:
    """For a training on so many examples in their order, all epochs' together.

    Raises `TrainError` for what does not go together.

    bfloat16 on a GPU that has it, float32 on a CPU. FSDP and DeepSpeed are what `accelerate launch`
    or an override says they are.
    """
    import torch
    from transformers import TrainingArguments

    gpu = torch.cuda.is_available()
    asked = int(settings.overrides.get("max_steps", 0))
    steps = asked or math.ceil(examples / per_step(settings))
    every = settings.evaluate_every or max(1, steps // EVALUATIONS)
    told: dict[str, Any] = {
        "output_dir": str(folder),
        "num_train_epochs": 1,
        "learning_rate": settings.rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": WARM_UP,
        "weight_decay": 0.0,
        "per_device_train_batch_size": settings.batch_size,
        "per_device_eval_batch_size": settings.batch_size,
        "train_sampling_strategy": "sequential",
        "eval_strategy": "steps",
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 2,
        "load_best_model_at_end": True,
        "metric_for_best_model": "rank",
        "greater_is_better": True,
        "restore_callback_states_from_checkpoint": True,
        "logging_steps": max(1, min(every, 10)),
        "remove_unused_columns": False,
        "label_names": ["labels"],
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": gpu,
        "use_cpu": not gpu,
        "bf16": gpu and torch.cuda.is_bf16_supported(),
        "seed": settings.seed,
        **settings.overrides,
    }
    try:
        arguments = TrainingArguments(**told)
    except (ValueError, TypeError, ImportError) as error:
        raise TrainError(f"transformers: {error}") from error
    if arguments.n_gpu > 1:
        raise TrainError(
            f"{arguments.n_gpu} GPUs are seen by one process: start one for each "
            "(accelerate launch), or say CUDA_VISIBLE_DEVICES=0"
        )
    return arguments
