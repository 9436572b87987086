"""Where models are put, as a table: hardware that need not be here, models of known sizes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sal.runtime.hardware import Gpu, Hardware
from sal.runtime.model_size import GIB, ModelSize
from sal.runtime.plan import Load, Plan, PlanError, make_plan
from sal.runtime.server_spec import ServerSpec

KIB = 1024
SIZES = {
    "p/1B": ModelSize(int(2.5 * GIB), 32 * KIB, "1B", heads=32, context=131072),
    "p/3B": ModelSize(int(6 * GIB), 112 * KIB, "3B", heads=24, context=131072),
    "p/32B": ModelSize(int(61 * GIB), 256 * KIB, "32B", heads=40, context=32768),
    "p/70B": ModelSize(int(131 * GIB), 320 * KIB, "70B", heads=64, context=131072),
    "p/70B-AWQ": ModelSize(int(37 * GIB), 320 * KIB, "70B", 0.5, "awq, 4 bits", 131072, 64),
    "p/8B-float32": ModelSize(int(30 * GIB), 128 * KIB, "8B", 4, heads=32, context=8192),
    "p/405B": ModelSize(int(756 * GIB), 504 * KIB, "405B", heads=128, context=131072),
    "p/unknown": ModelSize(int(15 * GIB), 128 * KIB, "no size in its name", known=False),
    "p/28-heads": ModelSize(int(61 * GIB), 256 * KIB, "32B", heads=28),
    "r/8B": ModelSize(int(15 * GIB), 128 * KIB, "8B", heads=32, context=131072),
    "r/72B": ModelSize(int(135 * GIB), 320 * KIB, "72B", heads=64, context=4096),
    "r/7B-head": ModelSize(int(14 * GIB), 56 * KIB, "7B", heads=28, context=4096, generates=False),
}
URL = "http://host:30000"


def cards(*gib: float, name: str = "H100") -> Hardware:
    """GPUs with so much memory, all of it free; equal ones are of one kind."""
    gpus = tuple(
        Gpu(i, f"{name} {size:g}", int(size * GIB), int(size * GIB)) for i, size in enumerate(gib)
    )
    return Hardware(gpus, tuple(range(16)), 128 << 30)


@dataclass
class Case:
    """`placed` is what comes of it: by server its GPUs, tensor parallelism x replicas."""

    hardware: Hardware
    policy: str | None
    prm: str | None
    placed: dict[str, str]
    why: tuple[str, ...] = ()
    note: str = ""
    args: tuple[str, ...] = ()
    prm_args: tuple[str, ...] = ()
    load: Load = Load()


EIGHT = cards(*[80] * 8)
CPU = Hardware((), tuple(range(8)), 32 << 30, bf16=True)
LAPTOP = Hardware((), tuple(range(8)), 16 << 30, bf16=True)
CASES = {
    "no GPU": Case(
        CPU, "p/1B", "r/8B", {"policy": "cpu", "prm": "cpu"},
        ("no GPU: SGLang's CPU engine, bfloat16, 4 torch threads", "leaves one core to the policy",
         "KV cache of 39976 tokens"),
    ),
    "no GPU, and too little memory for both": Case(
        LAPTOP, "p/1B", "r/8B", {"policy": "cpu", "prm": "cpu"},
        ("about 6.8 GiB more memory than this machine has for it: try a smaller model",),
    ),
    "no GPU, and a small model": Case(
        CPU, "p/1B", None, {"policy": "cpu"}, ("bfloat16, 8 torch threads", "cache of 131072"),
    ),
    "no GPU, and quantised weights": Case(
        CPU, "p/70B-AWQ", None, {"policy": "cpu"},
        ("quantised (awq, 4 bits), which is not known to work without a GPU",),
    ),
    "no GPU, the PRM elsewhere": Case(CPU, "p/1B", URL, {"policy": "cpu"}, ("(yours)",)),
    "no GPU, and a type of the user's": Case(
        CPU, "p/3B", None, {"policy": "cpu"}, ("float32, 8 torch threads", "cache of 58982 tokens"),
        args=("--dtype float32",),
    ),
    "one card of 24 holds 1B and 8B": Case(
        cards(24), "p/1B", "r/8B", {"policy": "0 1x1 shared", "prm": "0 1x1 shared"},
        ("shares the GPU: room for about 3",),
    ),
    "one card of 80 holds 1B and 8B": Case(
        cards(80), "p/1B", "r/8B", {"policy": "0 1x1 shared", "prm": "0 1x1 shared"},
        ("room for about 304,",),
    ),
    "one card of 141 holds 32B and 8B": Case(
        cards(141), "p/32B", "r/8B", {"policy": "0 1x1 shared", "prm": "0 1x1 shared"},
    ),
    "one card of 8 holds a 1B alone": Case(
        cards(8), "p/1B", None, {"policy": "0 1x1"}, ("room for about 81,920 cached tokens",),
    ),
    "one card of 8, the PRM elsewhere": Case(cards(8), "p/1B", URL, {"policy": "0 1x1"}),
    "both elsewhere": Case(cards(8), URL, URL, {}),
    "no model at all": Case(cards(8), None, None, {}),
    "a model of unknown size is tried": Case(cards(8), "p/unknown", None, {"policy": "0 1x1"}),
    "two equal cards, one each": Case(
        cards(80, 80), "p/1B", "r/8B", {"policy": "0 1x1", "prm": "1 1x1"},
    ),
    "two equal cards, neither of which holds the PRM": Case(
        cards(141, 141), "p/1B", "r/72B",
        {"policy": "0,1 2x1 shared", "prm": "0,1 2x1 shared"},
        ("cut among 2 GPUs (tensor parallelism), about 67.5 GiB of its weights on each",),
    ),
    "two unequal cards: the larger model gets the larger one": Case(
        cards(24, 80), "p/1B", "r/8B", {"policy": "0 1x1", "prm": "1 1x1"},
    ),
    "two unequal cards, the larger one first": Case(
        cards(80, 24), "p/1B", "r/8B", {"policy": "1 1x1", "prm": "0 1x1"},
    ),
    "two unequal cards, one too small for either": Case(
        cards(80, 8), "p/3B", "r/8B",
        {"policy": "0 1x1 shared", "prm": "0 1x1 shared"}, note="GPU 1 (H100 8) stays idle: too",
    ),
    "a card of which others have taken much": Case(
        Hardware((Gpu(0, "A", int(80 * GIB), int(10 * GIB)), Gpu(1, "A", int(80 * GIB), int(78 * GIB))),
                 (0, 1), 64 << 30),
        "p/1B", "r/8B", {"policy": "0 1x1", "prm": "1 1x1"},
    ),
    "three cards": Case(
        cards(80, 80, 80), "p/1B", "r/8B", {"policy": "0,2 1x2", "prm": "1 1x1"},
        ("2 replicas behind one port: all requests of a problem go to the same",),
    ),
    "eight cards": Case(
        EIGHT, "p/1B", "r/8B", {"policy": "0,2,4,6 1x4", "prm": "1,3,5,7 1x4"},
    ),
    "eight cards, one model": Case(EIGHT, "p/1B", URL, {"policy": "0,1,2,3,4,5,6,7 1x8"}),
    "eight cards, a policy that one does not hold": Case(
        EIGHT, "p/70B", "r/8B", {"policy": "0,1,3,4,6,7 2x3", "prm": "2,5 1x2"},
    ),
    "eight cards, both large": Case(
        EIGHT, "p/70B", "r/72B", {"policy": "0,1,4,5 2x2", "prm": "2,3,6,7 2x2"},
    ),
    "eight cards, and one problem's search needs more cards": Case(
        EIGHT, "p/70B", "r/8B", {"policy": "0,1,2,3 4x1", "prm": "4,5,6,7 1x4"},
        ("a problem's search holds about 100,000: ",), load=Load(100_000, 2048),
    ),
    "a PRM with a head has no replicas": Case(
        cards(80, 80, 80), "p/70B", "r/7B-head", {"policy": "0,1 2x1", "prm": "2 1x1"},
    ),
    "a PRM with a head alone": Case(
        cards(80, 80), URL, "r/7B-head", {"prm": "0 1x1"},
        note="GPU 1 (H100 80) stays idle: a PRM with a head has no replicas",
    ),
    "a card too few for another replica": Case(
        cards(80, 80, 80, 80), "p/70B", "r/7B-head", {"policy": "0,1 2x1", "prm": "2 1x1"},
        note="GPU 3 (H100 80) stays idle",
    ),
    "eight small cards": Case(
        cards(*[16] * 8), "p/32B", None, {"policy": "0,1,2,3,4,5,6,7 8x1"},
    ),
    "a quantised model": Case(
        cards(48), "p/70B-AWQ", None, {"policy": "0 1x1"}, ("70B, awq, 4 bits",),
    ),
    "a float32 checkpoint is served in 16 bits": Case(
        cards(24), "p/8B-float32", None, {"policy": "0 1x1"}, ("15.0 GiB, 16 bits as served",),
    ),
    "a float32 checkpoint in float32, as the user wants": Case(
        cards(24, 24), "p/8B-float32", None, {"policy": "0,1 2x1"}, args=("--dtype float32",),
    ),
    "8 bits while loading, as the user wants": Case(
        cards(16), "r/8B", None, {"policy": "0 1x1"}, ("7.5 GiB, fp8 while loading",),
        args=("--quantization fp8",),
    ),
    "half the KV cache, as the user wants": Case(
        cards(8), "p/1B", None, {"policy": "0 1x1"}, ("room for about 163,840 cached tokens",),
        args=("--kv-cache-dtype fp8_e5m2",),
    ),
    "a short context, as the user wants": Case(
        cards(80), "p/1B", None, {"policy": "0 1x1"},
        ("takes 2,048 tokens at most, the prompt included, and a solution may have 2,048",),
        args=("--context-length 2048",), load=Load(5000, 2048),
    ),
    "tensor parallelism and replicas as the user wants": Case(
        EIGHT, "p/1B", "r/8B", {"policy": "0,1,2,3 2x2", "prm": "4,5,6,7 4x1"},
        args=("--tp 2", "--dp-size 2"), prm_args=("--tensor-parallel-size 4", "--dp 1"),
    ),
    "a search that holds more than there is": Case(
        cards(24), "p/1B", "r/8B", {"policy": "0 1x1 shared", "prm": "0 1x1 shared"},
        ("holds about 524,288, more than there is room for",), load=Load(524_288, 2048),
    ),
}  # fmt: skip


def number(spec: ServerSpec, *names: str) -> str:
    found = [spec.argv[i + 1] for i, word in enumerate(spec.argv) if word in names]
    assert len(found) <= 1
    return found[0] if found else "1"


def placed(plan: Plan) -> dict[str, str]:
    """By server: its GPUs, and how the model is cut and repeated."""
    found: dict[str, str] = {}
    for role, spec in plan.servers.items():
        if spec.device == "cpu":
            found[role] = "cpu"
            continue
        cut = number(spec, "--tp", "--tp-size", "--tensor-parallel-size")
        replicas = number(spec, "--dp", "--dp-size", "--data-parallel-size")
        shared = " shared" if "--mem-fraction-static" in spec.argv else ""
        found[role] = f"{spec.env['CUDA_VISIBLE_DEVICES']} {cut}x{replicas}{shared}"
    return found


def planned(case: Case) -> Plan:
    return make_plan(
        case.hardware,
        case.policy,
        case.prm,
        policy_args=case.args,
        prm_args=case.prm_args,
        load=case.load,
        size_of=SIZES.__getitem__,
    )


@pytest.mark.parametrize("name", CASES)
def test_where_models_are_put_and_why(name: str) -> None:
    case = CASES[name]
    plan = planned(case)
    assert placed(plan) == case.placed
    told = "\n".join(plan.lines())
    for words in case.why:
        assert words in told
    assert case.note in "".join(plan.notes)
    assert bool(plan.notes) == bool(case.note)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.hardware.gpus])
def test_what_is_put_somewhere_has_room_there(name: str) -> None:
    """By itself: of each GPU's free memory no more is given away than a server may take."""
    case = CASES[name]
    gpus = {gpu.index: gpu.free_bytes / GIB for gpu in case.hardware.gpus}
    taken = dict.fromkeys(gpus, 0.0)
    free = dict(gpus)
    for role, spec in planned(case).servers.items():
        mine = [int(i) for i in spec.env["CUDA_VISIBLE_DEVICES"].split(",")]
        cut = int(number(spec, "--tp", "--tp-size", "--tensor-parallel-size"))
        replicas = int(number(spec, "--dp", "--dp-size", "--data-parallel-size"))
        assert len(mine) == cut * replicas == len(set(mine))
        model = case.policy if role == "policy" else case.prm
        size = SIZES[str(model)]
        for i in mine:
            if "--mem-fraction-static" in spec.argv:
                fraction = float(number(spec, "--mem-fraction-static"))
                used = fraction * free[i]
                taken[i] += used + 3
                free[i] -= used + max(3, gpus[i] / 10)
            elif size.known and not case.args:
                taken[i] += size.weight_bytes * min(1, 2 / size.bytes_each) / GIB / cut + 3
    assert all(taken[i] <= gpus[i] for i in gpus)


