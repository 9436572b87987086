"""A cluster of Slurm with this machine as its one node: Debian's daemons, in a folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sal.runtime.launch import free_port

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scontrol")

CONFIGURATION = """\
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthType=auth/none
CredType=cred/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/linear
SchedulerParameters=sched_interval=1
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ReturnToService=2
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores}
PartitionName=here Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """What keeps a cluster from starting here; "" for nothing."""
    missing = [name for name in PROGRAMS if _program(name) is None]
    if missing:
        return f"no {', '.join(missing)} (Debian: apt install slurm-wlm)"
    return "" if os.geteuid() == 0 else "slurmd wants to be root"


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")


class Cluster:
    """Its jobs run in `folder`, with the `environment` of whoever submits them."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._environment = environment | {"SLURM_CONF": str(folder / "slurm.conf")}

    def call(self, *words: str | Path) -> str:
        """What one of Slurm's commands prints."""
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stderr}\n{self.told()}"
        return done.stdout.strip()

    def submit(self, *words: str | Path) -> str:
        """The id of the job."""
        return self.call("sbatch", "--parsable", *words)

    def state(self, job: str) -> str:
        """As `PENDING`, `RUNNING`, `COMPLETED`; of an array those of its tasks."""
        return self.call("squeue", "--noheader", "--states=all", "--format=%T", "--jobs", job)

    def until(self, condition: Callable[[], object], limit_s: float = 240.0) -> None:
        deadline = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline, self.told()
            time.sleep(0.02)

    def told(self) -> str:
        """The logs of the jobs, and of the daemons."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"== {log.name}\n{log.read_text()[-3000:]}" for log in logs)


@contextmanager
def slurm_cluster(folder: Path, environment: dict[str, str]) -> Iterator[Cluster]:
    """Both daemons run while it is entered."""
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    values = {
        "host": socket.gethostname(),
        "ports": (free_port(), free_port()),
        "folder": folder,
        "cores": os.cpu_count(),
    }
    (folder / "slurm.conf").write_text(CONFIGURATION.format(**values))
    cluster = Cluster(folder, environment)
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        for name in ("slurmctld", "slurmd"):
            daemons.append(
                subprocess.Popen(
                    [str(_program(name)), "-D", "-f", str(folder / "slurm.conf")],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
        cluster.until(lambda: _is_up(cluster), 60.0)
        yield cluster
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(30)


def _is_up(cluster: Cluster) -> bool:
    try:
        return cluster.call("sinfo", "--noheader", "--format=%T") == "idle"
    except AssertionError:  # the controller does not answer yet
        return False
