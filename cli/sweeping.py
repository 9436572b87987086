"""What `sal sweep` does with its grid: plan, search what is owed, write and print the tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sal.cli.display.choose import choose_display
from sal.cli.display.names import DisplayName
from sal.cli.interrupt import Interrupt
from sal.cli.ready import fetch_and_convert
from sal.cli.resume import Secrets, resume_command
from sal.cli.search import on_ray
from sal.runs.errors import FolderError, RunError, ServersLost
from sal.runtime.endpoint_errors import EndpointError, LaunchError
from sal.runtime.policy import PolicyFault

if TYPE_CHECKING:
    from sal.runs.planned_run import PlannedRun
    from sal.runs.sweep.cells import Cell
    from sal.runs.sweep.folder import Grid
    from sal.runs.sweep.sweep import Sweep
    from sal.runtime.access import Access
    from sal.runtime.hardware import Hardware
    from sal.runtime.plan import Plan, Role

REPLIES_SHARE = 8
"""The part of the machine's memory, one in so many, that remembered replies may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where a sweep goes, and how it is followed."""

    out: Path | None
    resume: Path | None
    retry_failed: bool
    dry_run: bool
    display: DisplayName
    json: bool
    access: Mapping[Role, Access]
    secrets: Secrets
    ray: str | None = None
    """The address of the Ray cluster that searches."""


