"""What the flags of a search say, for every command that takes them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import typer

if TYPE_CHECKING:
    from sal.runs.settings import Settings
    from sal.runtime.access import Access
    from sal.runtime.plan import Role

Command = TypeVar("Command", bound=Callable[..., Any])

_FLAGS_OF_PARAMETERS = (
    "budget",
    "width",
    "max_steps",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "max_tokens",
    "max_step_tokens",
    "think_budget",
    "think_extensions",
    "aggregate",
    "rule",
)
_FLAGS_OF_SETTINGS = (
    "seed",
    "max_problem_tokens",
    "max_problem_seconds",
    "policy",
    "prm",
    "prm_family",
    "system_prompt",
    "thinking",
    "dataset",
    "split",
    "limit",
    "question_field",
    "answer_field",
    "choices_field",
    "grader",
    "extract",
    "answers",
    "shard",
)


def settings_said(flags: Mapping[str, Any]) -> Settings:
    """The settings that a command's `flags` say, by the names of its arguments."""
    from sal.runs.settings import Settings

    params = {name: flags.get(name) for name in _FLAGS_OF_PARAMETERS}
    params["stop_strings"] = tuple(map(_typed, flags.get("stop") or ())) or None
    separator, template = flags.get("separator"), flags.get("prompt_template")
    params["separator"] = None if separator is None else _typed(separator)
    given = {name: value for name, value in params.items() if value is not None}
    return Settings(
        strategy=flags.get("strategy") or "",
        params=given | parameters_said(flags.get("set_") or ()),
        policy_args=tuple(flags.get("policy_arg") or ()),
        prm_args=tuple(flags.get("prm_arg") or ()),
        deterministic=bool(flags.get("deterministic")),
        skip_bad_rows=bool(flags.get("skip_bad_rows")),
        ns=whole_numbers("--ns", flags.get("ns")),
        prompt_template=None if template is None else _typed(template),
        **{name: flags.get(name) for name in _FLAGS_OF_SETTINGS},
    )


def access_said(flags: Mapping[str, Any]) -> dict[Role, Access]:
    """The keys and headers of both endpoints."""
    from sal.runtime.access import AccessError, read_access

    try:
        return {
            "policy": read_access("policy", flags.get("policy_key"), flags.get("policy_header")),
            "prm": read_access("prm", flags.get("prm_key"), flags.get("prm_header")),
        }
    except AccessError as error:
        raise typer.BadParameter(str(error)) from error


def check_folders(flags: Mapping[str, Any]) -> None:
    """Refuse words about the folder that contradict each other."""
    out, resume = flags.get("out"), flags.get("resume")
    if out is not None and resume is not None and out != resume:
        raise typer.BadParameter("give --out (a new run) or --resume, not both")
    if flags.get("retry_failed") and resume is None:
        raise typer.BadParameter("--retry-failed goes with --resume, which says in which run")


def with_flags_of(
    other: Callable[..., Any], *, without: Iterable[str]
) -> Callable[[Command], Command]:
    """Decorates a command, which then takes the flags of another too, as keywords."""

    def decorate(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True)
        named = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        names = {*without, *(parameter.name for parameter in named)}
        theirs = [
            parameter
            for parameter in inspect.signature(other, eval_str=True).parameters.values()
            if parameter.name not in names
        ]
        vars(command)["__signature__"] = own.replace(parameters=[*named, *theirs])
        return command

    return decorate


def whole_numbers(flag: str, text: str | None, least: int = 1) -> tuple[int, ...]:
    """`1,4,16`, in order."""
    parts = [part.strip() for part in text.split(",")] if text else []
    if not all(part.isdecimal() and int(part) >= least for part in parts):
        raise typer.BadParameter(
            f"{flag} wants whole numbers from {least} on, as in 1,4,16, not {text!r}"
        )
    return tuple(sorted({int(part) for part in parts}))


def parameters_said(given: Iterable[str]) -> dict[str, Any]:
    """NAME=VALUE, its value read as YAML: numbers are numbers, words are words."""
    import yaml

    params = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise typer.BadParameter(f"--set wants NAME=VALUE, not {text!r}")
        try:
            params[name.replace("-", "_")] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise typer.BadParameter(f"--set {text}: {' '.join(str(error).split())}") from error
    return params


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


def _typed(text: str) -> str:
    r"""Text from a command line, where `\n`, `\t`, `\r` and `\\` stand for one character each."""
    return re.sub(r"\\([ntr\\])", lambda found: _ESCAPES[found[1]], text)
