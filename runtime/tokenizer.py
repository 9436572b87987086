"""A model's tokenizer and chat template, without importing transformers (seconds of CPU)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NoReturn

import tokenizers

from sal.runtime.model_files import model_file

_DATE = "26 Jul 2024"
"""Given to templates that put a date into the system prompt: the default of Llama 3.1's own, so
that a prompt, and with it a run, is the same tomorrow."""

_REPLY = "[the reply]"

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
    def bos(self) -> str:
        """The text of what starts a prompt, "" where the tokenizer names none."""
        return self._special_tokens().get("bos_token", "")

    @property
    def added(self) -> frozenset[str]:
        """The strings that are tokens of their own wherever they stand: control tokens and tags."""
        return frozenset(token.content for token in self._core.get_added_tokens_decoder().values())

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """Ids of `text`; with `special`, led by what starts every prompt of this model (bos).

        A text that already spells the bos token, as a rendered chat does, gets no second one.
        """
        ids = list(self._encode(text))
        if special and ids[: len(self._prefix)] != self._prefix:
            return self._prefix + ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of `ids`, special tokens left out."""
        return str(self._core.decode(list(ids), skip_special_tokens=True))

    def chat(self, question: str, system: str | None = None) -> str | None:
        """The prompt for an assistant's turn on `question`; None if the model has no template."""
        messages = [{"role": "system", "content": system}] if system else []
        return self.render([*messages, {"role": "user", "content": question}])

    def between_replies(self, request: str) -> str | None:
        """What stands between an assistant's reply and the next one, if the user says `request`.

        From the end of one turn, its end token included, to the start of the other. None if the
        model has no template, or none in which a reply stays as it is.
        """
        if not self._template:
            return None
        import jinja2

        said = [("user", "?"), ("assistant", _REPLY), ("user", request)]
        try:
            text = self.render([{"role": role, "content": content} for role, content in said])
        except jinja2.TemplateError:
            return None
        _, found, behind = (text or "").partition(_REPLY)
        return behind if found else None

    def render(self, messages: list[dict[str, str]], *, reply: bool = True) -> str | None:
        """`messages` in the model's template, opening a `reply` or not; None without a template."""
        if not self._template:
            return None
        return _render(self._template, messages, reply, self._special_tokens())

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


def _render(
    template: str, messages: list[dict[str, str]], reply: bool, tokens: dict[str, str]
) -> str:
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
    return environment.from_string(template).render(
        messages=messages, add_generation_prompt=reply, date_string=_DATE, **tokens
    )


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
