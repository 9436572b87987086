"""LangChain's chat model for OpenAI: `use_langchain_openai.py URL < QUESTIONS`."""

import asyncio
import json
import sys
from typing import Any

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI, OpenAI

QUESTIONS: list[str] = json.load(sys.stdin)
AT: Any = {"base_url": f"{sys.argv[1]}/v1", "api_key": "none", "max_retries": 0}


async def together(model: ChatOpenAI) -> list[Any]:
    replies = await model.abatch(QUESTIONS)
    return [reply.text if isinstance(reply.text, str) else reply.text() for reply in replies]


def main() -> dict[str, Any]:
    question = QUESTIONS[0]
    model = ChatOpenAI(model="dvts", extra_body={"budget": 4}, **AT)
    whole = model.invoke(question)
    chunks = list(ChatOpenAI(model="dvts@4", stream_usage=True, **AT).stream(question))
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    chain = ChatPromptTemplate.from_messages([("user", "{question}")]) | model | StrOutputParser()
    responses = ChatOpenAI(model="dvts@4", use_responses_api=True, **AT)
    told = responses.invoke(question)
    parts = list(responses.stream(question))
    return {
        "answers": [
            whole.content,
            total.content,
            chain.invoke({"question": question}),
            OpenAI(model="best-of-n@4", **AT).invoke(f"{question}\n\n"),
            text_of(told.content),
            "".join(text_of(part.content) for part in parts),
        ],
        "usage": [
            whole.usage_metadata["output_token_details"]["reasoning"],
            total.usage_metadata["output_tokens"],
            told.usage_metadata["output_tokens"],
        ],
        "together": asyncio.run(together(model)),
    }


def text_of(content: Any) -> str:
    """The text among a message's parts."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content if part.get("type") == "text")


print(json.dumps(main()))
