"""A model that cannot be had is told in one sentence, before a server is started.

Through `huggingface_hub` itself, to a stand-in of the Hub.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import CPU_ONLY
from hub_stand_in import TOKEN, Branch, Fault, Hub, Repo, hub_stand_in

from sal.runtime import hub_model, launch
from sal.runtime.hub_model import ModelUnavailable, check_available
from sal.runtime.launch import Server, start_all
from sal.runtime.plan import make_plan

LLAMA = "meta-llama/Llama-3.2-1B-Instruct"
NAMES = (LLAMA, "meta-llama/Llama-3.2-3B-Instruct", "Qwen/Qwen2.5-Math-1.5B-Instruct")


def repo(**files: str) -> Repo:
    named = {name.replace("__", "."): text.encode() for name, text in files.items()}
    return Repo(False, {"main": Branch(named, ["first"])})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """Where `huggingface_hub` looks; its cache is empty, and nobody is logged in."""
    with hub_stand_in() as hub:
        for name in NAMES:
            hub.models[name] = repo(config__json="{}", model__safetensors="weights")
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        address = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", address)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub


def refusal(model: str) -> str:
    with pytest.raises(ModelUnavailable) as refused:
        check_available(model)
    said = str(refused.value)
    assert "\n" not in said
    assert len(said) < 400
    return said


def test_one_that_is_there_is_taken(hub: Hub) -> None:
    check_available(LLAMA)
    assert hub.count("HEAD .*/config.json") == 1


def test_a_gated_one(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.gated.add(LLAMA)
    assert refusal(LLAMA) == (
        f"{LLAMA} is gated: accept its licence at {hub.url}/{LLAMA}, then log in here "
        "(hf auth login, or HF_TOKEN)"
    )
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert "the account of your token is not in yet" in refusal(LLAMA)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("meta-lama/Llama-3.2-1B-Instruct", LLAMA),  # the owner
        ("meta-llama/Llama-3.2-1B-Instuct", LLAMA),  # the name
        ("Llama-3.2-1B-Instruct", LLAMA),  # no owner
        ("qwen/Qwen2.5-Math-1.5B-Instruct", "Qwen/Qwen2.5-Math-1.5B-Instruct"),
    ],
)
def test_a_misspelt_one(hub: Hub, name: str, near: str) -> None:
    said = refusal(name)
    assert said.startswith(f"there is no folder {name} here, and no such model on the Hub")
    assert f"near it: {near}" in said
    assert "you are not logged in (hf auth login)" in said


def test_one_like_which_there_is_none(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert refusal("nobody/nothing") == (
        "there is no folder nobody/nothing here, and no such model on the Hub"
    )


def test_what_is_no_name(hub: Hub) -> None:
    assert (
        refusal("a--b..c/ d") == "a--b..c/ d is no folder here and no name on the Hub (OWNER/NAME)"
    )
    assert hub.asked == []


def test_what_is_no_model(hub: Hub) -> None:
    hub.models["some/ggufs"] = repo(README__md="", a__gguf="GGUF")
    hub.models["some/text"] = repo(README__md="")
    hub.models["some/lora"] = repo(adapter_config__json="{}")
    assert "some/lora is a LoRA adapter: fetch it (hf download some/lora)" in refusal("some/lora")
    assert refusal("some/ggufs") == "some/ggufs has GGUF files alone: give one of them"
    assert "some/text has no config.json" in refusal("some/text")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (503, "the Hub answers HTTP 503 for"),
        (429, "the Hub answers HTTP 429 for"),
        (403, "the Hub refuses"),
    ],
)
def test_a_hub_that_is_not_well(hub: Hub, status: int, words: str) -> None:
    hub.faults.append(Fault("GET /api/models/meta", status, 99))
    said = refusal(LLAMA)
    assert said.startswith(f"{words} {LLAMA}")
    assert "try again later" in said or "hf auth login" in said


def test_without_a_network(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = f"{tmp_path}/cache/models--meta-llama--Llama-3.2-1B-Instruct"
    remedy = f"run hf download {LLAMA} and copy its folder there to {folder}, or give a folder"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    said = refusal(LLAMA)
    assert "the Hub cannot be reached" in said
    assert said.endswith(remedy)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    said = refusal(LLAMA)
    assert "HF_HUB_OFFLINE is set" in said
    assert said.endswith(remedy)


def test_a_hub_that_says_nothing(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_model, "LIMIT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{port}")
        assert "the Hub cannot be reached" in refusal(LLAMA)


def cached(folder: Path, model: str, **files: str) -> None:
    """`model` in the Hub's cache, as a download leaves it."""
    place = folder / f"models--{model.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("abc")
    (place / "snapshots" / "abc").mkdir(parents=True)
    for name, text in files.items():
        (place / "snapshots" / "abc" / name.replace("__", ".")).write_text(text)


def test_what_is_whole_in_the_cache_is_not_asked_about(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}})
    half = {"model__safetensors__index__json": index, "model-1__safetensors": "w"}
    cached(tmp_path / "cache", "some/whole", config__json="{}", model__safetensors="w")
    cached(tmp_path / "cache", "some/half", config__json="{}", **half)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    check_available("some/whole")
    assert "some/half is not whole in this machine's cache" in refusal("some/half")
    assert hub.asked == []


def test_a_folder_and_a_url_are_not_asked_about(hub: Hub, tmp_path: Path) -> None:
    check_available(str(tmp_path))
    check_available("http://host:30000")
    assert hub.asked == []


def test_nothing_is_started_for_a_model_that_cannot_be_had(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch.Server, "start", lambda _: pytest.fail("it was started"))
    hub.gated.add(NAMES[1])
    plan = make_plan(CPU_ONLY, LLAMA, NAMES[1])
    with pytest.raises(ModelUnavailable, match="3B-Instruct is gated"):
        start_all([Server(spec, tmp_path) for spec in plan.servers.values()])
