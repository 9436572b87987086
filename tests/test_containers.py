"""The files of containers/ and docs/containers.md: what they say is so in this package."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import understood

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "containers"
PAGE = (ROOT / "docs/containers.md").read_text("utf-8")
DOCKERFILE = (FOLDER / "Dockerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
KUBERNETES = list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text("utf-8")))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PORT = "7727"


def containers() -> Iterator[tuple[str, dict[str, Any]]]:
    """Of the workloads, by their names."""
    for item in KUBERNETES:
        if item["kind"] in ("Deployment", "Job"):
            (container,) = item["spec"]["template"]["spec"]["containers"]
            yield item["metadata"]["name"], container


def sal_commands() -> dict[str, list[str]]:
    """Words behind `sal`, by where they stand."""
    found = {
        f"compose {name}": service["command"]
        for name, service in COMPOSE["services"].items()
        if "entrypoint" not in service
    }
    found |= {f"k8s {name}": c["args"] for name, c in containers() if "command" not in c}
    said = PAGE + (FOLDER / "compose.yaml").read_text("utf-8")
    for number, words in enumerate(re.findall(r"sal:\S+-(?:cpu|cuda) ([a-z].*)$", said, re.M)):
        found[f"page {number}"] = words.split()
    return found


@pytest.mark.parametrize("where", sal_commands())
def test_a_command_of_sal_is_understood(where: str) -> None:
    understood(sal_commands()[where])


def engines() -> dict[str, list[str]]:
    """Flags of SGLang's servers, by where they stand."""
    found = {
        f"compose {name}": service["command"]
        for name, service in COMPOSE["services"].items()
        if "entrypoint" in service
    }
    return found | {f"k8s {name}": c["args"] for name, c in containers() if "command" in c}


def test_a_flag_of_an_engine_is_one_of_the_pinned_sglang() -> None:
    spec = importlib.util.find_spec("sglang")
    assert spec is not None
    assert spec.origin is not None
    srt = Path(spec.origin).parent / "srt"
    fields = [srt / "server_args.py", *(srt / "arg_groups").rglob("*.py")]
    source = "\n".join(path.read_text("utf-8") for path in fields)
    flags = {word.partition("=")[0] for words in engines().values() for word in words}
    assert len(engines()) == 4
    known = {f for f in flags if re.search(rf"^    {f[2:].replace('-', '_')}: ", source, re.M)}
    assert known == flags
    launch = Path(spec.origin).parent / "launch_server.py"
    assert launch.is_file()  # `python -m sglang.launch_server`


def test_images_have_the_version_of_this_package() -> None:
    version = PROJECT["version"]
    files = [
        DOCKERFILE,
        PAGE,
        *((FOLDER / n).read_text() for n in ("compose.yaml", "kubernetes.yaml")),
    ]
    images = {image for text in files for image in re.findall(r"\bsal:[\w.-]+", text)}
    assert images == {f"sal:{version}-cpu", f"sal:{version}-cuda"}


def test_the_image_has_a_python_and_a_cuda_that_fit() -> None:
    python = re.search(r"^FROM python:(\d+\.\d+)-", DOCKERFILE, re.M)
    cuda = re.search(r"^FROM nvidia/cuda:(\d+\.\d+)\.", DOCKERFILE, re.M)
    pinned = re.search(r"^cuda-toolkit==(\d+\.\d+)\.", (ROOT / "constraints.txt").read_text(), re.M)
    assert python is not None
    assert python[1] == PROJECT["requires-python"].removeprefix(">=")
    assert cuda is not None
    assert pinned is not None
    assert cuda[1] == pinned[1]
    assert set(re.findall(r" AS (\w+)$", DOCKERFILE, re.M)) >= {"cpu", "cuda"}


def test_those_who_ask_find_those_who_answer() -> None:
    """URLs name a service that is there, at the port that its server listens on."""
    for name, words in sal_commands().items():
        urls = [w.partition("=")[2] for w in words if re.match(r"--(policy|prm)=http", w)]
        if name.startswith("compose"):
            assert all(re.sub(r"http://|:\d+", "", url) in COMPOSE["services"] for url in urls)
        there = {i["metadata"]["name"] for i in KUBERNETES if i["kind"] == "Service"}
        if name.startswith("k8s"):
            assert all(re.sub(r"http://|:\d+", "", url) in there for url in urls)
        assert all(url.endswith(":30000") for url in urls)
    assert all("--port=30000" in flags for flags in engines().values())
    for item in KUBERNETES:
        if item["kind"] == "Service":
            served = [
                other
                for other in KUBERNETES
                if other["kind"] == "Deployment"
                and other["spec"]["selector"]["matchLabels"] == item["spec"]["selector"]
                and other["spec"]["template"]["metadata"]["labels"] == item["spec"]["selector"]
            ]
            assert len(served) == 1, item["metadata"]["name"]


def test_the_gateway_is_where_it_is_looked_for_and_wants_a_key() -> None:
    from sal.cli.serve import PORT as ours

    assert str(ours) == PORT
    assert f"EXPOSE {PORT}" in DOCKERFILE
    assert f"127.0.0.1:{PORT}/v1/models" in PAGE
    for name in ("gateway", "tiny"):
        service = COMPOSE["services"][name]
        assert service["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
        assert "--keys=/keys/keys.txt" in service["command"]
    gateway = dict(containers())["sal-gateway"]
    assert gateway["ports"] == [{"name": "http", "containerPort": int(PORT)}]
    assert "--keys=/keys/keys.txt" in gateway["args"]


def test_what_is_mounted_is_there() -> None:
    for item in KUBERNETES:
        if item["kind"] in ("Deployment", "Job"):
            of = item["spec"]["template"]["spec"]
            claims = {
                i["metadata"]["name"] for i in KUBERNETES if i["kind"] == "PersistentVolumeClaim"
            }
            named = {volume["name"] for volume in of.get("volumes", ())}
            assert {m["name"] for m in of["containers"][0].get("volumeMounts", ())} == named
            asked = [
                v["persistentVolumeClaim"]["claimName"]
                for v in of["volumes"]
                if "persistentVolumeClaim" in v
            ]
            assert set(asked) <= claims


def test_the_user_of_the_image_may_write_what_is_mounted() -> None:
    """Volumes of Docker take the owner of the image's folder, claims of Kubernetes the group."""
    user = re.search(r"^USER (\d+)$", DOCKERFILE, re.M)
    owned = re.search(r"chown (\d+) (.*)$", DOCKERFILE, re.M)
    assert user is not None
    assert owned is not None
    assert owned[1] == user[1]
    mounted = set()
    for service in COMPOSE["services"].values():
        for volume in service["volumes"]:
            name, path, *_ = volume.split(":")
            assert name in COMPOSE["volumes"], f"a folder of the machine: {volume}"
            mounted.add(path)
    assert mounted <= set(owned[2].split())
    for item in KUBERNETES:
        if item["kind"] in ("Deployment", "Job"):
            of = item["spec"]["template"]["spec"]
            if any("persistentVolumeClaim" in volume for volume in of["volumes"]):
                assert of["securityContext"]["fsGroup"] == int(user[1]), item["metadata"]["name"]


def test_who_is_given_urls_can_read_the_tokenizers_of_their_models() -> None:
    gateway = COMPOSE["services"]["gateway"]
    assert "models:/models" in gateway["volumes"]
    assert "HF_TOKEN" in gateway["environment"]
    for name, container in containers():
        assert "HF_TOKEN" in {given["name"] for given in container["env"]}, name
        assert {"name": "models", "mountPath": "/models"} in container["volumeMounts"], name
