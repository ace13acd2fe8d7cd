"""Real convolutional networks in the log domain, one by one, with kernels in Flax's layout.

At each layer the forward pass divides the whole activation by its rms, and the backward pass
renormalises the whole cotangent. The logs of both factors are kept, and so is the share of each
position in the sum of squares.
"""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike, DTypeLike

from vgtheory.expect import expect_scalars
from vgtheory.frame import frame_of_nets
from vgtheory.measure.arguments import asked, listed, units
from vgtheory.measure.engine.averages import from_top
from vgtheory.measure.engine.dispatch import measures
from vgtheory.measure.engine.draws import BIAS, PRUNED, WEIGHTS, normal
from vgtheory.measure.engine.links import Place, activate, added, factors, is_scalable, kept
from vgtheory.measure.engine.log_pass import over_layers
from vgtheory.measure.engine.memory import planned
from vgtheory.measure.engine.networks import draw_cotangent, draw_input, orthogonal, wide
from vgtheory.measure.engine.runs import chosen_devices, in_format, run
from vgtheory.measure.engine.taps import log_norm
from vgtheory.networks.conv import Conv, expect_positions
from vgtheory.networks.listed import at_layer, depth_of

if TYPE_CHECKING:
    import pandas

_LOG_EDGE = 60.0
_LAYOUTS = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC")}


class ConvLogs(NamedTuple):
    """Log-norms of convolutional networks, one by one: natural logs, float64.

    Attributes
    ----------
    log_q
        Log of the mean square of ``h_l`` over channels and positions, shape ``(num_nets, depth)``.
    log_grad
        Log of ``|dE/dh_l| / |dE/dh_depth|``, shape ``(num_nets, depth)``.
    log_q_positions
        Log of the mean square of ``h_l`` over channels, shape ``(num_nets, depth, *positions)``.
    log_grad_positions
        Log of ``|dE/dh_l|`` at a position over its root mean square over the top's positions, shape
        ``(num_nets, depth, *positions)``.
    """

    log_q: np.ndarray
    log_grad: np.ndarray
    log_q_positions: np.ndarray
    log_grad_positions: np.ndarray

    @property
    def frame(self) -> "pandas.DataFrame":
        """Table with a row for each position, layer and network, as a ``pandas.DataFrame``."""
        _, depth, *shape = self.log_q_positions.shape
        names = ["position"] if len(shape) == 1 else [f"position_{axis}" for axis in range(len(shape))]
        positions = {name: np.arange(number) for name, number in zip(names, shape, strict=True)}
        return frame_of_nets(self, {"layer": np.arange(1, depth + 1), **positions})


class _Size(NamedTuple):
    """Static arguments of the compiled program."""

    depth: int
    width: int
    shape: tuple[int, ...]
    dtype: str
    scalable: bool
    keep: str


class _Slots(NamedTuple):
    """Zeros whose gradients are a layer's log-factor of the cotangent and its shares."""

    size: Array
    shares: Array


