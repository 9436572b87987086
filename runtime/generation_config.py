"""How a model's authors want its tokens drawn: `generation_config.json`, for SGLang's `/generate`.

SGLang heeds that file for its chat endpoint alone; `/generate` takes the defaults that its server
was started with.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from sal.runtime.model_files import local_file, model_file

if TYPE_CHECKING:
    from sal.runtime.plan import ServerSpec

FLAG = "--preferred-sampling-params"
NAMES = ("top_p", "top_k", "min_p", "repetition_penalty")
"""Those that SGLang takes from the file for chat; but `sal` says every temperature itself."""


def with_model_defaults(spec: ServerSpec, *, download: bool) -> ServerSpec:
    """`spec` of a policy with the defaults of its model's own file; `download` it if it must be.

    What the user's flags say of defaults stands.
    """
    if spec.role != "policy" or "sglang.launch_server" not in spec.argv or FLAG in spec.argv:
        return spec
    if "--sampling-defaults openai" in " ".join(spec.overrides):
        return spec
    find = model_file if download else local_file
    path = find(spec.model, "generation_config.json")
    try:
        told = json.loads(path.read_text(encoding="utf-8")) if path else {}
        said = {name: told[name] for name in NAMES if told.get(name) is not None}
    except (OSError, ValueError, TypeError, AttributeError):  # SGLang will say what is wrong
        return spec
    if said.get("top_k") == 0:  # transformers' word for all tokens
        said["top_k"] = -1
    if not said:
        return spec
    words = ", ".join(f"{name} {value}" for name, value in said.items())
    reason = f"draws tokens as the model's generation_config.json has it, unless told: {words}"
    return replace(spec, argv=(*spec.argv, FLAG, json.dumps(said)), reasons=(*spec.reasons, reason))
