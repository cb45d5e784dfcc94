"""`python -m btr_tm`: compose, check every job, then let Hydra run it or the sweep.

Each job is composed twice. Hydra composes a job only when its turn comes, perhaps on another machine, and a
mistake in the last arm of a sweep would end it after the others have run. So every job is composed and
checked here before the first starts; Hydra then composes what its sweeper and launcher hand it.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from btr_tm import __version__
from btr_tm.cli.commands import sweep
from btr_tm.cli.commands.common import refuse_unwritable_folder
from btr_tm.cli.commands.launcher import beside_launcher, requeueing
from btr_tm.cli.configuration.composition import (
    Composition,
    compose_job,
    compose_jobs,
    current_job,
    register,
)
from btr_tm.cli.configuration.groups import conf_dir
from btr_tm.cli.configuration.help import text as help_text
from btr_tm.cli.configuration.overrides import arm
from btr_tm.cli.configuration.sweep_group import spelled_out
from btr_tm.core.errors import UserError
from btr_tm.core.interrupts import INTERRUPTS, PREEMPTED, Interrupted
from btr_tm.run import status as status_of
from btr_tm.run import sweep as sweep_of_runs
from btr_tm.run.status import Status


def main() -> None:
    """Train; errors that a user can fix are one line on stderr and exit code 1."""
    arguments, unknown = parser().parse_known_args()
    if arguments.help or arguments.version:
        print(f"btr_tm {__version__}" if arguments.version else help_text(arguments.config_dir))
        return
    os.environ[status_of.PROGRAM] = f"{socket.gethostname()}_{os.getpid()}"
    try:
        _refuse_flags(unknown)
        if not sys.argv[1:]:  # the defaults alone would be minutes that teach nothing
            raise UserError("name what to train: python -m btr_tm +experiment=quickstart; --help lists more")
        jobs = check(arguments)
        if arguments.cfg == "job" and not arguments.package:  # composed already; Hydra would do it again
            _show(jobs, arguments.resolve)
            return
        register()
        looking = bool(arguments.cfg or arguments.info)
        swept = _folders_of(jobs) if arguments.multirun and not looking else []
        _plan(jobs, swept)
        with _showing_at_end(swept), beside_launcher(jobs):
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(run_job)()
        if not looking:
            _refuse_failed(jobs)
            _end_unfinished(jobs)
    except UserError as error:
        if os.environ.get("HYDRA_FULL_ERROR"):
            raise
        sys.exit(f"btr_tm: {error}")


def _show(jobs: Sequence[Composition], resolve: bool) -> None:
    """The configuration of the first job, in YAML; the arms of the others, as comments."""
    if len(jobs) > 1:
        arms = dict.fromkeys(arm(job.overrides) for job in jobs)
        print(f"# the first of {len(jobs)} runs: {', '.join(jobs[0].overrides)}\n# arms: {' | '.join(arms)}")
    print(OmegaConf.to_yaml(jobs[0].cfg, resolve=resolve), end="")


def parser() -> argparse.ArgumentParser:
    """Hydra's own flags: what it will be asked to do has to be known before it starts."""
    parser = argparse.ArgumentParser(prog="python -m btr_tm", add_help=False, allow_abbrev=False)
    parser.add_argument("overrides", nargs="*")
    for flags in (["--help", "-h"], ["--hydra-help"], ["--version"], ["--resolve"], ["--run", "-r"],
                  ["--multirun", "-m"], ["--shell-completion", "-sc"]):  # fmt: skip
        parser.add_argument(*flags, action="store_true")
    for flags in (["--cfg", "-c"], ["--package", "-p"], ["--config-path", "-cp"], ["--config-name", "-cn"],
                  ["--config-dir", "-cd"], ["--experimental-rerun"]):  # fmt: skip
        parser.add_argument(*flags)
    parser.add_argument("--info", "-i", const="all", nargs="?")
    return parser


def _refuse_flags(unknown: Sequence[str]) -> None:
    """Raise UserError for unknown flags; what argparse does not know may also be an override."""
    flag = next((text for text in unknown if text.startswith("-")), None)
    if flag is not None:
        raise UserError(
            f"there is no flag {flag}; choices and values are written without dashes, such as "
            "+experiment=quickstart or seed=1, and --help lists them"
        )
    if unknown:
        raise UserError(f"'{unknown[0]}' must stand beside the other choices; put flags such as -m first")


def check(arguments: argparse.Namespace) -> list[Composition]:
    """Every job that was asked for, composed; none where Hydra answers something else.

    The checks that import torch follow only where something will be trained.
    """
    if any(
        (arguments.hydra_help, arguments.version, arguments.shell_completion, arguments.experimental_rerun)
    ):
        return []
    if arguments.multirun or "hydra.mode=MULTIRUN" in arguments.overrides:
        if not (arguments.cfg or arguments.info):
            print("checking every job of the sweep", flush=True)
        jobs = compose_jobs(_spell_out(arguments), arguments.config_dir)
    else:
        jobs = [compose_job(arguments.overrides, arguments.config_dir)]
    if arguments.cfg or arguments.info:
        return jobs
    from btr_tm.cli.assembly.parts import checked

    for job in jobs:
        checked(job.values)
        refuse_unwritable_folder(job.folder)
    return jobs


def _spell_out(arguments: argparse.Namespace) -> list[str]:
    """The overrides with the axes of +sweep=NAME, as Hydra is to read them from the command line too."""
    typed = arguments.overrides
    spelled = spelled_out(typed, arguments.config_dir)
    if spelled != typed:
        begin = sys.argv.index(typed[0])
        sys.argv[begin : begin + len(typed)] = spelled
    return spelled


