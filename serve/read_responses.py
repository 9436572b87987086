"""POST /v1/responses: from the body to that of a chat, and so to what is asked.

Nothing is kept between requests: a conversation is sent whole, each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sal.serve.asked import Asked
from sal.serve.errors import ApiError, unsupported, wrong
from sal.serve.limits import Limits
from sal.serve.models import Catalogue
from sal.serve.read_chat import OURS, SAYS_NOTHING, read_chat

_AS_IN_CHAT = frozenset(
    (
        *("model", "stream", "temperature", "top_p", "parallel_tool_calls"),
        *("seed", "stop", "top_k", "min_p"),  # not of this API; searches take them
        *OURS,
        *SAYS_NOTHING,
    )
)
_CHAT_NAMES = {
    "messages": "input",
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
}
"""What a chat calls the fields of a response."""

_KEPT = ("previous_response_id", "conversation", "prompt")
_NOTHING: Mapping[str, Sequence[Any]] = {
    "background": (False,),
    "include": ([], ["reasoning.encrypted_content"]),  # no reasoning here is encrypted
    "top_logprobs": (0,),
    "truncation": ("disabled",),
}
"""Fields that are refused, but for values that ask for nothing."""


def read_responses(
    body: Mapping[str, Any], headers: Mapping[str, str], catalogue: Catalogue, limits: Limits
) -> Asked:
    """Raises `ApiError`, which names fields as the client knows them."""
    chat = chat_body(body)
    try:
        return read_chat(chat, headers, catalogue, limits)
    except ApiError as error:
        name = _CHAT_NAMES.get(error.param or "")
        if name is None:
            raise
        said = str(error).removeprefix(f"{error.param}: ")
        raise wrong(name, said, error.code) from None


def chat_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same, as the body of a chat; raises `ApiError`."""
    chat = {name: body[name] for name in _AS_IN_CHAT & body.keys()}
    chat["messages"] = _messages(body)
    if "max_output_tokens" in body:
        chat["max_completion_tokens"] = body["max_output_tokens"]
    if body.get("stream") is True:
        chat["stream_options"] = {"include_usage": True}
    effort = _object(body, "reasoning", ("effort", "summary", "generate_summary")).get("effort")
    text = _object(body, "text", ("format", "verbosity"))
    chat |= {
        name: value
        for name, value in {
            "reasoning_effort": effort,
            "response_format": _form(text.get("format")),
            "verbosity": text.get("verbosity"),
            "tools": [_tool(tool) for tool in _list(body, "tools")],
            "tool_choice": _choice(body.get("tool_choice")),
        }.items()
        if value not in (None, [])
    }
    _object(body, "stream_options", ("include_obfuscation",))
    for name in body.keys() - _AS_IN_CHAT - _TRANSLATED:
        if name in _KEPT:
            raise wrong(name, "nothing is kept here: send the whole conversation as input")
        if name not in _NOTHING and name != "max_tool_calls":
            raise wrong(name, "unrecognized request argument", "unknown_parameter")
        if body[name] not in _NOTHING.get(name, ()):
            raise unsupported(name, "/v1/chat/completions has what the policy does")
    return chat


_TRANSLATED = frozenset(
    (
        *("input", "instructions", "max_output_tokens", "reasoning", "text"),
        *("tools", "tool_choice", "stream_options"),
    )
)


def _messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The conversation, with `instructions` as what the system says first."""
    said, instructions = body.get("input"), body.get("instructions", "")
    if not isinstance(instructions, str):
        raise wrong("instructions", "must be a text")
    items = [{"role": "user", "content": said}] if isinstance(said, str) else _list(body, "input")
    messages = list(_joined(_message(item) for item in items if not _is_reasoning(item)))
    if not messages:
        raise wrong("input", "must be a text, or a list of items with a message at least")
    if instructions:
        first = messages[0]
        if first.get("role") in ("system", "developer") and isinstance(first["content"], str):
            instructions = f"{instructions}\n\n{messages.pop(0)['content']}"
        messages.insert(0, {"role": "system", "content": instructions})
    return messages


def _is_reasoning(item: Any) -> bool:
    """Of an earlier turn: chat templates pass over it, too."""
    return isinstance(item, dict) and item.get("type") == "reasoning"


def _message(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise wrong("input", "each item must be an object")
    kind = item.get("type") or "message"
    if kind == "message":
        return {"role": item.get("role"), "content": _content(item.get("content"))}
    if kind == "function_call":
        called = {"name": item.get("name"), "arguments": item.get("arguments")}
        call = {"id": item.get("call_id"), "type": "function", "function": called}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    if kind == "function_call_output":
        output = _content(item.get("output"))
        return {"role": "tool", "tool_call_id": item.get("call_id"), "content": output}
    raise wrong("input", f"an item of type {kind!r:.40} is not known here")


def _joined(messages: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Calls that the assistant made in one turn are one message, with what it said before."""
    last: dict[str, Any] | None = None
    for message in messages:
        if last is not None and last["role"] == "assistant" and message.get("tool_calls"):
            last["tool_calls"] = [*last.get("tool_calls", ()), *message["tool_calls"]]
            continue
        if last is not None:
            yield last
        last = message
    if last is not None:
        yield last


def _content(content: Any) -> Any:
    """A text stays one; parts are named as in a chat."""
    if not isinstance(content, list):
        return content
    parts = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("input_text", "output_text", "text"):
            parts.append({"type": "text", "text": part.get("text")})
        elif kind == "input_image" and isinstance(part.get("image_url"), str):
            image = {"url": part["image_url"], "detail": part.get("detail") or "auto"}
            parts.append({"type": "image_url", "image_url": image})
        else:
            raise wrong("input", "a message has a part that is neither text nor an image's URL")
    if all(part["type"] == "text" and isinstance(part["text"], str) for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def _form(form: Any) -> Any:
    """`text.format` as a chat's `response_format`."""
    if isinstance(form, dict) and form.get("type") == "json_schema":
        schema = {name: value for name, value in form.items() if name != "type"}
        return {"type": "json_schema", "json_schema": schema}
    return form


def _tool(tool: Any) -> dict[str, Any]:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        raise wrong("tools", "each must be a function: nothing else is run here")
    names = ("name", "description", "parameters", "strict")
    function = {name: tool[name] for name in names if tool.get(name) is not None}
    return {"type": "function", "function": function}


def _choice(choice: Any) -> Any:
    if not isinstance(choice, dict):
        return choice
    if choice.get("type") != "function":
        raise wrong("tool_choice", "must be none, auto, required or a function")
    return {"type": "function", "function": {"name": choice.get("name")}}


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    value = body.get(name, [])
    if not isinstance(value, list):
        raise wrong(name, "must be a list")
    return value


def _object(body: Mapping[str, Any], name: str, known: Sequence[str]) -> Mapping[str, Any]:
    value = body.get(name, {})
    if not isinstance(value, dict) or value.keys() - set(known):
        raise wrong(name, f"must be an object with none but {', '.join(known)}")
    return value