def sweep_all(grid: Grid, options: Options) -> int:
    """Returns the exit code. Programs must have been imported with the light frontend."""
    from sal.runs.sweep.folder import SweepFolder, check_grown, check_problems, grid_of, moved_to
    from sal.runs.sweep.sweep import Sweep
    from sal.runtime.hardware import detect
    from sal.runtime.shared import Replies

    hardware = detect()
    gpu = bool(hardware.gpus)
    display = choose_display(options.display)
    with Interrupt() as interrupt:
        base, axes = grid.base, grid.axes
        elsewhere = None
        if options.ray is not None:
            elsewhere = on_ray(options.ray, options.access, display, interrupt)
        else:
            fetch_and_convert([base.policy, *axes.policies], [base.prm, *axes.prms], display)
        cells = grid.cells(gpu=gpu, access=options.access)
        path = options.resume or options.out or _new_folder(cells)
        there = grid_of(path)
        if there is not None:
            if options.resume is None:
                raise FolderError(f"{path}: holds a sweep; go on with --resume {path}")
            if there != grid:
                known = moved_to(there, grid.base).cells(gpu=gpu, access=options.access)
                if added := check_grown(known, cells, path):
                    display.note(f"{_cells(added)} added to the {len(known)} of {path}.")
            check_problems(path, cells)
        groups = _served(cells, path, hardware, options)
        if options.dry_run:
            _show_plan(groups, path, as_json=options.json)
            return 0
        with SweepFolder(path) as folder:
            folder.write(grid, cells)
            cells = [cell for _, of in groups for cell, _ in of]
            display.header("sal sweep", {"cells": str(len(cells)), "folder": str(path)})
            replies = Replies(hardware.memory_bytes // REPLIES_SHARE)
            sweep = Sweep(
                [(plan, [run for _, run in of]) for plan, of in groups],
                replies=replies,
                display=display,
                interruption=interrupt,
                access=options.access,
                elsewhere=elsewhere,
            )
            if not sweep.owed:
                display.note(f"Nothing is owed in {path}.")
            ray = [] if options.ray is None else ["--ray", options.ray]
            command = resume_command(path, *ray, command="sweep", secrets=options.secrets)
            try:
                sweep.run()
            except KeyboardInterrupt:
                done = f"{len(sweep.summaries)} of {_cells(len(cells))}"
                print(f"sal: interrupted after {done}; resume with\n  {command}", file=sys.stderr)
                return interrupt.exit_code
            except (ServersLost, LaunchError, EndpointError, PolicyFault, OSError) as error:
                error.add_note(f"resume with\n  {command}")
                raise
            if replies.found:
                display.note(f"{replies.found:,} requests were answered by what was asked before.")
            return _show(path, cells, sweep, hardware, options)


Placed = list[tuple["Cell", "PlannedRun"]]


def _served(
    cells: Sequence[Cell], path: Path, hardware: Hardware, options: Options
) -> list[tuple[Plan, Placed]]:
    """The plan of each pair of models, and its cells with their folders.

    Cells say what the user's endpoints serve, which are also asked for a few tokens; a dry run
    does without.
    """
    from sal.runs.endpoints import check_urls
    from sal.runs.planned_run import PlannedRun
    from sal.runs.server_plan import given_plan, plan_servers
    from sal.runs.sweep.folder import places
    from sal.runs.sweep.sweep import served_together

    groups: list[tuple[Plan, Placed]] = []
    for of in served_together(cells).values():
        recipes = [cell.prepared.recipe for cell in of]
        if options.ray is not None:
            plan = given_plan(recipes)
        else:
            plan = plan_servers(recipes, hardware, make=not options.dry_run)
        try:
            infos = check_urls(
                plan.urls,
                options.access,
                write=not options.dry_run,
                prm_family=next((r.prm_family for r in recipes if r.prm is not None), None),
            )
        except RunError:
            if not options.dry_run:
                raise
            infos = {}
        placed = [_as_served(cell, infos) for cell in of]
        runs = [
            PlannedRun(c.prepared, place, retry_failed=options.retry_failed, title=c.name)
            for c, place in zip(placed, places(path, placed), strict=True)
        ]
        groups.append((plan, list(zip(placed, runs, strict=True))))
    return groups


def _as_served(cell: Cell, infos: Mapping[Role, Mapping[str, Any]]) -> Cell:
    from sal.runs.served import with_served

    recipe = cell.prepared.recipe
    its = {role: info for role, info in infos.items() if getattr(recipe, role) is not None}
    return replace(cell, prepared=replace(cell.prepared, recipe=with_served(recipe, its)))


def _new_folder(cells: Sequence[Cell]) -> Path:
    name = Path(cells[0].prepared.recipe.dataset.partition(":")[0]).stem or "problems"
    now = datetime.now().strftime("%Y%m%d-%H%M%S")
    return Path("runs-out") / f"sweep-{name}-{now}"


def _cells(number: int) -> str:
    return f"{number} cell{'' if number == 1 else 's'}"


def _show_plan(groups: Sequence[tuple[Plan, Placed]], path: Path, *, as_json: bool) -> None:
    """Every cell with its folder, what is known of it, and the servers, in their order."""
    from sal.runs.sweep.revote import families

    runs = [run for _, of in groups for _, run in of]
    voted = {run.path: family[0].name for family in families(runs) for run in family[1:]}
    work = sum(run.work for run in runs if run.path not in voted)
    problems = len(runs[0].prepared.problems.questions)
    if as_json:
        content = {
            "folder": str(path),
            "problems": problems,
            "completions": work,
            "groups": [
                {
                    "plan": plan.lines(),
                    "cells": [
                        {
                            "name": cell.name,
                            "folder": str(run.path),
                            "budget": cell.prepared.budget,
                            "from": voted.get(run.path),
                            "recipe": cell.prepared.recipe.flat(),
                        }
                        for cell, run in of
                    ],
                }
                for plan, of in groups
            ],
        }
        print(json.dumps(content, indent=2, ensure_ascii=False))
        return
    print("# plan (nothing was started)")
    for number, (plan, of) in enumerate(groups, 1):
        print(f"\n# servers {number} of {len(groups)}, for {_cells(len(of))}")
        print("\n".join(plan.lines()))
        for _, run in of:
            again = f"  from what {voted[run.path]} finds" if run.path in voted else ""
            print(f"  {run.path}{again}")
    print(
        f"\n# {_cells(len(runs))}, {problems} problems each: at most {work:,} completions, "
        "of which what another cell has asked is not asked again"
    )


def _show(
    path: Path, cells: Sequence[Cell], sweep: Sweep, hardware: Hardware, options: Options
) -> int:
    from sal.cli.sweep_report import write_report

    text, content = write_report(path, cells, sweep, hardware)
    print(json.dumps(content, indent=2) if options.json else text, end="\n" if options.json else "")
    failed = {p: s.failed for p, s in sweep.summaries.items() if s.failed}
    if failed:
        command = resume_command(path, "--retry-failed", command="sweep", secrets=options.secrets)
        print(
            f"sal: {sum(failed.values())} problems failed in {_cells(len(failed))}; search them "
            f"again with\n  {command}",
            file=sys.stderr,
        )
        return 1
    return 0
