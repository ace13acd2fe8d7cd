"""How far two folders of results differ: cell by cell, column by column, predictions and measurements apart.

``python -m experiments compare A B`` prints one line per experiment. A prediction must be the same number in both folders. A measured
number may move by no more than its own error bar, the column ``NAME_err`` beside it, and without one as far as it likes, but it must
not become NaN or infinite. A measured word, such as ``verdict``, may change.

On one machine a measurement is the same number again. Another CPU rounds the products of float32 matrices otherwise, after which a
chaotic network is another sample of its ensemble: its numbers then differ as those of two keys do, some by several error bars.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from experiments.corridor import contents

EXACT = 1e-9
"""Largest relative difference of two predictions that count as the same."""
FLOOR = 1e-4
"""Smaller numbers are compared as if they were this large, and numbers below this share of their column's largest as if they had that
size: sums of some thousand numbers of order 1 end within 1e-13, and so much may be left of what is 0."""
MOST_NAMED = 20
MARKS = ("_hat", "num_not_finite")
"""What the name of a measured column contains."""
_TRAINED = "updates score finite successes success success_low success_high rate"
_OUTCOMES = "outcome score loss learned_low learned_high learned slow stalled oscillates diverged"
_TASKS = f"{_TRAINED} pilot_0 pilot_1 pilot_2"
MEASURED = {
    "": "measured measured_err z verdict joint_p joint_points",
    "attention": "query_twin key_twin value_twin output_twin mlp_in_twin mlp_out_twin",
    "bounded_forward": "largest_q",
    "clipping": f"{_TRAINED} log_norm log_clipped_norm log_share log_share_clipped apart",
    "echo_state": "predicted_err",
    "finite_width": "density within ratio",
    "healing": "moved_at loss learned",
    "linear_recurrence": "predicted_err",
    "magnitude_training": "loss accuracy mean_log",
    "memory": "predicted_err",
    "minimum": "log_loss arrived slope",
    "norms": "typical",
    "outcomes": _OUTCOMES,
    "outcomes_large": _OUTCOMES,
    "overflow": "flush",
    "plateau": "updates median escaped",
    "remedies": "rate score success success_low success_high not_finite value score_mean log_step log_raw still raw off",
    "sequence_digits": _TASKS,
    "sequence_length": _TASKS,
    "sequence_tasks": _TASKS,
    "skips": "telescoped",
    "spectra": "histogram place_off width_share_off distance",
}
"""Measured columns whose names do not say so, of every experiment and of single ones; a ``predicted_err`` that is in part measured."""


class Column(NamedTuple):
    """How far a column of one cell differs: relatively, and in error bars.

    Without error bars these are NaN, or infinite where a measured number is NaN or infinite in one of the folders.
    """

    experiment: str
    cell: str
    name: str
    measured: bool
    relative: float
    bars: float

    @property
    def fails(self) -> bool:
        """Whether the difference is more than a prediction's rounding, or than a measurement's error bar."""
        return bool(self.bars > 1) if self.measured else not self.relative <= EXACT


class Comparison(NamedTuple):
    """Every column of the cells that both folders have, and the cells that one of them lacks."""

    columns: list[Column]
    lone: list[str]
    skipped: list[str]

    @property
    def failures(self) -> list[Column]:
        """The columns that differ by more than they may."""
        return [column for column in self.columns if column.fails]


def _bar_of(name: str, frame: pd.DataFrame) -> str | None:
    """The column that holds the error bars of this one; the predicted error of a comparison is not one."""
    bar = f"{name}_err"
    return bar if bar in frame and name != "predicted" else None


def _is_measured(experiment: str, name: str, frame: pd.DataFrame) -> bool:
    """Whether a column was measured or sampled: by its name, or because it has an error bar or is one."""
    listed = name in f"{MEASURED['']} {MEASURED.get(experiment, '')}".split()
    is_bar = name.endswith("_err") and _bar_of(name.removesuffix("_err"), frame) == name
    return listed or is_bar or any(mark in name for mark in MARKS) or _bar_of(name, frame) is not None


def _relative(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Differences relative to the larger of each two numbers; 0 where both are NaN or the same infinity."""
    size = np.fmax(np.abs(first), np.abs(second))
    largest = np.max(size, where=np.isfinite(size), initial=0.0)
    alike = (first == second) | (np.isnan(first) & np.isnan(second))
    with np.errstate(invalid="ignore"):
        parts = np.abs(first - second) / np.maximum(size, max(FLOOR, FLOOR * largest))
    return np.where(alike, 0.0, np.where(np.isnan(parts), np.inf, parts))


def _in_bars(first: np.ndarray, second: np.ndarray, bars: np.ndarray) -> np.ndarray:
    """Differences in error bars; 0 where the numbers agree to a prediction's rounding."""
    close = _relative(first, second) <= EXACT
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = np.abs(first - second) / bars
    return np.where(close, 0.0, np.where(np.isnan(parts), np.inf, parts))


