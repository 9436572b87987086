"""A policy without a server: a transformers model in this process, searched by beam search.

    python examples/own_backend.py MODEL_FOLDER PRM_URL

`Policy.write` is all that a backend needs; docs/your-own-backend.md tells what a reply must hold.
"""

import sys
import threading

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from sal import (
    BeamParams,
    Engine,
    Policy,
    Reply,
    Request,
    SearchResult,
    Usage,
    beam,
    load_verifier,
)


class Local(Policy):
    """One continuation at a time, repeatable by the request's seed."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder)
        self.lock = threading.Lock()

    def write(self, request: Request) -> Reply:
        ids = self.tokenizer(request.text, return_tensors="pt").input_ids
        # transformers' word for all tokens is 0
        limits = {name: max(value, 0) for name, value in request.limits().items()}
        with self.lock, torch.inference_mode():
            torch.manual_seed(request.seed or 0)
            made = self.model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=request.max_tokens,
                do_sample=request.temperature > 0,
                temperature=request.temperature or None,
                **limits,
                stop_strings=list(request.stop) or None,
                tokenizer=self.tokenizer,
                pad_token_id=self.tokenizer.eos_token_id,
            )[0, ids.shape[1] :].tolist()
        text = self.tokenizer.decode(made, skip_special_tokens=True)
        usage = Usage(ids.shape[1], 0, len(made), 1)
        stop = next((stop for stop in request.stop if text.endswith(stop)), "")
        if stop:
            return Reply(text, "stop", stop, usage, tuple(made))
        whole = made[-1] == self.tokenizer.eos_token_id
        return Reply(text, "end" if whole else "length", "", usage, tuple(made))


def main(folder: str, prm_url: str) -> SearchResult:
    """The result, which is printed too."""
    with Engine(prm_url) as prm:
        result: SearchResult = beam.run(
            "Let a=7, b=a-3+2, c=b*2+a. Find c.",
            params=BeamParams(budget=4, width=2, max_tokens=200),
            verifier=load_verifier(prm),
            backend=Local(folder),
        )["result"]
    answer = result.best.key if result.best else "no answer"
    print(f"{answer} by the {result.rule} vote; {result.trace.policy}")
    return result


if __name__ == "__main__":
    main(*sys.argv[1:])
