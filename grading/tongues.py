"""How models announce a final answer: a table by language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_GAP = r"[ \t*_`}]*"
_MARK = r"[*_`}\s]*[:：=→⇒➜】—–]+"
_ASIDE = r"(?:[ ]?\((?:in|to|as)[ ][^()\n]{1,40}\)[ ]?)?"
_BE = (
    r"is|was|are|equals|becomes|(?:would|should|must|will|can|could)(?:[ ]then)?[ ]be"
    r"|comes[ ](?:out[ ])?(?:to|as)(?:[ ]be)?"
)


@dataclass(frozen=True, slots=True)
class _Tongue:
    """`stem` is a piece of every announcement: a text without it is not searched."""

    stem: str
    announced: re.Pattern[str]


def _tongue(stem: str, word: str, verb: str, *, spaced: bool = True) -> _Tongue:
    """`word` is what is called the answer, `verb` the "is" that may follow it."""
    before, after = (r"(?<![^\W\d_])", r"(?![^\W\d_])") if spaced else ("", "")
    pattern = rf"{before}(?:{word}){_GAP}(?:{_MARK}|(?:{verb}){after}[ \t]*[:：]?)"
    return _Tongue(stem, re.compile(pattern, re.IGNORECASE))


_ENGLISH = (
    _Tongue(
        "ns",
        re.compile(
            # the answer is, the answer to the problem is, the answer (in cm) would be
            rf"(?<![^\W_])[Aa](?i:nswers?)(?![^\W_]){_GAP}"
            r"(?:(?:to|for|of)[ ](?:the|this|our|your)[ ](?:\w+[ ]?){1,3}|choice[ ]|option[ ])?"
            rf"{_ASIDE}(?:,[ ]?\w+,[ ])?(?i:{_BE})\b{_GAP}:?"
            # Answer: and an "Answer" that ends its line
            rf"|(?<![^\W_])[Aa](?i:ns(?:wers?)?)(?![^\W_])\.?[*_`}}]*{_ASIDE}"
            rf"(?:[ ]?(?:to|for)[ ](?:the|this)[ ]\w+)?(?:{_MARK}|[*_` ]*(?=\r?\n))"
            r"|\b[Ff](?i:inal[ ]answer)[*_]*(?:[ ]-[ ]|[ \t]*(?=[\d$\\*-]))"
        ),
    ),
    _Tongue(
        "ption",
        re.compile(
            rf"\b(?i:correct|right|best)[ ](?:answer[ ])?option{_GAP}(?:is\b|{_MARK}){_GAP}:?"
        ),
    ),
    _Tongue(
        "hoice",
        re.compile(
            rf"\b(?i:correct|right|best)[ ](?:answer[ ])?choice{_GAP}(?:is\b|{_MARK}){_GAP}:?"
        ),
    ),
)
_ALL = (
    _tongue("espuesta", r"respuesta(?: final| correcta)?", "es"),
    _tongue("ponse", r"r[ée]ponse(?: finale| correcte)?", "est"),
    _tongue("ntwort", r"antwort", r"ist|lautet"),
    _tongue("rgebnis", r"(?:end)?ergebnis", r"ist|lautet"),
    _tongue("esposta", r"resposta(?: final| correta)?", "[ée]"),
    _tongue("isposta", r"risposta(?: finale| corretta)?", "[èe]"),
    _tongue("ntwoord", r"(?:eind)?antwoord", "is"),
    _tongue("dpowied", r"odpowied[źz]", "to|brzmi"),
    _tongue("evap", "cevap", ":"),
    _tongue("ibu", r"jibu(?: la mwisho)?", "ni"),
    _tongue("awaban", r"jawaban(?: akhir)?(?:nya)?", "adalah"),
    _tongue("áp ", r"đáp (?:án|số)(?: cuối cùng)?", "là"),
    _tongue("trả lời", r"câu trả lời(?: cuối cùng)?", "là"),
    _tongue("твет", "ответ", "—|-|равен|будет"),
    _tongue("ідповідь", "відповідь", "—|-"),
    _tongue("جواب", r"(?:ال)?جواب(?: النهائي)?", "هو"),
    _tongue("جابة", r"(?:ال)?[إا]جابة(?: النهائية)?", "هي"),
    _tongue("उत्तर", "उत्तर", "है", spaced=False),
    _tongue("উত্তর", "উত্তর", "হল|হলো", spaced=False),
    _tongue("సమాధానం", "సమాధానం", ":", spaced=False),
    _tongue("คำตอบ", r"คำตอบ(?:สุดท้าย)?", "คือ", spaced=False),
    _tongue("답", r"(?:정|최종 ?)?답변?", "[은는]", spaced=False),
    _tongue("答", r"答案|答え|回答|解答|答", r"[应應該该]?[是为為选選]|等[于於]|は", spaced=False),
    _tongue("结果", "结果", r"[应该]?[是为]|等于", spaced=False),
    _tongue("正解", "正解", "は", spaced=False),
    _tongue("故", r"故[选選]", "", spaced=False),
)
_TONGUES = sorted(_ALL, key=lambda tongue: not tongue.stem.isascii())
_ASCII_STEMS = sum(tongue.stem.isascii() for tongue in _TONGUES)
_WEAK = re.compile(
    r"\b(?:final |end )?(?:result|solution|value|total) "
    r"(?:of [^.\n]{1,60}? )?(?:is|equals|would be|should be)\b ?:?",
    re.IGNORECASE,
)
CLOSING = re.compile(
    r"(?<=\S)\s*(?:です|でした|となります|입니다|이다|है|হয়|ครับ|ค่ะ)$|(?<=\d)\s*(?![万亿千百十兆億萬])[一-鿿]{1,2}$"
)
"""What some languages put behind the answer."""


def english(text: str) -> Iterator[re.Match[str]]:
    """What announces an answer in English; the answer begins behind it: "the answer is"."""
    for tongue in _ENGLISH:
        if tongue.stem in text or tongue.stem.upper() in text:
            yield from tongue.announced.finditer(text)


def foreign(text: str) -> Iterator[re.Match[str]]:
    """What announces an answer in another language: `Respuesta:`, 答案是."""
    low = text.lower()
    for tongue in _TONGUES[: _ASCII_STEMS if text.isascii() else None]:
        if tongue.stem in low:
            yield from tongue.announced.finditer(text)


def weak_announcement(text: str) -> int | None:
    """Where the last "the result is" ends: such words also stand before mere steps."""
    end = None
    for match in _WEAK.finditer(text):
        end = match.end()
    return end
