"""`sal up`: start the servers and leave them running."""

from __future__ import annotations

import time
from collections.abc import Container

import typer
from rich.console import Console

from sal.cli import options
from sal.cli.display.choose import choose_display
from sal.cli.ready import fetch_and_convert
from sal.runs.errors import RunError
from sal.runtime.default_models import default_models
from sal.runtime.endpoint_errors import LaunchError
from sal.runtime.frontend.light import use_light_frontend
from sal.runtime.hardware import detect
from sal.runtime.launch import Server, start_all
from sal.runtime.needed_flags import with_needed_flags
from sal.runtime.plan import Plan, PlanError, Role, ServerSpec, make_plan
from sal.runtime.replicated import keep_replicas
from sal.runtime.warm_servers import Warm, WarmServers

_POLL_S = 0.5


def up(
    policy: options.Policy = None,
    prm: options.Prm = None,
    policy_arg: options.PolicyArg = None,
    prm_arg: options.PrmArg = None,
    deterministic: options.Deterministic = False,
    prm_family: options.PrmFamily = None,
    policy_replicas: options.PolicyReplicas = None,
    prm_replicas: options.PrmReplicas = None,
) -> None:
    """Start the policy and the PRM, and keep them for the runs to come (`sal down` ends them).

    The tiny ones, when none is named. Replicas that are missing are started beside those that run.
    """
    console = Console(stderr=True)
    warm_servers = WarmServers()
    fetch_and_convert([policy], [prm], choose_display("auto"))
    policy, prm = default_models(policy, prm)
    use_light_frontend()  # before what a run needs is imported
    from sal.runs.endpoints import prm_serving

    said: dict[Role, int | None] = {"policy": policy_replicas, "prm": prm_replicas}
    replicas = {role: count for role, count in said.items() if count is not None}
    hardware = detect()
    try:
        serving = prm_serving(prm, prm_family)
        plan = make_plan(
            hardware,
            policy,
            serving.model,
            policy_args=policy_arg or (),
            prm_args=prm_arg or (),
            deterministic=deterministic,
            replicas=replicas,
        )
        plan = with_needed_flags(plan, "prm", serving.args, serving.reason)
    except (PlanError, RunError) as error:
        console.print(str(error), style="red", highlight=False)
        raise typer.Exit(2) from error
    if hardware.gpus:
        replicas = {}  # one server's own
    missing, loading = _compare(plan, warm_servers, console, replicas)
    if not plan.servers:
        console.print("Nothing to start: name a model with --policy or --prm.")
        raise typer.Exit(2)
    try:
        _start(missing, loading, warm_servers, console)
        for role, count in replicas.items():
            if role in plan.servers:
                _replicate(plan.servers[role], count, warm_servers, console)
    except LaunchError as error:
        console.print(str(error), style="red", highlight=False, markup=False)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print("interrupted: what was being started is stopped")
        raise typer.Exit(130) from None


def _compare(
    plan: Plan, warm_servers: WarmServers, console: Console, replicas: Container[Role]
) -> tuple[list[ServerSpec], list[Warm]]:
    """Which servers are missing, and which another `sal up` is still loading.

    But for roles that have `replicas`, which are looked at when they are started.
    """
    missing: list[ServerSpec] = []
    loading: list[Warm] = []
    for role, spec in plan.servers.items():
        warm = warm_servers.get(role)
        if warm is None:
            if role not in replicas:
                missing.append(spec)
        elif role in replicas and not warm.workers:
            console.print(f"A {role} without replicas is up: {warm.model}. End it first: sal down")
            raise typer.Exit(2)
        elif warm.digest != spec.digest:
            console.print(
                f"Another {role} is up, or the same with other flags: {warm.model}. "
                "End it first: sal down"
            )
            raise typer.Exit(2)
        elif role in replicas:
            continue
        elif warm.answers():
            console.print(f"{role}: already up at {warm.url} ({warm.model})", highlight=False)
        else:
            loading.append(warm)
    return missing, loading


def _start(
    missing: list[ServerSpec], loading: list[Warm], warm_servers: WarmServers, console: Console
) -> None:
    servers = [Server(spec, warm_servers.logs, detached=True) for spec in missing]
    states: dict[Role, str] = {}
    with console.status("starting") as status:

        def show(role: Role, text: str) -> None:
            states[role] = text
            status.update(" | ".join(f"{name}: {state}" for name, state in states.items()))

        try:
            start_all(servers, show, warm_servers.record)
        except BaseException:
            for server in servers:
                warm_servers.forget(server.spec.role)
            raise
        for warm in loading:
            show(warm.role, "loading (started by another `sal up`)")
            _wait(warm, warm_servers)
    for server in servers:
        console.print(
            f"{server.spec.role}: up at {server.url} ({server.spec.model})", highlight=False
        )
    for warm in loading:
        console.print(f"{warm.role}: up at {warm.url} ({warm.model})", highlight=False)


def _replicate(spec: ServerSpec, count: int, warm_servers: WarmServers, console: Console) -> None:
    with console.status("starting") as status:
        warm = keep_replicas(
            spec, count, warm_servers, lambda role, text: status.update(f"{role}: {text}")
        )
    running = sum(worker.alive() for worker in warm.workers)
    console.print(
        f"{spec.role}: {running} replicas up behind {warm.url} ({warm.model})", highlight=False
    )


def _wait(warm: Warm, warm_servers: WarmServers) -> None:
    """Until a server that another `sal up` started takes requests."""
    while not warm.answers():
        if not warm.alive():
            warm_servers.forget(warm.role)
            raise LaunchError(f"the {warm.role} server did not start (its log: {warm.log})")
        time.sleep(_POLL_S)
