"""Publishing through `huggingface_hub` itself, to a stand-in of the Hub."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from hub_stand_in import TOKEN, Fault, Hub, Repo, hub_stand_in
from runs_examples import recipe, row, written_run
from test_cli_run import Sal, sal

from sal.runs.export import hub as hub_module
from sal.runs.export.names import run_name
from sal.runs.settings import Settings, prepare

__all__ = ["sal"]  # a fixture

REPO = "me/searches"
NAME = run_name(recipe())
FILES = ["README.md", "recipe.yaml", "results.parquet", "summary.json"]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The stand-in is where `huggingface_hub` looks; nothing waits long between tries."""
    with hub_stand_in() as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(hub_module, "FIRST_WAIT_S", 0.01)
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
        yield hub


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return written_run(tmp_path / "run", recipe(), [row("q0"), row("q1", correct=False)])


def test_a_run_is_a_revision_of_a_private_dataset(sal: Sal, hub: Hub, run: Path) -> None:
    code, out, err = sal("export", str(run), "--push-to-hub", REPO)
    assert (code, out, err) == (0, f"{hub.url}/datasets/{REPO}/tree/{NAME}\n", "")
    repo = hub.repos[REPO]
    assert repo.private
    assert set(repo.branches) == {"main", NAME}
    files = repo.branches[NAME].files
    assert sorted(files.keys() - {".gitattributes"}) == FILES
    rows = pq.read_table(io.BytesIO(files["results.parquet"])).to_pylist()
    assert [(r["id"], r["correct"]["weighted"]) for r in rows] == [("q0", True), ("q1", False)]
    assert yaml.safe_load(files["recipe.yaml"])["digest"] == recipe().digest
    assert b"list_repo_refs" in repo.branches["main"].files["README.md"]


def test_pushing_again_changes_and_sends_nothing(sal: Sal, hub: Hub, run: Path) -> None:
    for _ in range(2):
        code, out, err = sal("export", str(run), "--push-to-hub", REPO)
        assert (code, out) == (0, f"{hub.url}/datasets/{REPO}/tree/{NAME}\n")
    assert err == "sal: nothing new in this revision\n"
    assert hub.count(f"POST .*/commit/{NAME}") == 1
    assert hub.count("POST .*/commit/main") == 1
    assert hub.count("PUT /lfs/") == 1


def test_more_rows_are_another_commit_of_the_same_revision(
    sal: Sal, hub: Hub, run: Path, tmp_path: Path
) -> None:
    sal("export", str(run), "--push-to-hub", REPO)
    more = written_run(tmp_path / "more", recipe(), [row("q0"), row("q1"), row("q2")])
    sal("export", str(more), "--push-to-hub", REPO)
    branch = hub.repos[REPO].branches[NAME]
    assert branch.commits[0] == "initial commit"
    assert len(branch.commits) == 1 + 1 + 2  # the card of `main`, and two pushes
    assert pq.read_metadata(io.BytesIO(branch.files["results.parquet"])).num_rows == 3


def test_a_sweep_has_a_revision_for_every_run(sal: Sal, hub: Hub, tmp_path: Path) -> None:
    others = [recipe(seed=seed) for seed in (1, 2)]
    for number, of in enumerate(others):
        written_run(tmp_path / "sweep" / str(number), of, [row("q0")])
    assert sal("export", str(tmp_path / "sweep"), "--push-to-hub", REPO)[0] == 0
    assert set(hub.repos[REPO].branches) == {"main", *map(run_name, others)}


def test_runs_of_one_name_are_refused(sal: Sal, hub: Hub, tmp_path: Path) -> None:
    for name in "ab":
        written_run(tmp_path / "sweep" / name, recipe(), [row("q0")])
    code, _, err = sal("export", str(tmp_path / "sweep"), "--push-to-hub", REPO)
    assert code == 2
    assert "another run of the same recipe" in err
    assert set(hub.repos[REPO].branches) == {"main"}


