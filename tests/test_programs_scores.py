"""What several requests to a PRM begin with is read once: who waits for whom, and who does not."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from programs_scripted import PATIENCE

from sal.programs import scores as module
from sal.programs.scores import Scores
from sal.runtime.endpoint_errors import Rejected, Unreachable
from sal.verifiers.interface import Scored, Usage

Call = tuple[tuple[str, ...], tuple[str, ...]]


class Held:
    """A PRM that answers a request when it is let: `calls` are those that it was sent."""

    def __init__(self, *, prefills: bool = True) -> None:
        self.prefills = prefills
        self.calls: list[Call] = []
        self._changed = threading.Condition()
        self._once: set[Call] = set()
        self._answers: dict[Call, BaseException | None] = {}

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        call = tuple(prefix), tuple(steps)
        with self._changed:
            self.calls.append(call)
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: call in self._answers, PATIENCE)
            error = self._answers[call]
            if call in self._once:
                del self._answers[call]
        if error is not None:
            raise error
        return Scored((0.5,) * len(steps), Usage(requests=1))

    def answer(self, *calls: Call, error: BaseException | None = None, once: bool = False) -> None:
        with self._changed:
            self._answers |= dict.fromkeys(calls, error)
            self._once = set(calls) if once else set()
            self._changed.notify_all()

    def sent(self, count: int) -> list[Call]:
        """Once so many were sent; the others had time enough to be."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.calls) >= count, PATIENCE)
            self._changed.wait_for(lambda: len(self.calls) > count, 0.1)
            return list(self.calls)


A, B, C = (((), (text,)) for text in "abc")


class Asking:
    """Requests of one problem, each in a thread of its own."""

    def __init__(self, prm: Held) -> None:
        self.scores = Scores(prm)
        self.pool = ThreadPoolExecutor(8)

    def ask(self, *calls: Call) -> list[Future[Scored]]:
        return [self.pool.submit(self.scores.score, "q", *call) for call in calls]


def test_the_first_goes_alone_and_the_others_together() -> None:
    prm = Held()
    asking = Asking(prm)
    first = asking.ask(A)
    assert prm.sent(1) == [A]
    others = asking.ask(B, C)
    assert prm.sent(1) == [A]
    prm.answer(A)
    assert set(prm.sent(3)) == {A, B, C}
    prm.answer(B, C)
    assert [future.result(PATIENCE).scores for future in first + others] == [(0.5,)] * 3


def test_once_the_question_is_read_nobody_waits() -> None:
    prm = Held()
    asking = Asking(prm)
    prm.answer(A)
    (first,) = asking.ask(A)
    first.result(PATIENCE)
    asking.ask(B, C)
    assert set(prm.sent(3)) == {A, B, C}
    prm.answer(B, C)


def test_if_the_first_fails_another_goes_alone() -> None:
    prm = Held()
    asking = Asking(prm)
    (failing,) = asking.ask(A)
    prm.sent(1)
    asking.ask(B, C)
    prm.answer(A, error=Rejected("too long"))
    with pytest.raises(Rejected):
        failing.result(PATIENCE)
    assert len(prm.sent(2)) == 2
    prm.answer(prm.calls[1])
    assert set(prm.sent(3)) == {A, B, C}
    prm.answer(B, C)


def test_what_begins_with_steps_that_are_being_scored_waits_for_them() -> None:
    prm = Held()
    asking = Asking(prm)
    prm.answer(A)
    asking.ask(A)[0].result(PATIENCE)
    long: Call = (), ("x", "y")
    (first,) = asking.ask(long)
    prm.sent(2)
    (second,) = asking.ask(((), ("x", "z")))
    assert prm.sent(2) == [A, long]
    prm.answer(long)
    assert prm.sent(3)[2] == (("x",), ("z",))
    prm.answer((("x",), ("z",)))
    assert first.result(PATIENCE).scores == second.result(PATIENCE).scores == (0.5, 0.5)


def test_one_that_is_not_answered_holds_up_no_other_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.05)
    prm = Held()
    asking = Asking(prm)
    (stuck,) = asking.ask(A)
    prm.sent(1)
    (other,) = asking.ask(B)
    prm.answer(B)
    assert other.result(PATIENCE).scores == (0.5,)
    prm.answer(A, error=Unreachable("gone"))
    with pytest.raises(Unreachable):
        stuck.result(PATIENCE)


def test_a_verifier_that_writes_is_asked_everything_at_once() -> None:
    prm = Held(prefills=False)
    Asking(prm).ask(A, B, C)
    assert set(prm.sent(3)) == {A, B, C}
    prm.answer(A, B, C)


@pytest.mark.parametrize("wrong", [Rejected("too long"), KeyboardInterrupt()])
def test_who_shares_a_part_of_a_request_that_failed_asks_again(wrong: BaseException) -> None:
    prm = Held(prefills=False)
    asking = Asking(prm)
    long: Call = (), ("x", "y")
    short: Call = (), ("x", "z")
    (first,) = asking.ask(long)
    prm.sent(1)
    (second,) = asking.ask(short)
    prm.answer((("x",), ("z",)), short)
    prm.sent(2)
    prm.answer(long, error=wrong)
    with pytest.raises(type(wrong)):
        first.result(PATIENCE)
    assert second.result(PATIENCE).scores == (0.5, 0.5)
    assert second.result().usage.requests == len(prm.calls) - 1  # also the one of "z" alone


@pytest.mark.parametrize("equal", [True, False])
def test_the_error_of_a_request_is_that_of_its_equals_or_of_all(equal: bool) -> None:
    prm = Held(prefills=False)
    asking = Asking(prm)
    long: Call = (), ("x", "y")
    (first,) = asking.ask(long)
    prm.sent(1)
    (second,) = asking.ask(long if equal else ((), ("x",)))
    assert prm.sent(1) == [long]
    prm.answer(long, error=Rejected("too long") if equal else Unreachable("gone", at_fault=True))
    for asked in (first, second):
        with pytest.raises((Rejected, Unreachable)):
            asked.result(PATIENCE)
    assert prm.calls == [long]


def test_an_equal_of_one_that_was_interrupted_asks_again() -> None:
    prm = Held(prefills=False)
    asking = Asking(prm)
    (first,) = asking.ask(A)
    prm.sent(1)
    (second,) = asking.ask(A)
    assert prm.sent(1) == [A]
    prm.answer(A, error=KeyboardInterrupt(), once=True)
    with pytest.raises(KeyboardInterrupt):
        first.result(PATIENCE)
    prm.sent(2)
    prm.answer(A)
    assert second.result(PATIENCE).scores == (0.5,)
