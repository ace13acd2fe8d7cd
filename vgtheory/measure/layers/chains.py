"""Log-norms of signals and gradients in many real networks, one by one.

All points of a grid of ``sigma_w`` and ``sigma_b`` scale the same drawn weights (common random
numbers). A comparison between two points is therefore sharper than the error of either, and one
matrix product serves the whole grid.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from vgtheory.activations.units import fan_of, is_unit
from vgtheory.expect import expect, expect_noun
from vgtheory.frame import frame_of_logs
from vgtheory.measure.arguments import asked, one_of, units
from vgtheory.measure.arguments import listed as may_be_listed
from vgtheory.measure.engine.averages import from_top
from vgtheory.measure.engine.dispatch import measures
from vgtheory.measure.engine.links import is_scalable
from vgtheory.measure.engine.log_pass import Walk, walk
from vgtheory.measure.engine.matrix_free import alike, check_matrix_free, walk_without_matrices
from vgtheory.measure.engine.memory import Plan, planned
from vgtheory.measure.engine.networks import SAMPLERS, draw_cotangent, draw_input, draw_weights, scale_w, wide
from vgtheory.measure.engine.runs import chosen_devices, run
from vgtheory.measure.layers import listed
from vgtheory.networks.dense import Dense
from vgtheory.networks.ensemble import Layered
from vgtheory.networks.listed import depth_of, is_listed, known_width
from vgtheory.networks.noise import dropconnect_of
from vgtheory.networks.recurrent import FixedRecurrent, Recurrent, Tied

if TYPE_CHECKING:
    import pandas

_NUMBERS_AT_ONCE = 2**19
"""Numbers whose sums over depth are formed in float64 at a time."""


class ChainLogs(NamedTuple):
    """Log-norms of dense or recurrent networks, one by one: natural logs, float64.

    Each array has the shape ``(*grid, num_nets, inputs, depth)``. ``grid`` is the broadcast shape
    of ``sigma_w`` and ``sigma_b``. The axis of inputs is absent without ``num_inputs``, and is
    always absent from ``log_grad_weight``.

    Attributes
    ----------
    log_q
        Log of the mean square of ``h_l``.
    log_grad
        Log of ``|dE/dh_l| / |dE/dh_depth|``.
    log_grad_weight
        Log of ``|dE/dW_l| / |dE/dW_depth|``, Frobenius norms, ``E`` summed over inputs. For a
        recurrent network, ``dE/dW_l`` is the share of step l in the gradient of the shared matrix.
    """

    log_q: np.ndarray
    log_grad: np.ndarray
    log_grad_weight: np.ndarray

    @property
    def frame(self) -> "pandas.DataFrame":
        """Table with a row for each layer of each network, as a ``pandas.DataFrame``."""
        return frame_of_logs(self, inputs=np.ndim(self.log_q) > np.ndim(self.log_grad_weight))


class _Size(NamedTuple):
    """Static arguments of the compiled program."""

    depth: int
    width: int
    num_inputs: int
    dtype: str
    scalable: bool
    sampler: str
    keep: str


def _at(net: Layered, sigma_w: ArrayLike, sigma_b: ArrayLike) -> Layered:
    """Ensemble at one point of its grid."""
    scale: dict[str, Any] = {} if isinstance(net, FixedRecurrent) else {"sigma_w": sigma_w}
    return dataclasses.replace(net, sigma_b=sigma_b, **scale)


def _one(words: Array, given: tuple[Layered, tuple[Array, Array]], size: _Size) -> Walk:
    """Run one network at all points of the grid; every leaf has the axes (points, ...)."""
    net, grid = given
    fan, form = fan_of(net), (size.dtype, size.num_inputs)
    x_0, cotangent = draw_input(words, size.width, *form), draw_cotangent(words, fan * size.width, *form)
    x_0 = jnp.pad(x_0, ((0, 0), (0, (fan - 1) * size.width)))
    drawn = draw_weights(words, net, 1, size.width, size.dtype) if isinstance(net, Tied) else None

    def point(sigma_w: Array, sigma_b: Array) -> Walk:
        here = _at(net, sigma_w, sigma_b)
        if size.sampler == "matrix_free" and isinstance(here, Dense):
            layers = alike(here, size.width, size.dtype, size.scalable, words)
            return walk_without_matrices(words, layers, x_0, cotangent, size.depth, size.scalable)
        weights_of = lambda layer: drawn or draw_weights(words, net, layer, size.width, size.dtype)
        return walk(weights_of, here, x_0, cotangent, size.depth, size.scalable, size.keep, words=words)

    return jax.vmap(point)(*grid)


def _finite_peak(values: np.ndarray) -> np.ndarray:
    """Largest value over inputs (the axis before the last), or 0 where that value is not finite."""
    peak = values.max(axis=-2)
    return np.where(np.isfinite(peak), peak, 0.0)


def _summed(walked: Walk, scalable: bool) -> ChainLogs:
    """Sum over depth; axes (num_nets, points, ...) become (points, num_nets, ...)."""
    num_nets, points, depth, inputs = walked.rows.shape
    step = max(1, _NUMBERS_AT_ONCE // (points * depth * inputs))
    logs = ChainLogs(*(np.empty((points, num_nets, *more)) for more in ((inputs, depth), (inputs, depth), (depth,))))
    for begin in range(0, num_nets, step):
        few = slice(begin, begin + step)
        for whole, part in zip(
            logs, logs_of(jax.tree.map(lambda leaf, few=few: leaf[few], walked), scalable), strict=True
        ):
            whole[:, few] = np.moveaxis(part, 1, 0)
    return logs


def logs_of(walked: Walk, scalable: bool, relative: bool = True) -> ChainLogs:
    """Sum over depth in float64, relative to the top or absolute; the leaves of ``walked`` are (..., depth, inputs)."""
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
        return ChainLogs(log_q, log_grad, log_weight - log_weight[..., -1:] if relative else log_weight)


def grid_of(net: Layered, dtype: str) -> tuple[tuple[int, ...], tuple[np.ndarray, np.ndarray]]:
    """Shape of an ensemble's grid, and the flattened ``sigma_w`` and ``sigma_b`` of its points."""
    scales = (scale_w(net), net.sigma_b)
    shapes = [np.shape(scale) for scale in scales]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        expect(False, "measure", "sigma_w and sigma_b that broadcast", shapes=shapes)
    points = tuple(np.broadcast_to(np.asarray(scale, wide(dtype)), shape).reshape(-1) for scale in scales)
    return shape, (points[0], points[1])