def _column(experiment: str, cell: str, name: str, frames: tuple[pd.DataFrame, pd.DataFrame]) -> Column:
    first, second = (frame[name].to_numpy() for frame in frames)
    measured = _is_measured(experiment, name, frames[0])
    if first.dtype.kind not in "biuf" or second.dtype.kind not in "biuf":
        same = pd.Series(first).equals(pd.Series(second))
        return Column(experiment, cell, name, measured, 0.0 if same else np.inf, np.nan)
    first, second = first.astype(float), second.astype(float)
    bar = _bar_of(name, frames[0]) if measured else None
    relative = float(_relative(first, second).max())
    bars = np.inf if measured and np.isinf(relative) else np.nan
    if bar is not None and bar in frames[1]:
        widest = np.fmax(*(frame[bar].to_numpy(dtype=float) for frame in frames))
        bars = float(_in_bars(first, second, widest).max())
    return Column(experiment, cell, name, measured, relative, bars)


def _columns(experiment: str, paths: tuple[Path, Path]) -> Iterator[Column]:
    """Every column of one cell; one of another length, or that one folder lacks, differs infinitely."""
    first, second = (contents.load_cell(path)[0] for path in paths)
    for name in [*first, *(name for name in second if name not in first)]:
        if name in first and name in second and len(first) == len(second):
            yield _column(experiment, paths[0].stem, name, (first, second))
        else:
            yield Column(experiment, paths[0].stem, name, False, np.inf, np.nan)


def _cells(folder: Path) -> dict[str, set[str]]:
    """Names of the result files in a folder by experiment."""
    found: dict[str, set[str]] = {}
    for path in sorted(folder.glob("*/[!._]*.parquet")):
        found.setdefault(path.parent.name, set()).add(path.name)
    return found


def compared(first: Path, second: Path) -> Comparison:
    """Compare two folders of results, each a folder per experiment; ``ResultError`` if one of them holds none that the other has."""
    mine, other = _cells(first), _cells(second)
    both = [name for name in mine if name in other]
    if not both:
        raise contents.ResultError(
            f"compare: expected two folders with an experiment in common, got {str(first)!r} and {str(second)!r}."
        )
    columns = [
        column
        for name in both
        for cell in sorted(mine[name] & other[name])
        for column in _columns(name, (first / name / cell, second / name / cell))
    ]
    lone = [f"{name}/{cell}" for name in both for cell in sorted(mine[name] ^ other[name])]
    return Comparison(columns, lone, sorted(mine.keys() ^ other.keys()))


def table(found: Comparison) -> str:
    """One line per experiment: its cells, and the largest differences of its predictions and of its measurements."""
    frame = pd.DataFrame(found.columns)
    lines = [f"{'experiment':20s}{'cells':>6s}{'predictions':>14s}{'measurements':>14s}{'in error bars':>15s}"]
    for name, rows in frame.groupby("experiment", sort=False):
        parts = [rows[~rows.measured].relative.max(), rows[rows.measured].relative.max(), rows.bars.max()]
        shown = ["-" if np.isnan(part) else f"{part:.1e}" for part in parts]
        lines.append(f"{name:20s}{rows.cell.nunique():6d}{shown[0]:>14s}{shown[1]:>14s}{shown[2]:>15s}")
    return "\n".join(lines)


def complaint(found: Comparison) -> str:
    """What differs by more than it may, the first of each column by name, and what cannot be compared."""
    lines = [f"{name}: in one of the folders only; not compared." for name in found.skipped]
    lines += [f"{cell}: in one of the folders only." for cell in found.lone[:MOST_NAMED]]
    firsts = {(column.experiment, column.name): column for column in reversed(found.failures)}
    for column in list(firsts.values())[::-1][:MOST_NAMED]:
        kind = (
            f"differs by {column.bars:.3g} error bars"
            if column.measured
            else f"differs by {column.relative:.1e}, a prediction"
        )
        if column.measured and np.isinf(column.relative):
            kind = "is measured, and NaN or infinite in one of the folders only"
        lines.append(f"{column.experiment}/{column.cell}: {column.name} {kind}.")
    return "\n".join(lines)


def main(words: list[str]) -> int:
    """The command line; returns the exit status: 1 if anything differs by more than it may."""
    parser = argparse.ArgumentParser(prog="experiments compare", description=__doc__)
    parser.add_argument("folders", nargs=2, type=Path, metavar="DIR", help="a folder of results")
    options = parser.parse_args(words)
    try:
        found = compared(*options.folders)
    except contents.ResultError as error:
        print(error, file=sys.stderr)
        return 1
    print(table(found))
    print(
        f"{len(found.failures)} of {len(found.columns)} columns differ by more than they may; {len(found.lone)} cells stand alone."
    )
    if said := complaint(found):
        print(said, file=sys.stderr)
    return int(bool(found.failures or found.lone))
