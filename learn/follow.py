"""Tells how a training goes, and ends it in order when it is asked to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

Say = Callable[[str], object]


class Follow(TrainerCallback):  # type: ignore[misc]  # transformers is not followed by mypy here
    """A line for every report of the loss and every evaluation.

    When `stop` says so, the step in hand is finished, a checkpoint is left, and `stopped` is true.
    The last step is measured, where a training is `measured`, and kept as well. Of a training that
    is `over` nothing more is: what `Trainer` may do behind its last checkpoint counts for nothing,
    and a step that it takes there moves no weight.
    """

    def __init__(
        self, say: Say, stop: Callable[[], bool], *, measured: bool = True, over: bool = False
    ) -> None:
        self.stopped = False
        self._measured, self._over = measured, over
        self._say, self._stop = say, stop
        self._began, self._first = 0.0, 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self._began, self._first = time.monotonic(), state.global_step
        if state.global_step:
            self._say(f"going on from step {state.global_step} of {state.max_steps}")

    def on_step_begin(
        self,
        args: Any,  # noqa: ARG002
        state: Any,  # noqa: ARG002
        control: Any,  # noqa: ARG002
        optimizer: Any = None,
        **_: Any,
    ) -> None:
        if self._over and optimizer is not None:
            for group in optimizer.param_groups:
                group["lr"] = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        if self._over:
            control.should_evaluate = control.should_save = control.should_log = False
            control.should_training_stop = True
            state.global_step -= 1
            return
        if state.global_step == state.max_steps:  # whether or not a report is due
            control.should_evaluate, control.should_save = self._measured, True
        if self._stop():
            self.stopped = control.should_save = control.should_training_stop = True

    def on_log(
        self,
        args: Any,  # noqa: ARG002
        state: Any,
        control: Any,  # noqa: ARG002
        logs: Any = None,
        **_: Any,
    ) -> None:
        done, steps = state.global_step, state.max_steps
        if not state.is_world_process_zero or not logs:
            return
        if "eval_f1" in logs:
            parts = "  ".join(f"{name} {logs[f'eval_{name}']:.3f}" for name in ("error", "correct"))
            best = f"{logs['eval_best_f1']:.3f} at {logs['eval_threshold']:.3f}"
            self._say(f"step {done}/{steps}  held out: F1 {logs['eval_f1']:.3f}  ({parts}), {best}")
        elif "loss" in logs:
            spent = time.monotonic() - self._began
            left = spent / max(1, done - self._first) * (steps - done)
            self._say(f"step {done}/{steps}  loss {logs['loss']:.4f}  {left / 60:.1f} min left")
