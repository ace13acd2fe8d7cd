r"""Log-norms of signals and gradients along many real networks, one by one.

A whole grid of ``sigma_w`` and ``sigma_b`` shares each network's draw (common random numbers: the same weights scaled), so a
comparison between two of its points is sharper than the errors of either, and one matrix product serves them all.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.expect import expect
from vgtheory.frame import frame_of_logs
from vgtheory.measure.arguments import asked, one_of
from vgtheory.measure.engine.averages import from_top
from vgtheory.measure.engine.dispatch import measures
from vgtheory.measure.engine.links import is_scalable
from vgtheory.measure.engine.log_pass import Walk, walk
from vgtheory.measure.engine.matrix_free import check_matrix_free, walk_without_matrices
from vgtheory.measure.engine.memory import Plan, planned
from vgtheory.measure.engine.networks import SAMPLERS, draw_cotangent, draw_input, draw_weights, scale_w, wide
from vgtheory.measure.engine.runs import chosen_devices, run
from vgtheory.networks.dense import Dense
from vgtheory.networks.ensemble import Layered
from vgtheory.networks.recurrent import FixedRecurrent, Recurrent, Tied

_NUMBERS_AT_ONCE = 2**19
"""Sums over depth are formed in float64 for so many layers of inputs at a time."""


class ChainLogs(NamedTuple):
    """Per-network natural logs, float64, each of shape (*grid, num_nets, inputs, depth).

    ``grid`` is the broadcast shape of ``sigma_w`` and ``sigma_b``; the axis of inputs is absent if no number of them was asked
    for, and from the weight gradient always.

    Attributes
    ----------
    log_q
        Of the mean square of ``h_l``.
    log_grad
        Of ``|dE/dh_l| / |dE/dh_depth|``.
    log_grad_weight
        Of ``|dE/dW_l| / |dE/dW_depth|``, Frobenius norms, ``E`` summed over inputs (for ``Recurrent``: of step l's own share
        in dE/dW).
    """

    log_q: np.ndarray
    log_grad: np.ndarray
    log_grad_weight: np.ndarray

    @property
    def frame(self) -> Any:
        """A row for each layer of each network, as a ``pandas.DataFrame``."""
        return frame_of_logs(self, inputs=np.ndim(self.log_q) > np.ndim(self.log_grad_weight))


class _Size(NamedTuple):
    """What a program is compiled for."""

    depth: int
    width: int
    num_inputs: int
    dtype: str
    scalable: bool
    sampler: str
    keep: str


def _at(net: Layered, sigma_w: Any, sigma_b: Any) -> Layered:
    """The ensemble at one point of its grid."""
    scale = {} if isinstance(net, FixedRecurrent) else {"sigma_w": sigma_w}
    return dataclasses.replace(net, sigma_b=sigma_b, **scale)


def _one(words: Array, given: tuple[Layered, tuple[Array, Array]], size: _Size) -> Walk:
    """One network at all points of the grid; every leaf has the axes (points, ...)."""
    net, grid = given
    vectors = (words, size.width, size.dtype, size.num_inputs)
    x_0, cotangent = draw_input(*vectors), draw_cotangent(*vectors)
    drawn = draw_weights(words, net, 1, size.width, size.dtype) if isinstance(net, Tied) else None

    def point(sigma_w: Array, sigma_b: Array) -> Walk:
        here = _at(net, sigma_w, sigma_b)
        if size.sampler == "matrix_free" and isinstance(here, Dense):
            return walk_without_matrices(words, here, x_0, cotangent, size.depth, size.scalable)
        weights_of = lambda layer: drawn or draw_weights(words, net, layer, size.width, size.dtype)
        return walk(weights_of, here, x_0, cotangent, size.depth, size.scalable, size.keep)

    return jax.vmap(point)(*grid)


def _finite_peak(values: np.ndarray) -> np.ndarray:
    """Largest over inputs (the axis before the last), or 0 where that is not finite."""
    peak = values.max(axis=-2)
    return np.where(np.isfinite(peak), peak, 0.0)


def _summed(walked: Walk, scalable: bool) -> ChainLogs:
    """Sums over depth of all networks, a few at a time; from axes (num_nets, points, ...) to (points, num_nets, ...)."""
    num_nets, points, depth, inputs = walked.rows.shape
    step = max(1, _NUMBERS_AT_ONCE // (points * depth * inputs))
    logs = ChainLogs(*(np.empty((points, num_nets, *more)) for more in ((inputs, depth), (inputs, depth), (depth,))))
    for begin in range(0, num_nets, step):
        few = slice(begin, begin + step)
        for whole, part in zip(
            logs, _logs(jax.tree.map(lambda leaf, few=few: leaf[few], walked), scalable), strict=True
        ):
            whole[:, few] = np.moveaxis(part, 1, 0)
    return logs


def _logs(walked: Walk, scalable: bool) -> ChainLogs:
    """Sums over depth, in float64; leaves of ``walked`` are (..., depth, inputs)."""
    log_rms, rows, pair = (np.asarray(leaf, dtype=np.float64) for leaf in walked[:3])
    log_rms, rows = np.swapaxes(log_rms, -1, -2), np.swapaxes(rows, -1, -2)
    finite = np.isfinite(log_rms)
    scale = np.cumsum(np.where(finite & scalable, log_rms, 0.0), axis=-1)
    with np.errstate(invalid="ignore"):
        top = rows[..., -1:]
        log_grad = from_top(rows)
        unit_g = _finite_peak(log_grad + top)
        unit_x = _finite_peak(np.concatenate([np.zeros_like(top), scale[..., :-1]], axis=-1))
        log_weight = pair + unit_g + unit_x
        log_q = 2 * (scale + np.where(finite, 0.0, log_rms)) if scalable else 2 * log_rms
        return ChainLogs(log_q, log_grad, log_weight - log_weight[..., -1:])


def grid_of(net: Layered, dtype: str) -> tuple[tuple[int, ...], tuple[np.ndarray, np.ndarray]]:
    """Shape of an ensemble's grid, and its points, one after the other.

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` broadcast.
    dtype
        Format of the chain.
    """
    scales = (scale_w(net), net.sigma_b)
    shapes = [np.shape(scale) for scale in scales]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        expect(False, "measure", "sigma_w and sigma_b that broadcast", shapes=shapes)
    points = tuple(np.broadcast_to(np.asarray(scale, wide(dtype)), shape).reshape(-1) for scale in scales)
    return shape, (points[0], points[1])


@asked()
def plan(
    net: Layered,
    *,
    depth: int,
    width: int,
    num_nets: int,
    num_inputs: int | None = None,
    dtype: str = "float32",
    keep: str | None = None,
    memory: float | int | None = None,
    devices: Sequence[Any] | None = None,
) -> Plan:
    r"""How ``samples`` would lay out a measurement, and the memory that takes, before anything runs.

    Parameters
    ----------
    net
        The ensemble.
    depth, width, num_nets, num_inputs, dtype, keep, memory, devices
        As for ``samples``.

    Returns
    -------
    Plan
        What is kept, the number of networks walked together, and bytes needed and available on each device.

    Raises
    ------
    ValueError
        If it does not fit, with the numbers.

    Examples
    --------
    >>> from vgtheory import Dense, measure
    >>> deep = {"depth": 10_000, "width": 256, "num_nets": 16, "num_inputs": 32}
    >>> measure.plan(Dense("tanh"), **deep, memory=2**30).keep
    'activations'
    >>> measure.plan(Dense("tanh"), **deep, memory=2**28).keep
    'segments'
    """
    where = "plan"
    rows = int(np.prod(grid_of(net, dtype)[0])) * (num_inputs or 1)
    size: dict[str, Any] = {"depth": depth, "width": width, "rows": rows, "num_nets": num_nets}
    size |= {"itemsize": jnp.dtype(dtype).itemsize}
    return planned(where, **size, keep=keep, memory=memory, devices=chosen_devices(devices))


@measures(Dense, Recurrent, FixedRecurrent)
@asked(sampler=one_of(SAMPLERS))
def samples(
    key: Array,
    net: Layered,
    *,
    depth: int,
    width: int,
    num_nets: int,
    num_inputs: int | None = None,
    dtype: str = "float32",
    sampler: str = "networks",
    keep: str | None = None,
    memory: float | int | None = None,
    devices: Sequence[Any] | None = None,
) -> ChainLogs:
    r"""Forward and backward log-norms along many real networks, by automatic differentiation in the log domain.

    Parameters
    ----------
    key
        A JAX key; network i uses ``fold_in(key, i)``, so its numbers do not depend on how many others are drawn.
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` may be arrays that broadcast, and every point of that grid scales the same
        draws (for a given matrix, whose width must be ``width``, only ``sigma_b``).
    depth
        Number of layers, >= 1.
    width
        Number of units, >= 1.
    num_nets
        Number of networks, >= 1; each has its own weights, inputs and top cotangents.
    num_inputs
        Inputs sent through each network together; ``None`` for one, without an axis of its own.
    dtype
        ``"float32"`` or ``"float64"``: of weights and arithmetic.
    sampler
        ``"networks"``: real weight matrices. ``"matrix_free"``: other draws from the same distribution, at the same
        finite width, at a cost of O(width) instead of O(width^2) per layer (``matrix_free``); ``Dense`` networks with
        Gaussian weights only.
    keep
        What is kept of each layer for the way down: ``"activations"`` (all of them), or ``"segments"`` (every sqrt(depth)-th,
        the others computed again); ``None`` for the first of these that fits the memory.
    memory
        Bytes to use on each device; ``None`` for half of a host's or four fifths of what an accelerator has free.
    devices
        JAX devices to spread the networks over; ``None`` for all.

    Returns
    -------
    ChainLogs
        Arrays of shape ``(*grid, num_nets, depth)``, with an axis of inputs before the last if ``num_inputs`` is given; -inf where
        a norm is exactly zero (a dead ReLU layer), NaN or inf where the network's own arithmetic is (an activation that
        overflows) or where the top's weight gradient is zero.

    Raises
    ------
    ValueError
        If a count is no positive integer, the format or the sampler is unknown, the matrix does not fit the width, the
        measurement does not fit the memory, or the matrix-free sampler is asked for weights that are not Gaussian or not a
        layer's own.

    Notes
    -----
    Accuracy: one rounding of ``dtype`` per link; equal to ``jax.grad`` of the same network where that does not underflow. The same
    to that rounding on any devices; in a chaotic network roundings grow from layer to layer, so the numbers of two
    different machines part there.
    Assumes: nothing about the network. Activations for which ``is_scalable`` is false (``sigmoid``, ``softplus``, whose
    ``phi(0)`` is not 0) keep their ``h`` unscaled on the way up.

    Examples
    --------
    >>> import jax, numpy as np
    >>> from vgtheory import Dense, measure
    >>> logs = measure.samples(jax.random.key(0), Dense("tanh"), depth=5, width=16, num_nets=3)
    >>> logs.log_grad.shape, logs.log_grad[:, -1].tolist()
    ((3, 5), [0.0, 0.0, 0.0])
    >>> grid = Dense("tanh", sigma_w=np.array([1.0, 2.0]))
    >>> logs = measure.samples(jax.random.key(0), grid, depth=5, width=16, num_nets=3, num_inputs=4)
    >>> logs.log_grad.shape, logs.log_grad_weight.shape
    ((2, 3, 4, 5), (2, 3, 5))
    """
    if sampler == "matrix_free":
        check_matrix_free("samples", net)
    scalable, where = is_scalable(net.activation), chosen_devices(devices)
    shape, grid = grid_of(net, dtype)
    rows, itemsize = grid[0].size * (num_inputs or 1), jnp.dtype(dtype).itemsize
    count = {"depth": depth, "width": width, "rows": rows, "num_nets": num_nets, "itemsize": itemsize}
    plan = planned("samples", **count, keep=keep, memory=memory, devices=where, matrices=sampler == "networks")
    size = _Size(depth, width, num_inputs or 1, dtype, scalable, sampler, plan.keep)
    how: dict[str, Any] = {"num_nets": num_nets, "dtype": dtype, "lanes": plan.lanes, "devices": where}
    walked = run(_one, key, (net, grid), size, **how)
    logs = [leaf.reshape(*shape, *leaf.shape[1:]) for leaf in _summed(walked, scalable)]
    if num_inputs is None:
        return ChainLogs(logs[0][..., 0, :], logs[1][..., 0, :], logs[2])
    return ChainLogs(*logs)
