"""Train the embedded models from seeds: `python -m sal.tiny.train`.

Two processes, one thread each, run side by side in float32: the policy, which then learns to revise
its solutions, and the PRM. A run that was cut off goes on from its last checkpoint. The finished
models and problem sets replace those of the package. `python -m sal.tiny.train figure` does so with
the policies of growing size (docs/figure.md).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from sal.tiny.models import build_model
from sal.tiny.problem_sets import write_problems
from sal.tiny.stages import CHECKPOINTS, FIGURE, INSTALLED, SIDES, STAGES, Stage
from sal.tiny.stream import IGNORED, Batch, batches
from sal.tiny.tokenizer import TAG, build_tokenizer

CHECKPOINT_EVERY = 200
REPORT_EVERY = 50
WARMUP = 100
CLIP = 1.0


class Learner(torch.nn.Module):  # type: ignore[misc]  # torch is not followed by mypy here
    """A model, and the probe for the PRM's dense target, which is not kept."""

    def __init__(self, model: LlamaForCausalLM) -> None:
        super().__init__()
        self.model = model
        self.probe = torch.nn.Linear(model.config.hidden_size, 1)

    def loss(self, batch: Batch) -> torch.Tensor:
        """Mean cross-entropy of the next token, plus that of the probe where it has a target."""
        hidden = self.model.model(batch.ids).last_hidden_state
        asked = batch.following != IGNORED
        logits = self.model.lm_head(hidden[asked])
        loss = F.cross_entropy(logits, batch.following[asked])
        known = batch.right != IGNORED
        if known.any():
            guesses = self.probe(hidden[known]).squeeze(-1)
            loss = loss + F.binary_cross_entropy_with_logits(guesses, batch.right[known].float())
        return loss


def optimizers(learner: Learner) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the model, AdamW for everything else."""
    matrices: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for name, weight in learner.named_parameters():
        inside = weight.ndim == 2 and ".layers." in name
        (matrices if inside else others).append(weight)
    return [
        torch.optim.Muon(matrices, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def learning_rate(step: int, stage: Stage) -> float:
    """Linear warm-up, then linear decay to nothing."""
    return stage.peak * min(1.0, (step + 1) / WARMUP) * (1 - step / stage.steps)


def train(name: str) -> None:
    """Train to the end of a stage, from its last checkpoint where there is one."""
    torch.set_num_threads(1)
    stage = STAGES[name]
    tokenizer = build_tokenizer()
    learner = Learner(build_model(stage.model, tokenizer, stage.seed))
    if stage.after:
        _start_from(learner, stage.after)
    workers = optimizers(learner)
    folder = CHECKPOINTS / name
    folder.mkdir(parents=True, exist_ok=True)
    saved = folder / "checkpoint.pt"
    step, seconds = 0, 0.0
    if saved.exists():
        state = _checkpoint(name)
        step, seconds = state["step"], state["seconds"]
        learner.load_state_dict(state["learner"])
        for worker, past in zip(workers, state["optimizers"], strict=True):
            worker.load_state_dict(past)
    started = time.monotonic() - seconds
    losses: deque[float] = deque(maxlen=REPORT_EVERY)
    for batch in batches(stage.examples, tokenizer, step):
        if step == stage.steps:
            break
        for worker in workers:
            for group in worker.param_groups:
                group["lr"] = learning_rate(step, stage)
        loss = learner.loss(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learner.parameters(), CLIP)
        for worker in workers:
            worker.step()
            worker.zero_grad()
        losses.append(loss.item())
        step += 1
        seconds = time.monotonic() - started
        if step % REPORT_EVERY == 0:
            left = seconds / step * (stage.steps - step)
            print(
                f"{name:9} step {step}/{stage.steps}  loss {sum(losses) / len(losses):.4f}"
                f"  {seconds / 60:.1f} min, {left / 60:.1f} min left",
                flush=True,
            )
        if step % CHECKPOINT_EVERY == 0 or step == stage.steps:
            state = {
                "step": step,
                "seconds": seconds,
                "learner": learner.state_dict(),
                "optimizers": [worker.state_dict() for worker in workers],
            }
            torch.save(state, saved.with_suffix(".new"))
            saved.with_suffix(".new").replace(saved)
            save(stage, learner.model, tokenizer, folder / "model")


def _start_from(learner: Learner, stage: str) -> None:
    """As a stage left it here, or as its model is installed."""
    if (CHECKPOINTS / stage / "checkpoint.pt").exists():
        learner.load_state_dict(_checkpoint(stage)["learner"])
    else:
        weights = load_file(INSTALLED[stage] / "model.safetensors")
        learner.model.load_state_dict(weights, strict=False)  # its head is its embedding


def _checkpoint(name: str) -> dict[str, Any]:
    return dict(torch.load(CHECKPOINTS / name / "checkpoint.pt", weights_only=True))


def save(
    stage: Stage, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path
) -> None:
    """Write a model folder that transformers and SGLang load as it is."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    settings = folder / "tokenizer_config.json"
    config = json.loads(settings.read_text())
    config["tokenizer_class"] = "PreTrainedTokenizerFast"  # the name that every version knows
    config.pop("backend", None)
    settings.write_text(json.dumps(config, indent=2) + "\n")
    if stage.prm:
        settings = folder / "config.json"
        config = json.loads(settings.read_text())
        config["sal_prm"] = {
            "family": "step-token",
            "tag": TAG,
            "good": "+",
            "bad": "-",
            "aggregate": "last",
            "label": "prefix-correct",
        }
        settings.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def main(arguments: list[str]) -> int:
    """Train both models side by side, or with `figure` its family, and install them; the stages
    that are named are trained alone."""
    if arguments == ["figure"]:
        return side_by_side(FIGURE)
    for name in arguments:
        train(name)
    if arguments:
        return 0
    write_problems()
    return side_by_side(SIDES)


def side_by_side(sides: Sequence[Sequence[str]]) -> int:
    """Train each side's stages one after the other in a process of its own; install the models."""
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "sal.tiny.train"]
    running = [subprocess.Popen([*command, *stages], env=quiet) for stages in sides]
    codes = [process.wait() for process in running]
    if any(codes):
        return 1
    for name in (name for stages in sides for name in stages if name in INSTALLED):
        install(CHECKPOINTS / name / "model", INSTALLED[name])
    return 0


def install(trained: Path, folder: Path) -> None:
    """Copy a model folder, its weights rounded to bfloat16 for size; they still load as float32."""
    shutil.copytree(trained, folder, dirs_exist_ok=True)
    weights = load_file(trained / "model.safetensors")
    rounded = {name: weight.to(torch.bfloat16) for name, weight in weights.items()}
    save_file(rounded, folder / "model.safetensors", {"format": "pt"})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
