"""The text of a reply and its token ids, so that each is exactly the other's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sal.runtime.policy import KnownIds
from sal.runtime.tokenizer import BROKEN, Tokenizer


def settled(
    prompt: str,
    prompt_ids: tuple[int, ...],
    text: str,
    output: list[int],
    told: Mapping[str, Any],
    tokenizer: Tokenizer,
) -> tuple[str, KnownIds]:
    """What a server wrote behind `prompt`, and the ids to go on from.

    They stay as the model made them, for that is what the server's cache holds, but

    - without an end token that the text does not show;
    - where the last token runs past the stop string, its text does so too if only with white space
      ("\\n\\n\\n"); else the server has cut the text there, and that token is not sent again;
    - a character of which a limit left the first bytes is not there yet: neither is its text.
    """
    finish = told.get("finish_reason") or {}
    kind, matched = finish.get("type"), finish.get("matched")
    ids, chars = (*prompt_ids, *output), len(prompt)
    if kind == "stop" and output and output[-1] == matched and not tokenizer.decode(output[-1:]):
        ids = ids[:-1]
    elif kind == "stop" and output and isinstance(matched, str):
        over = _over(prompt_ids, output, matched, tokenizer)
        if over.isspace():
            text += over
        elif over:
            ids, more = tokenizer.without_end(ids, len(over))
            return text, KnownIds(ids, chars + len(text) - more)
    elif kind == "length" and text.endswith(BROKEN):
        for less in range(1, min(4, len(output) + 1)):
            whole = tokenizer.decode_behind(prompt_ids, output[:-less])
            if not whole.endswith(BROKEN) and text.startswith(whole):
                return whole, KnownIds(ids[:-less], chars + len(whole))
    return text, KnownIds(ids, chars + len(text))


def _over(prompt_ids: tuple[int, ...], output: list[int], stop: str, tokenizer: Tokenizer) -> str:
    """What the last id of `output` holds behind `stop`."""
    last = tokenizer.piece(output[-1])
    if last and stop.endswith(last):  # nothing, unless the stop began before it
        alone = len(last) == 1 or len(output) == 1
        if alone or tokenizer.piece(output[-2])[-1:] not in stop:
            return ""
    behind = 4 * len(stop)  # a character may be four tokens
    tail = tokenizer.decode_behind((*prompt_ids, *output[:-behind]), output[-behind:])
    _, _, over = tail.partition(stop)
    return over
