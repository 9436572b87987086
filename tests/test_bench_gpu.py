"""bench-gpu: lengths are drawn as they were recorded, and the whole of it runs without a GPU."""

from __future__ import annotations

import io
import json
import math
import random
from collections import Counter
from pathlib import Path

import pytest
from conftest import CPU_ONLY
from rich.console import Console

from bench import gpu, parts, projection, record_lengths
from bench.figures import Size
from bench.lengths import RECORDED, Lengths, load, mean
from bench.projection import Measured
from bench.shapes import LLAMA_3_1_8B, LLAMA_3_2_1B, TINY, Shapes, plan_servers, size_of
from bench.vocabulary import TEMPERATURE, Rules, Vocabulary, vocabulary_for
from sal.runtime.hardware import Gpu, Hardware
from sal.runtime.tokenizer import Tokenizer
from sal.verifiers.chat_turn import ChatTurn

SHORT = Lengths({2: 1, 4: 2, 7: 1}, {1: 1, 2: 2, 5: 1}, {3: 1, 5: 1})
H100 = Hardware(
    (Gpu(0, "NVIDIA H100", 80 << 30, 79 << 30),), cores=tuple(range(16)), memory_bytes=128 << 30
)


def sampled(rules: Rules, last: int, draw: random.Random) -> int:
    """What an engine samples behind `last`."""
    low = rules.low[last]
    ids: list[int] = sorted({*range(low, low + rules.width[last]), rules.also[last]})
    return draw.choices(ids, [math.exp(rules.bias[i] / TEMPERATURE) for i in ids])[0]


def solution(vocabulary: Vocabulary, rules: Rules, draw: random.Random) -> list[str]:
    texts = [last := "\n\n"]
    number = vocabulary.spelled.index(last)
    while number:  # 0 is the end of text
        number = sampled(rules, number, draw)
        texts.append(vocabulary.spelled[number])
    return texts[1:]


