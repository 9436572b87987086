"""The card of a published run, and that of the repository: Markdown behind YAML."""

from __future__ import annotations

import re

from sal.runs.export.markdown import block, page, plain, table, usage_rows
from sal.runs.export.places import last_name, public_recipe
from sal.runs.found import FoundRun
from sal.runs.recipe import Recipe
from sal.runs.summary import Estimate, Summary

TAGS = ["test-time-search", "sglang", "sal"]


def run_card(run: FoundRun, repo: str, revision: str) -> str:
    """What was run, what came out, how to read it, how to run it again.

    No text of a problem or of a model stands in it but the recipe's system prompt, in a block.
    """
    recipe = public_recipe(run.recipe)
    summary = run.summary()
    owed = f", {run.owed} not yet searched" if run.owed else ""
    failed = f", {summary.failed} failed (counted as wrong)" if summary.failed else ""
    front = {
        "tags": TAGS,
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": _split(recipe), "path": "results.parquet"}],
            }
        ],
    }
    title = f"{recipe.strategy}, N = {run.budget}: {last_name(recipe.policy)}"
    seen = f"{last_name(recipe.dataset)}, {summary.problems} problems{failed}{owed}"
    download = f"hf download {repo} recipe.yaml --repo-type dataset --revision {revision}"
    return page(
        front,
        f"# {plain(title)}",
        plain(seen),
        accuracy_table(summary),
        cost_table(summary),
        "`±` is one standard error over problems. `naive` is the completion with the best score, "
        "`weighted` sums scores over equal answers, `majority` counts them, `pass` is any.",
        "## Read it",
        block(
            "from datasets import load_dataset\n\n"
            f'rows = load_dataset("{repo}", revision="{revision}")["{_split(recipe)}"]',
            "python",
        ),
        "`summary.json` has all sums.",
        "## Run it again",
        block(f"{download} --local-dir .\nsal run -c recipe.yaml", "sh"),
        "A folder or a server of the machine that made this is only named: give `--policy`, `--prm`"
        " or `--dataset` what it is on yours.",
        "## Recipe",
        block(recipe_text(run.recipe), "yaml"),
    )


def repository_card(repo: str) -> str:
    """Of the branch `main`, which holds no results."""
    return page(
        {"tags": TAGS},
        "# Test-time search results",
        "Every other revision holds one run: its results, its recipe and its table.",
        block(
            "from datasets import load_dataset\nfrom huggingface_hub import HfApi\n\n"
            f'refs = HfApi().list_repo_refs("{repo}", repo_type="dataset")\n'
            'runs = [branch.name for branch in refs.branches if branch.name != "main"]\n'
            f'rows = load_dataset("{repo}", revision=runs[0])',
            "python",
        ),
    )


def recipe_text(recipe: Recipe) -> str:
    """What is published of `recipe.yaml`; the digest is that of the run's own."""
    text = public_recipe(recipe).dump()
    return re.sub(r"^digest: .*$", f"digest: {recipe.digest}", text, flags=re.M)


def accuracy_table(summary: Summary) -> str:
    """A row per rule in percent; the rule by which the strategy chose is marked."""
    return table(
        {
            f"{rule} (chosen)" if rule == summary.rule else rule: _percent(estimate)
            for rule, estimate in summary.accuracy.items()
        },
        "accuracy, %",
    )


def cost_table(summary: Summary) -> str:
    """Tokens, requests and seconds of the whole run."""
    rows = usage_rows("policy", summary.policy) | usage_rows("PRM", summary.prm)
    return table(rows | {"seconds": f"{summary.seconds:,.0f}"}, "cost")


def _percent(estimate: Estimate) -> str:
    of = estimate.as_json()
    mean, error = of["mean"], of["stderr"]
    if mean is None:
        return "unknown"
    return f"{100 * mean:.1f}" + ("" if error is None else f" ± {100 * error:.1f}")


def _split(recipe: Recipe) -> str:
    """Of the data set, where that is a name that a split may have."""
    return recipe.split if re.fullmatch(r"\w+", recipe.split) else "results"
