"""Training a PRM from step labels: planned and checked first, then `transformers.Trainer`."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sal.learn import checkpoints
from sal.learn.arguments import check_settings, per_step, processes, training_arguments
from sal.learn.batch import Collate, Margin, features
from sal.learn.errors import TrainError
from sal.learn.examples import Examples, check_classes, make_examples
from sal.learn.follow import Follow, Say
from sal.learn.furnish import ADAPTER
from sal.learn.held_out import HeldOut, split
from sal.learn.lora import adapted, check_peft, merged
from sal.learn.order import in_order
from sal.learn.rows import StepLabels
from sal.learn.targets import Targets
from sal.learn.taught import Taught, plan_prm
from sal.learn.weights import weights_digest

NO_BETTER = 1e-4
"""A gain in F1, or in cross-entropy, that is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """How a PRM is made of the model `base`.

    `batch_size` is per device. `rank` is LoRA's, 0 trains all weights. `evaluate_every` counts
    optimizer steps, 0 is ten times in all; `patience` evaluations that are no better end the
    training, 0 is never. `aggregate` is stated to whoever searches with the PRM, None is the
    targets' own. `overrides` are fields of `transformers.TrainingArguments`.
    """

    base: str
    family: str | None = None
    targets: Targets = Targets()
    held_out: float = 0.05
    epochs: float = 1.0
    learning_rate: float | None = None
    batch_size: int = 8
    max_length: int = 2048
    rank: int = 0
    evaluate_every: int = 0
    patience: int = 0
    seed: int = 0
    aggregate: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """The peak of the learning rate: that of TRL's PRM trainer, ten times that for LoRA."""
        if self.learning_rate is not None:
            return self.learning_rate
        return 1e-4 if self.rank else 1e-5


@dataclass(frozen=True, slots=True)
class Planned:
    """A training that is known to be possible."""

    settings: TrainSettings
    taught: Taught
    train: Examples
    held_out: Examples
    counted: bool
    """Whether the labels are values: counts of rollouts that ended right."""

    @property
    def told(self) -> dict[str, Any]:
        """The settings, without the places of this machine."""
        settings = asdict(self.settings) | {"learning_rate": self.settings.rate}
        settings |= settings.pop("targets")
        return {name: value for name, value in settings.items() if name != "base"}

    @property
    def about(self) -> dict[str, Any]:
        """What the PRM's config.json says beside its family.

        A value says whether the solution can still end right, so the last one counts, also where
        hard labels of rollouts were learned up to the first 0 alone; a verdict on a step says
        whether that step is right, so the least does (arXiv 2501.07301, sections 2.1 and 3.2.4).
        """
        value = self.counted and self.settings.targets.kind != "progress"
        default = "last" if value else "min"
        return {
            "aggregate": self.settings.aggregate or default,
            "label": self.settings.targets.kind,
        }


def plan(
    settings: TrainSettings,
    rows: list[StepLabels],
    held_out: list[StepLabels] | None = None,
) -> Planned:
    """Render and check all that is trained on, before any time is spent on training.

    Without rows of their own, a share of the questions is held out. Raises `TrainError`.
    """
    check_settings(settings)
    if settings.rank:
        check_peft()
    taught = plan_prm(settings.base, settings.family)
    longest = min(settings.max_length, taught.window or settings.max_length)
    if held_out is None:
        rows, held_out = split(rows, settings.held_out, settings.seed)
        if not rows or not held_out:
            raise TrainError(
                f"of the questions, {settings.held_out:.0%} are held out, which leaves "
                f"{len(rows)} solutions to train on and {len(held_out)} to measure by"
            )
    train = make_examples(rows, taught.format, settings.targets, longest, cut=True)
    check_classes(train, "training")
    measured = make_examples(held_out, taught.format, settings.targets, longest, cut=False)
    HeldOut(settings.targets).check(measured)
    counted = any(row.rollouts for row in rows)
    return Planned(settings, taught, train, measured, counted)


def train(
    planned: Planned,
    out: Path,
    say: Say = print,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any] | None:
    """Train, or go on, and leave the best PRM in `out`; its held-out figures and `weights`' digest.

    Goes on from the last whole checkpoint of the same training. None where `stop` asked for an end,
    for which a checkpoint is left. Raises `TrainError`, and OSError.
    """
    import transformers

    settings, taught = planned.settings, planned.taught
    where = out / checkpoints.CHECKPOINTS
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    transformers.set_seed(settings.seed)
    rows = planned.train.rows
    order = in_order([len(r.ids) for r in rows], per_step(settings), settings.epochs, settings.seed)
    arguments = training_arguments(settings, where, len(order))
    with arguments.main_process_first(local=False):
        record = checkpoints.begin(out, _recorded(planned))
        last = checkpoints.last_whole(where)
    if "figures" in record:
        shutil.rmtree(where, ignore_errors=True)
        return dict(record["figures"])
    low = settings.rank and arguments.bf16
    model = taught.load("bfloat16" if low else "float32")
    if settings.rank:
        model = adapted(model, settings.rank, causal=taught.causal)
    margin = Margin(taught.good, taught.bad)
    follow = Follow(say, stop, over=checkpoints.is_over(last, settings.patience))
    examples = features(rows)
    trainer = transformers.Trainer(
        model=model,
        args=arguments,
        train_dataset=[examples[i] for i in order],
        eval_dataset=features(planned.held_out.rows),
        data_collator=Collate(taught.causal),
        compute_loss_func=margin.loss,
        preprocess_logits_for_metrics=margin.scores,
        compute_metrics=HeldOut(settings.targets),
        callbacks=[follow, *_early(settings.patience)],
    )
    for noisy in (transformers.PrinterCallback, transformers.ProgressCallback):
        trainer.remove_callback(noisy)
    trainer.train(resume_from_checkpoint=None if last is None else str(last))
    if follow.stopped:
        return None
    figures: dict[str, Any] = _numbers(trainer.evaluate())
    saved = out / (ADAPTER if settings.rank else ".saving")
    trainer.save_model(str(saved))
    if trainer.is_world_process_zero():
        _finish(planned, saved, out)
        figures["weights"] = weights_digest(str(out))
        history = [_numbers(row) for row in trainer.state.log_history]
        checkpoints.write(out, record | {"figures": figures, "history": history})
        shutil.rmtree(where, ignore_errors=True)
    return figures


def _finish(planned: Planned, saved: Path, out: Path) -> None:
    """The folder of a PRM from what the trainer saved: the model, or an adapter of it."""
    (saved / "training_args.bin").unlink(missing_ok=True)  # a pickle, which nobody should load
    if planned.settings.rank:
        model = merged(planned.taught.load("float32"), saved)
        saved = out / ".saving"
        model.save_pretrained(saved)
    planned.taught.furnish(saved, out, planned.about)


def _early(patience: int) -> list[Any]:
    from transformers import EarlyStoppingCallback

    return [EarlyStoppingCallback(patience, NO_BETTER)] if patience else []


def _recorded(planned: Planned) -> dict[str, Any]:
    """What must be the same for a training to go on."""
    return {
        **asdict(planned.settings),
        "processes": processes(),
        "train": checkpoints.digest(planned.train),
        "held_out_examples": checkpoints.digest(planned.held_out),
    }


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """Figures by their names, as JSON can say them; all epochs are one to `Trainer`."""
    told = {k: v for k, v in row.items() if isinstance(v, int | float) and k != "epoch"}
    kept = {k.removeprefix("eval_"): float(v) for k, v in told.items()}
    return {name: round(value, 6) for name, value in kept.items() if math.isfinite(value)}
