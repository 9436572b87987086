"""What `transformers.TrainingArguments` is told: ours, and whatever a user overrules."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sal.learn.errors import TrainError

if TYPE_CHECKING:
    from sal.learn.train import TrainSettings


class Told(Protocol):
    """What every training is told; see `TrainSettings`."""

    @property
    def epochs(self) -> float: ...
    @property
    def rate(self) -> float: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def overrides(self) -> Mapping[str, Any]: ...


OURS = {
    *("output_dir", "remove_unused_columns", "label_names", "metric_for_best_model"),
    *("load_best_model_at_end", "greater_is_better", "resume_from_checkpoint", "save_strategy"),
    *("eval_strategy", "eval_steps", "save_steps", "num_train_epochs", "learning_rate", "seed"),
    *("per_device_train_batch_size", "per_device_eval_batch_size", "prediction_loss_only"),
    *("train_sampling_strategy", "ignore_data_skip", "save_only_model", "max_length"),
    "restore_callback_states_from_checkpoint",
}
"""Fields that are settings of their own, or on which the training here relies."""

COUNTS = ("max_steps", "gradient_accumulation_steps")
"""Overrides by which steps are counted here, too."""

EVALUATIONS = 10
WARM_UP = 0.05


def processes() -> int:
    """How many train together, as `accelerate launch` and torchrun tell each."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def check_settings(settings: Told, kind: Any = None) -> None:
    """Raise `TrainError` for numbers with which nothing is trained, and for an override that is no
    field, or is not the user's to say.

    The fields are those of `kind`, of `transformers.TrainingArguments` by default.
    """
    from transformers import TrainingArguments

    kind = kind or TrainingArguments
    overrides = settings.overrides
    for what, value in (("epochs", settings.epochs), ("the learning rate", settings.rate)):
        if not 0 < value < math.inf:
            raise TrainError(f"{what}: {value:g} is no number above 0")
    for name in COUNTS:
        value = overrides.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise TrainError(f"{name}: {value} is no whole number above 0")
    known = {f.name for f in fields(kind)} - OURS
    for name in overrides:
        if name in OURS:
            raise TrainError(f"{name} cannot be set: it has an option, or is relied upon")
        if name not in known:
            near = get_close_matches(name, known, 1)
            meant = f" (did you mean {near[0]}?)" if near else ""
            package = kind.__module__.partition(".")[0]
            raise TrainError(f"{name} is no field of {package}.{kind.__name__}{meant}")


def per_step(settings: Told) -> int:
    """How many examples an optimizer step learns from, on all devices."""
    accumulated: int = settings.overrides.get("gradient_accumulation_steps", 1)
    return settings.batch_size * processes() * accumulated


def checkpoint_every(settings: Told, examples: float) -> int:
    """Steps of a tenth of a training on so many examples, all epochs' together."""
    steps = settings.overrides.get("max_steps") or math.ceil(examples / per_step(settings))
    return max(1, steps // EVALUATIONS)


def training_arguments(settings: TrainSettings, folder: Path, examples: int) -> Any:
    """For a PRM from so many examples in their order, all epochs' together.

    Raises `TrainError` for what does not go together.
    """
    from transformers import TrainingArguments

    every = settings.evaluate_every or checkpoint_every(settings, examples)
    told = {
        **shared_arguments(settings, folder, every),
        "num_train_epochs": 1,
        "per_device_eval_batch_size": settings.batch_size,
        "train_sampling_strategy": "sequential",
        "eval_strategy": "steps",
        "eval_steps": every,
        "load_best_model_at_end": True,
        "metric_for_best_model": "rank",
        "greater_is_better": True,
        "remove_unused_columns": False,
        "label_names": ["labels"],
    }
    return made(TrainingArguments, told | dict(settings.overrides))


def shared_arguments(settings: Told, folder: Path, every: int) -> dict[str, Any]:
    """Those of every training, with a checkpoint after `every` steps.

    bfloat16 on a GPU that has it, float32 on a CPU. FSDP and DeepSpeed are what `accelerate launch`
    or an override says they are.
    """
    import torch

    gpu = torch.cuda.is_available()
    return {
        "output_dir": str(folder),
        "num_train_epochs": settings.epochs,
        "learning_rate": settings.rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": WARM_UP,
        "weight_decay": 0.0,
        "per_device_train_batch_size": settings.batch_size,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 2,
        "restore_callback_states_from_checkpoint": True,
        "logging_steps": max(1, min(every, 10)),
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": gpu,
        "use_cpu": not gpu,
        "bf16": gpu and torch.cuda.is_bf16_supported(),
        "seed": settings.seed,
    }


def made(kind: Any, told: Mapping[str, Any]) -> Any:
    """The arguments of a trainer; raises `TrainError` for what does not go together."""
    try:
        arguments = kind(**told)
    except (ValueError, TypeError, ImportError) as error:
        package = kind.__module__.partition(".")[0]
        raise TrainError(f"{package}: {error}") from error
    if arguments.n_gpu > 1:
        raise TrainError(
            f"{arguments.n_gpu} GPUs are seen by one process: start one for each "
            "(accelerate launch), or say CUDA_VISIBLE_DEVICES=0"
        )
    return arguments
