"""What every claim of the audit comes to: lines of points, each predicted, measured, and perhaps claimed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

DECADE = float(np.log(10))
ROUNDING = 4 * float(np.finfo(np.float32).eps)


class Size(NamedTuple):
    """How large the measured networks are, and how many."""

    width: int
    num_nets: int


class Line(NamedTuple):
    """One law along x, with its measurement.

    ``err`` is the standard error that was measured, ``law_err`` the one that the law predicts for this measurement (NaN where it
    predicts none: then the measured one judges; 0 where the line is an identity, which is not compared). ``said`` is what the claim says there, NaN where it gives no number.
    """

    name: str
    x: np.ndarray
    law: np.ndarray
    law_err: np.ndarray
    seen: np.ndarray
    err: np.ndarray
    said: np.ndarray


def line(
    name: str, x: Any, samples: np.ndarray, law: Any, spread: Any = np.nan, said: Any = np.nan, unit: float = 1.0
) -> Line:
    """A line from samples of shape (networks, points); ``spread`` is the law's standard deviation of one of them, ``unit`` what all are divided by."""
    x, root = np.asarray(x, float), len(samples) ** 0.5
    wide = lambda values: np.broadcast_to(np.asarray(values, float), x.shape) / unit
    err = np.hypot(samples.std(axis=0, ddof=1) / root, ROUNDING)
    law_err = np.hypot(np.where(np.isfinite(spread), spread, np.nan) / root, ROUNDING)
    return Line(name, x, wide(law), wide(law_err), wide(samples.mean(axis=0)), wide(err), wide(said) * unit)


def mean_square_logs(name: str, x: Any, samples: np.ndarray, law: Any, said: Any = np.nan, unit: float = 1.0) -> Line:
    """A line of half the logs of mean squares, of which laws of infinite width speak, from logs of norms of shape (networks, points)."""
    x, centre = np.asarray(x, float), samples.mean(axis=0)
    squares = np.exp(2 * (samples - centre))
    mean = squares.mean(axis=0)
    err = np.hypot(squares.std(axis=0, ddof=1) / len(samples) ** 0.5 / mean / 2, ROUNDING)
    wide = lambda values: np.broadcast_to(np.asarray(values, float), x.shape)
    seen = (centre + np.log(mean) / 2) / unit
    return Line(name, x, wide(law) / unit, np.full(x.shape, np.nan), seen, err / unit, wide(said))


def columns(lines: Sequence[Line]) -> dict[str, np.ndarray]:
    """All points of a claim as columns of one table."""
    out = {"line": np.concatenate([np.repeat(each.name, len(each.x)) for each in lines])}
    return out | {name: np.concatenate([getattr(each, name) for each in lines]) for name in Line._fields[1:]}
