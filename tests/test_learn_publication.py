"""Labels, examples, PRMs and policies on the Hub, through `huggingface_hub` and a stand-in of it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from distill_examples import sums
from hub_stand_in import Fault, Hub, Repo
from learn_examples import base_model, labelled
from runs_examples import recipe, row, written_run
from test_cli_run import Sal, sal
from test_export_hub import hub

from sal.learn.files import write_labels
from sal.learn.licence import licence_of
from sal.learn.publication import learned_in

__all__ = ["hub", "sal"]  # fixtures

REPO = "me/learned"


def pushed(repo: Repo) -> dict[str, bytes]:
    assert set(repo.branches) == {"main"}
    return {n: c for n, c in repo.branches["main"].files.items() if n != ".gitattributes"}


def front(card: bytes) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(card.decode().split("---\n")[1])
    return found


def no_places(files: Iterable[bytes], tmp_path: Path) -> bool:
    return not any(str(tmp_path).encode() in content for content in files)


def test_examples_are_a_private_dataset(sal: Sal, hub: Hub, tmp_path: Path) -> None:
    run = sums(tmp_path / "run")
    words = ["learn", "distill", str(run), "--method", "kto", "--out", str(tmp_path / "kto")]
    code, out, err = sal(*words, "--push-to-hub", REPO)
    assert (code, err) == (0, "")
    assert out.endswith(f"|\n{hub.url}/datasets/{REPO}\n")
    repo = hub.repos[REPO]
    assert repo.private
    files = pushed(repo)
    assert files.keys() == {"README.md", "examples.parquet"}
    rows = pq.read_table(io.BytesIO(files["examples.parquet"])).to_pylist()
    assert [r["label"] for r in rows] == [True, False] * 12
    assert front(files["README.md"])["configs"] == [
        {"config_name": "default", "data_files": [{"split": "train", "path": "examples.parquet"}]}
    ]
    assert no_places(files.values(), tmp_path)


def test_labels_are_a_dataset_also_where_they_are_a_run(sal: Sal, hub: Hub, tmp_path: Path) -> None:
    """A run of `sal learn label` is both: its labels are what it was made for."""
    run = written_run(tmp_path / "labels", recipe(), [row("q0")])
    source = tmp_path / "source"
    write_labels(labelled(3), source)
    words = ["learn", "label", str(source), "--out", str(tmp_path / "out")]
    code, out, err = sal(*words, "--push-to-hub", REPO)
    assert (code, err) == (0, "")
    assert out.endswith(f"|\n{hub.url}/datasets/{REPO}\n")
    assert pushed(hub.repos[REPO]).keys() == {"README.md", "labels.parquet"}
    for name in ("README.md", "labels.parquet"):
        (run / name).write_bytes((tmp_path / "out" / name).read_bytes())
    assert sal("export", str(run), "--push-to-hub", "me/again")[0] == 0
    assert pushed(hub.repos["me/again"]) == pushed(hub.repos[REPO])


@pytest.fixture
def policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """As `sal learn distill` leaves one, with what is not to be published beside it."""
    folder = base_model(tmp_path / "policy")
    (folder / "README.md").write_text("---\ntags: [sft]\n---\n\n# A policy\n")
    (folder / "training.json").write_text(json.dumps({"settings": {"base": str(tmp_path)}}))
    (folder / "checkpoints").mkdir()
    (folder / "adapter").mkdir()
    (folder / "adapter" / "README.md").write_text(str(tmp_path))
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"weights")
    settings = {"base_model_name_or_path": str(tmp_path), "r": 4}
    (folder / "adapter" / "adapter_config.json").write_text(json.dumps(settings))
    capsys.readouterr()  # what transformers shows while it saves
    return folder


def test_a_model_is_a_private_model(sal: Sal, hub: Hub, policy: Path, tmp_path: Path) -> None:
    for seen in ("", "sal: nothing new in this revision\n"):
        code, out, err = sal("export", str(policy), "--push-to-hub", REPO)
        assert (code, out, err) == (0, f"{hub.url}/{REPO}\n", seen)
    repo = hub.models[REPO]
    assert repo.private
    files = pushed(repo)
    assert files.keys() == {
        "README.md", "config.json", "generation_config.json", "model.safetensors",
        "tokenizer.json", "tokenizer_config.json",
        "adapter/adapter_config.json", "adapter/adapter_model.safetensors",
    }  # fmt: skip
    assert files["model.safetensors"] == (policy / "model.safetensors").read_bytes()
    adapter = json.loads(files["adapter/adapter_config.json"])
    assert adapter == {"base_model_name_or_path": tmp_path.name, "r": 4}
    assert no_places(files.values(), tmp_path)
    assert hub.count("PUT /lfs/") == 2


def test_a_dry_run_asks_nobody(sal: Sal, hub: Hub, policy: Path) -> None:
    code, out, err = sal("export", str(policy), "--push-to-hub", REPO, "--dry-run")
    assert (code, err) == (0, "")
    first, *lines = out.splitlines()
    assert first == f"# model {REPO}, private if it is new (nothing was sent)"
    shown = {line.split()[1]: int(line.split()[0].replace(",", "")) for line in lines}
    assert shown["model.safetensors"] == (policy / "model.safetensors").stat().st_size
    assert "training.json" not in shown
    assert hub.asked == []


def test_nothing_becomes_public_unasked(sal: Sal, hub: Hub, policy: Path) -> None:
    hub.models[REPO] = Repo.new(private=False)
    code, _, err = sal("export", str(policy), "--push-to-hub", REPO)
    assert (code, err) == (1, f"sal: {REPO}: is public; push there with --public\n")
    assert pushed(hub.models[REPO]) == {}
    assert sal("export", str(policy), "--push-to-hub", REPO, "--public")[0] == 0


def test_a_push_that_fails_leaves_what_was_made(sal: Sal, hub: Hub, tmp_path: Path) -> None:
    hub.faults.append(Fault("repos/create", 403))
    run, out = sums(tmp_path / "run"), tmp_path / "sft"
    words = ["learn", "distill", str(run), "--out", str(out)]
    code, _, err = sal(*words, "--push-to-hub", REPO)
    assert code == 1
    assert err == (
        f"sal: not pushed: {REPO}: this token may not write there; the results are in {out}, "
        f"push them with\n  sal export {out} --push-to-hub {REPO}\n"
    )
    assert sal("export", str(out), "--push-to-hub", REPO)[0] == 0


def test_without_a_token_nothing_is_begun(
    sal: Sal, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    run = sums(tmp_path / "run")
    for words in (
        ["distill", str(run)],
        ["label", str(run)],
        ["train", str(run), "--base", "tiny"],
    ):
        told = ["learn", *words, "--out", str(tmp_path / "out"), "--push-to-hub", REPO]
        code, _, err = sal(*told)
        assert (code, err) == (2, "sal: no token for the Hub: `hf auth login`, or set HF_TOKEN\n")
        assert not (tmp_path / "out").exists()


def test_a_folder_without_a_card(policy: Path, sal: Sal, hub: Hub) -> None:
    (policy / "README.md").unlink()
    code, _, err = sal("export", str(policy), "--push-to-hub", REPO)
    assert (code, err) == (2, f"sal: {policy}: has no README.md, the card that goes with it\n")


def test_what_was_not_learned_here_is_none(tmp_path: Path) -> None:
    assert learned_in(base_model(tmp_path / "base")) is None
    assert learned_in(tmp_path) is None


def test_a_prm_says_where_it_is_from(sal: Sal, hub: Hub, tmp_path: Path) -> None:
    """Its data, its training, its figures, and the licence of the model that it was made of."""
    base = base_model(tmp_path / "base")
    (base / "README.md").write_text("---\nlicense: apache-2.0\n---\n\n# Base\n")
    write_labels(labelled(60), tmp_path / "labels")
    words = ["learn", "train", str(tmp_path / "labels"), "--base", str(base), "--epochs", "1"]
    words += ["--held-out", "0.3", "--out", str(tmp_path / "prm"), "--push-to-hub", REPO]
    for _ in range(2):  # the second time it is trained already
        code, out, err = sal(*words)
        assert code == 0, err
        assert out.endswith(f"\n{hub.url}/{REPO}\n")
    files = pushed(hub.models[REPO])
    assert front(files["README.md"]) == {
        "library_name": "transformers",
        "tags": ["process-reward-model", "sal"],
        "license": "apache-2.0",
    }
    card = files["README.md"].decode()
    for line in (
        "# A process reward model (step-token)",
        "Of base, by labels; ",
        "| kind | hard |",
    ):
        assert line in card
    figures = json.loads((tmp_path / "prm" / "training.json").read_text())["figures"]
    assert f"| f1 | {figures['f1']:g} |" in card
    assert "apache-2.0, as the model that it was made of." in card
    assert json.loads(files["config.json"])["sal_prm"]["family"] == "step-token"
    assert no_places(files.values(), tmp_path)


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: mit\n---\n", "mit"),
        ("---\ntags: []\n---\n", None),
        ("# No front matter\n---\nlicense: mit\n---\n", None),
        ("---\nlicense: [mit\n---\n", None),
        ("---\nlicense: [mit]\n---\n", None),
    ],
)
def test_the_licence_that_a_card_states(tmp_path: Path, card: str, licence: str | None) -> None:
    (tmp_path / "README.md").write_text(card)
    assert licence_of(str(tmp_path)) == licence
