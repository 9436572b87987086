"""TRL's trainers, by method. TRL is an optional package: `pip install 'sal-sglang[learn]'`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from sal.learn.distill.examples import Method
from sal.learn.errors import TrainError

PINNED = "1.16.0"
"""The version that the tests ran with. ORPO is among its experimental trainers, of which TRL says
that any release may remove them."""


@dataclass(frozen=True, slots=True)
class Trl:
    """The trainer of a method and its configuration, which are classes."""

    trainer: Any
    config: Any


def trl_for(method: Method) -> Trl:
    """Raises `TrainError` where there is no such trainer. TRL reports no training to its makers."""
    from huggingface_hub import constants

    constants.HF_HUB_DISABLE_TELEMETRY = True
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # what it warns of is said above
    module = "trl.experimental.orpo" if method == "orpo" else "trl"
    name = method.upper()
    try:
        trl = import_module(module)
        return Trl(getattr(trl, f"{name}Trainer"), getattr(trl, f"{name}Config"))
    except ImportError as error:
        raise TrainError(
            f"{method} needs TRL, {PINNED} best of all: pip install 'sal-sglang[learn]'"
        ) from error
    except AttributeError as error:
        raise TrainError(
            f"the TRL that is installed has no trainer for {method}: pip install trl=={PINNED}"
        ) from error