@asked(noise=True)
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
    devices: Sequence[jax.Device] | None = None,
) -> Plan:
    """Layout and memory of a measurement by ``measure.samples``, computed before anything runs.

    Parameters
    ----------
    net, depth, width, num_nets, num_inputs, dtype, keep, memory, devices
        As for ``measure.samples``.

    Returns
    -------
    Plan
        What is kept for the backward pass, the number of networks that run together, and the bytes
        needed and available on each device.

    Raises
    ------
    ValueError
        If the measurement does not fit; the message states the sizes.

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
@asked(noise=True, unit=True, net=may_be_listed, depth=units, width=units, sampler=one_of(SAMPLERS))
def samples(
    key: Array,
    net: Layered,
    *,
    depth: int | None = None,
    width: int | None = None,
    num_nets: int,
    num_inputs: int | None = None,
    input_square: float = 1.0,
    dtype: str = "float32",
    sampler: str = "networks",
    keep: str | None = None,
    memory: float | int | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> ChainLogs:
    """Log-norms in many real dense or recurrent networks; parameters as for ``measure.samples``.

    The weight matrix of a ``FixedRecurrent`` must fit ``width``, and its grid has ``sigma_b``
    alone. The sampler ``"matrix_free"`` is for ``Dense`` networks with Gaussian weights.

    Returns
    -------
    ChainLogs
        NaN or inf where the network's own arithmetic overflows, or where the weight gradient of the
        last layer is zero.

    Notes
    -----
    Accuracy: one rounding of ``dtype`` per link.
    Assumes: nothing about the network. With DropConnect, whose weights differ from input to input,
    ``log_grad_weight`` is not measured (NaN). ``h`` is renormalised only if ``is_scalable`` holds for the
    activation, which excludes ``sigmoid`` and ``softplus`` because ``phi(0)`` is not 0.
    """
    if sampler == "matrix_free":
        check_matrix_free("samples", net)
    where = chosen_devices(devices)
    rows: dict[str, Any] = {"num_nets": num_nets, "itemsize": jnp.dtype(dtype).itemsize}
    fit: dict[str, Any] = {"keep": keep, "memory": memory, "devices": where, "matrices": sampler == "networks"}
    how: dict[str, Any] = {"num_nets": num_nets, "dtype": dtype, "devices": where}
    if is_listed(net) or input_square != 1:
        expect(not is_unit(net), "samples", "like layers of such units, and an input of mean square 1", net=net)
        expect_noun("samples", (Dense,), "Only its layers may differ, or have another input.", net=net)
        plan, numbers, layers = listed.planned_layers("samples", net, depth, width, input_square, dtype)
        room = planned("samples", depth=len(layers.sigma_b), width=plan.widest, rows=num_inputs or 1, **rows, **fit)
        own = listed.Size(plan, num_inputs or 1, dtype, plan.scalable, sampler, room.keep)
        logs = _summed(run(listed.one, key, (net, numbers), own, lanes=room.lanes, **how), plan.scalable)
        logs = _without_cut(net, logs)
        return _shaped(logs._replace(log_q=logs.log_q + listed.log_padding(layers)), (), num_inputs)
    depth, width = depth_of("samples", net, depth), known_width("samples", width)
    scalable, (shape, grid) = is_scalable(net.activation), grid_of(net, dtype)
    room = planned(
        "samples", depth=depth, width=fan_of(net) * width, rows=grid[0].size * (num_inputs or 1), **rows, **fit
    )
    size = _Size(depth, width, num_inputs or 1, dtype, scalable, sampler, room.keep)
    logs = _summed(run(_one, key, (net, grid), size, lanes=room.lanes, **how), scalable)
    return _shaped(_without_cut(net, logs), shape, num_inputs)


def _without_cut(net: Layered, logs: ChainLogs) -> ChainLogs:
    """The logs; NaN for gradients of weights that differ from input to input."""
    if dropconnect_of(net) == 0:
        return logs
    return logs._replace(log_grad_weight=np.full_like(logs.log_grad_weight, np.nan))


def _shaped(logs: ChainLogs, shape: tuple[int, ...], num_inputs: int | None) -> ChainLogs:
    """The axis of points as that of the grid, and no axis of inputs where there is one without a number."""
    log_q, log_grad, log_grad_weight = (leaf.reshape(*shape, *leaf.shape[1:]) for leaf in logs)
    if num_inputs is None:
        return ChainLogs(log_q[..., 0, :], log_grad[..., 0, :], log_grad_weight)
    return ChainLogs(log_q, log_grad, log_grad_weight)
