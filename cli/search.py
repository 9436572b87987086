"""What `sal run` does with its flags: prepare, start, follow, and show the result."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sal.cli.display.choose import choose_display
from sal.cli.display.names import DisplayName
from sal.cli.interrupt import Interrupt
from sal.cli.ready import fetch_and_convert
from sal.cli.resume import Secrets, resume_command
from sal.cli.table import at_n_table, summary_table
from sal.runs.errors import RunError, ServersLost
from sal.runs.folder import check_folder
from sal.runs.problems import TINY
from sal.runs.runner import TimeLimit
from sal.runs.settings import Prepared, Settings, prepare
from sal.runtime.endpoint_errors import EndpointError, LaunchError
from sal.runtime.policy import PolicyFault

if TYPE_CHECKING:
    from sal.runs.display import RunDisplay
    from sal.runs.execute import Outcome
    from sal.runs.experiment import Elsewhere
    from sal.runtime.access import Access
    from sal.runtime.plan import Plan, Role

TINY_SECONDS = 300.0
"""How long the embedded suite may take by default, servers included."""

ADMIT_SECONDS = 240.0
"""When its last problem may be expected to end, so that a slow one still fits."""

LEAST_SECONDS = 60.0
"""Left for searching however long a first, cold start of the servers took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where the results go, what is searched of the run, and how it is followed."""

    out: Path | None
    resume: Path | None
    retry_failed: bool
    push_to_hub: str | None
    dry_run: bool
    display: DisplayName
    json: bool
    said: Settings
    """By the user, beside what the recipe of a run that goes on says."""
    access: Mapping[Role, Access]
    secrets: Secrets
    command: str = "run"
    """Behind `sal`: what goes on with it."""
    ray: str | None = None
    """The address of the Ray cluster that searches."""


def search(settings: Settings, options: Options, began: float) -> int:
    """Returns the exit code; `began` is `time.monotonic()` at the command's start."""
    from sal.runtime.frontend.light import use_light_frontend
    from sal.runtime.hardware import detect

    use_light_frontend()  # before a program is imported: the whole of sglang takes 10 s
    if options.push_to_hub is not None:
        from sal.runs.export.hub import check_push

        check_push(options.push_to_hub, token=not options.dry_run)
    hardware = detect()
    display = choose_display(options.display)
    # Below, as late as this: they import the programs.
    from sal.runs.experiment import Experiment
    from sal.runs.planned_run import PlannedRun
    from sal.runs.server_plan import given_plan, plan_servers

    with Interrupt() as interrupt:
        elsewhere = None
        if options.ray is not None:
            elsewhere = on_ray(options.ray, options.access, display, interrupt)
        else:
            fetch_and_convert([settings.policy], [settings.prm], display)
        prepared = prepare(settings, gpu=bool(hardware.gpus), access=options.access)
        if elsewhere is not None:
            plan = given_plan([prepared.recipe])
        else:
            plan = plan_servers([prepared.recipe], hardware, make=not options.dry_run)
        path = options.resume or options.out or _new_folder(prepared)
        prepared = _as_served(prepared, plan, options, new=not path.exists())
        kept = check_folder(path, prepared.recipe, resume=options.resume is not None)
        if options.dry_run:
            from sal.cli.estimate import show_plan

            shown = replace(prepared, recipe=kept)
            show_plan(plan, shown, path, access=options.access, as_json=options.json)
            if options.push_to_hub is not None and not options.json:
                from sal.runs.export.names import run_name

                print(f"\n# push: dataset {options.push_to_hub}, revision {run_name(kept)}")
            return 0
        timed = elsewhere is None and _is_default_tiny(options.said, prepared)
        display.header(f"sal {settings.strategy}", _shown(settings, options, prepared, path))
        if TINY in (prepared.recipe.policy, prepared.recipe.dataset) and not hardware.gpus:
            until = ": as many of its problems as finish in 5 minutes" if timed else ""
            display.note(f"No GPU: the embedded tiny suite{until}.")
        skipped = prepared.problems.skipped
        if skipped.rows:
            display.note(f"Skipped {skipped} ({skipped.reasons[0]}).")
        experiment = Experiment(
            [
                PlannedRun(
                    prepared,
                    path,
                    resume=options.resume is not None,
                    retry_failed=options.retry_failed,
                )
            ],
            plan,
            display=display,
            interruption=interrupt,
            access=options.access,
            time_limit=lambda: _time_left(began) if timed else None,
            elsewhere=elsewhere,
        )
        if not experiment.owed:
            display.note(f"Nothing is owed in {path}.")
        try:
            experiment.run()
        except KeyboardInterrupt:
            _tell_interrupted(experiment.outcomes.get(path), _resume_command(path, options))
            return interrupt.exit_code
        except (ServersLost, LaunchError, EndpointError, PolicyFault, OSError) as error:
            error.add_note(f"resume with\n  {_resume_command(path, options)}")
            raise
    code = _show(experiment.outcomes[path], path, settings.ns, options)
    if options.push_to_hub is not None:
        from sal.cli.push import push_after

        code = max(code, push_after(path, options.push_to_hub))
    return code


