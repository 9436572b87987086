"""Matrix products whose rows do not depend on each other: a plugin for CPU servers of `sal`.

The libraries behind torch add a row's floats in one order where a product has a few rows, and in
another where it has many: 1e-7 of a difference, and once in a while another token. So how many
requests happen to be computed together would show in a text. With no fewer rows than
`rows_to_compute`, all are added in one order (`tests/test_runtime_cpu_matmul.py` looks at the
machine it runs on); padding a few rows costs next to nothing. On a GPU SGLang's own deterministic
mode does this.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

SWITCH = "SAL_CPU_MATMUL"
"""The environment variable that asks for it: "1"."""

_TILE = 4
"""Rows that the libraries compute side by side; a tile with fewer takes another way."""


def register() -> None:
    """Pad products where this server asks for it: the layers', and that with the vocabulary."""
    if os.environ.get(SWITCH) != "1":
        return
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    HookRegistry.register("torch.nn.functional.linear", linear, HookType.AROUND)
    HookRegistry.register(
        "sglang.srt.layers.logits_processor.LogitsProcessor._compute_lm_head",
        lm_head,
        HookType.AROUND,
    )


def rows_to_compute(rows: int) -> int:
    """How many rows a product is given in place of `rows`: full tiles."""
    return -(-rows // _TILE) * _TILE


def linear(product: Callable[..., Any], x: Any, *how: Any, **options: Any) -> Any:
    """`product` is torch's; `x` (tokens, features): of other shapes, the result is torch's too."""
    return (
        product(_padded(x), *how, **options)[: len(x)]
        if x.dim() == 2
        else product(x, *how, **options)
    )


def lm_head(product: Callable[..., Any], self: Any, hidden: Any, *how: Any, **options: Any) -> Any:
    """`product` is SGLang's method; `hidden` (tokens, features)."""
    return product(self, _padded(hidden), *how, **options)[: len(hidden)]


def _padded(x: Any) -> Any:
    """Full tiles where they are few; among many, the libraries end with a tile of the same kind."""
    from torch import get_num_threads
    from torch.nn.functional import pad

    rows = len(x)
    if rows >= 4 * _TILE * get_num_threads() or rows % _TILE == 0:
        return x
    return pad(x, (0, 0, 0, rows_to_compute(rows) - rows))
