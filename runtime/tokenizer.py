"""A model's tokenizer and chat template, without importing transformers (seconds of CPU)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, NoReturn

import tokenizers

from sal.runtime.model_files import model_file

_DATE = "26 Jul 2024"
"""Given to templates that put a date into the system prompt: the default of Llama 3.1's own, so
that a prompt, and with it a run, is the same tomorrow."""

_REPLY = "[the reply]"

_SWITCHES = ("enable_thinking", "thinking")
"""What templates call it whether the model is to reason: Qwen3's and most, DeepSeek-V3.1's."""

_BEGIN_MARKS = ("\u2581", "\u0120")
"""A space, as vocabularies spell it: the first of SentencePiece's, the other of byte-level BPE."""

_ANCHORS = ("\n", "a", ".")
"""Texts to tokenise another behind; one that grows together with it is passed over."""

_CONTEXT = 8
"""Token ids that decide how the next one is spelled out; SGLang's detokenizer looks at 5."""

BROKEN = "\ufffd"
"""What stands for the bytes of a character that are not all there."""

_REMEMBERED = 1024
"""Texts whose ids are kept. Of a prompt to the PRM, all steps but the last were encoded before."""


class Tokenizer:
    """Text to ids and back, as the model's AutoTokenizer does it."""

    def __init__(
        self, core: tokenizers.Tokenizer, config: dict[str, Any] | None = None, template: str = ""
    ) -> None:
        self._core = core
        self._config = config or {}
        self._template = template
        bare = core.encode("a", add_special_tokens=False).ids
        full = core.encode("a", add_special_tokens=True).ids
        start = next((i for i in range(len(full)) if full[i : i + len(bare)] == bare), 0)
        self._prefix: list[int] = full[:start]
        self._encode = lru_cache(_REMEMBERED)(partial(_encoded, core))
        self._piece = lru_cache(None)(lambda token: self.decode_behind(bare, [token]))
        self._marks_begin = str(core.id_to_token(bare[0]) if bare else "").startswith(_BEGIN_MARKS)

    @classmethod
    def load(cls, model: str) -> Tokenizer | None:
        """The tokenizer of a folder or Hub name; None if there is no `tokenizer.json` to be had."""
        path = model_file(model, "tokenizer.json")
        if path is None:
            return None
        config = _json(model_file(model, "tokenizer_config.json"))
        jinja = model_file(model, "chat_template.jinja")
        template = jinja.read_text() if jinja else _template(config.get("chat_template"))
        core = tokenizers.Tokenizer.from_file(str(path))
        core.no_truncation()
        core.no_padding()
        return cls(core, config, template)

    @property
    def size(self) -> int:
        """How many ids there are, special ones included."""
        return int(self._core.get_vocab_size())

    @property
    def template(self) -> str:
        """The chat template, as it is written; "" for a base model."""
        return self._template

    @property
    def bos(self) -> str:
        """The text of what starts a prompt, "" where the tokenizer names none."""
        return self._special_tokens().get("bos_token", "")

    @property
    def eos(self) -> str:
        """The text of what ends a text, "" where the tokenizer names none."""
        return self._special_tokens().get("eos_token", "")

    @property
    def added(self) -> frozenset[str]:
        """The strings that are tokens of their own wherever they stand: control tokens and tags."""
        return frozenset(token.content for token in self._core.get_added_tokens_decoder().values())

    @property
    def hidden(self) -> frozenset[str]:
        """Those of `added` that no text shows which a server sends."""
        added = self._core.get_added_tokens_decoder().values()
        return frozenset(token.content for token in added if token.special)

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """Ids of `text`; with `special`, led by what starts every prompt of this model (bos).

        A text that already spells the bos token, as a rendered chat does, gets no second one.
        """
        ids = list(self._encode(text))
        if special and ids[: len(self._prefix)] != self._prefix:
            return self._prefix + ids
        return ids

    def encode_behind(self, text: str) -> list[int]:
        """Ids of `text` where it goes on behind another text, and does not begin one.

        Tokenizers of SentencePiece's kind lead a text with a space of their own; in the middle of
        one it would be a space too many.
        """
        if self._marks_begin and text:
            for anchor in _ANCHORS:
                before, both = self._encode(anchor), self._encode(anchor + text)
                if both[: len(before)] == before:
                    return list(both[len(before) :])
        return list(self._encode(text))

    def decode(self, ids: Sequence[int]) -> str:
        """Text of `ids`, special tokens left out."""
        return str(self._core.decode(list(ids), skip_special_tokens=True))

    def decode_behind(self, before: Sequence[int], ids: Sequence[int]) -> str:
        """What `ids` add to the text of `before`, as a server tells it: by a few ids of context."""
        context = list(before[-_CONTEXT:])
        return self.decode([*context, *ids])[len(self.decode(context)) :]

    def spelled(self, token: int) -> str:
        """`token` as the vocabulary spells it: of a special one, its text."""
        return str(self._core.id_to_token(token))

    def piece(self, token: int) -> str:
        """What `token` is behind another."""
        return self._piece(token)

    def without_end(self, ids: Sequence[int], extra: int) -> tuple[tuple[int, ...], int]:
        """`ids` without those that hold the last `extra` characters of their text.

        Where an id holds a part of them it goes as a whole: the number is that of the characters
        that went beside these.
        """
        for keep in range(len(ids), 0, -1):
            gone = self.decode_behind(ids[:keep], ids[keep:])
            whole = not self.decode(ids[max(0, keep - _CONTEXT) : keep]).endswith(BROKEN)
            if len(gone) >= extra and whole:
                return tuple(ids[:keep]), len(gone) - extra
        return (), len(self.decode(ids)) - extra

    def chat(
        self, question: str, system: str | None = None, *, thinking: bool | None = None
    ) -> str | None:
        """The prompt for an assistant's turn on `question`; None if the model has no template."""
        messages = [{"role": "system", "content": system}] if system else []
        return self.render([*messages, {"role": "user", "content": question}], thinking=thinking)

    @cached_property
    def reply_end(self) -> int | None:
        """The special token that ends an assistant's turn in the template, if one does."""
        behind = (self.between_replies("?") or "").lstrip()
        special = self._core.get_added_tokens_decoder().items()
        ends = {t.content: i for i, t in special if t.special and behind.startswith(t.content)}
        return ends[max(ends, key=len)] if ends else None

    def between_replies(self, request: str, *, thinking: bool | None = None) -> str | None:
        """What stands between an assistant's reply and the next one, if the user says `request`.

        From the end of one turn, its end token included, to the start of the other. None if the
        model has no template, or none in which a reply stays as it is.
        """
        if not self._template:
            return None
        import jinja2

        said = [("user", "?"), ("assistant", _REPLY), ("user", request)]
        try:
            text = self.render(
                [{"role": role, "content": content} for role, content in said], thinking=thinking
            )
        except jinja2.TemplateError:
            return None
        _, found, behind = (text or "").partition(_REPLY)
        return behind if found else None

    def render(
        self, messages: list[dict[str, str]], *, reply: bool = True, thinking: bool | None = None
    ) -> str | None:
        """`messages` in the model's template, opening a `reply` or not; None without a template.

        A system turn that the template refuses (Gemma) or leaves out stands at the head of the
        first turn of the user. `thinking` sets the template's switch, where it has one. Raises
        `jinja2.TemplateError` for messages that the template refuses.
        """
        if not self._template:
            return None
        import jinja2

        values: dict[str, Any] = {**self._special_tokens(), "add_generation_prompt": reply}
        if thinking is not None:
            values |= dict.fromkeys(_SWITCHES, thinking)
        begins = [message["role"] for message in messages[:2]] == ["system", "user"]
        try:
            text = _render(self._template, messages, values)
            if not begins or messages[0]["content"].strip() in text:
                return text
        except jinja2.TemplateError:
            if not begins:
                raise
        system, user, *rest = messages
        folded = {**user, "content": f"{system['content']}\n\n{user['content']}"}
        return _render(self._template, [folded, *rest], values)

    def _special_tokens(self) -> dict[str, str]:
        tokens = {}
        for name in ("bos_token", "eos_token", "pad_token", "unk_token"):
            value = self._config.get(name)
            if isinstance(value, dict):
                value = value.get("content")
            if isinstance(value, str):
                tokens[name] = value
        return tokens


def _encoded(core: tokenizers.Tokenizer, text: str) -> tuple[int, ...]:
    return tuple(core.encode(text, add_special_tokens=False).ids)


def _render(template: str, messages: list[dict[str, str]], values: dict[str, Any]) -> str:
    """As transformers renders it: sandboxed, trimmed blocks, the same globals."""
    import jinja2
    import jinja2.sandbox

    def refuse(message: str) -> NoReturn:
        raise jinja2.TemplateError(message)

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(
        value, ensure_ascii=False, indent=indent
    )
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment.from_string(template).render(messages=messages, date_string=_DATE, **values)


def _template(value: Any) -> str:
    """`chat_template` is a string, or a list of named ones."""
    if isinstance(value, list):
        named = {entry.get("name"): entry.get("template") for entry in value}
        value = named.get("default")
    return value if isinstance(value, str) else ""


def _json(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    loaded = json.loads(path.read_text())
    return loaded if isinstance(loaded, dict) else {}
