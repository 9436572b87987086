"""Every private or undocumented thing of SGLang that we rely on, one test for each.

A failure is a sentence: what changed, who uses it, where to look. It is the test's row in
docs/upgrading-sglang.md.
"""

from __future__ import annotations

import ast
import http.client
import inspect
import json
import os
import re
import subprocess
import sys
import threading
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import packages_distributions, requires
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import psutil
import pytest
from conftest import CPU_ONLY, several_cores, tiny_plan
from sglang_contract import PAGE, ServerPython, contract, rows
from test_runtime_plan import gpus, sized

from bench.shapes import FLAGS, plan_servers
from bench.without import SERVER
from sal.runtime import (
    connection,
    cpu_attention,
    cpu_plan,
    served_size,
    server_flags,
    server_log,
)
from sal.runtime.client import Engine
from sal.runtime.endpoint_errors import Aborted, Rejected
from sal.runtime.hardware import Hardware
from sal.runtime.plan import STAND_IN, Plan, make_plan
from sal.runtime.tokenizer import Tokenizer
from sal.tiny.paths import POLICY, PRM

ROOT = PAGE.parent.parent


class TestPage:
    """docs/upgrading-sglang.md says what is tested, and no more."""

    def test_it_names_every_test_and_no_other(self) -> None:
        defined = re.findall(r"^@contract\ndef (test_\w+)", Path(__file__).read_text(), re.M)
        assert sorted(rows()) == sorted(defined)

    def test_the_files_that_it_names_are_there(self) -> None:
        for row in rows().values():
            for folder, cell in ((ROOT, row.users), (package(), row.look)):
                names = re.findall(r"`([\w/.]+)`", cell)
                assert names, cell
                assert [name for name in names if not (folder / name).exists()] == []

    def test_the_tests_that_it_names_elsewhere_are_there(self) -> None:
        named = re.findall(r"`(tests/\w+\.py)::(\w+(?:::\w+)?)`", PAGE.read_text())
        assert named
        for file, name in named:
            assert name in _tests(ROOT / file), f"{file}::{name}"


def package() -> Path:
    """The folder of the installed sglang."""
    spec = find_spec("sglang")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _tests(file: Path) -> set[str]:
    """Its functions, those of a class behind the class's name."""
    tree = ast.parse(file.read_text())
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for owner in tree.body:
        if isinstance(owner, ast.ClassDef):
            found |= {f"{owner.name}::{n.name}" for n in owner.body if hasattr(n, "name")}
    return found


# The frontend: sglang.lang


class Asked(NamedTuple):
    """What a backend was asked: the executor, its text and variables then, the parameters."""

    executor: Any
    text: str
    variables: dict[str, Any]
    params: Any
    thread: threading.Thread


META = {"prompt_tokens": 1, "completion_tokens": 1}


def backend(reply: str = "written") -> Any:
    """A backend that says `reply` to everything, and keeps in `asked` what it was asked."""
    from sglang.lang.backend.base_backend import BaseBackend

    class Says(BaseBackend):
        def __init__(self) -> None:
            super().__init__()
            self.asked: list[Asked] = []

        def generate(self, s: Any, sampling_params: Any) -> tuple[str, dict[str, int]]:
            if reply == "raise":
                raise ZeroDivisionError("out of paper")
            here = threading.current_thread()
            self.asked.append(Asked(s, s.text_, dict(s.variables), sampling_params, here))
            return reply, META

    return Says()


def executor(says: Any) -> Any:
    """An executor without a thread."""
    from sglang.lang.interpreter import StreamExecutor
    from sglang.lang.ir import SglSamplingParams

    return StreamExecutor(says, {}, SglSamplingParams(), None, False, use_thread=False)


def generated(**how: Any) -> Any:
    """The sampling parameters that reach a backend from `gen(..., **how)`."""
    from sglang.lang.api import gen

    says = backend()
    executor(says).submit(gen("step", **how))
    return says.asked[0].params


LIGHT = """
import importlib, importlib.util, sys
from types import ModuleType
spec = importlib.util.find_spec("sglang")
bare = sys.modules["sglang"] = ModuleType("sglang")
bare.__path__, bare.__spec__ = list(spec.submodule_search_locations), spec
api = importlib.import_module("sglang.lang.api")
api.function, api.gen
importlib.import_module("sglang.lang.backend.base_backend").BaseBackend
for name in ("interpreter", "ir", "global_config"):
    importlib.import_module("sglang.lang." + name)
print(*(name for name in ("torch", "transformers") if name in sys.modules))
"""


@contract
def test_the_frontend_imports_alone() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr.strip().splitlines()[-1:]
    assert done.stdout.split() == [], "it loads these"


@contract
def test_an_executor_is_made_from_these_arguments() -> None:
    from sglang.lang.interpreter import StreamExecutor

    says = backend()
    given = [says, {"problem": 1}, object(), says.get_chat_template(), False]
    threads = threading.active_count()
    made = StreamExecutor(*given, use_thread=False)
    assert threading.active_count() == threads
    names = ["backend", "arguments", "default_sampling_para", "chat_template", "stream"]
    assert [getattr(made, name) for name in names] == given
    assert made.use_thread is False


@contract
def test_a_fork_copies_these_attributes_and_no_others() -> None:
    parent = executor(backend())
    constructed = {"backend", "arguments", "default_sampling_para", "chat_template", "stream"}
    distinct: dict[type, Any] = {dict: {"a": 1}, list: ["a"], str: "a text", type(None): 1}
    carried = {
        name: distinct[type(value)]
        for name, value in vars(parent).items()
        if type(value) in distinct and name not in constructed | {"sid"}
    }
    for name, value in carried.items():
        setattr(parent, name, value)
    (fork,) = parent.fork(1)
    fork.end()
    assert {name for name, value in carried.items() if getattr(fork, name) == value} == {
        "variables",
        "text_",
        "messages_",
        "cur_role",
        "cur_role_begin_pos",
        "images_",
    }
    assert fork.fork_start_text_pos == len("a text")


@contract
def test_without_a_thread_the_caller_executes_and_hears_of_errors() -> None:
    from sglang.lang.api import gen

    says = backend()
    executor(says).submit(gen("step"))
    assert says.asked[0].thread is threading.current_thread()
    with pytest.raises(ZeroDivisionError, match="out of paper"):
        executor(backend("raise")).submit(gen("step"))


