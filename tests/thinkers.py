"""Policies that reason before they answer, for tests of budget forcing. A character is a token."""

from __future__ import annotations

import random
from dataclasses import replace

from programs_scripted import QUESTION

from sal.runtime.frontend.backend import Policy
from sal.runtime.policy import Ending, KnownIds, Reply, Request
from sal.runtime.usage import Usage

PROMPT = f"{QUESTION}\n\n"
OPENS, CLOSES = "<think>", "</think>"


class Thinker(Policy):
    """Goes on with `rest(solution, seed)`; "" ends the text.

    It heeds limits and stop strings as an engine does, and must be sent the ids that it wrote.
    """

    reads_ahead = True

    def __init__(self, *, opened: bool = False) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.opened = opened
        """Whether the prompt opens the reasoning."""

    def rest(self, solution: str, seed: int | None) -> str:
        raise NotImplementedError

    def write(self, request: Request) -> Reply:
        self.requests.append(replace(request, options={}))
        known = request.known
        if known is not None:
            assert known.ids == tuple(map(ord, request.text[: known.chars]))
        _, _, solution = request.text.rpartition(PROMPT)
        solution = solution.removeprefix(OPENS + "\n") if self.opened else solution
        text, matched, ended = "", "", "length"
        while len(text) < request.max_tokens:
            more = self.rest(solution + text, request.seed)
            if not more:
                ended = "end"
                break
            text += more[0]
            matched = next((stop for stop in request.stop if text.endswith(stop)), "")
            if matched:
                ended = "stop"
                break
        whole = request.text + text
        end: Ending = "stop" if ended == "stop" else "end" if ended == "end" else "length"
        return Reply(
            text,
            end,
            matched,
            Usage(len(request.text), 0, len(text) + (end == "end"), 1),
            tuple(map(ord, text)),
            ((-random.Random(text).uniform(1, 9),),) * len(text) if request.top_logprobs else (),
            KnownIds(tuple(map(ord, whole)), len(whole)),
        )

    def known_before(self, known: KnownIds, text: str, chars: int) -> KnownIds | None:
        return KnownIds(known.ids[:chars], chars)


class Says(Thinker):
    """Reasons as `thoughts` say, one for every time that it is told to wait, then answers."""

    def __init__(self, *thoughts: str, answer: str = "So\n\n\\boxed{1}", **more: bool) -> None:
        super().__init__(**more)
        self.thoughts = thoughts
        self.answer = answer

    def rest(self, solution: str, seed: int | None) -> str:
        thought, closed, said = solution.partition(CLOSES)
        if closed:
            return f"\n\n{self.answer}"[len(said) :]
        whole = "Wait".join(self.thoughts[: thought.count("Wait") + 1]) + CLOSES
        whole = whole if self.opened else OPENS + whole
        return whole[len(solution) :]


class Improvises(Thinker):
    """Paragraphs of reasoning and an answer, the same for the same request."""

    def rest(self, solution: str, seed: int | None) -> str:
        if not self.opened and not solution.startswith(OPENS):
            return OPENS[len(solution) :]
        thought, closed, said = solution.partition(CLOSES)
        begun = (said if closed else thought.removeprefix(OPENS)).rpartition("\n\n")[2]
        begun = begun.rpartition("Wait")[2]
        dice = random.Random(f"{seed} {solution[: len(solution) - len(begun)]}")
        if closed:
            if begun.endswith("}"):
                return ""
            plan = dice.choice([" a\n\n", " b\n\n", *(f"\\boxed{{{n}}}" for n in "1112")])
        else:
            plan = dice.choice([" 1\n\n", " 2\n\n", " 1, 2, 3\n\n", f" 4\n{CLOSES}\n\n", "!"])
            if begun == "!":
                return ""
        return plan[len(begun) :] if plan.startswith(begun) and plan != begun else "\n\n"
