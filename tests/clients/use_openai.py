"""OpenAI's own client, which checks every field of every reply: `use_openai.py URL < QUESTIONS`.

Prints what it read as JSON. Like its siblings it runs where its client is installed, and needs
nothing of this package.
"""

import asyncio
import json
import sys
from typing import Any

import openai

BASE = f"{sys.argv[1]}/v1"
QUESTIONS: list[str] = json.load(sys.stdin)
SAID: Any = {"base_url": BASE, "api_key": "none", "_strict_response_validation": True}


def said(question: str) -> Any:
    return [{"role": "user", "content": question}]


def at_once() -> dict[str, Any]:
    with openai.OpenAI(**SAID) as client:
        question = QUESTIONS[0]
        chat = client.chat.completions.create(
            model="dvts", messages=said(question), reasoning_effort="low", seed=1
        )
        extra: Any = {"budget": 4, "search": {"aggregate": "min"}}
        text = client.completions.create(
            model="best-of-n", prompt=f"{question}\n\n", extra_body=extra
        )
        response = client.responses.create(
            model="dvts@4", input=question, instructions="", max_output_tokens=200
        )
        chunks = list(
            client.chat.completions.create(
                model="dvts@4",
                messages=said(question),
                stream=True,
                stream_options={"include_usage": True},
            )
        )
        events = list(client.responses.create(model="dvts@4", input=question, stream=True))
        deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
        assert chunks[-1].usage is not None
        last: Any = events[-1]
        return {
            "answers": [
                chat.choices[0].message.content,
                text.choices[0].text,
                response.output_text,
                "".join(delta.content or "" for delta in deltas),
                last.response.output_text,
            ],
            "budgets": [
                (reply.model_extra or {})["sal"]["budget"]
                for reply in (chat, text, response, chunks[-2], last.response)
            ],
            "thought": "".join((d.model_extra or {}).get("reasoning") or "" for d in deltas),
            "models": [model.id for model in client.models.list()],
            "refused": refusals(client),
        }


def refusals(client: openai.OpenAI) -> list[Any]:
    seen = []
    wrong: list[dict[str, Any]] = [{"model": "gpt-5"}, {"n": 2}, {"logprobs": True}]
    for fields in wrong:
        try:
            client.chat.completions.create(**{"model": "dvts", "messages": said("1+1"), **fields})
        except openai.APIStatusError as error:
            seen.append([type(error).__name__, error.param, error.code])
    return seen


async def together() -> list[str | None]:
    """Each question in three ways, all at the same time."""
    async with openai.AsyncOpenAI(**SAID) as client:

        async def whole(question: str) -> str | None:
            reply = await client.chat.completions.create(model="dvts@4", messages=said(question))
            return reply.choices[0].message.content

        async def streamed(question: str) -> str:
            stream = await client.chat.completions.create(
                model="dvts@4", messages=said(question), stream=True
            )
            return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

        async def responded(question: str) -> str:
            async with client.responses.stream(model="dvts@4", input=question) as stream:
                reply = await stream.get_final_response()
            return reply.output_text

        ways = (whole, streamed, responded)
        return list(await asyncio.gather(*(way(q) for way in ways for q in QUESTIONS)))


print(json.dumps({**at_once(), "together": asyncio.run(together())}))