def draw_kernel(words: Array, net: Conv, layer: ArrayLike, width: int, num_axes: int, dtype: DTypeLike) -> Array:
    """One layer's kernel before scaling, shape ``(*taps, width, width)``, input to output."""
    taps = (net.kernel_size,) * num_axes
    if net.weights == "gaussian":
        fan_in = net.kernel_size**num_axes * width
        z = normal(words, WEIGHTS, layer, (*taps, width, width), wide(dtype))
        return (z * fan_in**-0.5).astype(dtype)
    middle = orthogonal(normal(words, WEIGHTS, layer, (width, width), wide(dtype))).astype(dtype)
    return jnp.zeros((*taps, width, width), dtype).at[(net.kernel_size // 2,) * num_axes].set(middle)


def convolved(net: Conv, kernel: Array, x: Array) -> Array:
    """Convolution of ``x``, shape ``(*positions, width)``, with a kernel, of the same shape."""
    half, axes = net.kernel_size // 2, x.ndim - 1
    mode = "wrap" if net.padding == "circular" else "constant"
    padded = jnp.pad(x, [(half, half)] * axes + [(0, 0)], mode=mode)
    strides, layout, exact = (1,) * axes, _LAYOUTS[axes], lax.Precision.HIGHEST
    return lax.conv_general_dilated(padded[None], kernel, strides, "VALID", dimension_numbers=layout, precision=exact)[
        0
    ]


def _log_shares(unit: Array) -> Array:
    """Log of each position's part of the sum of squares."""
    rows = unit.reshape(-1, unit.shape[-1])
    return 2 * jax.vmap(log_norm)(rows)[0].reshape(unit.shape[:-1])


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _gauge(scalable: bool, h: Array, slots: _Slots) -> tuple[Array, Array, Array]:
    """Divide ``h`` by its rms if ``scalable``; return the log of the rms and the shares."""
    del slots
    size, unit = log_norm(h)
    log_rms = size - float(np.log(h.size)) / 2
    return (unit * float(np.sqrt(h.size)) if scalable else h), log_rms, _log_shares(unit)


def _gauge_backward(scalable: bool, kept: None, cotangents: tuple[Array, ...]) -> tuple[Array, _Slots]:
    size, unit = log_norm(cotangents[0])
    return unit, _Slots(size, _log_shares(unit))


_gauge.defvjp(lambda scalable, h, slots: (_gauge(scalable, h, slots), None), _gauge_backward)


def _one(words: Array, net: Conv, size: _Size) -> tuple[Array, ...]:
    """Log rms and shares of every layer of one network, forward and backward."""
    num = int(np.prod(size.shape))
    x_0, cotangent = (draw(words, size.width, size.dtype, num) for draw in (draw_input, draw_cotangent))
    x_0, cotangent = (field.reshape(*size.shape, size.width) for field in (x_0, cotangent))
    zero = jnp.zeros((), x_0.dtype)

    def link(state: tuple[Array, Array], inputs: tuple[Array, _Slots]) -> tuple[tuple[Array, Array], tuple]:
        (h, log_scale), (index, slots) = state, inputs
        own = at_layer(net, index)
        kernel = draw_kernel(words, net, index, size.width, len(size.shape), size.dtype)
        bias = normal(words, BIAS, index, (size.width,), wide(size.dtype)).astype(size.dtype)
        active = activate(net.activation, h.reshape(1, -1), log_scale[None], size.scalable).reshape(h.shape)
        x, place = jnp.where(index == 1, h, active), Place(words, index)
        x = x * factors(net, place, x.shape, x.dtype)
        if net.dropconnect > 0:
            kernel = kernel * kept(net.dropconnect, place, PRUNED, kernel.shape, kernel.dtype)
        relative = jnp.exp(jnp.minimum(-log_scale, _LOG_EDGE))
        h = own.sigma_w * convolved(net, kernel, x)
        h = (h + (own.sigma_b * relative * bias).reshape((1,) * len(size.shape) + (-1,))).astype(x.dtype)
        if net.sigma_noise > 0:
            h = (h + relative * added(net, place, h.shape, h.dtype)).astype(x.dtype)
        h, log_rms, shares = _gauge(size.scalable, h, slots)
        log_rms, shares = lax.stop_gradient((log_rms, shares))
        grown = jnp.where(jnp.isfinite(log_rms), log_rms, 0.0) if size.scalable else zero
        return (h, log_scale + grown), (log_rms, shares)

    def energy(slots: _Slots) -> tuple[Array, tuple]:
        layers = (jnp.arange(1, size.depth + 1), slots)
        (h, _), seen = over_layers(link, (x_0, zero), layers, size.depth, size.keep)
        return jnp.vdot(cotangent, h), seen

    slots = _Slots(jnp.zeros(size.depth, zero.dtype), jnp.zeros((size.depth, *size.shape), zero.dtype))
    below, (log_rms, shares) = jax.grad(energy, has_aux=True)(slots)
    return log_rms, shares, below.size, below.shares


@measures(Conv)
@asked(noise=True, net=listed, depth=units)
def samples(
    key: Array,
    net: Conv,
    *,
    depth: int | None = None,
    width: int,
    positions: int | tuple[int, ...],
    num_nets: int,
    dtype: str = "float32",
    keep: str | None = None,
    memory: float | int | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> ConvLogs:
    """Log-norms in many real convolutional networks; parameters as for ``measure.samples``.

    ``sigma_w`` and ``sigma_b`` are single numbers, or tuples of one for every layer. The input of
    each network has independent normal entries, scaled to unit mean square at every position. The
    cotangent at the top is standard normal.

    Notes
    -----
    Accuracy: one rounding of ``dtype`` per link.
    Assumes: nothing about the network.
    """
    where, scales = "samples", {"sigma_w": net.sigma_w, "sigma_b": net.sigma_b}
    depth = depth_of(where, net, depth)
    expect_scalars(where, **{name: scale for name, scale in scales.items() if not isinstance(scale, tuple)})
    shape, chosen = expect_positions(where, net, positions), chosen_devices(devices)
    rows, itemsize = int(np.prod(shape)) + net.kernel_size ** len(shape) * width, np.dtype(dtype).itemsize
    count = {"depth": depth, "width": width, "rows": rows, "num_nets": num_nets, "itemsize": itemsize}
    kept = planned(where, **count, keep=keep, memory=memory, devices=chosen).keep
    size = _Size(depth, width, shape, dtype, is_scalable(net.activation), kept)
    # Networks run one at a time: XLA makes a slow grouped convolution of a batch of kernels.
    walked = run(_one, key, in_format(net, dtype), size, num_nets=num_nets, dtype=dtype, devices=chosen)
    return _summed(walked, size)


def _summed(walked: tuple[np.ndarray, ...], size: _Size) -> ConvLogs:
    """Sum over depth in float64."""
    log_rms, shares, sizes, shares_below = (np.asarray(leaf, dtype=np.float64) for leaf in walked)
    level = np.log(np.prod(size.shape))
    finite = np.isfinite(log_rms)
    scale = np.cumsum(np.where(finite, log_rms, 0.0), axis=-1) if size.scalable else np.zeros_like(log_rms)
    log_q = 2 * (scale + np.where(finite, 0.0, log_rms)) if size.scalable else 2 * log_rms
    log_grad = from_top(sizes)
    over = (slice(None), slice(None), *(None for _ in size.shape))
    with np.errstate(invalid="ignore"):
        positions = log_q[over] + shares + level, log_grad[over] + (shares_below + level) / 2
    return ConvLogs(log_q, log_grad, *positions)