@pytest.mark.parametrize("answer", [500, "reset", "lost"])
@pytest.mark.parametrize(
    "request_", ["whoami", "repos/create", "/branch/", "preupload", "PUT /lfs/", "/commit/tiny"]
)
def test_what_may_pass_is_tried_again(
    sal: Sal, hub: Hub, run: Path, request_: str, answer: int | str
) -> None:
    hub.faults.append(Fault(request_, answer))
    code, _, err = sal("export", str(run), "--push-to-hub", REPO)
    assert (code, err) == (0, "")
    assert hub.faults[0].times == 0
    branch = hub.repos[REPO].branches[NAME]
    assert len(branch.commits) == 1 + 1 + 1  # the card of `main`, and this one
    assert branch.files.keys() >= set(FILES)


def test_a_page_in_between_is_tried_again(sal: Sal, hub: Hub, run: Path) -> None:
    for request in ("whoami", "repos/create", "validate-yaml", "/commit/tiny"):
        hub.faults.append(Fault(request, b"<html>Sign in</html>"))
    code, _, err = sal("export", str(run), "--push-to-hub", REPO)
    assert (code, err) == (0, "")
    assert [fault.times for fault in hub.faults] == [0, 0, 0, 0]


def test_offline_is_said(sal: Sal, hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    code, _, err = sal("export", str(run), "--push-to-hub", REPO)
    assert (code, err) == (1, "sal: HF_HUB_OFFLINE is set: nothing can be pushed\n")


def test_a_push_that_failed_goes_on_where_it_was(sal: Sal, hub: Hub, run: Path) -> None:
    hub.faults.append(Fault("/commit/tiny", 500, times=100))
    code, out, err = sal("export", str(run), "--push-to-hub", REPO)
    assert (code, out) == (1, "")
    assert err == f"sal: {REPO}: the Hub answered 500 (told to fail)\n"
    hub.faults.clear()
    assert sal("export", str(run), "--push-to-hub", REPO)[0] == 0
    assert hub.count("PUT /lfs/") == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("whoami", 401), "does not accept the token"),
        (Fault("repos/create", 403), f"{REPO}: this token may not write there"),
        (Fault("/commit/tiny", 403), f"{REPO}: this token may not write there"),
        (Fault("/branch/", 404), f"{REPO}: not on the Hub, or not for this token"),
        (Fault("", "reset", times=1000), "the Hub cannot be reached: "),
    ],
)
def test_what_does_not_pass_is_told_in_a_line(
    sal: Sal, hub: Hub, run: Path, fault: Fault, said: str
) -> None:
    hub.faults.append(fault)
    code, out, err = sal("export", str(run), "--push-to-hub", REPO)
    assert (code, out) == (1, "")
    assert said in err
    assert err.count("\n") == 1
    assert TOKEN not in err


def test_the_repository_of_somebody_else(sal: Sal, hub: Hub, run: Path) -> None:
    hub.repos["other/searches"] = Repo.new(private=False)
    code, _, err = sal("export", str(run), "--push-to-hub", "other/searches", "--public")
    assert (code, err) == (1, "sal: other/searches: this token may not write there\n")


def test_nothing_becomes_public_unasked(sal: Sal, hub: Hub, run: Path) -> None:
    hub.repos[REPO] = Repo.new(private=False)
    code, _, err = sal("export", str(run), "--push-to-hub", REPO)
    assert (code, err) == (1, f"sal: {REPO}: is public; push there with --public\n")
    assert set(hub.repos[REPO].branches) == {"main"}
    assert sal("export", str(run), "--push-to-hub", REPO, "--public")[0] == 0
    assert sal("export", str(run), "--push-to-hub", "me/new", "--public")[0] == 0
    assert not hub.repos["me/new"].private