def on_ray(
    address: str, access: Mapping[Role, Access], display: RunDisplay, interrupt: Interrupt
) -> Elsewhere:
    """See `sal.runs.cluster.ray_cluster.on_ray`; Ray is imported for those alone who want it."""
    from sal.runs.cluster import ray_cluster

    return ray_cluster.on_ray(address, access=access, display=display, interruption=interrupt)


def _resume_command(path: Path, options: Options, *flags: str) -> str:
    """With what the recipe does not say."""
    push = [] if options.push_to_hub is None else ["--push-to-hub", options.push_to_hub]
    ray = [] if options.ray is None else ["--ray", options.ray]
    return resume_command(
        path, *flags, *ray, *push, command=options.command, secrets=options.secrets
    )


def _shown(settings: Settings, options: Options, prepared: Prepared, path: Path) -> dict[str, str]:
    """What the header says: of a run that goes on, what was said; the recipe has all the rest."""
    if options.said is not settings:
        return options.said.given() | {"resume": str(path)}
    aggregate = prepared.recipe.aggregate
    return settings.given() | ({"aggregate": aggregate} if aggregate else {})


def _as_served(prepared: Prepared, plan: Plan, options: Options, *, new: bool) -> Prepared:
    """With what the user's endpoints say that they serve; a dry run does without.

    Those of a `new` run are also asked for a few tokens.
    """
    from sal.runs.endpoints import check_urls
    from sal.runs.served import with_served

    try:
        infos = check_urls(
            plan.urls,
            options.access,
            write=new and not options.dry_run,
            prm_family=prepared.recipe.prm_family,
        )
        return replace(prepared, recipe=with_served(prepared.recipe, infos))
    except RunError:
        if options.dry_run:
            return prepared
        raise


def _tell_interrupted(outcome: Outcome | None, command: str) -> None:
    after = "" if outcome is None else f" after {_problems(outcome.summary.problems)}"
    print(f"sal: interrupted{after}; resume with\n  {command}", file=sys.stderr)


def _problems(number: int) -> str:
    return f"{number} problem{'' if number == 1 else 's'}"


def _time_left(began: float) -> TimeLimit:
    """What the start of the servers left of the embedded suite's time."""
    spent = time.monotonic() - began
    return TimeLimit(
        admit_until=max(ADMIT_SECONDS - spent, LEAST_SECONDS),
        stop_at=max(TINY_SECONDS - 10.0 - spent, 2 * LEAST_SECONDS),
    )


def _is_default_tiny(settings: Settings, prepared: Prepared) -> bool:
    nothing = settings.dataset is None and settings.limit is None
    recipe = prepared.recipe
    whole = recipe.limit is None and recipe.shard is None
    return nothing and recipe.dataset == TINY and whole


def _new_folder(prepared: Prepared) -> Path:
    name = Path(prepared.recipe.dataset.partition(":")[0]).stem or "problems"
    now = datetime.now().strftime("%Y%m%d-%H%M%S")
    shard = prepared.recipe.shard
    part = f"-{shard.replace('/', '-of-')}" if shard else ""
    return Path("runs-out") / f"{prepared.recipe.strategy}-{name}-{now}{part}"


def _show(outcome: Outcome, path: Path, ns: Sequence[int], options: Options) -> int:
    summary = outcome.summary
    if outcome.timed_out:
        rest = f"{summary.owed} more would take longer; --limit chooses how many"
        print(f"Time is up: complete over {summary.problems} problems ({rest}).", file=sys.stderr)
    if options.json:
        print(json.dumps(summary.as_json(), indent=2))
    else:
        print(summary_table(summary, path))
        if ns:
            print(f"\n{at_n_table(summary, ns)}")
    if summary.failed:
        print(
            f"sal: {summary.failed} of {summary.problems} problems failed; search them again with\n"
            f"  {_resume_command(path, options, '--retry-failed')}",
            file=sys.stderr,
        )
        return 1
    return 0