@contract
def test_a_fork_has_variables_of_its_own_and_the_parents_values() -> None:
    parent = executor(backend())
    parent.set_var("sampling_seed", 7)
    (fork,) = parent.fork(1)
    fork.end()
    fork.set_var("sampling_seed", 8)
    fork.set_var("token_ids", ((), 0))
    assert parent.variables == {"sampling_seed": 7}


@contract
def test_a_gen_leaves_text_variable_and_meta_info() -> None:
    from sglang.lang.api import gen
    from sglang.lang.interpreter import ProgramState

    made = executor(backend())
    ProgramState(made).stream_executor.submit(gen("step"))
    assert (made.text_, made.variables["step"]) == ("written", "written")
    assert made.meta_info["step"] is META


@contract
def test_a_gen_takes_the_default_parameters_by_deepcopy() -> None:
    from sglang.lang.api import gen
    from sglang.lang.ir import SglSamplingParams

    class Defaults(SglSamplingParams):
        def __deepcopy__(self, memo: dict[int, Any]) -> Any:
            return SglSamplingParams(top_k=7)

    says = backend()
    made = executor(says)
    made.default_sampling_para = Defaults()
    made.submit(gen("step", temperature=0.5))
    asked = says.asked[0].params
    assert (asked.top_k, asked.temperature) == (7, 0.5)
    # All of them are attributes of the instance: plain values and lists.
    values = vars(SglSamplingParams(stop=["a"], stop_token_ids=[1])).values()
    assert {type(value) for value in values} <= {int, float, bool, list, tuple, type(None)}


@contract
def test_text_that_was_cut_is_what_a_gen_goes_on_from() -> None:
    from sglang.lang.api import gen

    says = backend()
    made = executor(says)
    made.submit("one two three")
    made.text_ = made.text_[:3]
    made.submit(gen("step"))
    assert says.asked[0].text == "one"
    assert made.text_ == "onewritten"


@contract
def test_run_can_do_without_a_thread() -> None:
    from sglang.lang.api import function, gen

    says, before = backend(), threading.active_count()
    counts = []

    @function
    def program(s: Any) -> None:
        s += "a"
        s += gen("step")
        counts.append((threading.active_count(), s.text(), s["step"], s.get_meta_info("step")))

    program.run(backend=says, use_thread=False)
    assert counts == [(before, "awritten", "written", META)]
    assert says.asked[0].thread is threading.current_thread()


@contract
def test_what_a_program_raises_reaches_its_caller_and_ends_its_thread() -> None:
    from sglang.lang.api import function

    states = []

    @function
    def program(s: Any) -> None:
        states.append(s)
        raise ZeroDivisionError("in the program")

    with pytest.raises(ZeroDivisionError, match="in the program"):
        program.run(backend=backend())
    worker = states[0].stream_executor.worker
    worker.join(10)
    assert not worker.is_alive()


@contract
def test_what_a_program_returns_is_in_its_state() -> None:
    from sglang.lang.api import function

    @function
    def program(s: Any) -> Any:
        return META

    assert program.run(backend=backend()).ret_value is META


@contract
def test_gen_passes_zero_on_as_zero() -> None:
    params = generated(max_tokens=0, temperature=0.0)
    assert (params.max_new_tokens, params.temperature) == (0, 0.0)


@contract
def test_gen_without_a_stop_has_none() -> None:
    assert list(generated(stop=None).stop) == []
    assert generated(stop=["\n\n"]).stop == ["\n\n"]


@contract
def test_wishes_for_logprobs_lie_beside_the_sampling_parameters() -> None:
    wishes = {"return_logprob": True, "logprob_start_len": 3, "top_logprobs_num": 5}
    wishes["return_text_in_logprobs"] = True
    params = generated(**wishes)
    assert {name: getattr(params, name) for name in wishes} == wishes
    assert wishes.keys() & params.to_srt_kwargs().keys() == set()
    assert [getattr(generated(), name) for name in wishes] == [None] * len(wishes)


@contract
def test_to_srt_kwargs_has_what_we_change_and_lacks_what_we_add() -> None:
    params = generated()
    names = params.to_srt_kwargs().keys()
    assert {"max_new_tokens", "temperature", "stop", "stop_token_ids"} <= names
    assert (params.n, params.dtype) == (1, None)
    added = {"no_stop_trim", "sampling_seed", "skip_special_tokens"}
    added |= {"spaces_between_special_tokens"}
    assert added & names == set(), "gen can say these now"


@contract
def test_a_gen_that_says_nothing_has_the_defaults() -> None:
    from sglang.lang.ir import SglSamplingParams

    unsaid = SglSamplingParams().to_srt_kwargs()
    assert {name: value or None for name, value in generated().to_srt_kwargs().items()} == {
        name: value or None for name, value in unsaid.items()
    }
    said = {"top_p": 0.5, "top_k": 3, "min_p": 0.25, "frequency_penalty": 0.5}
    assert {name: generated(**said).to_srt_kwargs()[name] for name in said} == said


@contract
def test_a_backend_needs_generate_alone() -> None:
    from sglang.lang.api import function, gen

    says = backend()

    @function
    def program(s: Any) -> None:
        s += "a"
        s.sync()
        forks = s.fork(3)
        assert says.asked == [], "a fork asks the backend"
        for fork in forks.states:
            fork += gen("step", stop=["\n\n"])
        forks.join()

    state = program.run(backend=says)
    assert state.error() is None
    assert state["step"] == ["written"] * 3
    assert {asked.text for asked in says.asked} == {"a"}, "the chat template adds text"
    assert {tuple(asked.params.stop) for asked in says.asked} == {("\n\n",)}


@contract
def test_generate_is_given_the_executor_with_the_states_variables() -> None:
    from sglang.lang.api import function, gen

    says = backend()

    @function
    def program(s: Any) -> None:
        s["sampling_seed"] = 7
        s += "a"
        s += gen("step")

    state = program.run(backend=says)
    state.sync()
    (asked,) = says.asked
    assert asked.executor is state.stream_executor
    assert (asked.text, asked.variables) == ("a", {"sampling_seed": 7})


