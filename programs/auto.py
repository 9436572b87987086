"""Compute-optimal search: a probe says how hard the problem is, a fitted rule what to do then.

1. Probe: sample the first n0 solutions of Best-of-N, and score them.
2. Look at them: the rule's measure puts the problem into a bin.
3. Go on with the strategy and the number of completions that the rule has for the bin, if any.
4. Vote over all completions, the probe's too.

The rule is fitted by `sal optimal fit` on searched problems with known answers (Snell et al., arXiv
2408.03314, section 3; 2604.14853 for the budget), and needs no answer here. The budget N is what it
spends on average over problems like those that it was fitted on, the probe included: on a single
one it may be more or less.

What differs. Snell et al. look at 2048 samples and do not count them. The probe is counted, and
lives on as completions that vote; the strategy that follows begins its tree beside them and is not
shown them. So what follows `best-of-n` is exactly Best-of-N, and a tree search has n0 samples
beside its own. A strategy's own way to choose (particle's highest score, revise's vote in two
turns) is replaced by the rule's vote over all.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from sal.programs import checks
from sal.programs.candidate import Candidate
from sal.programs.limits import Limits
from sal.programs.rule_file import TINY_RULE, known_rule, read_rule
from sal.programs.search import Search, join
from sal.programs.strategy import Program, strategy
from sal.programs.vote import Vote
from sal.strategies.aggregate import Aggregate
from sal.strategies.difficulty import ease
from sal.strategies.rule import Choice, Decision, Rule

DRAW = -1
"""The number of the one random decision: no strategy has a negative one."""


@dataclass(frozen=True)  # with slots, its properties would not be as frozen as its fields
class AutoParams:
    """`budget` is N, spent on average; `rule` is a file that `sal optimal fit` wrote, or "tiny",
    which is of use with the tiny policy and PRM alone.

    All else is the rule's: what the policy is asked for must be what it was fitted on. An own
    `rule_digest` is what `rule` must still hold; "" takes what is there.
    """

    budget: int = 16
    rule: str = TINY_RULE
    rule_digest: str = ""

    def __post_init__(self) -> None:
        checks.whole_number("budget", self.budget)
        read = read_rule(self.rule)
        if self.rule_digest not in ("", read.digest):
            raise ValueError(
                f"rule {self.rule} holds {read.digest}, not {self.rule_digest}: it is another rule"
            )
        object.__setattr__(self, "rule_digest", read.digest)
        if self.budget not in read.decisions:
            known = ", ".join(map(str, sorted(read.decisions)))
            raise ValueError(f"rule {self.rule} was fitted for N = {known}, not {self.budget}")
        for choice in (c for chosen in self.decision.choices for c in chosen if c.completions):
            try:
                self.following(choice)
            except (ValueError, TypeError) as error:
                raise ValueError(f"rule {self.rule}: {choice.name}: {error}") from error

    @property
    def fitted(self) -> Rule:
        """The rule's content."""
        return known_rule(self.rule_digest)

    @property
    def decision(self) -> Decision:
        """What the rule does at this budget."""
        return self.fitted.decisions[self.budget]

    @property
    def probing(self) -> Any:
        """The parameters of the probe, which are those of Best-of-N."""
        name, params = "best-of-n", self.fitted.sampling
        return program_of(name).params_class(**params, budget=max(self.decision.probe, 1))

    def following(self, choice: Choice) -> tuple[Program[Any], Any]:
        """The strategy of a choice, and its parameters."""
        name, own = self.fitted.strategies[choice.name]
        program = program_of(name)
        return program, program.params_class(**own, budget=choice.completions)

    @property
    def temperature(self) -> float:
        """Of the probe; what follows has its own."""
        return float(self.fitted.sampling["temperature"])

    @property
    def max_tokens(self) -> int:
        """Of a completion."""
        return int(self.fitted.sampling["max_tokens"])

    @property
    def separator(self) -> str:
        """The end of a step."""
        return str(self.fitted.sampling["separator"])

    @property
    def limits(self) -> Limits:
        """See `Limited`."""
        limits: Limits = self.probing.limits
        return limits


@strategy(AutoParams)
def auto(search: Search, params: AutoParams) -> Vote:
    """A probe, then what the rule says; the vote is over the completions of both."""
    decision = params.decision
    how: Aggregate | None = params.fitted.sampling["aggregate"]

    # Probe
    probe: list[Candidate] = []
    if decision.probe:
        search.trace.phase = "probing"
        probe = join(search.start(search.root, decision.probe, whole=True))

    # Look
    ended = [c for c in probe if c.finish == "eot"]
    keys = search.answer_keys([c.text for c in ended])
    seen = ease(decision.measure, keys, [c.value(how) for c in ended], decision.probe)
    choice = decision.choose(seen, search.random(DRAW).random())

    # Go on
    found: list[Candidate] = [c for c in probe if c.done]
    if choice.completions:
        program, following = params.following(choice)
        how = following.aggregate
        search.sample_at(following.temperature)
        found += program.algorithm(search, following).candidates

    # Vote
    return Vote(found, [c.value(how) for c in found], choice.rule)


def program_of(name: str) -> Program[Any]:
    """The strategy of that name, one of this package's; raises ValueError where there is none."""
    module = name.replace("-", "_")
    try:
        program: Program[Any] = getattr(import_module(f"sal.programs.{module}"), module)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{name!r} is no strategy that a rule can follow") from error
    return program