@pytest.mark.parametrize(
    ("hardware", "policy", "prm", "words"),
    [
        (cards(8), "p/1B", "r/8B", ["the two models need about 24 GiB", "8 GiB free", "smaller",
                                    "or 8 such GPUs", "or give one as a URL"]),
        (cards(8), "r/8B", None, ["policy needs about 18 GiB", "up to about 2B in 16 bits",
                                  "or 4-bit weights", "or 4 such GPUs", "URL of a server"]),
        (cards(16), "p/1B", "r/8B", ["need about 24 GiB", "or 8-bit weights", "or 2 such GPUs"]),
        (cards(80), "p/70B", None, ["needs about 140 GiB", "8-bit weights", "or 2 such GPUs"]),
        (cards(24, 24), "p/70B", "r/8B", ["the most of the 2 here", "or 16 such GPUs"]),
        (EIGHT, "p/405B", None, ["needs about 764 GiB", "or 16 such GPUs"]),
        (cards(*[16] * 8), "p/28-heads", None, ["or 8-bit weights", "or give the URL"]),
        (cards(8), "p/405B", None, ["needs about 760 GiB", "the URL of a server elsewhere"]),
    ],
)  # fmt: skip
def test_what_fits_nowhere_is_refused_with_what_would(
    hardware: Hardware, policy: str, prm: str | None, words: list[str]
) -> None:
    with pytest.raises(PlanError) as refused:
        make_plan(hardware, policy, prm, size_of=SIZES.__getitem__)
    for said in words:
        assert said in str(refused.value)
