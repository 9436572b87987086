"""POST /v1/completions: from the body to what is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sal.serve.asked import Asked, usage_wanted
from sal.serve.effort import NONE
from sal.serve.errors import unsupported, wrong
from sal.serve.limits import Limits
from sal.serve.models import Catalogue
from sal.serve.read_chat import HONOURED, SAYS_NOTHING, check_fields, passed_on
from sal.serve.search_params import effort_of, read_search

_FIELDS = (HONOURED | SAYS_NOTHING | {"prompt"}) - {"messages"}


def read_completion(
    body: Mapping[str, Any], headers: Mapping[str, str], catalogue: Catalogue, limits: Limits
) -> Asked:
    """Raises `ApiError`. The policy goes on behind the prompt as it stands, without a template."""
    named = catalogue.read(body.get("model"))
    stream, include_usage = usage_wanted(body)
    said = Asked(model=str(body["model"]), body=body, stream=stream, include_usage=include_usage)
    prompt = body.get("prompt")
    if prompt is None or prompt in ("", []):
        raise wrong("prompt", "must be a text that is not empty")
    if named.strategy is None or effort_of(body) == NONE:
        return passed_on(said, limits, None if named.strategy is None else ())
    check_fields(body, _FIELDS)
    if body.get("logprobs", False) is not False:  # 0 of them is the sampled token's own
        raise unsupported("logprobs", "the model `policy` does")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise wrong("prompt", "a search goes on behind one text; the model `policy` takes others")
    strategy = catalogue.find(named.strategy)
    search = read_search(body, headers, named, strategy, limits, prompt=prompt)
    return replace(said, search=search)
