"""An experiment's results as CSV, with the meaning and unit of every column from ``experiments/columns.toml``."""

import functools
import gzip
import tomllib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from rendering import rendered

from experiments.corridor import catalogue
from experiments.report import evidence

MEANINGS = catalogue.ROOT / "experiments" / "columns.toml"
MOST_BYTES = 1_000_000
"""A larger table is compressed."""
_ENDINGS = {
    "_hat_err": "one standard error of the measured value",
    "_hat_std": "standard deviation over the networks drawn, measured",
    "_hat": "measured",
    "_err": "one standard error of it",
    "_std": "standard deviation over networks, predicted",
    "_num_not_finite": "how many of the networks drawn gave no finite number",
}
"""What the end of a column's name says, where the name itself is not explained."""


@functools.cache
def meanings() -> dict[str, dict[str, str]]:
    """What is written down: of every experiment, and of all together."""
    return tomllib.loads(MEANINGS.read_text())


def meaning(name: str, column: str) -> str | None:
    """What a column of an experiment's results means, with its unit; None if nobody wrote it down."""
    own, everywhere = meanings().get(name, {}), meanings()["everywhere"]
    for known in (own, everywhere):
        if column in known:
            return known[column]
    for ending, said in _ENDINGS.items():
        base = meaning(name, column.removesuffix(ending)) if column.endswith(ending) else None
        if base:
            return f"{said}: {base}"
    return None


def columns(name: str, frame: pd.DataFrame) -> dict[str, str]:
    """The columns that are explained, axes of the configuration first."""
    axes = [each for each in catalogue.module(name).Config.__dataclass_fields__ if each in frame]
    found = {each: meaning(name, each) for each in dict.fromkeys([*axes, *frame.columns])}
    return {each: said for each, said in found.items() if said}


def written(name: str, frame: pd.DataFrame, folder: Path) -> Path:
    """The table as CSV, compressed if it is large."""
    folder.mkdir(parents=True, exist_ok=True)
    path, content = folder / f"{name}.csv", frame.to_csv(index=False, float_format="%.8g")
    for old in (path, path.with_suffix(".csv.gz")):
        old.unlink(missing_ok=True)
    if len(content) > MOST_BYTES:
        path = path.with_suffix(".csv.gz")
        path.write_bytes(gzip.compress(content.encode(), mtime=0))
    else:
        path.write_text(content)
    return path


def described(found: evidence.Evidence, name: str, folder: Path) -> str:
    """Write an experiment's CSV; the HTML that leads to it and explains its columns."""
    frame = found.frames[name]
    explained = columns(name, frame)
    path = written(name, frame[list(explained)], folder)
    per = "layer, step or value swept within a cell" if len(frame) > len(found.records[name]) else "cell"
    return rendered(
        "data.html",
        name=name,
        file=path.name,
        size=f"{path.stat().st_size / 1000:.0f} kB",
        rows=f"{len(frame):,}",
        per=per,
        left_out=len(explained) < len(frame.columns),
        columns=explained.items(),
    )


def offered(found: evidence.Evidence, name: str, folder: Path) -> Callable[[], str]:
    """The same when it is asked for."""
    return functools.partial(described, found, name, folder)
