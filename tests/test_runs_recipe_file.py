"""Recipe files: what they say, what overrules what, and every refusal with its place and line."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from sal.runs.recipe_file import RECORDS, load
from sal.runs.recipe_shown import as_json, as_yaml, resolved
from sal.runs.recipe_yaml import Entry, RecipeError, read_value
from sal.runs.settings import Settings, prepare


def write(folder: Path, text: str, name: str = "x.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_settings_stand_at_the_top_and_parameters_there_or_in_params(tmp_path: Path) -> None:
    text = (
        "strategy: beam\nseed: 3\nns: [4, 1]\npolicy_args: [--tp 2]\nbudget: 8\n"
        "temperature: 1\nparams:\n  width: 2\n  stop_strings: [END]\n"
    )
    path = write(tmp_path, text)
    loaded = load(path)
    assert loaded.settings == Settings(
        strategy="beam",
        params={"budget": 8, "temperature": 1.0, "width": 2, "stop_strings": ("END",)},
        seed=3,
        ns=(1, 4),
        policy_args=("--tp 2",),
    )
    assert isinstance(loaded.settings.params["temperature"], float)  # as --temperature gives it
    assert loaded.sweep is None
    assert loaded.sources == {
        "strategy": f"{path}:1",
        "seed": f"{path}:2",
        "ns": f"{path}:3",
        "policy_args": f"{path}:4",
        "params.budget": f"{path}:5",
        "params.temperature": f"{path}:6",
        "params.width": f"{path}:8",
        "params.stop_strings": f"{path}:9",
    }


def test_what_is_the_default_anyway_is_no_setting(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, "strategy: dvts\nseed: 0\nextract: strict\nlimit:\nwidth: 4\n"))
    assert loaded.settings == Settings(strategy="dvts", params={})


def test_no_system_prompt_is_said_by_null_or_an_empty_text(tmp_path: Path) -> None:
    for said in ("null", "''", ""):
        path = write(tmp_path, f"strategy: dvts\nsystem_prompt: {said}\n")
        assert load(path).settings.system_prompt == ""


def test_a_base_holds_where_the_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write(tmp_path, "seed: 1\nsplit: a\nlimit: 5\nparams: {budget: 8, width: 2}\n", "one.yaml")
    write(tmp_path, "base: ../one.yaml\nstrategy: beam\nsplit: b\nwidth: 4\n", "deep/two.yaml")
    path = write(tmp_path, "base: deep/two.yaml\nlimit: 7\n")
    loaded = load(path)
    said = Settings(strategy="beam", params={"budget": 8}, seed=1, split="b", limit=7)
    assert loaded.settings == said  # a width of 4 is the default
    assert loaded.sources["limit"] == f"{path}:2"
    assert loaded.sources["params.width"].endswith("two.yaml:4")
    assert loaded.sources["params.budget"].endswith("one.yaml:4")


def test_variables_overrule_files_and_are_overruled_by_words_and_flags(tmp_path: Path) -> None:
    path = write(tmp_path, "strategy: beam\nseed: 1\nlimit: 1\nsplit: a\nwidth: 1\n")
    loaded = load(
        path,
        ("limit=3", "params.budget=32", "top-p=0.5", "deterministic=true"),
        variables={"seed": Entry(2, "SAL_SEED"), "limit": Entry(2, "SAL_LIMIT")},
        flags={"split": Entry("b", "--split"), "params.width": Entry(2, "--width")},
    )
    params = {"width": 2, "budget": 32, "top_p": 0.5}
    assert loaded.settings == Settings(
        strategy="beam", params=params, seed=2, limit=3, split="b", deterministic=True
    )
    assert loaded.sources["seed"] == "SAL_SEED"
    assert loaded.sources["limit"] == "limit=3"
    assert loaded.sources["params.width"] == "--width"


def test_a_flag_and_a_word_may_not_say_the_same_key(tmp_path: Path) -> None:
    path = write(tmp_path, "strategy: beam\n")
    with pytest.raises(RecipeError, match=r"^seed: said twice, by --seed and by seed=1$"):
        load(path, ["seed=1"], flags={"seed": Entry(1, "--seed")})
    with pytest.raises(RecipeError, match=r"said twice, by width=1 and by params\.width=2"):
        load(path, ["width=1", "params.width=2"])


def test_a_sweep_is_handed_over_with_its_lines(tmp_path: Path) -> None:
    text = (
        "dataset: tiny\nwidth: 2\nsweep:\n  strategy: [beam, dvts]\n  budget:\n    - 4\n    - 16\n"
    )
    path = write(tmp_path, text)
    loaded = load(path, ["sweep.seed=[0, 1]"])
    assert loaded.settings == Settings(strategy="", params={"width": 2}, dataset="tiny")
    assert loaded.sweep is not None
    assert {key: entry.plain for key, entry in loaded.sweep.items()} == {
        "strategy": ["beam", "dvts"],
        "budget": [4, 16],
        "seed": [0, 1],
    }
    assert [item.source for item in loaded.sweep["budget"].value] == [f"{path}:6", f"{path}:7"]
    assert loaded.sweep["seed"].source == "sweep.seed=[0, 1]"


@pytest.mark.parametrize("strategy", ["dvts", "best-of-n", "mcts", "greedy"])
def test_a_runs_own_recipe_is_a_recipe_file_for_the_same_run(tmp_path: Path, strategy: str) -> None:
    said = Settings(strategy=strategy, params={"max_tokens": 99}, limit=2, system_prompt="")
    run = prepare(said, gpu=False).recipe
    path = write(tmp_path, run.dump(), "recipe.yaml")
    assert {"digest", "versions", "problems_digest", "served", "sampling", "cache"} <= RECORDS
    loaded = load(path)
    assert prepare(loaded.settings, gpu=False).recipe.digest == run.digest


SUGGESTED = {
    "strategy: dvts\ntempreture: 1": "2: unknown key 'tempreture' (did you mean temperature?)",
    "strategy: dvts\nDataset: tiny": "2: unknown key 'Dataset' (did you mean dataset?)",
    "strategy: dvts\nparams:\n  bugdet: 4": "3: unknown key 'bugdet' (did you mean budget?)",
    "strategy: dvts\nzzz: 1": "2: unknown key 'zzz'",
    "strategy: dvst": "1: strategy: must be one of .*, not 'dvst' (did you mean dvts?)",
    "strategy: dvts\naggregate: maen": "2: aggregate: must be one of last, min, prod, mean, not 'maen' (did you mean mean?)",
    "strategy: dvts\nextract: Strict": "2: extract: must be one of .* (did you mean strict?)",
    "strategy: dvts\nprm_family: chat_turn": "2: prm_family: must be .* (did you mean chat-turn?)",
    "strategy: best-of-n\nwidth: 4": "2: width: best-of-n does not take it; beam, .* do",
    "strategy: dvts\nsampling: x": "2: unknown key 'sampling'",
    "width: 4\nbugdet: 3": "2: unknown key 'bugdet' (did you mean budget?)",
}

WRONG = {
    "strategy: dvts\nbudget: many": "2: budget: must be a whole number, not 'many'",
    "strategy: dvts\nbudget: 4.0": "2: budget: must be a whole number, not 4.0",
    "strategy: dvts\nbudget: true": "2: budget: must be a whole number, not true",
    "strategy: dvts\nbudget:": "2: budget: must be a whole number, and is not said",
    "strategy: dvts\nbudget: 0": "2: budget: must be a whole number of at least 1, not 0",
    "strategy: dvts\nbudget: 6": "2: budget: must be a multiple of width (4), not 6",
    "strategy: dvts\nwidth: 3": "2: budget must be a multiple of width (3), not 16",
    "strategy: dvts\nlimit: 0": "2: limit: must be a whole number of at least 1, not 0",
    "strategy: dvts\nlimit: [1]": "2: limit: must be a whole number of at least 1, not [1]",
    "strategy: dvts\nns: 4": "2: ns: must be a list, as in [1, 4, 16], not 4",
    "strategy: dvts\nns: [4, x]": "2: ns: must be a whole number of at least 1, not 'x'",
    "strategy: dvts\npolicy: 7": "2: policy: must be a text, not 7; write '7' in quotes",
    "strategy: dvts\npolicy: {a: b}": "2: policy: must be a text, not {'a': 'b'}",
    "strategy: dvts\npolicy_args: --tp 2": "2: policy_args: must be a list, as in [first, second], not '--tp 2'",
    "strategy: dvts\ndeterministic: 1": "2: deterministic: must be true or false, not 1",
    "strategy: dvts\nmax_problem_seconds: 0": "2: max_problem_seconds: must be a number above 0, not 0",
    "strategy: dvts\ntemperature: -1": "2: temperature: must be a number of at least 0, not -1.0",
    "strategy: [dvts]": "1: strategy: must be one of .*, not ['dvts']",
    "strategy: dvts\nprm: RLHFlow/pair-preference-model-LLaMA3-8B": "2: prm: .* sal does not serve this family",
    "strategy: dvts\nparams: 3": "2: params: must be a mapping of names to values",
    "strategy: dvts\nsweep:": "2: sweep: must be a mapping of names to values",
    "strategy: dvts\nbase: 3": "2: base: must be the name of a file",
    "strategy: dvts\nbase: no.yaml": "2: base: .*no.yaml: No such file or directory",
    "strategy: dvts\nbase: x.yaml": "2: base: .*x.yaml is based on this file itself",
    "strategy: dvts\nwidth: 4\nparams:\n  width: 4": "4: width: stands twice, here and in .*x.yaml:2",
}

YAML = {
    "": " empty: a recipe has at least a strategy",
    "# only this\n": " empty: a recipe has at least a strategy",
    "- strategy: dvts": "1: a recipe is a mapping, as in strategy: dvts, and this is a list",
    "dvts": "1: a recipe is a mapping, as in strategy: dvts, and this is a text",
    "strategy: dvts\nseed: 1\nseed: 2": "3: seed stands here again, after .*x.yaml:2",
    "strategy: dvts\nparams: {width: 4, width: 2}": "2: width stands here again",
    "strategy: dvts\n\tseed: 1": "2: not YAML: a tab: YAML is indented with spaces",
    "strategy: dvts\nseed: [1": "2: not YAML: ",
    "strategy: dvts\n seed: 1": "2: not YAML: ",
    "strategy: 'dvts": "1: not YAML: ",
    "strategy: dvts\n---\nseed: 1": "2: not YAML: but found another document",
    "strategy: &a dvts\npolicy: *a": "2: not YAML: no aliases (*a) here",
    "strategy: dvts\nsplit: no": "2: YAML reads no as false: write false, or 'no' in quotes for the text",
    "strategy: dvts\ndeterministic: yes": "2: YAML reads yes as true: write true",
    "strategy: dvts\nseed: 010": "2: YAML reads '010' as 8: write 8, or '010' in quotes",
    "strategy: dvts\nseed: 1_000": "2: YAML reads '1_000' as 1000: write 1000",
    "strategy: dvts\nlimit: 1:30": "2: YAML reads '1:30' as 90: write 90",
    "strategy: dvts\ntemperature: 1e-3": "2: temperature: must be a number, not '1e-3'; YAML reads this as a text: write 0.001",
    "strategy: dvts\ntemperature: .nan": "2: '.nan' is no number",
    "strategy: dvts\nmax_problem_seconds: .inf": "2: '.inf' is no number",
    "strategy: dvts\nsplit: 2024-01-01": "2: YAML reads '2024-01-01' as a date: put it in quotes",
    "strategy: dvts\non: 1": "2: the key 'on' is no word",
    "strategy: dvts\n? [a]\n: 1": "2: a key is a word, not a list or a mapping",
    "strategy: dvts\nseed: !!python/object:os.system x": "2: YAML reads 'x' as a",
    'strategy: dvts\nsplit: "a\\0b"': "2: .* is no text",
    'strategy: dvts\nsplit: "\\ud800"': "2: .* is no text",
    "strategy: dvts\nseed: \x01": "2: not YAML: a control character",
    f"strategy: dvts\nseed: {'9' * 5000}": "2: '99.* is no number that can be read",
    f"strategy: dvts\ntemperature: {'9' * 400}": "2: temperature: must be a number that is not so",
    "a: " + "[" * 3000: " nested too deeply",
}


@pytest.mark.parametrize(("text", "said"), (SUGGESTED | WRONG | YAML).items())
def test_a_refusal_is_a_line_that_names_the_place(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(RecipeError) as refused:
        load(path)
    message = str(refused.value)
    parts = [re.escape(part) for part in f"{path}:{said}".split(".*")]
    assert re.match(".*".join(parts), message), message
    assert "\n" not in message
    if "did you mean" not in said:
        assert "did you mean" not in message


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"strategy: dvts\nsplit: caf\xe9\n")
    (tmp_path / "large.yaml").write_bytes(b"#" * ((1 << 20) + 1))
    for name, said in {
        "nowhere.yaml": "No such file or directory",
        "": "Is a directory",
        "latin.yaml": "latin.yaml:2: not UTF-8 text",
        "large.yaml": "larger than a mebibyte",
    }.items():
        with pytest.raises(RecipeError, match=said):
            load(tmp_path / name)


@pytest.mark.parametrize(
    ("word", "said"),
    {
        "seed": "'seed': a key=value is wanted",
        "=3": "'=3': a key=value is wanted",
        "sede=3": "sede=3: unknown key 'sede' (did you mean seed?)",
        "params.x.y=3": "params.x.y=3: unknown key 'params.x.y'",
        "params=3": "params=3: unknown key 'params'",
        "seed=a": "seed=a: seed: must be a whole number, not 'a'",
        "seed=010": "seed=010: YAML reads '010' as 8",
        "seed=[": "seed=[: not YAML",
        "policy=a: b: c": "policy=a: b: c: not YAML",
    }.items(),
)
def test_a_wrong_word_is_a_refusal(tmp_path: Path, word: str, said: str) -> None:
    with pytest.raises(RecipeError) as refused:
        load(write(tmp_path, "strategy: dvts\n"), [word])
    assert str(refused.value).startswith(said)


def test_a_word_is_read_as_a_value_of_a_file() -> None:
    values = {"1": 1, "a b": "a b", "[1, x]": [1, "x"], "": "", "null": None, "'1'": "1"}
    assert {text: read_value(text, "k=v").plain for text in values} == values


VALID = (
    "# a comment\nbase: base.yaml\nstrategy: dvts\nseed: 1\ndataset: tiny\nns: [1, 4]\n"
    "system_prompt: |\n  Think.\n  Answer.\ntemperature: 0.7\nparams:\n  width: 2\n"
    "  stop_strings: ['\\n\\n', \"x\\ty\"]\n  aggregate: min\n"
)
INSERTED = [
    "\t",
    "\n",
    ":",
    " ",
    "-",
    "&a",
    "*a",
    "{",
    "[",
    "'",
    '"',
    "no",
    "0x",
    "é",
    "\x00",
    "!",
    "|",
]


@given(
    at=st.integers(0, len(VALID)),
    cut=st.integers(0, 12),
    put=st.sampled_from(INSERTED) | st.text(max_size=5),
)
@example(at=0, cut=len(VALID), put="")
def test_any_change_of_a_recipe_leaves_a_recipe_or_a_line(
    tmp_path_factory: pytest.TempPathFactory, at: int, cut: int, put: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "changed"
    folder.mkdir(exist_ok=True)
    (folder / "base.yaml").write_text("limit: 3\n")
    text = VALID[:at] + put + VALID[at + cut :]
    path = folder / "x.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load(path)
        said = ""
    except RecipeError as error:
        said = str(error)
    assert len(said.splitlines()) <= 1


class TestShown:
    """`sal recipe show`."""

    def lines(self, path: Path, *words: str, gpu: bool = False) -> dict[str, dict[str, Any]]:
        return as_json(resolved(load(path, words), gpu=gpu))

    def test_every_key_has_the_place_that_says_it(self, tmp_path: Path) -> None:
        path = write(tmp_path, "strategy: dvts\nbudget: 8\nseed: 0\n")
        shown = self.lines(path, "width=2")
        assert shown["strategy"] == {"value": "dvts", "source": f"{path}:1"}
        assert shown["seed"] == {"value": 0, "source": f"{path}:3"}
        assert shown["params.width"] == {"value": 2, "source": "width=2"}
        assert shown["params.max_steps"]["source"] == "default of sal.programs.params"
        assert shown["params.aggregate"] == {
            "value": "last",
            "source": "default of sal.programs.dvts (Beeching et al.)",
        }
        assert shown["policy"] == {"value": "tiny", "source": "default without a GPU"}
        assert self.lines(path, gpu=True)["dataset"]["value"] == "HuggingFaceH4/MATH-500"
        assert shown["split"] == {"value": None, "source": "found in the data set"}

    @pytest.mark.parametrize(
        ("prm", "aggregate", "source"),
        [
            ("RLHFlow/Llama3.1-8B-PRM-Deepseek-Data", "mean", "RLHFlow's own"),
            ("http://127.0.0.1:9", None, "its server tells it"),
            ("someone/unknown", None, "its server tells it"),
        ],
    )
    def test_an_open_aggregate_is_the_prms(
        self, tmp_path: Path, prm: str, aggregate: str | None, source: str
    ) -> None:
        path = write(tmp_path, f"strategy: best-of-n\nprm: {prm}\n")
        said = self.lines(path)["params.aggregate"]
        assert said == {"value": aggregate, "source": source}

    def test_what_is_shown_is_a_recipe_of_the_same_run(self, tmp_path: Path) -> None:
        path = write(
            tmp_path,
            "strategy: beam\nbudget: 8\nlimit: 2\nseparator: ' # '\nstop_strings: [\"a\\nb\"]\n"
            "policy_args: [--tp 2]\nns: [2]\n",
        )
        loaded = load(path, ["params.top_p=0.5", 'split="test"'])
        text = as_yaml(resolved(loaded, gpu=False))
        again = load(write(tmp_path, text, "shown.yaml"))
        assert asdict(prepare(again.settings, gpu=False).recipe) == asdict(
            prepare(loaded.settings, gpu=False).recipe
        )
        assert "  top_p: 0.5  # params.top_p=0.5\n" in text
        assert yaml.safe_load(text)["params"]["separator"] == " # "