def test_a_repository_without_an_owner_is_ones_own(sal: Sal, hub: Hub, run: Path) -> None:
    code, out, _ = sal("export", str(run), "--push-to-hub", "searches")
    assert (code, out) == (0, f"{hub.url}/datasets/{REPO}/tree/{NAME}\n")
    assert b'load_dataset("me/searches", ' in hub.repos[REPO].branches[NAME].files["README.md"]


def test_without_a_token_or_a_name(
    sal: Sal, hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sal("export", str(run), "--push-to-hub", "a/b/c")[0] == 2
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(run / "no-token"))
    for words in (["export", str(run)], ["run", "greedy", "--out", "x"]):
        code, _, err = sal(*words, "--push-to-hub", REPO)
        assert (code, err) == (2, "sal: no token for the Hub: `hf auth login`, or set HF_TOKEN\n")
    code, out, err = sal("export", str(run), "--push-to-hub", REPO, "--dry-run")
    assert (code, err) == (0, "")
    assert f"# dataset {REPO}, private if it is new (nothing was sent)" in out
    assert f"# revision {NAME}" in out
    assert [line.split()[1] for line in out.splitlines() if line.startswith("  ")] == FILES
    assert hub.asked == []


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A run of `sal run greedy --limit 2` to which nothing is owed."""
    prepared = prepare(Settings(strategy="greedy", params={}, limit=2), gpu=False)
    ids = [question.id for question in prepared.problems.questions]
    return written_run(tmp_path / "done", prepared.recipe, [row(ids[0]), row(ids[1], error="lost")])


def test_a_run_is_pushed_when_it_ends(sal: Sal, hub: Hub, finished: Path) -> None:
    code, out, err = sal("run", "--resume", "done", "--push-to-hub", REPO)
    [revision] = hub.repos[REPO].branches.keys() - {"main"}
    assert out.endswith(f"|\n{hub.url}/datasets/{REPO}/tree/{revision}\n")
    assert code == 1  # a problem failed
    assert f"sal run --resume done --retry-failed --push-to-hub {REPO}" in err


def test_a_push_that_fails_leaves_the_run_as_it_is(sal: Sal, hub: Hub, finished: Path) -> None:
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    hub.faults.append(Fault("repos/create", 403))
    code, out, err = sal("run", "--resume", "done", "--push-to-hub", REPO)
    assert code == 1
    assert "| greedy, budget 1 " in out
    assert err.endswith(
        f"sal: not pushed: {REPO}: this token may not write there; the results are in done, "
        f"push them with\n  sal export done --push-to-hub {REPO}\n"
    )
    assert before.items() <= {p: p.read_bytes() for p in finished.rglob("*") if p.is_file()}.items()


def test_a_dry_run_says_where_results_would_go(sal: Sal, hub: Hub, tmp_path: Path) -> None:
    code, out, _ = sal("run", "greedy", "--limit", "2", "--push-to-hub", REPO, "--dry-run")
    recipe = prepare(Settings(strategy="greedy", params={}, limit=2), gpu=False).recipe
    assert code == 0
    assert out.endswith(f"\n# push: dataset {REPO}, revision {run_name(recipe)}\n")
    assert hub.asked == []


def test_a_dataset_is_loaded_from_where_it_was_pushed(
    hub: Hub, sal: Sal, run: Path, tmp_path: Path
) -> None:
    assert sal("export", str(run), "--push-to-hub", REPO)[0] == 0
    code = (
        "from datasets import load_dataset\n"
        f"rows = load_dataset({REPO!r}, revision={NAME!r})['test']\n"
        "print(rows['id'][:], rows[0]['completions'][0]['scores'], rows[1]['correct']['pass'])"
    )
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    environment |= {"HF_HUB_DISABLE_XET": "1", "HF_TOKEN": TOKEN}
    environment.pop("HF_HUB_OFFLINE", None)
    environment.pop("HF_DATASETS_OFFLINE", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "['q0', 'q1'] [0.5] False\n", done.stderr