def _folders_of(jobs: Sequence[Composition]) -> list[Path]:
    """The folders of the arms of a sweep; one, unless the name is swept."""
    return list(dict.fromkeys(job.folder.parents[1] for job in jobs))


def _plan(jobs: Sequence[Composition], folders: Sequence[Path]) -> None:
    """List the runs of a sweep in its folder, where `btr_tm.sweep --status` finds those that wait."""
    for folder in folders:
        runs = [(job.folder.parent.name, job.folder.name) for job in jobs if job.folder.parents[1] == folder]
        try:
            sweep_of_runs.write(folder, runs)
        except OSError as error:
            raise UserError(f"cannot write into {folder} ({error.strerror or error})") from error


@contextmanager
def _showing_at_end(folders: Sequence[Path]) -> Iterator[None]:
    """Show how the sweeps in `folders` stand, also where the launcher failed, which Hydra says and exits."""
    try:
        yield
    except SystemExit:
        if INTERRUPTS.asked:
            raise
        _show_sweeps(folders)
        raise
    _show_sweeps(folders)


def _show_sweeps(folders: Sequence[Path]) -> None:
    for folder in folders:
        print("\n".join(["", *sweep.lines(folder)]), flush=True)


def _in_sweep() -> bool:
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def _say_standing(job: Composition) -> None:
    """One line on the sweep that a job belongs to; where jobs run in other processes, the program says it."""
    if _in_sweep() and INTERRUPTS.is_program:
        print(sweep_of_runs.line(sweep_of_runs.standings(job.folder.parents[1])), flush=True)


def run_job(cfg: DictConfig) -> None:
    """One run. A user's error becomes its status, so that the other arms of a sweep still run.

    A signal ends the program, and with it the sweep; where a launcher runs its jobs in other processes, each
    of them ends its job, and it is for the program to begin no other.
    """
    from btr_tm.core.malloc import keep_freed_memory

    INTERRUPTS.listen()
    keep_freed_memory()
    reason = ""
    with requeueing():
        try:
            with INTERRUPTS.unwinding():
                if not INTERRUPTS.asked:
                    reason = _run_locked(current_job(cfg))
        except Interrupted:
            if INTERRUPTS.is_program:
                raise
    if INTERRUPTS.asked and INTERRUPTS.is_program:
        sys.exit(f"btr_tm: {reason}" if reason else INTERRUPTS.exit_code)


def _run_locked(job: Composition) -> str:
    """The run of a job, unless another process has its folder; why it failed, if it did."""
    from btr_tm.run.lock import hold

    try:
        lock = hold(job.folder)
    except UserError as error:  # the status in the folder is that of the run that holds it
        _write_status(job.folder, "failed", str(error), status_of.refused_name())
        return str(error)
    try:
        with INTERRUPTS.closing(lambda: _write_status(job.folder, "stopped")):
            return _run_alone(job)
    finally:
        lock.release()


def _run_alone(job: Composition) -> str:
    """The run of a job whose folder is locked; why it failed, if it did."""
    from btr_tm.cli.assembly.assemble import build, is_finished

    if _in_sweep() and is_finished(job):
        print(f"{job.folder} is finished", flush=True)
        return ""
    before = status_of.read(job.folder)
    run = None
    try:
        _write_status(job.folder, "running")
        _say_standing(job)
        run = build(job)
        run.train()
    except UserError as error:
        if run is None and before.well:  # what was typed is refused; the run in the folder is as it was
            _write_status(job.folder, *before)
            _write_status(job.folder, "failed", str(error), status_of.refused_name())
        else:
            _write_status(job.folder, "failed", str(error))
        return str(error)
    except Interrupted:
        _write_status(job.folder, "stopped")
        raise
    except BaseException as error:
        _write_status(job.folder, "crashed", repr(error))
        if not (_in_sweep() and isinstance(error, Exception)):
            raise
        traceback.print_exc()  # and the other runs of the sweep go on
        return repr(error)
    _write_status(job.folder, "done" if run.finished else "stopped")
    return ""


def _write_status(folder: Path, state: str, reason: str = "", name: str = status_of.NAME) -> None:
    try:
        status_of.write(folder, Status(state, reason), name)
    except OSError as error:
        reason = f"; {reason}" if reason else ""
        print(f"btr_tm: {state}, but {name} could not be written ({error}){reason}", file=sys.stderr)


def _status(folder: Path) -> Status:
    """How a job ended; unknown if it left nothing readable."""
    refused = folder / status_of.refused_name()
    if refused.exists():
        found = status_of.read(folder, refused.name)
        refused.unlink()
        return found
    return status_of.read(folder)


def _refuse_failed(jobs: list[Composition]) -> None:
    """Raise UserError naming the jobs whose status says that they failed."""
    read = [(job.folder, _status(job.folder)) for job in jobs]
    failed = [
        (folder, status.reason or "it ended and does not say how; the lines above may")
        for folder, status in read
        if not status.well
    ]
    if len(jobs) == 1 and failed:
        raise UserError(failed[0][1])
    if failed:
        named = "; ".join(f"{folder.as_posix()}: {reason}" for folder, reason in failed)
        raise UserError(f"{len(failed)} of {len(jobs)} runs failed: {named}")


def _end_unfinished(jobs: list[Composition]) -> None:
    """Exit as after a signal if a job was stopped by one that only its own process got."""
    stopped = sum(_status(job.folder).state == "stopped" for job in jobs)
    if stopped:
        print(f"btr_tm: {stopped} of {len(jobs)} runs stopped; the same command continues", file=sys.stderr)
        sys.exit(PREEMPTED)