@contract
def test_the_global_config_says_how_special_tokens_are_written() -> None:
    from sglang.lang.global_config import global_config

    assert global_config.skip_special_tokens_in_output is True
    assert global_config.spaces_between_special_tokens_in_out is True


@contract
def test_run_takes_no_argument_of_our_programs_for_itself() -> None:
    from sglang.lang.ir import SglFunction

    from sal.programs.strategy import Program

    ours = set(inspect.signature(Program.__call__).parameters) - {"self", "s"}
    assert "problem" in ours
    for run in (SglFunction.run, SglFunction.run_batch):
        assert ours & set(inspect.signature(run).parameters) == set()


@contract
def test_arguments_by_name_reach_a_program() -> None:
    from sglang.lang.api import function

    seen = []

    @function
    def program(s: Any, problem: str, *, params: int, seed: int = 0) -> None:
        seen.append((problem, params, seed))

    program.run("p", params=1, seed=2, backend=backend())
    rows = [{"problem": "p", "params": 3}, {"problem": "q", "params": 4}]
    program.run_batch(rows[:1], backend=backend(), num_threads=1)
    assert seen == [("p", 1, 2), ("p", 3, 0)]


@contract
def test_a_state_is_made_from_an_executor_alone() -> None:
    from sglang.lang.api import gen
    from sglang.lang.interpreter import ProgramState

    made = executor(backend())
    state = ProgramState(made)
    state += "a"
    state += gen("step")
    state["name"] = 1
    assert state.stream_executor is made
    assert (state.text(), state["step"], state["name"]) == ("awritten", "written", 1)
    assert state.get_meta_info("step") is META
    forks = state.fork(3)
    assert len(forks.states) == len(list(forks)) == 3
    assert {type(fork) for fork in forks.states} == {ProgramState}
    forks.join()


@contract
def test_tracing_before_a_batch_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    from sglang.lang.api import function
    from sglang.lang.global_config import global_config

    assert type(global_config)().enable_precache_with_tracing is True
    monkeypatch.setattr(global_config, "enable_precache_with_tracing", False)
    seen: list[str] = []

    @function
    def program(s: Any, problem: str) -> None:
        seen.append(problem)

    program.run_batch([{"problem": "p"}, {"problem": "q"}], backend=backend(), num_threads=2)
    assert sorted(seen) == ["p", "q"]


# A server's process: flags, variables, plugins, logs


@pytest.fixture(scope="module")
def server_python() -> Iterator[ServerPython]:
    """Python in the environment of the plan's server on the CPU."""
    spec = make_plan(CPU_ONLY, str(POLICY), None).servers["policy"]
    python = ServerPython(spec.env)
    yield python
    python.close()


def planned(hardware: Hardware) -> Plan:
    return make_plan(hardware, str(POLICY), str(PRM), size_of=sized)


PLANS = {
    "cpu": CPU_ONLY,
    "one gpu": gpus(1),
    "two gpus": gpus(2),
    "eight gpus": gpus(8),
    "small gpus": gpus(8, 8),
}

PARSE = """
import argparse, contextlib, io
from sglang.srt.server_args import ServerArgs
parser = argparse.ArgumentParser()
ServerArgs.add_cli_args(parser)
known = {name for action in parser._actions for name in action.option_strings}
words = io.StringIO()
found = {"unknown": [word for word in argv if word.startswith("--") and word not in known]}
with contextlib.redirect_stderr(words), contextlib.suppress(SystemExit):
    parser.parse_args(argv)
found["refused"] = words.getvalue().partition("error: ")[2].strip()
"""
ACCEPTED: dict[str, Any] = {"unknown": [], "refused": ""}


@pytest.mark.parametrize("hardware", PLANS)
@contract
def test_every_flag_of_a_plan_is_known(server_python: ServerPython, hardware: str) -> None:
    for spec in planned(PLANS[hardware]).servers.values():
        argv = spec.command(4000)[3:]
        assert argv[0] == "--model-path"
        assert server_python.run(PARSE, argv=argv) == ACCEPTED


@contract
def test_tensor_parallelism_has_these_spellings(server_python: ServerPython) -> None:
    code = """
    import argparse
    from sglang.srt.server_args import ServerArgs
    parser = argparse.ArgumentParser()
    ServerArgs.add_cli_args(parser)
    found = parser.parse_args(["--model-path", "m", name, "2"]).tp_size
    """
    for name in ("--tp", "--tp-size", "--tensor-parallel-size"):
        assert server_python.run(code, name=name) == 2
    assert {"--tp", "--tp-size", "--tensor-parallel-size"} == set(server_flags.TENSOR_PARALLEL)


@contract
def test_the_flags_that_change_a_models_size_take_these_values(server_python: ServerPython) -> None:
    known: list[tuple[str, Iterable[str]]] = [
        ("--dtype", served_size._TYPES),
        ("--kv-cache-dtype", served_size._KV),
        ("--quantization", served_size._WHILE_LOADING),
        ("--context-length", ("2048",)),
        ("--lora-paths", ("adapter=/a",)),
    ]
    for flag, values in known:
        for value in values:
            argv = ["--model-path", "m", flag, value]
            assert server_python.run(PARSE, argv=argv) == ACCEPTED
    for flag in (*server_flags.REPLICAS, *server_flags.PIPELINE):  # some are abbreviations
        argv = ["--model-path", "m", flag, "2"]
        assert server_python.run(PARSE, argv=argv)["refused"] == ""
    assert server_python.run(PARSE, argv=["--model-path", "m", "--dtype", "int4"])["refused"]


@contract
def test_a_request_names_its_replica_and_its_adapter(server_python: ServerPython) -> None:
    code = """
    import dataclasses
    from sglang.srt.managers.io_struct import EmbeddingReqInput, GenerateReqInput
    names = lambda kind: {field.name for field in dataclasses.fields(kind)}
    ours = {"routed_dp_rank", "lora_path"}
    found = [sorted(ours & names(GenerateReqInput)), sorted(ours & names(EmbeddingReqInput))]
    """
    # A head's requests cannot name a replica: it gets none (runtime/gpu_shares.py).
    assert server_python.run(code) == [["lora_path", "routed_dp_rank"], ["lora_path"]]


