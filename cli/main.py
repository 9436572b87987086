"""The `sal` command. Command modules are thin and import what is heavy inside their functions."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from sal import __version__
from sal.cli.interrupt import exit_code
from sal.cli.stdout import StdoutLost, watched_stdout

COMMANDS = {
    "run": "Search every problem of a dataset with STRATEGY, and grade what is found.",
    "sweep": "Search a grid: strategies, budgets, models, seeds and parameters, on shared servers.",
    "recipe": "Check recipe files, or show what they come to and why.",
    "status": "How a run is doing: how far it is, what is right so far, what is in flight.",
    "runs": "List the runs below a folder.",
    "merge": "Put the shards of a run together in one folder.",
    "export": "Write results as parquet, a datasets folder or lighteval's details; push them.",
    "serve": "Serve searches as the models of an OpenAI-compatible server.",
    "up": "Start the policy and the PRM, and keep them for the runs to come.",
    "down": "End the servers that `sal up` keeps running.",
    "report": "Write a page, Markdown and curves of runs and sweeps.",
    "explore": "Show runs and their search trees in the browser, also while they are going on.",
    "grade": "Grade the answers in a file of completions.",
    "optimal": "Learn from a sweep which strategy and which N to use on which problems.",
    "learn": "Label the steps of solutions, and learn from the labels.",
    "doctor": "Look at this machine: what was found, what would be chosen, what is missing.",
}
"""Each is the function of its name in the module of its name, or the module's group `app`."""


def build(arguments: Sequence[str]) -> typer.Typer:
    """The application; of the commands, only those named in `arguments` are imported."""
    app = typer.Typer(
        name="sal",
        help="Search and learn on SGLang: test-time search for small models against a PRM.",
        add_completion=False,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_root)
    for name, words in COMMANDS.items():
        if name in arguments:
            module = import_module(f"sal.cli.{name}")
            if (group := getattr(module, "app", None)) is not None:
                app.add_typer(group, name=name, help=words)
            else:
                app.command(name, epilog=getattr(module, "EPILOG", None))(getattr(module, name))
        else:
            app.command(name, help=words)(_not_asked_for)
    return app


def _not_asked_for() -> None:
    """Stands for a command in `sal --help`."""


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"sal {__version__}")
        raise typer.Exit


def _root(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `sal`; ends the process with 0, 1 (failures), 2 (bad usage), 130 or 143 (interrupted).

    What a user can cause is one line on stderr; SAL_DEBUG=1 shows the traceback as well.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    with watched_stdout():
        sys.exit(_run(arguments))


def _run(arguments: Sequence[str]) -> int:
    try:
        code = build(arguments)(args=arguments, prog_name="sal", standalone_mode=False) or 0
        sys.stdout.flush()
    except KeyboardInterrupt as stop:
        code = exit_code(stop)
    except typer.Abort:
        code = 130
    except Exception as error:
        code = _explain(error)
    return int(code)


def _explain(error: Exception) -> int:
    """Print what went wrong; returns the exit code. A defect of ours keeps its traceback."""
    if os.environ.get("SAL_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    from sal.runs.errors import PushError, RunError, ServersLost
    from sal.runtime.endpoint_errors import EndpointError, LaunchError
    from sal.runtime.policy import PolicyFault

    if isinstance(error, typer.TyperException):
        message, code = " ".join(error.format_message().split()), error.exit_code
    elif isinstance(error, StdoutLost):
        message, code = f"cannot write to stdout: {error}; what is on disk is whole", 1
    elif isinstance(error, RunError) and not isinstance(error, ServersLost | PushError):
        message, code = str(error), 2
    elif isinstance(error, OSError) and error.filename is not None:
        message, code = f"{error.filename}: {error.strerror}", 1
    elif isinstance(error, RunError | LaunchError | EndpointError | PolicyFault | OSError):
        message, code = str(error), 1
    else:
        raise error
    print("\n".join([f"sal: {message}", *getattr(error, "__notes__", [])]), file=sys.stderr)
    return code
