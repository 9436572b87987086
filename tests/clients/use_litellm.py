"""LiteLLM, whole, streamed and asynchronous: `use_litellm.py URL < QUESTIONS`."""

import asyncio
import json
import sys
from typing import Any

import litellm

QUESTIONS: list[str] = json.load(sys.stdin)
AT: Any = {"api_base": f"{sys.argv[1]}/v1", "api_key": "none", "model": "openai/dvts@4"}


def said(question: str) -> Any:
    return [{"role": "user", "content": question}]


def refusals() -> list[Any]:
    seen = []
    wrong: list[dict[str, Any]] = [{"model": "openai/gpt-5"}, {"n": 2}]
    for fields in wrong:
        try:
            litellm.completion(**{**AT, "messages": said("1+1"), **fields})
        except (litellm.NotFoundError, litellm.BadRequestError) as error:
            seen.append(type(error).__name__)
    return seen


def at_once() -> dict[str, Any]:
    question = QUESTIONS[0]
    chat = litellm.completion(messages=said(question), extra_body={"budget": 8}, **AT)
    stream = litellm.completion(
        messages=said(question), stream=True, stream_options={"include_usage": True}, **AT
    )
    chunks = list(stream)
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    text = litellm.text_completion(
        prompt=f"{question}\n\n", **{**AT, "model": "text-completion-openai/dvts@4"}
    )
    response = litellm.responses(input=question, **AT)
    events = list(litellm.responses(input=question, stream=True, **AT))
    said_last = [
        part.text for item in response.output if item.type == "message" for part in item.content
    ]
    return {
        "answers": [
            chat.choices[0].message.content,
            "".join(delta.content or "" for delta in deltas),
            text.choices[0].text,
            "".join(said_last),
            "".join(e.delta for e in events if e.type == "response.output_text.delta"),
        ],
        "reasoning": [
            chat.choices[0].message.reasoning_content,
            "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas),
        ],
        "usage": [
            chat.usage.completion_tokens_details.reasoning_tokens,
            response.usage.output_tokens,
        ],
        "refused": refusals(),
    }


async def together() -> list[str]:
    replies = await asyncio.gather(
        *(litellm.acompletion(messages=said(question), **AT) for question in QUESTIONS)
    )
    return [reply.choices[0].message.content for reply in replies]


print(json.dumps({**at_once(), "together": asyncio.run(together())}))
