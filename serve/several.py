"""Several texts of the policy for one request: each is a request of its own, by its own seed.

SGLang gives all texts of one request the same seed, and names that nobody knows who would abort
them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from sal.serve.errors import ApiError
from sal.serve.policy_alone import PolicyAlone

_SEEDS = 1 << 31
_BITS = 1 << 64


def parts_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A body for each text: of each prompt `n`, whose seeds follow the one that was said.

    Behind the largest that has 64 bits comes the smallest. Without one it is of chance: a server
    that knows seeds may have one for all who say none.
    """
    prompts = body.get("prompt")
    several = isinstance(prompts, list) and not all(isinstance(token, int) for token in prompts)
    each = prompts if several and isinstance(prompts, list) else [prompts]
    first = body.get("seed")
    seed = secrets.randbelow(_SEEDS) if first is None else first
    plain = {name: value for name, value in body.items() if name not in ("n", "best_of", "prompt")}
    return [
        {**plain, **({} if prompt is None else {"prompt": prompt}), "seed": _signed(seed + number)}
        for prompt in each
        for number in range(body.get("n") or 1)
    ]


def _signed(seed: int) -> int:
    """Within 64 bits: no engine has more for it."""
    return (seed + _BITS // 2) % _BITS - _BITS // 2


async def replies(policy: PolicyAlone, path: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """That to each part. Raises `ApiError` where one has none."""
    return await _together([policy.whole(path, part) for part in parts_of(body)])


def joined(told: Sequence[Mapping[str, Any]], each: int) -> dict[str, Any]:
    """One reply with the choices of all, of which `each` have the same prompt."""
    choices = [{**c, "index": i} for i, one in enumerate(told) for c in one.get("choices") or []]
    usage = summed([one.get("usage") for one in told], each)
    return {**told[0], "choices": choices, "usage": usage}


async def streamed(
    policy: PolicyAlone,
    path: str,
    body: Mapping[str, Any],
    tell: Callable[[Sequence[Mapping[str, Any]]], Awaitable[None]],
    *,
    usage: bool,
) -> int | None:
    """Tell the chunks of all parts as they come; returns how many tokens were generated."""
    lock, head = asyncio.Lock(), dict[str, Any]()

    async def one(index: int, part: Mapping[str, Any]) -> Any:
        told = None
        async with policy.stream(path, part) as chunks:
            async for chunk in chunks:
                told = chunk.get("usage") or told
                async with lock:
                    head.update({**chunk, **head})  # all have the id of the first
                    choices = [{**c, "index": index} for c in chunk.get("choices") or []]
                    if choices:
                        named = {name: head[name] for name in ("id",) if name in head}
                        await tell([{**chunk, **named, "choices": choices}])
        return told

    usages = await _together([one(i, part) for i, part in enumerate(parts_of(body))])
    total = summed(usages, body.get("n") or 1)
    if usage:
        await tell([{**head, "choices": [], "usage": total}])
    return generated(total)


def summed(usages: Sequence[Any], each: int) -> dict[str, Any] | None:
    """The usage of all parts, of which `each` have the same prompt; None where one is unknown."""
    if any(generated(usage) is None for usage in usages):
        return None
    if len(usages) == 1:
        return dict(usages[0])  # with all that the server told
    prompt = sum(usage.get("prompt_tokens") or 0 for usage in usages[::each])
    written = sum(usage["completion_tokens"] for usage in usages)
    details = [usage.get("completion_tokens_details") or {} for usage in usages]
    thought = sum(detail.get("reasoning_tokens") or 0 for detail in details)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


def generated(usage: Any) -> int | None:
    """Tokens that were; None for unknown."""
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return tokens if isinstance(tokens, int) else None


async def _together(works: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Their results; the first that fails ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except BaseExceptionGroup as failed:
        refused = [error for error in failed.exceptions if isinstance(error, ApiError)]
        raise (refused or failed.exceptions)[0] from None
    return [task.result() for task in tasks]
