"""The command line: words into configurations, a sweep over them, its table and its exit status."""

import argparse
import contextlib
import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from experiments.corridor import catalogue, disk, shard, sweep, watch
from experiments.corridor.stop import INTERRUPTED, Stop
from vgtheory._programs import compile_quickly, keep_programs

USAGE = """usage: python -m experiments NAME [--smoke] [--out DIR] [RUNNING] [--AXIS VALUE ...]
       python -m experiments all [--smoke] [--out DIR] [RUNNING]
       python -m experiments submit NAME --jobs N [--cluster slurm|local] [--partition P] [--minutes M] [--smoke] [--out DIR]
                                    [--logs DIR] [-- --AXIS VALUE ...]
       python -m experiments list
       python -m experiments report [--results DIR] [--figures DIR] [--draw] [--out DIR]
       python -m experiments compare DIR DIR

NAME is one of those that `list` prints; `NAME --help` shows its axes. Results go to build/results (small ones, by --smoke, to
build/smoke/results) unless --out says otherwise; finished cells are not run again. `all` leaves out long experiments (but for --smoke) and names them.
`compare` sets two folders of results side by side and fails where they differ by more than rounding and error bars allow.

RUNNING: --shard i/n      every n-th cell only, i from 0 (auto, and the default in a SLURM job array: the array's share)
         --backwards      the last cells first: beside a process that begins at the front, so that few programs compile twice
         --log FILE       append an event per line, as JSON
         --wandb PROJECT, --tensorboard DIR    show the same there

Exit status: 0 all done; 1 cells failed or nothing could be written; 2 not understood; 130 interrupted; 143 stopped by
SIGTERM or SIGUSR1, after the cell in hand."""


class Parser(argparse.ArgumentParser):
    """Options of this file, errors in one sentence."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, add_help=False, allow_abbrev=False, **options)

    def error(self, message: str) -> Any:
        raise ValueError(f"experiments: {message}.")


def _joined(words: Sequence[str]) -> Iterator[str]:
    """The same words with a share joined to its flag, for one such as -1/4 would pass for a flag itself."""
    rest = iter(words)
    for word in rest:
        value = next(rest, None) if word == "--shard" else None
        yield word if value is None else f"{word}={value}"


def parsed(words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """How to run, and the words left for the experiment's own axes."""
    parser = Parser()
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--shard")
    parser.add_argument("--backwards", action="store_true")
    parser.add_argument("--log", type=Path)
    parser.add_argument("--wandb")
    parser.add_argument("--tensorboard", type=Path)
    options, rest = parser.parse_known_args(list(_joined(words)))
    options.out = options.out or catalogue.BUILD / ("smoke/results" if options.smoke else "results")
    return options, rest


def _configured(name: str, smoke: bool, rest: list[str]) -> Any:
    """The experiment's configuration, its defaults overridden from the command line."""
    import tyro

    script = catalogue.module(name)
    return tyro.cli(
        script.Config, default=script.SMOKE if smoke else script.Config(), args=rest, prog=f"experiments {name}"
    )


def configured(name: str, smoke: bool, rest: list[str]) -> dict[str, Any]:
    """Configuration of each experiment that the name means."""
    if name == "all" and rest:
        raise ValueError(f"experiments all: expected no axes, got {' '.join(rest)!r}.")
    skipped = left_out(name, smoke)
    names = [each for each in catalogue.EXPERIMENTS if each not in skipped] if name == "all" else [name]
    return {each: _configured(each, smoke, rest) for each in names}


def left_out(name: str, smoke: bool) -> list[str]:
    """The long experiments, if all are asked for in full."""
    return [each for each in catalogue.EXPERIMENTS if each in catalogue.LONG] if name == "all" and not smoke else []


def _say_left_out(names: list[str], out: Path) -> None:
    if names:
        remedy = f"`python -m experiments NAME --out {out}` remakes one."
        watch.say(f"experiments: {', '.join(names)} take long and are left out; committed results stand. {remedy}")


def _watchers(options: argparse.Namespace) -> list[watch.Watcher]:
    watchers: list[watch.Watcher] = [watch.Screen()]
    if not sys.stderr.isatty():
        watchers.append(watch.Minutes())
    if options.log:
        watchers.append(watch.Lines(options.log))
    if options.wandb:
        watchers.append(watch.Wandb(options.wandb, catalogue.BUILD))
    if options.tensorboard:
        watchers.append(watch.TensorBoard(options.tensorboard))
    return watchers


def _dealt(tasks: list[sweep.Task], text: str | None) -> tuple[list[sweep.Task], str]:
    """Our share of the tasks, said on stderr if it is not the whole."""
    share = shard.chosen(text, os.environ)
    mine = share.of(tasks)
    name = f"{share.index}/{share.count}"
    if share != shard.WHOLE:
        source = "" if text not in (None, "auto") else ", from SLURM_ARRAY_TASK_ID"
        watch.say(f"experiments: share {name}{source}: {len(mine)} of {len(tasks)} cells.")
    return mine, name


def _swept(this: sweep.Sweep) -> int:
    """Run the sweep to its end, whatever that is; returns the exit status."""
    try:
        this.run()
    except disk.WriteError as error:
        watch.say(str(error))
        with contextlib.suppress(disk.WriteError):
            this.end(1)
        return 1
    except KeyboardInterrupt:
        this.end(INTERRUPTED)
        raise
    this.end(this.status)
    return this.status


def _run(name: str, words: Sequence[str]) -> int:
    """Sweep, then the table and what failed."""
    options, rest = parsed(words)
    _say_left_out(left_out(name, options.smoke), options.out)
    keep_programs()
    if options.smoke:
        compile_quickly()
    tasks, share = _dealt(sweep.tasks_of(configured(name, options.smoke, rest), options.out), options.shard)
    with Stop() as stop:
        ordered = tasks[::-1] if options.backwards else tasks
        this = sweep.Sweep(ordered, _watchers(options), stop, share)
        status = _swept(this)
    if this.outcomes or not tasks:
        print(sweep.table(this), flush=True)
    if this.failures:
        print(sweep.complaint(this), file=sys.stderr)
    return status


def _list() -> None:
    """Every experiment with its question, its axes and its committed cells."""
    for name in catalogue.EXPERIMENTS:
        axes = ", ".join(field.name for field in dataclasses.fields(catalogue.module(name).Config))
        done = len(list((catalogue.RESULTS / name).glob("[!.]*.parquet")))
        print(f"{name:18s} {catalogue.question(name)}\n{'':18s} axes: {axes}; {done} cells committed")


def main(words: list[str]) -> int:
    """Run an experiment or all, or list them; returns the exit status."""
    if not words or words[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if words else 2
    name, *rest = words
    if name == "list":
        _list()
        return 0
    try:
        return _run(name, rest)
    except (ValueError, disk.WriteError) as error:
        print(error, file=sys.stderr)
        return 1