@contract
def test_an_adapter_is_scaled_by_alpha_over_its_rank(server_python: ServerPython) -> None:
    code = """
    import inspect
    from sglang.srt.lora import layers, lora, lora_config, lora_manager
    text = "".join(map(inspect.getsource, (layers, lora, lora_config, lora_manager)))
    unread = ("use_rslora", "rank_pattern", "alpha_pattern", "modules_to_save", "fan_in_fan_out")
    found = ["config.lora_alpha / self.config.r" in text, [name for name in unread if name in text],
             "use_dora" in text, "pin_memory=True" in inspect.getsource(layers)]
    """
    assert server_python.run(code) == [True, [], True, True]


@contract
def test_every_flag_of_the_benchmarks_is_known(server_python: ServerPython) -> None:
    more = [word for flag in FLAGS for word in flag.split()]
    more += [word for lack in SERVER for word in lack.more]
    assert "--load-format" in more
    assert server_python.run(PARSE, argv=["--model-path", "m", *more]) == ACCEPTED


@contract
def test_a_server_is_a_module_that_runs(server_python: ServerPython) -> None:
    assert planned(CPU_ONLY).servers["policy"].argv[1:3] == ("-m", "sglang.launch_server")
    assert find_spec("sglang.launch_server") is not None


@contract
def test_a_memory_fraction_is_of_what_is_free_at_the_start(server_python: ServerPython) -> None:
    code = """
    from unittest.mock import MagicMock, patch
    from sglang.srt.distributed import bootstrap as module
    accessors = {n: MagicMock() for n in vars(module) if n.startswith(("get_", "maybe_"))}
    accessors["get_world_group"] = lambda: MagicMock(world_size=1)
    accessors["get_parallel"] = lambda: MagicMock(tp_size=1)
    accessors["get_available_gpu_memory"] = lambda *_, **__: 20.0
    with patch.multiple(module, **accessors):
        found = module.measure_pre_model_load_memory(device="cuda", is_draft_worker=False)
    """
    assert server_python.run(code) == 20.0
    # 20 GiB are free at the start, the weights take 5: a half is 10, and leaves 5 for KV.
    code = """
    from types import SimpleNamespace
    from unittest.mock import MagicMock, patch
    from sglang.srt.mem_cache import kv_cache_configurator as module
    alone = SimpleNamespace(launch_world_size=1, world_group=MagicMock())
    schedule = SimpleNamespace(
        mem_fraction_static=0.5, prefill_max_requests=None, max_mamba_cache_size=None
    )
    accessors = {n: MagicMock() for n in vars(module) if n.startswith("get_")}
    accessors["get_parallel"] = lambda: alone
    accessors["get_schedule"] = lambda: schedule
    accessors["get_available_gpu_memory"] = lambda *_, **__: 15.0
    accessors["mm_runtime_reservation_gb"] = lambda **_: 0.0
    owner = next(c for c in vars(module).values() if hasattr(c, "_profile_available_bytes"))
    with patch.multiple(module, **accessors):
        found = owner._profile_available_bytes(MagicMock(mambaish_config=None), 20.0) / (1 << 30)
    """
    assert server_python.run(code) == 5.0


def variables() -> set[str]:
    """The environment variables by which the plans and the benchmark speak to SGLang."""
    shapes = plan_servers(CPU_ONLY, POLICY, PRM)
    specs = [
        *shapes,
        *(s for hardware in PLANS.values() for s in planned(hardware).servers.values()),
    ]
    return {name for spec in specs for name in spec.env if name.startswith("SGLANG_")}


@contract
def test_every_variable_of_a_plan_is_read() -> None:
    named = variables()
    assert "SGLANG_USE_CPU_ENGINE" in named
    unread = set(named)
    for file in (package() / "srt").rglob("*.py"):
        text = file.read_text(errors="replace")
        unread = {name for name in unread if name not in text}
    assert unread == set(), "nothing in sglang/srt names these"


@contract
def test_the_cpu_engine_is_asked_for_by_its_variable(server_python: ServerPython) -> None:
    code = """
    from sglang.srt.platforms import current_platform
    found = [type(current_platform).__name__, current_platform.is_cpu()]
    """
    assert server_python.run(code)[1] is True


@contract
def test_the_server_in_rust_lies_where_we_look(server_python: ServerPython) -> None:
    code = """
    import importlib.util, inspect
    from sglang.srt.environ import envs
    from sglang.srt.rust_server import server
    name = "sglang.srt.rust_extensions._server"
    there = importlib.util.find_spec(name) is not None
    found = [name in inspect.getsource(server), there, envs.SGLANG_RUST_SERVER.get()]
    """
    named, there, asked = server_python.run(code)
    assert named
    assert there == cpu_plan._brings_rust_server() == asked


@contract
def test_prompt_logprobs_are_computed_in_pieces(server_python: ServerPython) -> None:
    code = """
    from sglang.srt.environ import envs
    found = [envs.SGLANG_ENABLE_LOGPROB_CHUNK.get(), envs.SGLANG_LOGPROB_CHUNK_SIZE.get()]
    """
    on, size = server_python.run(code)
    assert on is True
    assert 0 < size <= 8192


@contract
def test_models_of_another_package_are_served(server_python: ServerPython) -> None:
    code = """
    import inspect
    from sglang.srt.layers.logits_processor import LogitsProcessorOutput
    from sglang.srt.model_executor.forward_batch_info import ForwardBatch, ForwardMode
    from sglang.srt.model_loader.loader import DummyModelLoader, post_load_weights
    from sglang.srt.models import registry
    from sglang.srt.models.llama import LlamaForCausalLM
    called = []
    class Model:
        def post_load_weights(self):
            called.append(True)
    post_load_weights(Model())
    fields = set(ForwardBatch.__annotations__) | set(LogitsProcessorOutput.__annotations__)
    found = {
        "forward": list(inspect.signature(LlamaForCausalLM.forward).parameters)[:4],
        "missing": sorted({"forward_mode", "extend_seq_lens", "next_token_logits"} - fields),
        "mode": ForwardMode.DECODE.is_decode_or_idle() and not ForwardMode.EXTEND.is_decode_or_idle(),
        "hook": called == [True] and "post_load_weights(" in inspect.getsource(DummyModelLoader),
        "package": "EntryClass" in inspect.getsource(registry.import_model_classes),
    }
    """
    assert server_python.run(code) == {
        "forward": ["self", "input_ids", "positions", "forward_batch"],
        "missing": [],
        "mode": True,
        "hook": True,
        "package": True,
    }


