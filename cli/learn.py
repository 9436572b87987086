"""`sal learn`: step labels, PRMs and policies out of what searches found."""

from __future__ import annotations

from importlib import import_module

import typer

app = typer.Typer(
    help="Label the steps of solutions, and learn from the labels.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SUBCOMMANDS = {
    "label": "Label the steps of solutions by rollouts, or bring in labels that are there.",
    "train": "Train a PRM from step labels.",
    "distill": "Teach the policy what searches found, or write it down as examples.",
    "bench": "Measure a PRM: does it find the first wrong step?",
}
"""Each is the function of its name in the module `sal.cli.learn_NAME`."""

for name, words in SUBCOMMANDS.items():
    module = import_module(f"sal.cli.learn_{name}")
    app.command(name, short_help=words, epilog=getattr(module, "EPILOG", None))(
        getattr(module, name)
    )
