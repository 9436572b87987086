"""What a model takes on a GPU as it will be served: its size on disk, under the user's flags."""

from __future__ import annotations

import os
from dataclasses import replace

from sal.runtime.model_size import ModelSize, in_words
from sal.runtime.server_flags import Flags, PlanError, count, said

_TYPES = {"float32": 4, "float": 4, "float16": 2, "half": 2, "bfloat16": 2}
"""Bytes of a number, by what `--dtype` takes beside `auto`."""

_KV = {"fp8_e5m2": 1.0, "fp8_e4m3": 1.0, "mxfp8": 1.0, "nvfp4": 0.5, "fp4_mx_block16": 0.5}
"""Bytes of a number of the KV cache, by what `--kv-cache-dtype` takes beside 16 bits."""

_WHILE_LOADING = {
    "fp8": 1.0,
    "mxfp8": 1.0,
    "w8a8_fp8": 1.0,
    "w8a8_int8": 1.0,
    "modelopt_fp8": 1.0,
    "bitsandbytes": 0.5,
    "nvfp4_online": 0.5,
}
"""Bytes of a weight, by the `--quantization` that SGLang makes of a 16-bit checkpoint."""


_LONGER = "SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN"


def served_size(size: ModelSize, flags: Flags) -> ModelSize:
    """`size` with `--dtype`, `--quantization`, `--kv-cache-dtype` and `--context-length` heeded.

    Without them a 32-bit checkpoint is served in 16 bits, as SGLang does it, and a quantised one as
    it is. Raises `PlanError` for a context longer than the model's, which SGLang refuses.
    """
    dtype = said(flags, "--dtype")
    asked = said(flags, "--quantization")
    each, why = size.bytes_each, ""
    if not size.quantised:
        each = _TYPES.get(dtype or "auto", 2)
        if asked in _WHILE_LOADING:
            each, why = _WHILE_LOADING[asked], f", {asked} while loading"
        elif each != size.bytes_each:
            why = f", {dtype or '16 bits'} as served"
    weights = int(size.parameters * each)
    kv = size.kv_bytes_per_token
    kept = _KV.get(said(flags, "--kv-cache-dtype") or "auto")
    if kept is not None:
        kv = int(kv * kept / 2)
    elif dtype in ("float32", "float") and said(flags, "--kv-cache-dtype") in (None, "auto"):
        kv = 2 * kv
    reason = size.reason
    if size.quantised:
        reason = f"{reason}, {size.quantised}"
    elif why:
        reason = f"{reason}, {in_words(weights)}{why}"
    return replace(
        size,
        weight_bytes=weights,
        kv_bytes_per_token=kv,
        bytes_each=each,
        reason=reason,
        context=served_context(size, flags),
    )


def served_context(size: ModelSize, flags: Flags) -> int | None:
    """The longest text that the server takes; raises `PlanError` for more than the model can."""
    asked = count(flags, ("--context-length",))
    if asked is None or size.context is None:
        return asked or size.context
    stretched = "--json-model-override-args" in flags or os.environ.get(_LONGER) in ("1", "true")
    if asked > size.context and not stretched:
        raise PlanError(
            f"--context-length {asked}: the model was made for {size.context} tokens, and SGLang "
            f"refuses more, unless {_LONGER}=1 is set"
        )
    return asked