@contract
def test_the_stand_in_for_sgl_kernel_is_enough(server_python: ServerPython) -> None:
    code = """
    import sgl_kernel
    import sglang.srt.managers.scheduler, sglang.srt.models.llama
    import sglang.srt.layers.attention.torch_native_backend
    found = sgl_kernel.__file__
    """
    assert Path(server_python.run(code)).is_relative_to(STAND_IN)


@contract
def test_the_kernels_come_in_a_package_of_this_name() -> None:
    assert {*packages_distributions()["sgl_kernel"]} == {"sglang-kernel"}
    assert any(needed.startswith("sglang-kernel") for needed in requires("sglang") or ())


@contract
def test_every_process_of_a_server_loads_plugins_of_this_group(server_python: ServerPython) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    code = """
    import inspect, sglang.launch_server
    from sglang.srt import plugins
    from sglang.srt.managers import scheduler
    processes = (sglang.launch_server, scheduler.run_scheduler_process)
    called = ["load_plugins()" in inspect.getsource(process) for process in processes]
    found = [plugins.GENERAL_PLUGINS_GROUP, *called]
    """
    group, launcher, scheduler = server_python.run(code)
    assert group in project["entry-points"]
    assert launcher
    assert scheduler


@contract
def test_a_hook_replaces_a_class(server_python: ServerPython) -> None:
    code = """
    import sys
    from types import ModuleType
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType
    module = sys.modules["to_be_hooked"] = ModuleType("to_be_hooked")
    module.Backend = type("Backend", (), {})
    class Instead(module.Backend):
        pass
    HookRegistry.register("to_be_hooked.Backend", Instead, HookType.REPLACE)
    HookRegistry.apply_hooks()
    found = module.Backend is Instead
    """
    assert server_python.run(code) is True


@contract
def test_the_sampler_is_given_probabilities_and_positions(server_python: ServerPython) -> None:
    code = """
    import inspect
    from sglang.srt.layers.sampler import Sampler
    found = list(inspect.signature(Sampler._sample_from_probs).parameters)
    """
    parameters = server_python.run(code)
    assert parameters == ["self", "probs", "sampling_info", "positions", "simple_sampling_case"]


@contract
def test_a_batch_says_what_its_requests_sample_by(server_python: ServerPython) -> None:
    code = """
    from dataclasses import fields
    from sglang.srt.sampling.sampling_batch_info import SamplingBatchInfo
    has_maker = callable(SamplingBatchInfo.from_schedule_batch)
    found = [has_maker, *sorted(field.name for field in fields(SamplingBatchInfo))]
    """
    maker, *names = server_python.run(code)
    wanted = {"sampling_seed", "is_all_greedy", "sampling_mask_batch_indices", "top_ks", "top_ps"}
    assert maker is True
    assert wanted | {"min_ps"} <= set(names)


@contract
def test_logits_are_made_by_one_method_of_hidden_states(server_python: ServerPython) -> None:
    code = """
    import inspect
    from sglang.srt.layers.logits_processor import LogitsProcessor
    found = list(inspect.signature(LogitsProcessor._compute_lm_head).parameters)[:3]
    """
    assert server_python.run(code) == ["self", "hidden_states", "lm_head"]


NATIVE = """
from types import SimpleNamespace
from sglang.srt.plugins import load_plugins
load_plugins()
from sglang.srt.layers.attention import torch_native_backend
Hooked = torch_native_backend.TorchNativeAttnBackend
(Native,) = Hooked.__bases__
pool = SimpleNamespace(req_to_token="table")
kv = SimpleNamespace(get_key_buffer=lambda layer: "keys", get_value_buffer=lambda layer: "values")
runner = SimpleNamespace(device="cpu", req_to_token_pool=pool, token_to_kv_pool=kv)
"""


@contract
def test_torch_native_is_the_class_that_is_hooked(server_python: ServerPython) -> None:
    code = """
    from sglang.srt.layers.attention.attention_registry import ATTENTION_BACKENDS
    made = ATTENTION_BACKENDS["torch_native"](runner)
    name = f"{Native.__module__}.{Native.__qualname__}"
    found = [type(made) is Hooked, name, made.req_to_token_pool is pool, made.forward_metadata]
    """
    hooked = f"{cpu_attention.BACKEND}.TorchNativeAttnBackend"
    assert server_python.run(_on_native(code)) == [True, hooked, True, None]


@pytest.mark.parametrize("kind", ["extend", "decode"])
@contract
def test_torch_native_attends_with_these_arguments(server_python: ServerPython, kind: str) -> None:
    code = """
    import torch
    from sglang.srt.layers.radix_attention import AttentionType
    calls = []
    class Watched(Native):
        def _run_sdpa_forward_extend(self, *tensors, **how):
            calls.append((tensors, how))
        _run_sdpa_forward_decode = _run_sdpa_forward_extend
    layer = SimpleNamespace(
        qk_head_dim=2, v_head_dim=2, tp_q_head_num=3, tp_k_head_num=1, is_cross_attention=False,
        attn_type=AttentionType.DECODER, scaling=0.5, sliding_window_size=-1, layer_id=0,
    )
    batch = SimpleNamespace(
        out_cache_loc=None, req_pool_indices="rows", seq_lens="total", extend_prefix_lens="old",
        extend_seq_lens="new", encoder_lens="encoder", encoder_out_cache_loc=None,
    )
    query = torch.zeros(4, 6)
    output = getattr(Watched(runner), "forward_" + kind)(
        query, None, None, layer, batch, save_kv_cache=False
    )
    ((tensors, how),) = calls
    found = {
        "query": list(tensors[0].shape),
        "output": tensors[1].data_ptr() == output.data_ptr(),
        "caches": tensors[2:4],
        "last": tensors[-1],
        "how": [how["scaling"], how["enable_gqa"], how["sliding_window_size"]],
        "causal": how["causal"],
    }
    """
    assert server_python.run(_on_native(code), kind=kind) == {
        "query": [4, 3, 2],
        "output": True,
        "caches": ["keys", "values"],
        "last": "encoder",
        "how": [0.5, True, None],
        "causal": kind == "extend",
    }