class TestLengths:
    def test_solutions_are_as_long_as_recorded(self) -> None:
        vocabulary = vocabulary_for(SHORT, variants=3)
        rules, draw = vocabulary.rules(SHORT), random.Random(0)
        tokens, steps = Counter[int](), Counter[int]()
        number = 4000
        for _ in range(number):
            *written, answer, end = solution(vocabulary, rules, draw)
            assert answer.startswith("\\boxed{")
            assert end == "<|eot_id|>"
            lengths = [0]
            for text in written:
                lengths[-1] += 1
                if text.endswith("\n\n"):
                    lengths.append(0)
            lengths[-1] += 1  # the answer closes the last step
            tokens.update(lengths)
            steps[len(lengths)] += 1
        assert set(tokens) == set(SHORT.step_tokens)
        assert set(steps) == set(SHORT.steps)
        for seen, wanted in ((tokens, SHORT.step_tokens), (steps, SHORT.steps)):
            for length, count in wanted.items():
                share = seen[length] / sum(seen.values())
                assert share == pytest.approx(count / sum(wanted.values()), abs=0.03)

    def test_the_hazard_of_ending(self) -> None:
        assert SHORT.ending() == [1 / 4, 2 / 3, 0, 0, 1]

    def test_shrunk_and_capped_lengths_keep_their_counts(self) -> None:
        recorded = load()
        short = recorded.shrunk(8).capped(32)
        assert sum(short.step_tokens.values()) == sum(recorded.step_tokens.values())
        assert max(short.step_tokens) == 32
        assert min(short.step_tokens) == 2
        assert short.steps == recorded.steps

    def test_the_cap_of_the_real_shapes_moves_no_mean(self) -> None:
        recorded, capped = load(), load().capped(512)
        assert mean(capped.step_tokens) == pytest.approx(mean(recorded.step_tokens), rel=0.02)
        assert 250 < capped.tokens_a_solution < 450

    @pytest.mark.parametrize("counts", [{}, {0: 1}, {3: 0}])
    def test_nothing_to_draw_from_is_refused(self, counts: dict[int, int]) -> None:
        with pytest.raises(ValueError, match="at least 1"):
            Lengths(counts, {1: 1}, {1: 1})

    @pytest.mark.recorded
    def test_the_table_is_that_of_the_recorded_data(
        self, recorded_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = tmp_path / "lengths.json"
        monkeypatch.setattr(record_lengths, "RECORDED", made)
        assert record_lengths.main([str(recorded_data)]) == 0
        assert json.loads(made.read_text()) == json.loads(RECORDED.read_text())


class TestShapes:
    def test_texts_tokenise_back_and_the_prm_reads_one_token_a_word(self, tmp_path: Path) -> None:
        shapes = Shapes(TINY, TINY, SHORT, variants=2)
        policy_folder, prm_folder = shapes.write(tmp_path)
        policy, prm = Tokenizer.load(str(policy_folder)), Tokenizer.load(str(prm_folder))
        assert policy is not None
        assert prm is not None
        vocabulary = shapes.vocabulary
        draw = random.Random(1)
        texts = solution(vocabulary, vocabulary.rules(SHORT), draw)
        ids = [vocabulary.spelled.index(text) for text in texts[:-1]]
        assert policy.decode(ids) == "".join(texts[:-1])
        assert policy.encode("".join(texts[:-1])) == ids
        words = vocabulary.spelled[vocabulary.words :][:6]
        one = ChatTurn(prm).render("".join(words), [words[0]])
        two = ChatTurn(prm).render("".join(words), [words[0], "".join(words) + "#a"])
        assert two.ids[: len(one.ids)] == one.ids
        turn = 2 + 3 + 4 + 4  # "+", ends of turns, two headers: as in Llama's template
        assert len(two.ids) - len(one.ids) <= turn + len(words) + 1

    def test_the_real_shapes_fit_an_h100_side_by_side(self, tmp_path: Path) -> None:
        setting = gpu.on_gpu()
        assert setting.shapes.vocabulary.least_size <= LLAMA_3_2_1B["vocab_size"]
        folders = setting.shapes.write(tmp_path)
        sizes = [size_of(str(folder)).weight_bytes / 2e9 for folder in folders]
        assert sizes == pytest.approx([1.24, 8.03], abs=0.01)  # billions of parameters
        policy, prm = plan_servers(H100, *folders)
        for spec in (policy, prm):
            assert spec.device == "cuda"
            assert ("--load-format", "dummy") in zip(spec.argv, spec.argv[1:], strict=False)
            assert spec.env["SGLANG_EXTERNAL_MODEL_PACKAGE"] == "bench.served"
        assert prm.after == "policy"

    def test_a_vocabulary_that_holds_no_step_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no vocabulary"):
            Vocabulary(steps=53, room=8, variants=1)

    def test_the_kv_cache_of_an_8b_takes_128_kib_a_token(self, tmp_path: Path) -> None:
        _, prm = Shapes(TINY, LLAMA_3_1_8B, SHORT, 1).write(tmp_path)
        assert size_of(str(prm)).kv_bytes_per_token == 128 * 1024


class TestProjection:
    def test_hours_are_for_500_problems_at_256(self) -> None:
        measured = Measured(
            problems=4, budget=64, completions=256, seconds=36.0, written=90_000, judged=120_000
        )
        assert measured.hours == pytest.approx(36 / 4 * 4 * 500 / 3600)  # 5 hours
        table = projection.table({"beam": measured}, "a machine", real=False)
        shown = io.StringIO()
        Console(width=160, file=shown).print(table)
        text = shown.getvalue()
        assert "60+" in text
        assert "says nothing of a GPU" in text


class TestParts:
    def test_the_time_left_is_told_by_parts_of_the_same_kind(self) -> None:
        def part(kind: str) -> parts.Part:
            return parts.Part(kind, kind, lambda: None)

        owed = [part("a"), part("a"), part("b"), part("c")]
        assert parts.seconds_left(owed, {}) is None
        assert parts.seconds_left(owed, {"a": [1.0, 3.0], "b": [10.0]}) == 2 + 2 + 10 + 3
        assert parts.clock(125.4) == "2:05"

    def test_what_is_saved_is_not_measured_again(self, tmp_path: Path) -> None:
        path, about = tmp_path / "results.json", {"machine": "m", "size": (1, 2)}
        results = gpu.Results.resume(path, about)
        results.projected["beam"] = Measured(1, 2, 3, 4.0, 5, 6)
        done = parts.Part("round 1", "beam", lambda: None)
        results.add(done, {"engine share": {"beam": [0.5]}})
        again = gpu.Results.resume(path, about)
        assert again.done == ["round 1"]
        assert again.projected == results.projected
        assert again.rounds == {"engine share": {"beam": [0.5]}}
        assert gpu.Results.resume(path, {"machine": "another"}).done == []
        again.complete = True
        again.save()
        assert gpu.Results.resume(path, about).done == []


@pytest.mark.servers
def test_bench_gpu_runs_from_end_to_end_without_a_gpu(tmp_path: Path) -> None:
    """Real servers with random weights, every figure, a file with all parts."""
    setting = gpu.Setting(
        gpu.on_cpu().shapes,
        Size(problems=1, budget=4, rounds=1, few=1, many=2, narrow=4, wide=8),
        projected=1,
        budget=8,
    )
    path = tmp_path / "results.json"
    results = gpu.Results(path, {})
    results.done = [f"round 1 of 1: {strategy}, growth" for strategy in ("best-of-n", "beam")]
    gpu.measure(setting, CPU_ONLY, results, Console(quiet=True))
    assert len(set(results.done)) == len(results.done) == 3 + 6 + 1
    saved = json.loads(path.read_text())
    assert set(saved["projection"]) == {"best-of-n", "beam", "dvts"}
    assert all(row["hours"] > 0 for row in saved["projection"].values())
    written = saved["projection"]["best-of-n"]["written"] / setting.budget
    assert 0.3 < written / setting.shapes.lengths.tokens_a_solution < 3
    values = [v for figure in saved["rounds"].values() for row in figure.values() for v in row]
    assert len(values) == 3 * 16 + 3 + 3  # the others' growth was there already
    assert all(math.isfinite(value) and value >= 0 for value in values)
    factors = [saved["rounds"][f"prefill factor, {role}"]["dvts"][0] for role in ("policy", "prm")]
    assert max(factors) < 1.5
