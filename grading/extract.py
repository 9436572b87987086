r"""The final answer of a completion: what the model said last.

Everything here is linear in the text and never raises: completions are hostile by default.
"""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from typing import Literal

from sal.grading.boxes import boxed, has_box
from sal.grading.repair import repaired
from sal.grading.stated import bare_answer, stated

Extraction = Literal["strict", "flexible"]
"""How the final answer of a completion is found."""

_THINKING = re.compile(
    r"</(?:think(?:ing)?|thought|reasoning|reflection)>|<\|end_of_thought\|>|◁/think▷|\[/THINK\]"
    r"|<\|channel\|>final<\|message\|>"
)
_OTHER_THOUGHT = re.compile(r"</?reasoning>|</reflection>|<\|channel")
_THOUGHT_OPENS = (
    "<think>", "<thinking>", "<thought>", "<reasoning>", "<|begin_of_thought|>", "[THINK]",
    "◁think▷",
)  # fmt: skip
_TAGGED = re.compile(r"[<\[]\s*(?:final[ _])?answer\s*[>\]]", re.IGNORECASE)
_TAG_CLOSED = re.compile(r"[<\[]\s*/\s*(?:final[ _])?answer\s*[>\]]", re.IGNORECASE)
_NUMBER = re.compile(r"-?\$?(?:\d[\d,]*\.?\d*|\.\d+)%?")
_PLAIN = re.compile(r"-?\d{1,15}")
_FIELD = 512
"""Longest reference that may be a damaged or listed answer rather than a solution."""
_ENDED = re.compile(
    r"<\|(?:endoftext|im_end|eot_id|end_of_text|end|return)\|>|<end_of_turn>|</s>|<｜end▁of▁sentence｜>"
)
"""The special token behind a turn, where a server left it in the text."""
_RUN_ON = re.compile(
    r"\n[ \t*#]*(?:Question|Problem|Human|User|Instruction|Input|Exercise|Q)(?:[ ]?\d+)?[*]*[:：]"
)
"""A base model that goes on with a question of its own."""


@lru_cache(maxsize=512)  # of a search's solutions, for the vote and for the verdict
def extract(text: str, *, flexible: bool = False) -> str | None:
    r"""The final answer of `text` as written there, or None.

    What stands in `<answer>` tags, in the last box, or else behind the last `####`, `Answer:`, "the
    answer is" and the like, in many languages; reasoning before `</think>` is not read. A text
    whose last box never closes was cut off and has no answer. A single line that is itself
    nothing but mathematics is its own answer. `flexible` falls back to the last number of the
    text.
    """
    spoken = _after_thinking(text)
    found = _strict(spoken) if spoken is not None else None
    if found is None and flexible:
        numbers = _NUMBER.findall(spoken or text)
        found = numbers[-1].rstrip(".,") if numbers else None
    return found


def extract_gold(text: str) -> str | None:
    """The reference answer in a field that holds a full solution or the bare answer itself."""
    if _PLAIN.fullmatch(text):
        return text
    if len(text) <= _FIELD:
        text = repaired(text)
        listed = _listed(text.strip())
        if listed is not None:
            return listed
    found = _strict(text)
    if found is not None:
        return found
    bare = text.strip()
    return bare if bare and not has_box(bare) else None


def _listed(text: str) -> str | None:
    """`["5", "7"]` as its items: a list of strings is how data sets hold several answers."""
    if not text.startswith(("['", '["')) or not text.endswith(("']", '"]')):
        return None
    try:
        items = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        return None
    return ", ".join(item.strip() for item in items)


def _after_thinking(text: str) -> str | None:
    """`text` without the reasoning before the answer; None when it never gets to one."""
    if "think" not in text.lower() and "thought" not in text and not _OTHER_THOUGHT.search(text):
        return text
    end = 0
    for match in _THINKING.finditer(text):
        end = match.end()
    if end:
        return text[end:]
    return None if text.lstrip().startswith(_THOUGHT_OPENS) else text


def _strict(text: str) -> str | None:
    text = _own_part(text)
    tagged = _tagged(text) if "swer>" in text or "SWER" in text or "swer]" in text else None
    if tagged is not None:
        return tagged
    box = boxed(text)
    if box is None:
        return stated(text) or bare_answer(text)
    later = stated(text[box.end :], certain=True) if box.answer else None
    return later or box.answer or None


def _tagged(text: str) -> str | None:
    """What the last `<answer>` tag holds, unless a box follows it."""
    opening = None
    for opening in _TAGGED.finditer(text):  # noqa: B007 (the last match is wanted)
        pass
    if opening is None:
        return None
    rest = text[opening.end() :]
    closing = _TAG_CLOSED.search(rest)
    if closing is not None:
        if has_box(rest[closing.end() :]):
            return None
        rest = rest[: closing.start()]
    inside = rest.strip()
    box = boxed(inside)
    if box is not None:
        return box.answer or None
    return stated(inside) or bare_answer(inside) or (inside if "\n" not in inside else None) or None


def _own_part(text: str) -> str:
    """`text` up to where it goes on with another question although it has answered its own."""
    ended = _ENDED.search(text) if "<" in text else None
    if ended is not None and text[: ended.start()].strip():
        text = text[: ended.start()]
    first = _RUN_ON.search(text)
    if first is None or _RUN_ON.match("\n" + text.lstrip()):
        return text
    for match in list(_RUN_ON.finditer(text))[:4]:
        head = text[: match.start()]
        box = boxed(head)
        if (box is not None and box.answer) or stated(head):
            return head
    return text
