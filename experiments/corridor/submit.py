"""A sweep as a job array: each task a share of the cells, by submitit.

``python -m experiments submit NAME --jobs N [--cluster slurm|local] ... [-- --AXIS VALUE ...]``
"""

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from experiments.corridor import catalogue, command, shard, stop

CLUSTERS = ("slurm", "local")


@contextmanager
def _time_up() -> Iterator[None]:
    """When submitit, told that the time is up, raises instead of queueing anew, the task ends; no cell has failed by it."""
    theirs = signal.getsignal(signal.SIGUSR2)

    def ours(number: int, frame: Any) -> None:
        try:
            theirs(number, frame)
        except Exception as error:
            raise SystemExit(f"submit: {error}") from error

    if callable(theirs):
        signal.signal(signal.SIGUSR2, ours)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR2, theirs)


class Job(NamedTuple):
    """One task of the array; ``words`` is its command line."""

    words: tuple[str, ...]

    def __call__(self) -> None:
        """Run it in the task's own process; a status other than 0 is an error there."""
        with _time_up():
            status = stop.status_of(lambda: command.main([*self.words]))
        if status:
            raise RuntimeError(f"submit: expected exit status 0, got status={status} of {' '.join(self.words)!r}.")

    def checkpoint(self) -> Any:
        """What to queue anew when its time is up: the same again, for finished cells are skipped."""
        return _submitit().helpers.DelayedSubmission(self)


def _submitit() -> Any:
    try:
        import submitit
    except ImportError:
        message = "submit: expected submitit to be installed, got submit without it."
        raise ValueError(f"{message} Install it: `pip install -e '.[slurm]'`.") from None
    return submitit


def _parsed(words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    cut = words.index("--") if "--" in words else len(words)
    parser = command.Parser()
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--cluster", choices=CLUSTERS, default="slurm")
    parser.add_argument("--partition")
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--logs", type=Path, default=catalogue.BUILD / "jobs")
    return parser.parse_args(list(words[:cut])), list(words[cut + 1 :])


def jobs_of(options: argparse.Namespace, axes: Sequence[str]) -> list[Job]:
    """The array's tasks: every share of the cells, once."""
    shard.shard_of(f"0/{options.jobs}")
    command.configured(options.name, options.smoke, list(axes))  # a wrong question is refused here, not in the queue
    flags = ["--smoke"] if options.smoke else []
    for flag in ("out", "log"):
        if path := getattr(options, flag):
            flags += [f"--{flag}", str(path.resolve())]
    return [Job((options.name, *flags, "--shard", f"{index}/{options.jobs}", *axes)) for index in range(options.jobs)]


def _executor(options: argparse.Namespace) -> Any:
    executor = _submitit().AutoExecutor(folder=options.logs, cluster=options.cluster)
    partition = {"slurm_partition": options.partition} if options.partition else {}
    executor.update_parameters(timeout_min=options.minutes, name=f"experiments-{options.name}", **partition)
    return executor


def _waited(jobs: Sequence[Any]) -> int:
    """Wait for jobs of this machine; returns how many failed."""
    failed = 0
    for index, job in enumerate(jobs):
        error = job.exception()
        failed += error is not None
        print(f"share {index}/{len(jobs)}: " + (f"failed, see {job.paths.stderr}" if error else "finished"), flush=True)
    return failed


def main(words: Sequence[str]) -> int:
    """Submit; on this machine, also wait. Returns the exit status."""
    try:
        options, axes = _parsed(words)
        jobs, executor = jobs_of(options, axes), _executor(options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    with executor.batch():
        submitted = [executor.submit(job) for job in jobs]
    print(f"{len(jobs)} shares of {options.name}: " + " ".join(job.job_id for job in submitted), flush=True)
    if options.cluster == "local":
        return int(_waited(submitted) > 0)
    print(f"Their output goes to {options.logs}. What a share leaves undone, the same command again does.")
    return 0
