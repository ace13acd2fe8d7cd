"""Run experiments: ``python -m experiments NAME [--smoke] [--out DIR] [--width 1024 ...]``, ``list``, ``all`` or ``report``."""

import argparse
import dataclasses
import os
import sys
import time
from pathlib import Path
from typing import Any

# Steps on stderr would be lost among compiler chatter.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from tqdm import tqdm

from experiments import corridor

USAGE = """usage: python -m experiments NAME [--smoke] [--out DIR] [--AXIS VALUE ...]
       python -m experiments all [--smoke] [--out DIR]
       python -m experiments list
       python -m experiments report [--results DIR] [--figures DIR] [--out DIR]

NAME is one of those that `list` prints; `NAME --help` shows its axes. Results go to build/results (small ones, by --smoke, to
build/smoke/results) unless --out says otherwise; finished cells are not run again."""


def _configured(name: str, smoke: bool, rest: list[str]) -> Any:
    """The experiment's configuration, its defaults overridden from the command line."""
    import tyro

    script = corridor.module(name)
    return tyro.cli(
        script.Config, default=script.SMOKE if smoke else script.Config(), args=rest, prog=f"experiments {name}"
    )


def _sweep(name: str, config: Any, results: Path) -> None:
    """Run every cell with a bar, then one line."""
    todo = list(corridor.cells(config))
    start, run = time.perf_counter(), 0
    for cell in tqdm(todo, desc=f"{name:18s}", unit="cell", leave=False, disable=None, file=sys.stderr):
        run += corridor.run_cell(name, cell, results)
    seconds = time.perf_counter() - start
    print(f"{name:18s} {len(todo):3d} cells, {run} run, {len(todo) - run} already there, {seconds:.0f} s", flush=True)


def _list() -> None:
    """Every experiment with its question, its axes and its committed cells."""
    for name in corridor.EXPERIMENTS:
        axes = ", ".join(field.name for field in dataclasses.fields(corridor.module(name).Config))
        done = len(list((corridor.RESULTS / name).glob("[!.]*.parquet")))
        print(f"{name:18s} {corridor.question(name)}\n{'':18s} axes: {axes}; {done} cells committed")


def main(words: list[str]) -> int:
    """The command line; returns the exit status."""
    if not words or words[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if words else 2
    name, *rest = words
    if name == "list":
        _list()
        return 0
    if name == "report":
        from experiments import report

        return report.main(rest)
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--out", type=Path)
    options, rest = parser.parse_known_args(rest)
    out = options.out or corridor.BUILD / ("smoke/results" if options.smoke else "results")
    try:
        if name == "all" and rest:
            raise ValueError(f"experiments all: expected no axes, got {' '.join(rest)!r}.")
        for each in corridor.EXPERIMENTS if name == "all" else (name,):
            _sweep(each, _configured(each, options.smoke, rest), out)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
