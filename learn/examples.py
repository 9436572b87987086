"""Labelled solutions as a PRM is trained on them: the token ids that scoring sends, and targets.

The ids are rendered by the PRM's family, of which the verifier is made, too. Nothing here knows
what a separator, a tag or a chat template is, so that training cannot differ from scoring.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sal.learn.errors import TrainError
from sal.learn.rows import StepLabels
from sal.learn.targets import Targets
from sal.learn.values import values_of
from sal.verifiers.rendering import Format


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids, the places at which steps are judged, and the target of each of these.

    A step without a target has no place here.
    """

    ids: tuple[int, ...]
    places: tuple[int, ...]
    targets: tuple[float, ...]


@dataclass(slots=True)
class Examples:
    """Those of a data set, and how many solutions were left out or cut, by why."""

    rows: list[Example] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def steps(self) -> int:
        """How many targets there are."""
        return sum(len(row.targets) for row in self.rows)

    @property
    def right(self) -> float:
        """The mean target."""
        return sum(sum(row.targets) for row in self.rows) / self.steps


def example(
    format: Format, question: str, steps: Sequence[str], targets: Sequence[float | None]
) -> Example:
    """One solution, up to its last step with a target: what follows that teaches nothing."""
    rendered = format.render(question, steps)
    pairs = zip(rendered.tags, targets, strict=True)
    asked = [(tag, target) for tag, target in pairs if target is not None]
    end = asked[-1][0] + 1 if asked else 0
    return Example(rendered.ids[:end], tuple(t for t, _ in asked), tuple(t for _, t in asked))


def make_examples(
    rows: Iterable[StepLabels], format: Format, targets: Targets, max_length: int, *, cut: bool
) -> Examples:
    """All of `rows` with a target, in at most `max_length` tokens.

    A longer solution is left out or, with `cut`, loses the steps that do not fit. Raises
    `TrainError` where nothing is left, or for labels that do not fit the targets.
    """
    found = Examples()
    for row in rows:
        try:
            wanted = targets.of(values_of(row, targets.kind))
        except ValueError as error:
            raise TrainError(f"row {row.id}: {error}") from error
        made = example(format, row.question, row.steps, wanted)
        if not made.targets:
            found.dropped["without a label"] += 1
            continue
        if len(made.ids) > max_length:
            within = sum(place < max_length for place in made.places) if cut else 0
            found.dropped["cut" if within else "too long"] += 1
            if not within:
                continue
            end = made.places[within - 1] + 1
            made = Example(made.ids[:end], made.places[:within], made.targets[:within])
        found.rows.append(made)
    if not found.rows:
        why = ", ".join(f"{n} {reason}" for reason, n in found.dropped.items()) or "no rows at all"
        raise TrainError(f"there is nothing to learn from: {why}")
    return found


def check_classes(examples: Examples, what: str) -> None:
    """Raise `TrainError` for targets that are all the same: nothing can be told apart by them."""
    kinds = {target for row in examples.rows for target in row.targets}
    if len(kinds) == 1:
        raise TrainError(
            f"{what}: all {examples.steps:,} targets are {kinds.pop():g}, so that there is nothing "
            "to tell apart"
        )
