r"""The answer in a solution's last `\boxed{...}`, for those who do not need a grader."""

from __future__ import annotations

import re

_MARK = re.compile(r"\\boxed\{|\\[{}]|\\\\(?!boxed\{)|[{}]")


def last_boxed(text: str) -> str:
    r"""What stands in the last complete `\boxed{...}`, stripped; "" when there is none.

    Braces are matched; `\{` and `\}` are literal. One pass over the text, whatever it holds. A
    box that is never closed is no answer; of nested boxes the outermost closed one counts.
    """
    answer = ""
    opened: list[int] = []  # where the content of an open box starts; -1 for another brace
    for mark in _MARK.finditer(text):
        brace = mark.group()
        if brace == "}" and opened:
            start = opened.pop()
            if start >= 0:
                answer = text[start : mark.start()].strip()
        elif brace.endswith("boxed{"):
            opened.append(mark.end())
        elif brace == "{":
            opened.append(-1)
    return answer
