r"""The tokens of the benchmark's policy, which hold where in its solution it is.

Random weights never end a step or a solution. The policy served for the benchmark
(`bench/served/llama.py`) therefore lets its last token decide what may follow: a word is named
for the step it stands in and the tokens left of that step, so a step ends where its drawn length
says, and the engine's own sampler does the drawing:

    question \n\n  ->  a word of step 1, L - 2 left      (L by the recorded lengths)
    word, r left   ->  a word of the same step, r - 1 left
    word, 0 left   ->  the separator of step k, or, as often as k-step solutions end, an answer
    separator k    ->  a word of step k + 1
    answer         ->  the end of text

Engine, client, lockstep and the stock frontend then all run as they are, with real stop strings,
prompts and radix caches. Every text tokenises back into the ids that it came from.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from bench.lengths import Lengths

END = "<|eot_id|>"
CONTROL = (END, "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>")
PLAIN = ("<unk>", "user", "assistant", "\n\n", *string.printable)
LETTERS = string.ascii_letters
ANSWERS = tuple(f"\\boxed{{{digit}}}" for digit in range(10))
PATTERN = r"\\boxed\{[0-9]\}|#[A-Za-z]\n\n|#[A-Za-z]|~[a-z]{4}|user|assistant|\n\n|[\s\S]"
TEMPERATURE = 0.8
"""Of the programs: biases are scaled by it, so that what is sampled is what was recorded."""

NEVER = -1e9
"""The logit of a token that may not follow."""

SURE = 30.0
"""The largest odds are e^30; a length that was never seen is drawn still more rarely."""


@dataclass(frozen=True)
class Vocabulary:
    """Ids in this order: control, plain, endings of steps, separators, answers, words.

    `steps` is the most of a solution, `room` the most tokens of a step, `variants` how many words
    there are for one place.
    """

    steps: int
    room: int
    variants: int

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= len(LETTERS) or self.room < 2 or self.variants < 1:
            raise ValueError(f"no vocabulary has {self}")

    @property
    def separators(self) -> int:
        """The id of the first step's separator."""
        return len(CONTROL) + len(PLAIN) + self.steps

    @property
    def answers(self) -> int:
        return self.separators + self.steps

    @property
    def words(self) -> int:
        return self.answers + len(ANSWERS)

    @property
    def block(self) -> int:
        """How many words a step has."""
        return (self.room - 1) * self.variants

    @property
    def size(self) -> int:
        return self.words + self.steps * self.block

    @property
    def least_size(self) -> int:
        """Rows that the model's vocabulary must have: a window of `block` may begin at any id."""
        return self.size + self.block

    def word(self, step: int, left: int, variant: int = 0) -> int:
        """The id of a word of `step` (from 1) that has `left` more words behind it."""
        return self.words + (step - 1) * self.block + left * self.variants + variant

    @cached_property
    def spelled(self) -> list[str]:
        """The text of every id."""
        letters = LETTERS[: self.steps]
        words = [
            "~" + "".join(chr(97 + number // 26**place % 26) for place in (3, 2, 1, 0))
            for number in range(self.steps * self.block)
        ]
        endings = [f"#{letter}" for letter in letters]
        return [*CONTROL, *PLAIN, *endings, *(e + "\n\n" for e in endings), *ANSWERS, *words]

    def tokenizer(self) -> Tokenizer:
        """Fit for a policy and for a PRM in the chat-turn format."""
        ids = {text: i for i, text in enumerate(self.spelled)}
        if len(ids) != self.size:
            raise ValueError(f"{self} has more words than can be spelled")
        made = Tokenizer(models.WordLevel(ids, unk_token=PLAIN[0]))
        made.pre_tokenizer = pre_tokenizers.Split(Regex(PATTERN), "isolated")
        made.decoder = decoders.Fuse()
        made.add_special_tokens([AddedToken(text, normalized=False) for text in CONTROL])
        return made

    def rules(self, lengths: Lengths) -> Rules:
        """What may follow each id, so that steps are as long as `lengths` says."""
        low = [self.word(1, 0)] * self.size
        width = [self.block] * self.size
        also = list(low)
        bias = [NEVER] * self.size
        total = sum(lengths.step_tokens.values())
        for k, ends in enumerate(lengths.ending(), 1):
            separator = self.separators + k - 1
            bias[separator] = TEMPERATURE * _log_odds(1 - ends, ends)
            low[separator] = also[separator] = self.word(min(k + 1, self.steps), 0)
            for left in range(self.room - 1):
                # A step of L tokens: L - 1 words and what closes it.
                seen = lengths.step_tokens.get(left + 2, 0)
                if left == 0:
                    seen += lengths.step_tokens.get(1, 0)
                for word in range(self.word(k, left), self.word(k, left, self.variants)):
                    bias[word] = TEMPERATURE * (log(seen / total) if seen else -2 * SURE)
                    if left:
                        low[word] = also[word] = self.word(k, left - 1)
                        width[word] = self.variants
                    else:
                        low[word], width[word] = self.answers, len(ANSWERS)
                        also[word] = separator
        for answer in range(self.answers, self.words):
            bias[answer] = -TEMPERATURE * log(len(ANSWERS))
            low[answer] = also[answer] = 0  # END
            width[answer] = 1
        bias[0] = 0.0
        return Rules(low, width, also, bias)


@dataclass(frozen=True, slots=True)
class Rules:
    """By the last id: what may follow is [low, low + width) and `also`. By the next id: `bias`,
    its logit among those that may follow."""

    low: Sequence[int]
    width: Sequence[int]
    also: Sequence[int]
    bias: Sequence[float]


def vocabulary_for(lengths: Lengths, variants: int) -> Vocabulary:
    """The one that spells solutions of these lengths."""
    return Vocabulary(max(lengths.steps), max(lengths.step_tokens), variants)


def _log_odds(some: float, others: float) -> float:
    if not some or not others:
        return SURE if some else -SURE
    return max(-SURE, min(SURE, log(some / others)))
