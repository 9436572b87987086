"""`sal serve`: an OpenAI-compatible server whose answers are searched for."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sal.cli.run import run
from sal.cli.said import access_said, settings_said, with_flags_of

if TYPE_CHECKING:
    from sal.runs.settings import Settings
    from sal.runtime.access import Access
    from sal.runtime.plan import Role
    from sal.serve.start import Operator

EPILOG = """[bold]Examples[/bold]

sal serve dvts --budget 32

sal serve best-of-n --budget 16 --max-budget 64 --policy http://127.0.0.1:30000 --prm tiny

sal serve --new-key alice --keys keys.txt

sal serve dvts --budget 32 --host 0.0.0.0 --keys keys.txt --tokens-per-hour 2000000
"""

PORT = 7727
GATEWAY = "The gateway"

Host = Annotated[
    str,
    typer.Option(
        help="Where to listen; other than on this machine alone only with --keys.",
        envvar="SAL_HOST",
        rich_help_panel=GATEWAY,
    ),
]
Port = Annotated[
    int,
    typer.Option(
        help="0 is any that is free.",
        envvar="SAL_PORT",
        rich_help_panel=GATEWAY,
        min=0,
        max=65535,
    ),
]
MaxBudget = Annotated[
    int | None,
    typer.Option(
        help="The largest budget that a request may ask for; four times --budget by default.",
        envvar="SAL_MAX_BUDGET",
        rich_help_panel=GATEWAY,
        min=1,
    ),
]
TokensPerHour = Annotated[
    int | None,
    typer.Option(
        help="Tokens that may be generated an hour, for each key.",
        envvar="SAL_TOKENS_PER_HOUR",
        rich_help_panel=GATEWAY,
        min=1,
    ),
]
MaxQueue = Annotated[
    int,
    typer.Option(
        help="Requests that may wait; one more is told to come again (429).",
        envvar="SAL_MAX_QUEUE",
        rich_help_panel=GATEWAY,
        min=1,
    ),
]
KeysFile = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        metavar="FILE",
        help="The API keys that are wanted, as hashes; without it, none is.",
        envvar="SAL_KEYS",
        rich_help_panel=GATEWAY,
    ),
]
NewKey = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Make a key, add its hash to --keys FILE, print the key, and end.",
        rich_help_panel=GATEWAY,
    ),
]

_NOT_OURS = (
    *("changes", "recipe", "ns", "shard", "push_to_hub", "dataset", "split", "limit", "out"),
    *("question_field", "answer_field", "choices_field", "answers", "skip_bad_rows", "json"),
    *("resume", "retry_failed", "dry_run", "seed", "display", "context"),
)


@with_flags_of(run, without=_NOT_OURS)
def serve(
    host: Host = "127.0.0.1",
    port: Port = PORT,
    max_budget: MaxBudget = None,
    tokens_per_hour: TokensPerHour = None,
    max_queue: MaxQueue = 256,
    keys: KeysFile = None,
    new_key: NewKey = None,
    **flags: Any,
) -> int:
    """Serve STRATEGY, and all others, as models of an OpenAI-compatible server until Ctrl-C.

    Searches on the servers of `sal up`, on those of --policy and --prm, or on the tiny ones.
    """
    from sal.runs.errors import RunError
    from sal.serve.keys import Keys, read_keys
    from sal.serve.keys import new_key as make_key

    if new_key is not None:
        if keys is None:
            raise typer.BadParameter("--new-key goes with --keys FILE, to which it is added")
        print(make_key(keys, new_key))
        return 0
    if not flags.get("strategy"):
        raise typer.BadParameter("Missing argument 'STRATEGY'")
    from sal.runtime.frontend.light import use_light_frontend

    use_light_frontend()  # before a program is imported
    from sal.serve.start import Operator, check_address

    wanted = Keys() if keys is None else read_keys(keys)
    check_address(host, wanted)
    operator = Operator(
        max_budget=max_budget,
        tokens_per_hour=tokens_per_hour,
        longest_queue=max_queue,
        keys=wanted,
    )
    settings = replace(settings_said(flags), dataset="requests")
    try:
        return _serve(settings, access_said(flags), operator, host, port)
    except ValueError as error:
        raise RunError(str(error)) from error


def _serve(
    settings: Settings, access: Mapping[Role, Access], operator: Operator, host: str, port: int
) -> int:
    import uvicorn

    from sal.cli.display.choose import choose_display
    from sal.cli.interrupt import Interrupt
    from sal.cli.ready import fetch_and_convert
    from sal.grading.graders import make_grader
    from sal.grading.pool import GradingPool
    from sal.runs.collector import collect_rarely
    from sal.runs.endpoints import RunEndpoints, check_urls
    from sal.runs.server_plan import plan_servers
    from sal.runs.settings import prepare
    from sal.runtime.access import is_loopback
    from sal.runtime.hardware import detect
    from sal.runtime.placement import beside
    from sal.runtime.session import Servers
    from sal.serve.app import make_app
    from sal.serve.start import REQUESTS, bound, limits_of, make_gateway, page_of

    hardware = detect()
    display = choose_display("auto")
    fetch_and_convert([settings.policy], [settings.prm], display)
    prepared = prepare(settings, gpu=bool(hardware.gpus), access=access, problems=REQUESTS)
    limits_of(prepared, operator.max_budget)  # refused before anything starts
    plan = plan_servers([prepared.recipe], hardware)
    check_urls(plan.urls, access, prm_family=prepared.recipe.prm_family)
    with Interrupt() as interrupt, ExitStack() as stack:
        try:
            servers = stack.enter_context(Servers(plan, on_status=display.status, access=access))
        finally:
            display.close()
        pool = stack.enter_context(GradingPool())
        recipe = prepared.recipe
        grader = make_grader(recipe.grader, pool=pool, flexible=recipe.extract == "flexible")
        stack.enter_context(closing(grader))
        endpoints = stack.enter_context(closing(RunEndpoints(servers, recipe)))
        for note in endpoints.notes:
            display.note(note)
        stack.enter_context(beside(servers.policy))
        gateway = make_gateway(endpoints, servers, prepared, grader, operator, access)
        app = make_app(gateway, page_of(prepared, endpoints), local=is_loopback(host))
        collect_rarely()
        config = uvicorn.Config(
            app, host=host, port=port, log_level="warning", ws="none", timeout_graceful_shutdown=5
        )
        socket = bound(config)
        shown = socket.getsockname()[1]
        print(f"http://{host}:{shown}/v1  (Ctrl-C ends it)", flush=True)
        try:
            uvicorn.Server(config).run(sockets=[socket])
        except KeyboardInterrupt:  # it ended in order, and raises again what it was sent
            return interrupt.exit_code
    return 0
