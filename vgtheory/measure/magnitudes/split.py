"""Variance of the log-gradient in real networks, split exactly."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jax import Array

from vgtheory.estimate import Estimate
from vgtheory.expect import Numbers, expect, expect_data
from vgtheory.frame import frame_of_parts
from vgtheory.measure.arguments import asked, count
from vgtheory.measure.magnitudes.entries import log_grad_entries
from vgtheory.networks.dense import Dense

if TYPE_CHECKING:
    import pandas


class VarianceSplit(NamedTuple):
    """The three parts of Var log|g|, whose sum it is, and the share of entries that are 0.

    Attributes
    ----------
    layers
        Variance over layers of their means.
    entries
        Variance over a layer's entries of their means over draws, averaged over layers.
    draws
        Variance of one entry over draws (minibatches, or single examples), averaged over entries.
    zeros
        Share of entries times draws where g is exactly 0.
    """

    layers: Any
    entries: Any
    draws: Any
    zeros: Any

    @property
    def frame(self) -> "pandas.DataFrame":
        """Table with a row for each part, as a ``pandas.DataFrame``."""
        return frame_of_parts(self)


@asked(logs=expect_data)
def variance_split(logs: np.ndarray) -> VarianceSplit:
    """Exact split of the variance of logs over layers, entries and draws.

    Values of -inf (a gradient of exactly 0) are left out. Each layer and each entry is weighted by
    the number of its other values, which keeps the sum exact.

    Parameters
    ----------
    logs
        Shape ``(..., layers, entries, draws)``.

    Returns
    -------
    VarianceSplit
        Arrays of the leading shape. The first three parts add up to the variance of all finite
        logs, which is NaN if there are none.

    Notes
    -----
    Accuracy: float64 rounding of the sums.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import measure
    >>> logs = np.array([[[0.0, 2.0], [1.0, 3.0]], [[5.0, 7.0], [6.0, 8.0]]])
    >>> [float(part) for part in measure.magnitudes.variance_split(logs)]
    [6.25, 0.25, 1.0, 0.0]
    """
    expect(np.ndim(logs) >= 3, "variance_split", "axes of layers, entries and draws", shape=np.shape(logs))
    layers, entries, draws = nested_variances(logs, 3)
    return VarianceSplit(layers, entries, draws, np.mean(np.asarray(logs) == -np.inf, axis=(-3, -2, -1)))


@asked(logs=expect_data)
def nested_variances(logs: Numbers, num_axes: int) -> list[np.ndarray | np.float64]:
    """Exact split of the variance of logs over nested axes, outermost first.

    Parameters
    ----------
    logs
        Shape ``(..., *axes)``; values of -inf are left out.
    num_axes
        Number of last axes to split over, >= 1.

    Returns
    -------
    list of arrays
        For each axis, the variance along it of the means over all inner axes, averaged over the
        outer ones; of the leading shape. The sum is the variance of all finite logs.

    Notes
    -----
    Accuracy: float64 rounding of the sums.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import measure
    >>> logs = np.array([[1.0, 3.0], [2.0, 4.0]])
    >>> [float(part) for part in measure.magnitudes.nested_variances(logs, 2)]
    [0.25, 1.0]
    """
    logs = np.asarray(logs, float)
    expect(1 <= num_axes <= logs.ndim, "nested_variances", "a count of axes that there are", num_axes=num_axes)
    count = (logs != -np.inf).astype(float)
    mean = np.where(logs == -np.inf, 0.0, logs)
    lead, total = logs.ndim - num_axes, count.sum(axis=tuple(range(logs.ndim - num_axes, logs.ndim)))
    parts = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for _ in range(num_axes):
            within = count.sum(axis=-1)
            above = (count * mean).sum(axis=-1) / np.maximum(within, 1)
            squares = count * (mean - above[..., None]) ** 2
            parts.append(squares.sum(axis=tuple(range(lead, squares.ndim))) / total)
            count, mean = within, above
    return parts[::-1]


def _split(where: str, split: Any) -> None:
    """Raise unless a split has one number per network, of at least two networks."""
    ok = isinstance(split, VarianceSplit)
    expect(ok, where, "a VarianceSplit", split=split)
    expect_data(where, **split._asdict())
    for name, part in split._asdict().items():
        ok = np.ndim(part) == 1 and len(part) > 1
        expect(ok, where, "one number for each of at least two networks", **{name: part})


@asked(split=_split)
def averaged_split(split: VarianceSplit) -> VarianceSplit:
    """Mean over networks of every part of a variance split, with its standard error.

    Parameters
    ----------
    split
        Arrays of shape ``(num_nets,)``.

    Returns
    -------
    VarianceSplit
        An ``Estimate`` for each part.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import measure
    >>> parts = measure.magnitudes.variance_split(np.arange(24.0).reshape(2, 2, 2, 3))
    >>> float(measure.magnitudes.averaged_split(parts).draws.value)  # of 0, 1 and 2
    0.6666666666666666
    """
    return VarianceSplit(
        *(Estimate(float(part.mean()), float(part.std(ddof=1) / len(part) ** 0.5)) for part in map(np.asarray, split))
    )


@asked(num_nets=count(2))
def log_grad_variance(
    key: Array,
    net: Dense,
    *,
    depth: int,
    width: int,
    num_nets: int,
    batch: int = 1,
    num_draws: int = 16,
    c_0: float = 0.0,
    c_cotangent: float = 0.0,
    dtype: str = "float32",
) -> VarianceSplit:
    """Variance of log|g| over weight gradients, split over layers, entries and draws.

    Parameters
    ----------
    key, net, depth, width, num_nets, batch, num_draws, c_0, c_cotangent, dtype
        As for ``magnitudes.log_grad_entries``; at least two networks.

    Returns
    -------
    VarianceSplit
        An ``Estimate`` for each part: the mean over networks and one standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: as ``log_grad_entries``.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net, size = Dense("tanh", sigma_w=1.5), {"depth": 8, "width": 64, "num_nets": 4}
    >>> split = measure.log_grad_variance(jax.random.key(0), net, **size)
    >>> bool(split.draws.value > split.entries.value > split.layers.value)
    True
    """
    size: dict[str, Any] = {"depth": depth, "width": width, "num_nets": num_nets, "dtype": dtype}
    size |= {"batch": batch, "num_draws": num_draws, "c_0": c_0, "c_cotangent": c_cotangent}
    return averaged_split(variance_split(log_grad_entries(key, net, **size)))