@contract
def test_a_forward_pass_says_how_long_its_requests_are(server_python: ServerPython) -> None:
    code = """
    from sglang.srt.model_executor.forward_batch_info import ForwardBatch, ForwardMode
    ours = {"forward_mode", "seq_lens", "extend_seq_lens", "req_pool_indices"}
    found = {
        "missing": sorted(ours - set(ForwardBatch.__annotations__)),
        "extends": [ForwardMode.EXTEND.is_extend(), ForwardMode.DECODE.is_extend()],
        "own": "init_forward_metadata" in vars(Native),
    }
    """
    assert server_python.run(_on_native(code)) == {
        "missing": [],
        "extends": [True, False],
        "own": True,
    }


def _on_native(code: str) -> str:
    return NATIVE + inspect.cleandoc(code)


@contract
def test_a_log_line_begins_with_a_stamp(server_python: ServerPython, tmp_path: Path) -> None:
    code = """
    import logging, sys
    from types import SimpleNamespace
    from sglang.srt.utils import configure_logger
    stderr, sys.stderr = sys.stderr, open(log, "w")
    try:
        for prefix in ("", " TP0"):
            configure_logger(SimpleNamespace(log_level="warning"), prefix)
            logging.warning("no room%s", prefix)
    finally:
        sys.stderr.close()
        sys.stderr = stderr
    found = open(log).read()
    """
    written = server_python.run(code, log=str(tmp_path / "a.log"))
    assert server_log.tail(tmp_path / "a.log") == "no room\nno room TP0", written


@contract
def test_loading_weights_shows_how_far_it_is(server_python: ServerPython, tmp_path: Path) -> None:
    code = """
    import sys
    from sglang.srt.model_loader import weight_utils
    stderr, sys.stderr = sys.stderr, open(log, "w")
    try:
        list(weight_utils.safetensors_weights_iterator([weights]))
        sys.stderr.write("\\n")
        list(weight_utils.buffered_multi_thread_safetensors_weights_iterator([weights], 1))
    finally:
        sys.stderr.close()
        sys.stderr = stderr
    found = open(log).read().splitlines()
    """
    weights = str(POLICY / "model.safetensors")
    bars = server_python.run(code, log=str(tmp_path / "all.log"), weights=weights)
    shown = []
    for number, bar in enumerate(filter(None, bars)):
        log = tmp_path / f"{number}.log"
        log.write_text(bar)
        shown.append(server_log.progress(log))
        assert server_log.tail(log) == ""
    assert set(shown) >= {
        "Loading safetensors checkpoint shards 100%",
        "Multi-thread loading shards 100%",
    }


@contract
def test_harmless_words_of_a_log_are_these(server_python: ServerPython) -> None:
    code = """
    import inspect
    from sglang.srt.managers import tokenizer_manager
    from sglang.srt.models import registry
    found = [
        "Ignore import error when loading" in inspect.getsource(registry),
        "SIGQUIT received" in inspect.getsource(tokenizer_manager),
    ]
    """
    assert server_python.run(code) == [True, True]
    for words in ("Ignore import error when loading x", "SIGQUIT received. signum=3"):
        assert server_log._NOISE.search(words)


@contract
def test_the_server_in_python_has_these_paths(server_python: ServerPython) -> None:
    code = """
    import inspect
    from sglang.srt.entrypoints import http_server
    found = inspect.getsource(http_server)
    """
    source = server_python.run(code)
    paths = set(re.findall(r'^@app\.\w+\(\s*"(/\w+)"', source, re.M))
    asked = {"/generate", "/ready", "/health", "/model_info", "/get_model_info", "/server_info"}
    assert asked | {"/flush_cache", "/abort_request"} <= paths
    assert re.search(r"async def flush_cache\(timeout: float", source)


# What the two servers answer


def fresh() -> str:
    """A question that no cache holds."""
    return f"What is {uuid4().int % 10**12} + 4?\n\n"


def ask(engine: Engine, prompt: str | list[int], *, tokens: int = 8, **more: Any) -> dict[str, Any]:
    """The reply to `prompt`; what `/generate` does not take itself is for the sampling."""
    wire = {"rid", "return_logprob", "logprob_start_len", "top_logprobs_num", "token_ids_logprob"}
    wire |= {"return_text_in_logprobs"}
    sampling = {"max_new_tokens": tokens, **{k: v for k, v in more.items() if k not in wire}}
    payload = {k: v for k, v in more.items() if k in wire}
    payload["text" if isinstance(prompt, str) else "input_ids"] = prompt
    return engine.generate({**payload, "sampling_params": sampling})


