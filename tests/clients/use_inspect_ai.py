"""Inspect's provider for OpenAI-compatible servers: `use_inspect_ai.py URL LOGS < PROBLEMS`."""

import json
import sys
from typing import Any

from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import get_model
from inspect_ai.scorer import pattern
from inspect_ai.solver import generate

URL, LOGS = sys.argv[1:]
PROBLEMS: list[dict[str, str]] = json.load(sys.stdin)


def score(**ways: Any) -> dict[str, Any]:
    """What an evaluation in one of the provider's ways comes to."""
    model = get_model(
        "openai-api/sal/dvts@4", base_url=f"{URL}/v1", api_key="none", memoize=False, **ways
    )
    samples = [Sample(input=p["question"], target=p["answer"]) for p in PROBLEMS]
    task = Task(
        dataset=MemoryDataset(samples), solver=generate(), scorer=pattern(r"\\boxed\{(-?\d+)\}")
    )
    (log,) = eval(task, model=model, log_dir=LOGS, display="none")
    assert log.results is not None
    assert log.samples is not None
    usage = next(iter(log.stats.model_usage.values()))
    first = log.samples[0].output
    return {
        "status": log.status,
        "accuracy": log.results.scores[0].metrics["accuracy"].value,
        "reasoning_tokens": usage.reasoning_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning": [part.type for part in first.message.content if not isinstance(part, str)],
    }


print(
    json.dumps(
        {
            "chat": score(),
            "streamed": score(stream=True),
            "responses": score(responses_api=True),
            "streamed responses": score(responses_api=True, stream=True),
        }
    )
)
