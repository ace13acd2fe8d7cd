"""All that pages and paper are made of: every experiment's table, its findings and records, and the comparisons, read once for a folder."""

import dataclasses
import functools
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from experiments.corridor import catalogue
from experiments.report import agreement


class Evidence(NamedTuple):
    """What a folder of results says."""

    results: Path
    frames: dict[str, pd.DataFrame]
    """Of every experiment, the reported cells as one tidy table."""
    findings: dict[str, catalogue.Findings]
    table: pd.DataFrame
    """Every comparison, one row each, judged anew from the stored numbers."""
    records: dict[str, dict[str, dict[str, Any]]]
    """Of every experiment, the record of each of its cells by the name of its file."""

    def rows(self, name: str) -> pd.DataFrame:
        """The comparisons of one experiment."""
        return self.table[self.table.experiment == name]

    def command(self, name: str, cell: str) -> str:
        """The command that runs a cell again."""
        return command(name, self.records[name][cell]["config"])


def gathered(results: Path) -> Evidence:
    """The evidence of a folder of results, read once; ``ResultError`` if some cannot be used."""
    return _gathered(results.resolve())


@functools.cache
def _gathered(results: Path) -> Evidence:
    frames, findings, rows, records = {}, {}, {}, {}
    for name in catalogue.EXPERIMENTS:
        script = catalogue.module(name)
        frame, records[name] = catalogue.load_with_records(name, results)
        frames[name], findings[name], rows[name] = frame, script.findings(frame), agreement.rows_of(script, frame)
    return Evidence(results, frames, findings, agreement.judged_table(rows), records)


def command(name: str, config: dict[str, Any]) -> str:
    """The command that runs the cell of a configuration: its place on every swept axis, and what else is not as by default."""
    default, words = catalogue.module(name).Config(), []
    for field in dataclasses.fields(default):
        usual, value = getattr(default, field.name), config[field.name]
        if isinstance(usual, tuple) or value != usual:
            values = value if isinstance(value, list | tuple) else [value]
            words += [f"--{field.name.replace('_', '-')}", *map(str, values)]
    return shlex.join(["python", "-m", "experiments", name, *words, "--out", "build/again"])