def answer(engine: Engine, path: str, body: bytes | None = None) -> tuple[int, str]:
    """Status and body of the answer to a GET, or to a POST of `body`."""
    request = urllib.request.Request(  # noqa: S310
        engine.url + path, body, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def encoded(folder: Path, text: str) -> list[int]:
    tokenizer = Tokenizer.load(str(folder))
    assert tokenizer is not None
    return tokenizer.encode(text, special=True)


@pytest.mark.servers
@contract
def test_a_server_that_takes_requests_says_so(policy: Engine) -> None:
    ready, _ = answer(policy, "/ready")
    assert ready in (200, 404), "the server in Rust has no /ready"
    assert ready == 200 or answer(policy, "/health")[0] == 200


@pytest.mark.servers
@contract
def test_model_info_names_the_model_and_its_tokenizer(policy: Engine) -> None:
    for path in ("/model_info", "/get_model_info"):
        status, body = answer(policy, path)
        assert status == 200
        for name in ("model_path", "tokenizer_path"):
            assert re.search(rf'"{name}": ?"[^"]+"', body), f"{path} lacks {name}"
    if "SAL_TEST_POLICY_URL" not in os.environ:
        assert policy.info()["model_path"] == tiny_plan().servers["policy"].model


@pytest.mark.servers
@contract
def test_server_info_tells_device_and_room(policy: Engine) -> None:
    info = policy.server_info()
    assert info["device"] in ("cpu", "cuda")
    room = [state["effective_max_running_requests_per_dp"] for state in info["internal_states"]]
    assert all(isinstance(number, int) and number > 0 for number in room)
    assert policy.capacity() == sum(room)


@pytest.mark.servers
@contract
def test_a_request_is_aborted_by_its_name(policy: Engine) -> None:
    endless = {"model": policy.models()[0], "prompt": fresh(), "max_tokens": 1500}
    endless |= {"ignore_eos": True, "rid": "openais"}
    with ThreadPoolExecutor(2) as threads:
        own = threads.submit(ask, policy, fresh(), tokens=1500, ignore_eos=True, rid="own")
        openais = threads.submit(answer, policy, "/v1/completions", json.dumps(endless).encode())
        while not (own.done() and openais.done()):
            for name in ("own", "openais"):
                answer(policy, "/abort_request", json.dumps({"rid": name}).encode())
            time.sleep(0.1)
    with pytest.raises((Aborted, Rejected), match=r"HTTP 499|[Aa]bort"):
        own.result()
    status, said = openais.result()
    assert status == 499 or json.loads(said)["usage"]["completion_tokens"] < 1500


@pytest.mark.servers
@contract
def test_loads_count_the_tokens_that_are_being_generated(policy: Engine) -> None:
    before = policy.generated()
    assert before is not None
    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(ask, policy, fresh(), tokens=1000, ignore_eos=True)
        seen = set()
        while not writing.done():
            seen.add(policy.generated())
    assert len(seen) > 5
    time.sleep(1.0)
    assert (policy.generated() or 0) - before >= 900  # a few steps are not counted


@several_cores
@pytest.mark.servers
@contract
def test_a_server_stays_on_the_cores_that_it_was_started_on(prm: Engine) -> None:
    port = str(urlsplit(prm.url).port)
    started = [
        process
        for process in psutil.process_iter(["cmdline"])
        if {"sglang.launch_server", port} <= set(process.info["cmdline"] or ())
    ]
    if not started:
        pytest.skip("the server is another machine's")
    for process in started:
        cores = set(process.cpu_affinity())
        for child in process.children(recursive=True):
            for thread in child.threads():
                assert os.sched_getaffinity(thread.id) <= cores, child.name()


@pytest.mark.servers
@contract
def test_flushing_waits_for_requests_and_empties_the_cache(policy: Engine) -> None:
    prompt = fresh()
    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(ask, policy, prompt, tokens=600, ignore_eos=True)
        while answer(policy, "/flush_cache", b"")[0] == 200:
            assert not writing.done(), "a busy server says that it flushed its cache"
        assert answer(policy, "/flush_cache?timeout=50", b"")[0] == 200
        assert writing.result(30)["meta_info"]["completion_tokens"] == 600
    assert ask(policy, prompt)["meta_info"]["cached_tokens"] == 0


@pytest.mark.servers
@contract
def test_a_reply_has_text_ids_and_counts(policy: Engine) -> None:
    ids = encoded(POLICY, fresh())
    reply = ask(policy, ids, tokens=5, ignore_eos=True)
    meta = reply["meta_info"]
    assert isinstance(reply["text"], str)
    assert [type(token) for token in reply["output_ids"]] == [int] * 5
    assert (meta["prompt_tokens"], meta["completion_tokens"]) == (len(ids), 5)
    assert meta["cached_tokens"] in range(len(ids))


@pytest.mark.servers
@contract
def test_a_reply_that_a_limit_ended_says_so(policy: Engine) -> None:
    finish = ask(policy, fresh(), tokens=3, ignore_eos=True)["meta_info"]["finish_reason"]
    assert finish["type"] == "length"
    assert finish.get("matched") is None


@pytest.mark.servers
@contract
def test_a_reply_that_a_stop_string_ended_names_it_and_keeps_it(policy: Engine) -> None:
    prompt = fresh()
    whole = ask(policy, prompt, tokens=32, temperature=0.0, ignore_eos=True)["text"]
    how: dict[str, Any] = {
        "tokens": 32,
        "temperature": 0.0,
        "ignore_eos": True,
        "stop": ["~never~", whole[3]],
    }
    end = whole.index(whole[3]) + 1
    kept = ask(policy, prompt, no_stop_trim=True, **how)
    assert kept["text"] == whole[:end]
    assert kept["meta_info"]["finish_reason"]["type"] == "stop"
    assert kept["meta_info"]["finish_reason"]["matched"] == whole[3]
    assert ask(policy, prompt, **how)["text"] == whole[: end - 1]


@pytest.mark.servers
@contract
def test_a_reply_that_the_end_token_ended_names_its_id(policy: Engine) -> None:
    how: dict[str, Any] = {"no_stop_trim": True, "skip_special_tokens": True, "temperature": 0.0}
    reply = ask(policy, "Compute 4-11+(8+12)\n\n", tokens=500, **how)
    finish = reply["meta_info"]["finish_reason"]
    assert finish["type"] == "stop"
    assert finish["matched"] == reply["output_ids"][-1]
    tokenizer = Tokenizer.load(str(POLICY))
    assert tokenizer is not None
    assert tokenizer.decode([finish["matched"]]) == ""
    assert tokenizer.decode(reply["output_ids"]) == reply["text"]


@pytest.mark.servers
@contract
def test_the_sampling_parameters_that_we_send_are_known(policy: Engine) -> None:
    options = generated(max_tokens=1).to_srt_kwargs()
    options |= {"stop": [], "stop_token_ids": [], "no_stop_trim": True, "sampling_seed": 7}
    options |= {"skip_special_tokens": True, "spaces_between_special_tokens": True}
    reply = policy.generate({"text": fresh(), "sampling_params": options})
    assert reply["meta_info"]["completion_tokens"] == 1


@pytest.mark.servers
@contract
def test_a_refused_request_is_told_in_words(policy: Engine) -> None:
    with pytest.raises(Rejected, match="top_p"):
        ask(policy, fresh(), top_p=7)


@pytest.mark.servers
@contract
def test_a_text_is_read_as_our_tokenizer_reads_it(policy: Engine) -> None:
    prompt = fresh()
    ids = encoded(POLICY, prompt)
    ask(policy, ids, tokens=0)
    meta = ask(policy, prompt, tokens=0)["meta_info"]
    assert (meta["prompt_tokens"], meta["cached_tokens"]) == (len(ids), len(ids) - 1)


@pytest.mark.servers
@contract
def test_nothing_is_generated_for_no_tokens(policy: Engine) -> None:
    reply = ask(policy, fresh(), tokens=0)
    assert (reply["text"], reply.get("output_ids") or []) == ("", [])
    assert reply["meta_info"]["completion_tokens"] == 0
    assert reply["meta_info"]["finish_reason"]["type"] == "length"


@pytest.mark.servers
@contract
def test_the_cache_serves_all_of_a_prompt_but_its_last_token(policy: Engine) -> None:
    ids = encoded(POLICY, fresh())
    ask(policy, ids, tokens=0)
    reply = ask(policy, ids, tokens=4, ignore_eos=True)
    assert reply["meta_info"]["cached_tokens"] == len(ids) - 1
    more = ask(policy, [*ids, *reply["output_ids"], ids[0]], tokens=1)
    assert more["meta_info"]["cached_tokens"] >= len(ids) + 3


@pytest.mark.servers
@contract
def test_a_token_has_as_many_alternatives_as_asked_for(policy: Engine) -> None:
    how: dict[str, Any] = {"return_logprob": True, "top_logprobs_num": 5, "ignore_eos": True}
    reply = ask(policy, fresh(), tokens=3, **how)
    tops = reply["meta_info"]["output_top_logprobs"]
    assert [len(top) for top in tops] == [5, 5, 5]
    for top in tops:
        logprobs = [logprob for logprob, *_ in top]
        assert logprobs == sorted(logprobs, reverse=True)
        assert all(isinstance(token, int) for _, token, *_ in top)


@pytest.mark.servers
@contract
def test_logprobs_are_taken_behind_the_temperature(policy: Engine) -> None:
    prompt, gaps = fresh(), []
    for temperature in (1.0, 2.0):
        how: dict[str, Any] = {
            "return_logprob": True,
            "top_logprobs_num": 2,
            "temperature": temperature,
        }
        (top,) = ask(policy, prompt, tokens=1, ignore_eos=True, **how)["meta_info"][
            "output_top_logprobs"
        ]
        gaps.append(top[0][0] - top[1][0])
    assert gaps[0] == pytest.approx(2 * gaps[1], rel=0.01)


VERDICTS = [3, 4]


def verdicts(prm: Engine, ids: list[int], **more: Any) -> dict[str, Any]:
    """The `meta_info` of a reply that tells the log-probabilities of two tokens."""
    how: dict[str, Any] = {"temperature": 0, "return_logprob": True, "token_ids_logprob": VERDICTS}
    meta: dict[str, Any] = ask(prm, ids, tokens=0, **how, **more)["meta_info"]
    return meta


@pytest.mark.servers
@contract
def test_a_verdict_behind_the_input_needs_no_token(prm: Engine) -> None:
    meta = verdicts(prm, encoded(PRM, fresh()))
    (pair,) = meta["output_token_ids_logprobs"]
    assert [token for _, token, *_ in pair] == VERDICTS
    assert all(logprob < 0 for logprob, *_ in pair)
    assert meta["completion_tokens"] == 0


@pytest.mark.servers
@contract
def test_verdicts_inside_the_input_begin_at_the_start(prm: Engine) -> None:
    ids = encoded(PRM, fresh())
    start = len(ids) - 5
    pairs = verdicts(prm, ids, logprob_start_len=start)["input_token_ids_logprobs"]
    assert len(pairs) == 5
    for j in range(1, 5):
        (behind,) = verdicts(prm, ids[: start + j])["output_token_ids_logprobs"]
        assert [token for _, token, *_ in pairs[j]] == VERDICTS
        logprobs = [logprob for logprob, *_ in pairs[j]]
        assert logprobs == pytest.approx([logprob for logprob, *_ in behind], abs=1e-3)


@pytest.mark.servers
@contract
def test_the_cache_serves_no_token_behind_the_start(prm: Engine) -> None:
    ids = encoded(PRM, fresh())
    verdicts(prm, ids)
    for start in (0, len(ids) - 5):
        assert verdicts(prm, ids, logprob_start_len=start)["cached_tokens"] == start


@pytest.mark.servers
@contract
def test_without_a_start_verdicts_come_from_the_cache(prm: Engine) -> None:
    ids = encoded(PRM, fresh())
    verdicts(prm, ids)
    meta = verdicts(prm, ids)
    assert meta["cached_tokens"] == len(ids) - 1
    assert not meta.get("input_token_ids_logprobs")


@pytest.mark.servers
@contract
def test_a_connection_outlives_a_short_pause(policy: Engine) -> None:
    parts = urlsplit(policy.url)
    kept = http.client.HTTPConnection(parts.hostname or "", parts.port)
    kept.request("GET", "/model_info")
    kept.getresponse().read()
    socket = kept.sock
    time.sleep(connection._KEEPALIVE_S)
    kept.request("GET", "/model_info")
    assert kept.getresponse().status == 200
    assert kept.sock is socket
    kept.close()


@pytest.mark.servers
@contract
def test_the_stock_backend_trims_the_stop_and_tells_what_the_server_told(policy: Engine) -> None:
    from sglang import RuntimeEndpoint, function, gen

    prompt = fresh()
    whole = ask(policy, prompt, tokens=32, temperature=0.0, ignore_eos=True)["text"]

    @function
    def program(s: Any) -> None:
        s += prompt
        s += gen("step", max_tokens=32, temperature=0.0, ignore_eos=True, stop=[whole[3]])

    state = program.run(backend=RuntimeEndpoint(policy.url))
    assert state["step"] == whole[: whole.index(whole[3])]
    meta = state.get_meta_info("step")
    assert meta["finish_reason"]["matched"] == whole[3]
    assert meta["prompt_tokens"] == len(encoded(POLICY, prompt))
    assert meta["completion_tokens"] > 0
