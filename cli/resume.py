"""The command that goes on with an interrupted run."""

from __future__ import annotations

import shlex
from pathlib import Path

import typer

_NOT_KEPT = ("out", "resume", "dry_run")


def resume_command(context: typer.Context, folder: Path) -> str:
    """The command that was given, with `--resume FOLDER` in place of where it was to write.

    What came from the environment is spelled out as flags, so that it works in any shell.
    """
    words = context.command_path.split()
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if source is None or source.name not in ("COMMANDLINE", "ENVIRONMENT"):
            continue
        if name in _NOT_KEPT:
            continue
        value = context.params[name]
        if parameter.param_type_name == "argument":
            words.append(str(value))
        elif isinstance(value, bool):
            words += parameter.opts[:1] if value else []
        else:
            for item in value if isinstance(value, list | tuple) else [value]:
                # `--flag=value` where the value itself looks like a flag
                flag, text = parameter.opts[0], str(item)
                words += [f"{flag}={text}"] if text.startswith("-") else [flag, text]
    return shlex.join([*words, "--resume", str(folder)])
