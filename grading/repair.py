r"""Text that was damaged on its way: JSON read without escapes, HTML, backslashes lost or doubled.

`\frac` in a JSON string that was not escaped is a form feed and `rac`.
"""

from __future__ import annotations

import html
import re

_LOST = {
    "\x0c": ("f", r"rac|box|orall|lat"),
    "\x08": ("b", r"oxed|inom|ar|eta|egin|ig[lrg]?|mod|ullet|f|m|old"),
    "\t": ("t", r"ext\w*|imes|heta|an|au|frac|riangle|ilde|op|o(?![a-zA-Z])|herefore"),
    "\r": ("r", r"ight\w*|m(?![a-zA-Z])|ho|angle|floor|ceil|oot|brace"),
    "\n": ("n", r"eq?(?![a-zA-Z])|eg(?![a-zA-Z])|abla|less(?![a-zA-Z])"),
    "\x0b": ("v", r"ec|arphi|arnothing|ert|ee|mathbb"),
    "\x07": ("a", r"lpha|pprox|ngle|st(?![a-zA-Z])|rc"),
}
_CONTROL = re.compile("|".join(f"{mark}(?={tail})" for mark, (_, tail) in _LOST.items()))
_BARE = re.compile(
    r"(?<![a-zA-Z\\])(?:(rac)(?=\{)|(imes)(?![a-zA-Z])|(heta)(?![a-zA-Z])|(ext)(?=\{)"
    r"|(d?frac|sqrt|text|binom|overline|boxed)(?=\{))"
)
_BARE_OF = {"rac": "\\frac", "imes": "\\times ", "heta": "\\theta ", "ext": "\\text"}
_TAGS = (
    (re.compile(r"<sup>\s*(.*?)\s*</sup>", re.IGNORECASE), r"^{\1}"),
    (re.compile(r"<sub>\s*(.*?)\s*</sub>", re.IGNORECASE), r"_{\1}"),
    (
        re.compile(
            r"<(b|i|u|em|strong|code|tt|span|p|div|mark|big|small)(?: [^<>]*)?>(.*?)</\1>",
            re.IGNORECASE,
        ),
        r"\2",
    ),
    (re.compile(r"<br\s*/?>", re.IGNORECASE), " "),
)
_DOUBLED = re.compile(r"\\\\(?=[a-zA-Z{}%$])")


def repaired(text: str) -> str:
    """`text` as it was before the damage; undamaged text comes back as it is."""
    if any(mark in text for mark in _LOST):
        text = _CONTROL.sub(lambda match: "\\" + _LOST[match[0]][0], text)
    if text[:2] in ("**", "__") and text[2:].endswith(text[:2]) and text.count(text[:2]) == 2:
        text = text[2:-2].strip()
    if "&" in text and ";" in text:
        text = html.unescape(text)
    if "</" in text or "<br" in text:
        for pattern, replacement in _TAGS:
            text = pattern.sub(replacement, text)
    if "\\\\" in text and "\\begin" not in text and "matrix" not in text:
        text = _DOUBLED.sub(r"\\", text)
    if "{" in text or "imes" in text or "heta" in text:
        text = _BARE.sub(_restored, text)
    return text


def _restored(match: re.Match[str]) -> str:
    return _BARE_OF.get(match[0], "\\" + match[0])
