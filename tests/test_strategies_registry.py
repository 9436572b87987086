"""What holds for every strategy that is registered, and for those that other packages add."""

from __future__ import annotations

import atexit
import dataclasses
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from programs_replay import Improvised, Improvising, Replay
from programs_scripted import search
from rules import decision, rule_of, write_rule

from sal.programs.caps import Caps
from sal.runs.errors import RunError
from sal.runs.registry import STRATEGIES, Strategy, find_strategy, summaries
from sal.runtime.policy import PolicyFault
from sal.strategies.voting import RULES


def small(strategy: Strategy, budget: int) -> Any:
    """Its parameters with this budget, where it takes one.

    That of `auto` is a mean: here it has a rule that spends it, or less, on every problem.
    """
    names = {f.name for f in dataclasses.fields(strategy.program.params_class)}
    given: dict[str, Any] = {"budget": budget} if "budget" in names else {}
    if "rule" in names:
        given["rule"] = within(budget)
    return strategy.params(given)


@cache
def within(budget: int) -> str:
    """Half of it is the probe."""
    hard = [("best-of-n", budget - budget // 2)]
    rule = rule_of({budget: decision(budget // 2, hard, [("best-of-n", 0)], edges=[0.75])})
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    return write_rule(Path(folder, "rule.json"), rule)


@pytest.fixture(params=STRATEGIES)
def strategy(request: pytest.FixtureRequest) -> Strategy:
    return STRATEGIES[request.param]


class TestEveryStrategy:
    def test_its_parameters(self, strategy: Strategy) -> None:
        params = strategy.params({})
        assert dataclasses.is_dataclass(type(params))
        assert params.__dataclass_params__.frozen
        with pytest.raises(dataclasses.FrozenInstanceError):
            params.max_tokens = 1
        for name in ("budget", "max_tokens"):
            value = getattr(params, name)
            assert isinstance(value, int)
            assert value >= 1
        assert params.temperature >= 0
        assert params.separator
        assert strategy.summary

    def test_it_says_by_which_rule_it_chose(self, strategy: Strategy) -> None:
        verifier = Improvising() if strategy.program.needs_prm else None
        result = search(strategy.program, Improvised(), verifier, small(strategy, 4))
        assert result.rule in RULES
        chosen = result.chosen[result.rule]
        assert chosen is not None
        assert result.best is result.completions[chosen]

    def test_it_says_what_it_needs(self, strategy: Strategy) -> None:
        if strategy.program.needs_prm:
            with pytest.raises(TypeError, match=f"{strategy.program.name} needs a verifier"):
                strategy.program.run("?", backend=Improvised())
        else:
            assert strategy.program.run("?", backend=Improvised())["result"].errors == ()

    @pytest.mark.parametrize("budget", [4, 8, 24])
    def test_it_stays_within_its_budget(self, strategy: Strategy, budget: int) -> None:
        params = small(strategy, budget)
        result = search(strategy.program, Improvised(), Improvising(), params)
        assert result.errors == ()
        assert 1 <= len(result.completions) <= params.budget
        assert 0 <= result.unspent < params.budget
        assert all(result.chosen[rule] is not None for rule in RULES)
        ids = [node.id for node in result.trace.nodes]
        assert len(set(ids)) == len(ids)
        own = {completion.node: completion for completion in result.completions}
        texts = {node.id: node.text for node in result.trace.nodes}
        for completion in result.completions:
            # What is finished is never extended; only a revision comes below it, a completion
            # of its own that holds nothing of it.
            below = {i for i in ids if i[: len(completion.node)] == completion.node != i}
            assert not below or strategy.program.name == "revise"
            assert below <= own.keys()
            assert all(own[i].text == texts[i] for i in below)

    def test_it_needs_no_more_than_it_says(self, strategy: Strategy) -> None:
        verifier = Improvising() if strategy.program.needs_prm else None
        result = search(strategy.program, Improvised(), verifier, small(strategy, 8))
        assert result.errors == ()
        assert result.chosen["majority"] is not None

    def test_a_cap_ends_it(self, strategy: Strategy) -> None:
        params = small(strategy, 8)
        result = search(strategy.program, Improvised(), Improvising(), params, caps=Caps(tokens=1))
        assert result.trace.policy.requests <= params.budget
        assert len(result.completions) + result.unspent <= params.budget

    @pytest.mark.parametrize("seed", range(3))
    def test_its_trace_replays(self, strategy: Strategy, seed: int) -> None:
        """Same texts and scores, same decisions: nothing else goes into them."""
        params = small(strategy, 24)
        made = search(strategy.program, Improvised(), Improvising(), params, seed=seed)
        again = Replay(made.trace, seed=seed)
        replayed = search(strategy.program, again, again, params, seed=seed)
        assert replayed.completions == made.completions
        assert replayed.chosen == made.chosen
        assert replayed.unspent == made.unspent
        by_id = [sorted(result.trace.nodes, key=lambda n: n.id) for result in (made, replayed)]
        assert by_id[0] == by_id[1]

    def test_another_score_is_another_trace(self) -> None:
        """The replay can fail: a decision that changes asks for what the trace does not have."""
        dvts = STRATEGIES["dvts"]
        made = search(dvts.program, Improvised(), Improvising(), small(dvts, 24))
        made.trace.nodes[:] = [
            dataclasses.replace(n, scores=tuple(1 - s for s in n.scores)) for n in made.trace.nodes
        ]
        again = Replay(made.trace)
        with pytest.raises(PolicyFault, match="KeyError"):
            search(dvts.program, again, again, small(dvts, 24))


PLUGIN = """
from sal.programs.best_of_n import best_of_n as plain
number = 3
"""


class Site:
    """A folder on the path, into which packages are installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, package: str, code: str, **points: str) -> None:
        (self.folder / f"{package}.py").write_text(code)
        info = self.folder / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {package}:{value}" for name, value in points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[sal.strategies]", *lines, ""]))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.syspath_prepend(tmp_path)
    return Site(tmp_path)


class TestPlugins:
    def test_another_package_adds_a_strategy(self, site: Site) -> None:
        site.install("plugin_a", PLUGIN, mine="plain")
        assert summaries()["mine"] == "from plugin_a"
        strategy = find_strategy("mine")
        result = search(
            strategy.program, Improvised(), Improvising(), strategy.params({"budget": 3})
        )
        assert len(result.completions) == 3

    def test_a_listed_strategy_is_not_imported(self, site: Site) -> None:
        site.install("plugin_b", "raise SystemError('imported')", mine="plain")
        assert "mine" in summaries()
        assert "plugin_b" not in sys.modules

    @pytest.mark.parametrize(
        ("code", "value", "message"),
        [
            ("import nowhere_to_be_found", "x", "ModuleNotFoundError: No module named"),
            ("1 / 0", "x", "ZeroDivisionError: division by zero"),
            (PLUGIN, "missing", "AttributeError"),
            (PLUGIN, "number", "is a int, not a program made by @strategy"),
        ],
    )
    def test_a_broken_one_says_so_when_it_is_named(
        self, site: Site, code: str, value: str, message: str, request: pytest.FixtureRequest
    ) -> None:
        package = f"plugin_c{abs(hash(request.node.name))}"
        site.install(package, code, broken=value)
        with pytest.raises(RunError, match=f"strategy 'broken' of {package}.*{message}"):
            find_strategy("broken")
        assert find_strategy("dvts") is STRATEGIES["dvts"]

    def test_our_own_names_are_taken(self, site: Site) -> None:
        site.install("plugin_d", PLUGIN, dvts="number")
        assert find_strategy("dvts") is STRATEGIES["dvts"]
        assert summaries()["dvts"] == STRATEGIES["dvts"].summary

    def test_two_packages_with_one_name(self, site: Site) -> None:
        site.install("plugin_e", PLUGIN, mine="plain")
        site.install("plugin_f", PLUGIN, mine="plain")
        with pytest.raises(RunError, match=r"'mine'.*plugin_e and plugin_f"):
            find_strategy("mine")

    def test_an_unknown_name_lists_all(self, site: Site) -> None:
        site.install("plugin_g", PLUGIN, mine="plain")
        with pytest.raises(RunError, match=r"'yours' is not one of .*dvts.*mine"):
            find_strategy("yours")

    def test_the_command_lists_it_and_refuses_a_broken_one(self, site: Site) -> None:
        site.install("plugin_h", "raise ImportError('it has gone bad')", broken="plain")
        assert sal("--help", path=site.folder).returncode == 0
        listed = sal("run", "--help", path=site.folder)
        words = " ".join(listed.stdout.replace("│", " ").split())
        assert (listed.returncode, "broken: from plugin_h" in words) == (0, True)
        named = sal("run", "broken", "--dry-run", path=site.folder)
        assert named.returncode == 2
        assert "plugin_h cannot be loaded: ImportError: it has gone bad" in named.stderr
        assert "Traceback" not in named.stderr


def sal(*arguments: str, path: Path) -> subprocess.CompletedProcess[str]:
    """The command with a folder on its path."""
    code = (
        f"import sys; sys.path.insert(0, {str(path)!r}); "
        "from sal.cli.main import main; main(sys.argv[1:])"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path), "COLUMNS": "400", "NO_COLOR": "1"},
    )


class TestSet:
    """`--set` reaches the parameters that have no flag of their own."""

    def test_a_parameter_of_the_strategy_alone(self, tmp_path: Path) -> None:
        problems = tmp_path / "problems.jsonl"
        problems.write_text('{"question": "Let a=1, b=a+1. Find b.", "answer": "2"}\n')
        options = ("--dataset", str(problems), "--policy", "tiny", "--dry-run")
        shown = sal(
            "run", "deepconf", "--set", "window=9", "--set", "keep=0.25", *options, path=tmp_path
        )
        assert shown.returncode == 0, shown.stderr
        assert "window: 9\n" in shown.stdout
        assert "keep: 0.25\n" in shown.stdout

    @pytest.mark.parametrize(
        ("text", "message"),
        [("window", "NAME=VALUE"), ("window=wide", "window must be"), ("widow=3", "--widow")],
    )
    def test_what_is_wrong_is_named(self, tmp_path: Path, text: str, message: str) -> None:
        refused = sal("run", "deepconf", "--set", text, "--dry-run", path=tmp_path)
        assert refused.returncode == 2
        assert message in refused.stderr
