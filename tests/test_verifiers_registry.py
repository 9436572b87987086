"""Families of PRMs that other packages bring, and what a family that is unlike the others needs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from conftest import CPU_ONLY

from sal.runs.endpoints import prm_serving
from sal.runs.server_plan import plan_servers
from sal.runs.settings import Settings, prepare
from sal.runtime.needed_flags import with_needed_flags
from sal.runtime.plan import make_plan
from sal.verifiers.contract import Serving
from sal.verifiers.family import UnknownFamily, choose, load_verifier
from sal.verifiers.registry import OWN, families, family_names, find_family

PLUGIN = """
from sal.verifiers.contract import Family
from sal.verifiers.interface import Scored


class Length:
    aggregate = "last"

    def score(self, question, prefix, steps):
        return Scored(tuple(1 / (1 + len(step)) for step in steps))


class LengthFamily(Family):
    name = "length"
    authors = "Nobody"
    aggregate = "last"
    pattern = "^length$"

    def serve(self, prm):
        from sal.verifiers.contract import Serving

        return Serving(None)

    def build(self, prm):
        assert prm.engine is None
        return Length()
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with three families: one that works, one that cannot be imported, one of none."""
    (tmp_path / "sal_length.py").write_text(PLUGIN)
    (tmp_path / "sal_broken.py").write_text("raise RuntimeError('no such library')\n")
    info = tmp_path / "sal_length-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sal-length\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[sal.prm_families]\nlength = sal_length:LengthFamily\nbroken = sal_broken:X\n"
        "odd = sal_length:PLUGIN_OF_NONE\nwrong = sal_length:Length\nstep-token = sal_broken:X\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("sal_length", "sal_broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_every_family_of_ours_is_whole() -> None:
    found, wrong = families()
    assert not wrong
    assert [family.name for family in found] == list(OWN)
    for family in found:
        assert family.aggregate in ("last", "min", "prod", "mean")
        assert family.authors
        assert family.options({}) == family.options({})


@pytest.mark.usefixtures("plugins")
class TestPlugins:
    def test_one_is_found_chosen_and_read(self) -> None:
        assert family_names() == (*OWN, "broken", "length", "odd", "wrong")
        assert choose("length", {}).family.name == "length"
        verifier = load_verifier(None, "length")
        assert verifier.score("q", (), ["abc", ""]).scores == (0.25, 1.0)

    def test_a_run_on_it_starts_no_server_for_it(self) -> None:
        recipe = prepare(
            Settings(strategy="dvts", params={}, prm="length", limit=1), gpu=False
        ).recipe
        assert prm_serving("length") == Serving(None)
        assert list(plan_servers([recipe], CPU_ONLY).servers) == ["policy"]

    def test_a_broken_one_concerns_who_names_it(self) -> None:
        said = r"PRM family 'broken' of sal-length cannot be loaded: RuntimeError: no such library"
        with pytest.raises(ValueError, match=said):
            choose("m", {}, "broken")
        assert choose("m", {}, "step-token").family.name == "step-token"
        # Who is asked whether they know a model, and cannot answer, is named with the refusal.
        with pytest.raises(UnknownFamily, match=said):
            choose("m", {})

    def test_what_is_no_family(self) -> None:
        with pytest.raises(ValueError, match="AttributeError"):
            find_family("odd")
        with pytest.raises(ValueError, match=r"sal_length:Length is a Length, not a .*Family"):
            find_family("wrong")

    def test_names_of_ours_are_taken(self) -> None:
        assert find_family("step-token").authors == "Math-Shepherd"


def test_two_packages_with_one_name_are_named(plugins: None, tmp_path: Path) -> None:
    info = tmp_path / "sal_other-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sal-other\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[sal.prm_families]\nlength = sal_other:X\n")
    with pytest.raises(ValueError, match="more than one package: sal-length and sal-other"):
        find_family("length")


def test_needed_flags_are_those_of_the_plan_and_the_users_win(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    plan = make_plan(CPU_ONLY, None, str(tmp_path), prm_args=["--context-length 64"])
    needs = ["--is-embedding", "--context-length 4096"]
    needed = with_needed_flags(plan, "prm", needs, "a head").servers["prm"]
    assert needed.argv.count("--context-length") == 1
    assert needed.argv[needed.argv.index("--context-length") + 1] == "64"
    assert needed.argv[-1] == "--is-embedding"
    assert needed.reasons[-1] == "a head"
    assert "SGLANG_RUST_SERVER" not in needed.env
    assert needed.digest != plan.servers["prm"].digest
    assert with_needed_flags(plan, "policy", needs) == plan
    assert with_needed_flags(plan, "prm", ()) == plan
