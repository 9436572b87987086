"""What is started where, decided from hardware that need not be here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sal.runtime.cpu_choice import CpuChoice, choose
from sal.runtime.default_models import default_models
from sal.runtime.hardware import Gpu, Hardware, multiplies_bf16, parse_gpus, visible
from sal.runtime.model_size import GIB, ModelSize, model_size
from sal.runtime.plan import STAND_IN, Plan, PlanError, ServerSpec, make_plan, parse_flags

TINY = default_models(None, None)
POLICY = "meta-llama/Llama-3.2-1B-Instruct"
PRM = "RLHFlow/Llama3.1-8B-PRM-Deepseek-Data"


def gpus(count: int, gib: float = 80) -> Hardware:
    size = int(gib * GIB)
    return Hardware(
        tuple(Gpu(i, "H100", size, size) for i in range(count)), tuple(range(16)), 128 << 30
    )


def flag(spec: ServerSpec, name: str) -> str:
    return spec.argv[spec.argv.index(name) + 1]


def sized(model: str) -> ModelSize:
    one = "1B" in model
    return ModelSize(int((2.5 if one else 15) * GIB), (32 if one else 128) * 1024, "known")


def test_without_a_gpu_both_run_on_the_cpu_engine() -> None:
    plan = make_plan(Hardware((), (0, 1), 64 << 30), *TINY)
    assert list(plan.servers) == ["policy", "prm"]
    assert plan.seeded
    for spec in plan.servers.values():
        assert spec.device == "cpu"
        assert spec.env["SGLANG_USE_CPU_ENGINE"] == "1"
        assert spec.env["PYTHONPATH"] == str(STAND_IN)
        assert spec.env["OMP_NUM_THREADS"] == "1"
        assert flag(spec, "--device") == "cpu"
        assert flag(spec, "--dtype") == "float32"
        assert flag(spec, "--max-total-tokens") == "131072"
        assert flag(spec, "--max-running-requests") == "256"
        assert flag(spec, "--schedule-policy") == "lpm"
        assert "--sleep-on-idle" in spec.argv
        assert spec.command(4321)[-2:] == ["--port", "4321"]
        assert spec.after is None
        assert spec.seeded


def test_deterministic_on_a_cpu_is_its_plugins_own() -> None:
    here = Hardware((), (0, 1), 64 << 30)
    stock = make_plan(here, *TINY).servers["policy"]
    spec = make_plan(here, *TINY, deterministic=True).servers["policy"]
    assert (stock.env["SAL_CPU_SAMPLING"], spec.env["SAL_CPU_SAMPLING"]) == ("1", "1")
    assert (stock.env["SAL_CPU_ATTENTION"], spec.env["SAL_CPU_ATTENTION"]) == ("1", "exact")
    assert ("SAL_CPU_MATMUL" in stock.env, "SAL_CPU_MATMUL" in spec.env) == (False, True)
    assert stock.argv == spec.argv
    assert stock.digest != spec.digest
    by_flag = make_plan(here, *TINY, policy_args=["--enable-deterministic-inference"])
    assert by_flag.servers["policy"].env == spec.env
    assert by_flag.servers["prm"].env["SAL_CPU_ATTENTION"] == "1"


def of(billions: float) -> ModelSize:
    return ModelSize(int(billions * 2e9), int(32 * 1024 * billions), "known")


@pytest.mark.parametrize(
    ("billions", "cores", "gib", "bf16", "servers", "chosen"),
    [
        (0.002, 2, 24, True, 2, CpuChoice("float32", 1, 131072)),  # the tiny suite's size
        (0.002, 2, 4, False, 2, CpuChoice("float32", 1, 131072)),
        (0.135, 2, 24, True, 1, CpuChoice("bfloat16", 2, 131072)),
        (0.135, 2, 24, True, 2, CpuChoice("bfloat16", 1, 131072)),
        (0.135, 8, 24, False, 2, CpuChoice("float32", 4, 131072)),
        (3, 8, 16, False, 1, CpuChoice("bfloat16", 8, 67852)),  # as float32 there is no room
        (8, 8, 16, True, 1, CpuChoice("bfloat16", 8, 8192, 5477330125)),
    ],
)
def test_what_a_cpu_serves_a_model_as(
    billions: float, cores: int, gib: int, bf16: bool, servers: int, chosen: CpuChoice
) -> None:
    here = Hardware((), tuple(range(cores)), gib << 30, bf16)
    assert choose(of(billions), here, servers) == chosen
    exact = choose(of(billions), here, servers, exact=True)
    assert (exact.dtype, exact.threads) == ("float32", 1)


def test_a_plan_for_a_cpu_says_what_was_chosen_and_what_is_missing() -> None:
    here = Hardware((), (0, 1, 2, 3), 16 << 30, bf16=True)
    spec = make_plan(here, POLICY, None, size_of=lambda _: of(8)).servers["policy"]
    assert (flag(spec, "--dtype"), flag(spec, "--max-total-tokens")) == ("bfloat16", "8192")
    assert spec.env["OMP_NUM_THREADS"] == "4"
    assert "bfloat16, 4 torch threads" in spec.reasons[0]
    assert "sampling is seeded" in spec.reasons  # what repeats was measured in float32
    assert any("5.1 GiB more memory than this machine has" in reason for reason in spec.reasons)


@pytest.mark.parametrize(
    ("info", "found"),
    [
        ("model name\t: A\nflags\t\t: fpu avx512f avx512_bf16\n", True),
        ("flags\t\t: fpu amx_bf16 amx_tile\n", True),
        ("Features\t: fp asimd bf16 i8mm\n", True),
        ("flags\t\t: fpu avx512f\nbugs\t\t: bf16\n", False),
        ("", False),
    ],
)
def test_bfloat16_is_read_from_the_cpus_flags(info: str, found: bool) -> None:
    assert multiplies_bf16(info) is found


def test_on_a_cpu_the_users_type_and_threads_win() -> None:
    here = Hardware((), (0, 1, 2), 64 << 30)
    given = ["--dtype float16", "--cpu-threads 7"]
    spec = make_plan(here, POLICY, None, policy_args=given, size_of=sized).servers["policy"]
    assert flag(spec, "--dtype") == "float16"
    assert spec.env["OMP_NUM_THREADS"] == spec.env["MKL_NUM_THREADS"] == "7"
    assert "--cpu-threads" not in spec.argv
    assert spec.digest != make_plan(here, POLICY, None, size_of=sized).servers["policy"].digest
    for wrong in ("--cpu-threads many", "--cpu-threads 0", "--cpu-threads"):
        with pytest.raises(PlanError, match="takes a number from 1"):
            make_plan(here, POLICY, None, policy_args=[wrong], size_of=sized)
    with pytest.raises(PlanError, match="is for models on a CPU"):
        make_plan(gpus(1), POLICY, None, policy_args=["--cpu-threads 2"], size_of=sized)


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("NVIDIA H100 80GB HBM3", "fa3"),
        ("NVIDIA H200", "fa3"),
        ("NVIDIA GH200 480GB", "fa3"),
        ("NVIDIA A100-SXM4-80GB", "triton"),
        ("NVIDIA B200", "triton"),
        ("NVIDIA GeForce RTX 4090", "triton"),
    ],
)
def test_deterministic_on_a_gpu_keeps_the_radix_cache(name: str, backend: str) -> None:
    here = Hardware((Gpu(0, name, int(80 * GIB), int(80 * GIB)),), (0, 1), 64 << 30)
    plan = make_plan(here, POLICY, PRM, deterministic=True, size_of=sized)
    for spec in plan.servers.values():
        assert "--enable-deterministic-inference" in spec.argv
        assert flag(spec, "--attention-backend") == backend
        assert spec.argv.count("--attention-backend") == 1
    assert plan.seeded
    assert sum("deterministic: keeps the radix cache" in line for line in plan.lines()) == 2
    stock = make_plan(here, POLICY, PRM, size_of=sized)
    assert stock.seeded is False
    assert not any("deterministic" in line for line in stock.lines())
    # A warm server without the mode does not stand in for one with it.
    assert stock.servers["policy"].digest != plan.servers["policy"].digest


def test_a_deterministic_backend_that_loses_the_radix_cache_is_the_users_and_says_so() -> None:
    given = ["--enable-deterministic-inference", "--attention-backend flashinfer"]
    plan = make_plan(gpus(1), POLICY, PRM, policy_args=given, size_of=sized)
    assert plan.seeded
    assert any("deterministic: loses the radix cache" in line for line in plan.lines())
    assert not plan.servers["prm"].seeded


def test_whether_anothers_server_samples_by_seeds_is_not_known() -> None:
    assert make_plan(gpus(1), "http://host:30000", PRM, size_of=sized).seeded is None


def test_on_the_cpu_the_policy_has_a_core_that_the_prm_leaves_alone() -> None:
    both = make_plan(Hardware((), (2, 3, 5), 16 << 30), POLICY, PRM)
    assert both.servers["policy"].cores == (2, 3, 5)
    assert both.servers["prm"].cores == (3, 5)
    assert "  leaves one core to the policy" in both.lines()
    alone = make_plan(Hardware((), (2, 3, 5), 16 << 30), None, PRM)
    assert alone.servers["prm"].cores == (2, 3, 5)
    single = make_plan(Hardware((), (4,), 16 << 30), POLICY, PRM)
    assert single.servers["prm"].cores == (4,)
    assert "  leaves one core to the policy" not in single.lines()


def test_one_gpu_holds_both_and_neither_takes_the_others_share() -> None:
    plan = make_plan(gpus(1), POLICY, PRM, size_of=sized)
    policy, prm = plan.servers["policy"], plan.servers["prm"]
    assert prm.after == "policy"
    assert flag(policy, "--attention-backend") == "flashinfer"
    free = 80 * GIB
    first = float(flag(policy, "--mem-fraction-static")) * free
    second = float(flag(prm, "--mem-fraction-static")) * (free - first - 8 * GIB)
    assert first > 2.5 * GIB
    assert second > 15 * GIB
    assert first + second <= free - 16 * GIB + 0.1 * GIB
    # The same number of tokens fits in both caches.
    tokens = (first - 2.5 * GIB) / (32 * 1024), (second - 15 * GIB) / (128 * 1024)
    assert tokens[0] == pytest.approx(tokens[1], rel=0.02)


def test_models_too_large_for_one_gpu_are_refused_with_the_figures() -> None:
    with pytest.raises(PlanError, match=r"need about 24 GiB and GPU 0 has 16 GiB free"):
        make_plan(gpus(1, 16), POLICY, PRM, size_of=sized)


def test_attention_follows_the_size_of_a_head(tmp_path: Path) -> None:
    def backend(heads: int) -> str:
        config = {"hidden_size": 256, "num_attention_heads": heads}
        (tmp_path / "config.json").write_text(json.dumps(config))
        return flag(
            make_plan(gpus(1), str(tmp_path), None).servers["policy"], "--attention-backend"
        )

    assert [backend(heads) for heads in (4, 8)] == ["flashinfer", "triton"]


def test_two_gpus_take_one_each_and_more_serve_replicas() -> None:
    plan = make_plan(gpus(2), POLICY, PRM, size_of=sized)
    assert [spec.env["CUDA_VISIBLE_DEVICES"] for spec in plan.servers.values()] == ["0", "1"]
    assert all("--mem-fraction-static" not in spec.argv for spec in plan.servers.values())
    assert plan.notes == ()
    four = make_plan(gpus(4), POLICY, PRM, size_of=sized)
    assert [flag(spec, "--dp-size") for spec in four.servers.values()] == ["2", "2"]
    assert four.notes == ()


def test_tensor_parallelism_takes_its_gpus() -> None:
    plan = make_plan(gpus(4), POLICY, PRM, prm_args=["--tp 2"], size_of=sized)
    assert plan.servers["policy"].env["CUDA_VISIBLE_DEVICES"] == "0,3"
    assert plan.servers["prm"].env["CUDA_VISIBLE_DEVICES"] == "1,2"
    with pytest.raises(PlanError, match="asks for 3 GPUs, 1 here"):
        make_plan(gpus(1), POLICY, PRM, prm_args=["--tp 2"], size_of=sized)


def test_a_url_gets_no_server() -> None:
    plan = make_plan(gpus(1), "http://host:30000/", PRM, size_of=sized)
    assert plan.urls == {"policy": "http://host:30000"}
    assert list(plan.servers) == ["prm"]
    assert "--mem-fraction-static" not in plan.servers["prm"].argv


def test_a_flag_of_the_users_wins_and_is_told() -> None:
    plan = make_plan(
        Hardware((), (0, 1), 16 << 30),
        POLICY,
        PRM,
        policy_args=["--schedule-policy fcfs", "--port=4000", "--enable-metrics"],
    )
    policy = plan.servers["policy"]
    assert policy.argv.count("--schedule-policy") == 1
    assert flag(policy, "--schedule-policy") == "fcfs"
    assert policy.port == 4000
    assert "--port" not in policy.argv
    assert policy.argv[-1] == "--enable-metrics"
    assert any("--schedule-policy fcfs" in line for line in plan.lines())
    assert flag(plan.servers["prm"], "--schedule-policy") == "lpm"


def test_flags_are_read_as_a_shell_reads_them() -> None:
    assert parse_flags(["--a 1", "--b", "--c '{\"x\": 1}'", "--d=2", "--e 1 2"]) == {
        "--a": ("1",),
        "--b": (),
        "--c": ('{"x": 1}',),
        "--d": ("2",),
        "--e": ("1", "2"),
    }
    with pytest.raises(PlanError, match="not an SGLang flag"):
        parse_flags(["tp 2"])


def test_a_folder_that_is_no_model_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="there is no model folder"):
        make_plan(gpus(1), str(tmp_path / "absent"), None)
    with pytest.raises(PlanError, match=r"no config\.json"):
        make_plan(gpus(1), str(tmp_path), None)


def test_the_digest_knows_the_users_flags_and_not_the_plans() -> None:
    def digest(plan: Plan) -> str:
        return plan.servers["policy"].digest

    shared = digest(make_plan(gpus(1), POLICY, PRM, size_of=sized))
    assert shared == digest(make_plan(gpus(1), POLICY, None, size_of=sized))
    assert shared != digest(make_plan(gpus(1), POLICY, None, policy_args=["--tp 1"]))
    assert shared != digest(make_plan(gpus(1), PRM, None, size_of=sized))


def test_sizes_come_from_files_or_else_from_the_name(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(bytes(1000))
    (tmp_path / "config.json").write_text(
        json.dumps(
            {
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "hidden_size": 64,
            }
        )
    )
    size = model_size(str(tmp_path))
    assert (size.weight_bytes, size.kv_bytes_per_token) == (1000, 2 * 2 * 2 * 16 * 2)
    assert "on disk" in size.reason
    named = model_size("nobody/Some3.1-8B-thing")
    assert named.weight_bytes == 16e9
    assert "8B in its name" in named.reason
    assert model_size("nobody/Some-0.5b").weight_bytes == 1e9
    assert "assumed" in model_size("nobody/thing").reason


def test_gpus_are_read_and_filtered_as_cuda_does() -> None:
    table = (
        "0, GPU-aa11, NVIDIA H100, 81559, 80000\n"
        "1, GPU-bb22, NVIDIA H100, 81559, 500\n"
        "2, GPU-cc33, NVIDIA H100, [N/A], [N/A]\n"
    )
    found = parse_gpus(table)
    assert [gpu.index for _, gpu in found] == [0, 1]
    assert found[1][1].free_bytes == 500 << 20
    assert [gpu.index for gpu in visible(found, None)] == [0, 1]
    assert [gpu.index for gpu in visible(found, "1,0")] == [1, 0]
    assert [gpu.index for gpu in visible(found, "GPU-bb")] == [1]
    assert visible(found, "") == ()
    assert [gpu.index for gpu in visible(found, "0,7,1")] == [0]


STAND_IN_PROBE = """
import copy, inspect
import sgl_kernel
from sgl_kernel import rmsnorm
from sgl_kernel.deep.er import thing
import sgl_kernel.flash_attn as flash
assert {rmsnorm: 1, thing.default: 2}
assert not hasattr(sgl_kernel, "__nothing__") and not hasattr(thing, "__wrapped__")
inspect.unwrap(thing); copy.copy(thing); repr(flash.x)
try:
    thing.default(1, x=2)
except RuntimeError as error:
    print(error)
"""


def test_the_stand_in_resolves_every_name_and_explains_a_call() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STAND_IN_PROBE],
        env={**os.environ, "PYTHONPATH": str(STAND_IN)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("sgl_kernel.deep.er.thing.default is a CUDA kernel")
