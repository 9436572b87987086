"""The parts of the gateway by themselves: keys, ledger, queue, progress, answers, trace page."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from runs_examples import recipe
from serve_scripted import LIMITS, Half, Scripted, Writer, catalogue

from sal.programs.trace import Completion, Node, SearchResult, Trace
from sal.programs.vote import boxed_answers
from sal.runs.errors import RunError
from sal.runs.registry import find_strategy
from sal.runtime.usage import Usage
from sal.serve.admission import Admission
from sal.serve.answer import answer_of
from sal.serve.errors import ApiError
from sal.serve.keys import Keys, new_key, read_keys
from sal.serve.ledger import WINDOW_S, Ledger
from sal.serve.policy_alone import PolicyAlone
from sal.serve.progress import Progress, chosen_path
from sal.serve.queue import PATIENCE, Queue, Room, Waiting
from sal.serve.read_chat import read_chat
from sal.serve.searcher import Flight, Recent, Searcher
from sal.serve.shapes import usage_of
from sal.serve.streams import Working
from sal.serve.trace_page import search_page
from sal.strategies.voting import elect


def test_a_new_key_is_known_by_its_hash_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    alice, bob = new_key(path, "alice"), new_key(path, "bob")
    written = path.read_text()
    assert alice not in written
    assert bob not in written
    assert path.stat().st_mode & 0o077 == 0
    keys = read_keys(path)
    assert keys.account(f"Bearer {alice}") == "alice"
    assert keys.account(f"bearer  {bob}") == "bob"
    with pytest.raises(RunError, match="alice"):
        new_key(path, "alice")


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer sal-x", "Basic {}", "{}", "Bearer \ud800"]
)
def test_a_wrong_key_is_refused_and_not_repeated(tmp_path: Path, header: str | None) -> None:
    key = new_key(tmp_path / "keys", "alice")
    keys = read_keys(tmp_path / "keys")
    with pytest.raises(ApiError) as refused:
        keys.account(None if header is None else header.format(key))
    assert refused.value.status == 401
    assert key not in str(refused.value.body())


def test_without_keys_nobody_needs_one() -> None:
    assert Keys().account(None) == ""


@pytest.mark.parametrize("text", ["", "# none\n", "alice\n", "alice 12ab\n", "a " + "g" * 64])
def test_a_file_that_holds_no_keys(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(RunError, match="--keys"):
        read_keys(tmp_path / "keys")


@pytest.mark.parametrize("name", ["", "a b", "#a", "a\n"])
def test_a_key_has_a_name_of_one_word(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="one word"):
        new_key(tmp_path / "keys", name)


def test_the_ledger_never_lets_two_count_on_the_same_tokens() -> None:
    ledger = Ledger(1000)
    together = threading.Barrier(20)
    got: list[bool] = []

    def ask() -> None:
        together.wait()
        try:
            ledger.reserve("a", 300)
            got.append(True)
        except ApiError:
            got.append(False)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(got) == 3


def test_the_ledger_counts_what_was_spent_and_what_nobody_told() -> None:
    ledger = Ledger(1000, clock=lambda: 0.0)
    known, unknown = ledger.reserve("a", 400), ledger.reserve("a", 400)
    ledger.settle(known, 50)
    ledger.settle(known, 50)  # once is enough
    ledger.settle(unknown, None)
    account = ledger.account("a")
    assert (account.spent, account.unknown, account.reserved) == (50, 400, 0)
    ledger.reserve("b", 1000)  # another's
    with pytest.raises(ApiError) as refused:
        ledger.reserve("a", 551)
    assert (refused.value.status, refused.value.code) == (429, "insufficient_quota")
    assert refused.value.retry_after == WINDOW_S
    ledger.reserve("a", 550)


def test_the_ledger_begins_anew_after_its_window_and_keeps_what_is_in_flight() -> None:
    now = [0.0]
    ledger = Ledger(1000, clock=lambda: now[0])
    flying = ledger.reserve("a", 600)
    ledger.settle(ledger.reserve("a", 400), 400)
    now[0] = WINDOW_S
    with pytest.raises(ApiError):
        ledger.reserve("a", 401)
    ledger.reserve("a", 400)
    ledger.settle(flying, 10)
    assert ledger.account("a").spent == 10


@pytest.mark.parametrize(
    ("waiting", "small", "large", "first"),
    [
        ([], 0, 0, None),
        ([(56, 1, 0), (4, 2, 0)], 0, 0, 2),  # the small one
        ([(56, 1, 0), (4, 2, PATIENCE)], 0, 0, 2),
        ([(56, 1, PATIENCE), (4, 2, 0)], 0, 0, 1),  # overtaken often enough
        ([(56, 1, PATIENCE), (4, 2, 0)], 0, 32, 2),  # which small ones may still pass
        ([(56, 1, PATIENCE), (4, 2, 0)], 8, 32, None),  # in their own part alone
        ([(56, 1, PATIENCE), (9, 2, PATIENCE)], 0, 32, None),  # and large ones not at all
        ([(32, 1, 0)], 0, 24, 1),
        ([(32, 1, 0)], 0, 25, None),  # the last 8 are for small ones
        ([(32, 1, 0)], 32, 0, 1),
        ([(32, 1, 0)], 33, 0, None),
        ([(32, 1, 0), (8, 2, 0)], 0, 56, 2),
        ([(8, 1, 0)], 0, 57, 1),  # a small one never waits for large ones
        ([(8, 1, 0)], 57, 0, None),
        ([(56, 1, 0)], 8, 0, 1),
        ([(56, 1, 0)], 9, 0, None),
    ],
)
def test_whose_turn_it_is(
    waiting: list[tuple[int, int, int]], small: int, large: int, first: int | None
) -> None:
    there = [Waiting(weight, order, overtaken) for weight, order, overtaken in waiting]
    chosen = Room(64, small=small, large=large).next_one(there)
    assert (None if chosen is None else chosen.order) == first


def test_the_largest_search_leaves_the_small_ones_their_part() -> None:
    room = Room(64)
    assert room.weight(1000) == 56
    room.take(room.weight(1000))
    room.take(8)
    assert (room.small, room.large, room.held) == (8, 56, 64)
    room.take(-56)
    assert (room.small, room.large) == (8, 0)


def test_a_large_search_begins_alone_where_it_never_fits() -> None:
    """As where completions ask for more requests than there are of them."""
    room = Room(64, size=16)
    waiting = [Waiting(56, 1)]
    assert room.next_one(waiting) is waiting[0]
    room.take(56)
    assert room.next_one([Waiting(56, 2)]) is None
    assert room.next_one([Waiting(8, 3)]) is not None


def test_a_queue_admits_refuses_and_forgets_who_went_away() -> None:
    async def use() -> None:
        queue = Queue(Room(16), 2)
        await queue.enter(14)
        await queue.enter(2)
        assert queue.held == 16
        waiting = [asyncio.create_task(queue.enter(4)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as refused:
            await queue.enter(4)
        assert (refused.value.status, refused.value.retry_after) == (429, 10.0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        assert queue.waiting == 1
        queue.leave(14, 20.0)
        await waiting[1]
        assert (queue.held, queue.waiting, queue.typical_s) == (6, 0, 11.0)

    asyncio.run(use())


def test_one_that_is_overtaken_too_often_is_next() -> None:
    async def use() -> None:
        queue = Queue(Room(64), 100)
        await queue.enter(32)
        large = asyncio.create_task(queue.enter(40))
        small = [asyncio.create_task(queue.enter(1)) for _ in range(PATIENCE + 4)]
        await asyncio.sleep(0)
        assert sum(task.done() for task in small) == PATIENCE
        for _ in range(PATIENCE):
            queue.leave(1)
        await asyncio.sleep(0)
        assert not large.done()
        assert all(task.done() for task in small)  # in their own part
        queue.leave(32)
        await asyncio.gather(large, *small)

    asyncio.run(use())


def test_one_who_goes_away_just_when_it_is_admitted_holds_nothing() -> None:
    async def use() -> None:
        queue = Queue(Room(4), 2)
        await queue.enter(4)
        waiting = asyncio.create_task(queue.enter(4))
        await asyncio.sleep(0)
        queue.leave(4)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert queue.held == 0

    asyncio.run(use())


def test_a_search_whose_counting_fails_holds_nothing_either() -> None:
    async def use() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        queue, ledger = Queue(Room(4), 2), Ledger(1000)
        await queue.enter(4)
        admission = Admission(ledger, queue, ledger.reserve("a", 100), 4)
        search: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def counted() -> int:
            raise RuntimeError("a defect")

        admission.held_by(search, counted)
        search.set_result(None)
        await asyncio.sleep(0)
        assert queue.held == 0
        assert ledger.account("a").unknown == 100

    asyncio.run(use())


def test_a_defect_is_counted_as_500() -> None:
    ended: list[int] = []

    async def broken(_: Any) -> dict[str, Any]:
        raise RuntimeError("a defect")

    async def use() -> None:
        async def stays() -> dict[str, Any]:
            await asyncio.Event().wait()
            return {}

        async def send(_: Any) -> None: ...

        with pytest.raises(RuntimeError, match="a defect"):
            await Working(broken, stream=False, ended=ended.append)({}, stays, send)

    asyncio.run(use())
    assert ended == [500]


def test_more_may_search_where_completions_ask_for_little() -> None:
    async def use() -> None:
        queue = Queue(Room(16), 2)
        await queue.enter(14)
        waiting = asyncio.create_task(queue.enter(14))
        await asyncio.sleep(0)
        assert queue.waiting == 1
        queue.resize(32)
        await waiting
        assert queue.held == 28

    asyncio.run(use())


def test_who_leaves_before_the_policy_has_ended_has_it_aborted() -> None:
    asked: list[str] = []
    aborted: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content)["rid"])
        return httpx.Response(200, content=b'data: {"choices": [{}]}\n\n')

    async def use() -> None:
        transport = httpx.MockTransport(answer)
        alone = PolicyAlone("http://policy", "m", aborted.append, transport=transport)
        async with alone.stream("/v1/chat/completions", {}) as chunks:
            assert [chunk async for chunk in chunks]
        assert not aborted
        with pytest.raises(ConnectionError):
            async with alone.stream("/v1/chat/completions", {}):
                raise ConnectionError
        await alone.close()

    asyncio.run(use())
    assert aborted == 2 * asked[1:]


def done(text: str, score: float, finish: str = "eot", key: str = "") -> Completion:
    steps = tuple(text.split("\n\n"))
    weight = score if finish == "eot" else None
    scores = (score,) * len(steps)
    return Completion(text, steps, scores, 3, finish, key, weight=weight)  # type: ignore[arg-type]


def result(
    *completions: Completion, errors: tuple[str, ...] = (), capped: bool = False
) -> SearchResult:
    chosen = elect([c.key for c in completions], [c.weight for c in completions])
    return SearchResult(completions, chosen, "weighted", Trace(), errors, 0, capped)


def test_the_answer_is_what_the_strategy_chose() -> None:
    found = result(done("a", 0.9, key="1"), done("b", 0.6, key="2"), done("c", 0.6, key="2"))
    assert answer_of(found, "").content == "b"


def test_without_answers_to_compare_the_best_solution_is_the_answer() -> None:
    answer = answer_of(result(done("a", 0.2), done("b", 0.8), done("cut", 0.9, "length")), "")
    assert (answer.content, answer.finish) == ("b", "stop")


def test_where_all_were_cut_the_best_one_is_told_as_cut() -> None:
    answer = answer_of(result(done("a", 0.2, "length"), done("b", 0.8, "length")), "")
    assert (answer.content, answer.finish) == ("b", "length")


def test_reasoning_is_no_part_of_the_content() -> None:
    text = "<think>\nhmm\n</think>\n\nIt is 5."
    assert answer_of(result(done(text, 0.5, key="5")), "").content == "It is 5."
    opened = answer_of(result(done("hmm</think>It is 5.", 0.5, key="5")), "Q<think>\n")
    assert opened.content == "It is 5."


@pytest.mark.parametrize(
    ("found", "status", "code"),
    [
        (result(capped=True), 504, "search_capped"),
        (result(errors=("policy: http://10.0.0.1:30000/generate: HTTP 500",)), 502, "no_answer"),
    ],
)
def test_no_answer_is_a_typed_error_without_addresses(
    found: SearchResult, status: int, code: str
) -> None:
    with pytest.raises(ApiError) as refused:
        answer_of(found, "")
    assert (refused.value.status, refused.value.code) == (status, code)
    assert "10.0.0.1" not in str(refused.value)


def test_what_was_not_told_makes_no_usage() -> None:
    answer = answer_of(result(done("a", 0.5, key="1")), "")
    trace = Trace(policy=Usage(50, 40, 30, 4))
    usage = usage_of(7, trace, answer)
    assert usage == {
        "prompt_tokens": 7,
        "completion_tokens": 30,
        "total_tokens": 37,
        "completion_tokens_details": {"reasoning_tokens": 27},
    }
    assert usage_of(None, trace, answer) is None
    assert usage_of(7, Trace(policy=Usage(None, None, None, 1)), answer) is None


def test_progress_tells_each_step_once_and_the_solutions() -> None:
    trace, progress = Trace(), Progress()
    assert progress.look(trace) == ""
    trace.add(Node((0,), "One.", 3, "separator", (0.5,)))
    trace.add(Node((1,), "Two.", 3, "separator", (0.7,)))
    trace.add(Node((2,), "", 3, "error", error="gone"))
    assert progress.look(trace) == ""
    trace.add(Node((1, 0), "Three.", 3, "eot", (0.8,)))
    assert progress.look(trace) == (
        "Step 1: 2 candidates, the best scores 0.70: Two.\n1 solution so far, the best ends at 0.80\n"
    )
    trace.add(Node((0, 0), "x" * 200, 3, "eot", (0.6,)))
    assert progress.look(trace) == "2 solutions so far, the best ends at 0.80\n"
    assert progress.look(trace) == ""


def test_the_chosen_path_has_its_steps_and_scores() -> None:
    found = result(done("a\n\nb", 0.9, key="1"), done("c", 0.6, key="1"), done("d", 0.1, key="2"))
    assert chosen_path(found, found.completions[0]) == (
        "Chosen of 3 solutions, 2 with its answer (weighted):\n\n[0.90] a\n\n[0.90] b\n\n"
    )


def test_a_search_opens_in_the_explorers_page() -> None:
    body = {"model": "dvts", "messages": [{"role": "user", "content": "Count</script>?"}]}
    wanted = read_chat(body, {}, catalogue(), LIMITS).search
    assert wanted is not None
    flight = Flight(wanted)
    before = search_page(flight, recipe(), {})
    Searcher(Scripted(Writer(), Half()), find_strategy, boxed_answers).run(flight)
    after = search_page(flight, recipe(), {})
    assert "still searching" in before
    assert "still searching" not in after
    assert flight.id in after
    assert "Count</script>" not in after


def test_old_searches_are_let_go_and_those_under_way_are_not() -> None:
    body = {"model": "dvts", "messages": [{"role": "user", "content": "x" * 2000}]}
    wanted = read_chat(body, {}, catalogue(), LIMITS).search
    assert wanted is not None
    recent = Recent(size=1000)
    flying = Flight(wanted)
    recent.add(flying)
    ended = []
    for _ in range(50):
        ended.append(Flight(wanted, seconds=1.0))
        recent.add(ended[-1])
    assert recent.get(flying.id) is flying
    assert recent.get(ended[0].id) is None
    assert recent.get(ended[-1].id) is ended[-1]
    assert sum(recent.get(f.id) is not None for f in ended) < 20
