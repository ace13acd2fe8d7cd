r"""Real convolutional networks in the log domain, one by one: kernels in Flax's layout, gradients by automatic differentiation.

The whole activation is divided by its rms at each layer on the way up, and the whole cotangent renormalised on the way down, each with
its log kept; so also the share that each position has in it.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.expect import expect_scalars
from vgtheory.measure.arguments import asked
from vgtheory.measure.engine.averages import from_top
from vgtheory.measure.engine.dispatch import measures
from vgtheory.measure.engine.draws import BIAS, WEIGHTS, normal
from vgtheory.measure.engine.links import activate, is_scalable
from vgtheory.measure.engine.log_pass import over_layers
from vgtheory.measure.engine.memory import planned
from vgtheory.measure.engine.networks import draw_cotangent, draw_input, orthogonal, wide
from vgtheory.measure.engine.runs import chosen_devices, in_format, run
from vgtheory.measure.engine.taps import log_norm
from vgtheory.networks.conv import Conv, expect_positions

_LOG_EDGE = 60.0
_LAYOUTS = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC")}


class ConvLogs(NamedTuple):
    """Convolutional networks one by one; natural logs, float64.

    Attributes
    ----------
    log_q
        Of the mean square of ``h_l`` over channels and positions, shape ``(num_nets, depth)``.
    log_grad
        Of ``|dE/dh_l| / |dE/dh_depth|``, shape ``(num_nets, depth)``.
    log_q_positions
        Of the mean square of ``h_l`` over channels, shape ``(num_nets, depth, *positions)``.
    log_grad_positions
        Of ``|dE/dh_l|`` at a position over its root mean square over the top's positions, the same shape.
    """

    log_q: np.ndarray
    log_grad: np.ndarray
    log_q_positions: np.ndarray
    log_grad_positions: np.ndarray


class _Size(NamedTuple):
    """What a program is compiled for."""

    depth: int
    width: int
    shape: tuple[int, ...]
    dtype: str
    scalable: bool
    keep: str


class _Slots(NamedTuple):
    """Zeros whose gradients are a layer's log-norm of the cotangent over that above, and the positions' shares in its square."""

    size: Array
    shares: Array


def draw_kernel(words: Array, net: Conv, layer: Any, width: int, num_axes: int, dtype: Any) -> Array:
    """One layer's kernel before it is multiplied by ``sigma_w``, shape ``(*taps, width, width)``, from input to output.

    Parameters
    ----------
    words
        The network's key (``draws.words_of``).
    net
        The ensemble.
    layer
        Index from 1; may be traced.
    width
        Number of channels.
    num_axes
        Spatial dimensions.
    dtype
        Of the result.
    """
    taps = (net.kernel_size,) * num_axes
    if net.weights == "gaussian":
        fan_in = net.kernel_size**num_axes * width
        z = normal(words, WEIGHTS, layer, (*taps, width, width), wide(dtype))
        return (z * fan_in**-0.5).astype(dtype)
    middle = orthogonal(normal(words, WEIGHTS, layer, (width, width), wide(dtype))).astype(dtype)
    return jnp.zeros((*taps, width, width), dtype).at[(net.kernel_size // 2,) * num_axes].set(middle)


def convolved(net: Conv, kernel: Array, x: Array) -> Array:
    """The kernel's answer to a field, of the field's own size.

    Parameters
    ----------
    net
        The ensemble.
    kernel
        Shape ``(*taps, width, width)``.
    x
        Shape ``(*positions, width)``.
    """
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
    """``h`` over its rms (where it may be), the log of that, and positions' shares; the cotangent's on the way down."""
    del slots
    size, unit = log_norm(h)
    log_rms = size - float(np.log(h.size)) / 2
    return (unit * float(np.sqrt(h.size)) if scalable else h), log_rms, _log_shares(unit)


def _gauge_backward(scalable: bool, kept: None, cotangents: tuple[Array, ...]) -> tuple[Array, _Slots]:
    size, unit = log_norm(cotangents[0])
    return unit, _Slots(size, _log_shares(unit))


_gauge.defvjp(lambda scalable, h, slots: (_gauge(scalable, h, slots), None), _gauge_backward)


def _one(words: Array, net: Conv, size: _Size) -> tuple[Array, ...]:
    """One network, up and down: the rms of every layer in units of the scale below, shares, and both of the cotangent."""
    num = int(np.prod(size.shape))
    x_0, cotangent = (draw(words, size.width, size.dtype, num) for draw in (draw_input, draw_cotangent))
    x_0, cotangent = (field.reshape(*size.shape, size.width) for field in (x_0, cotangent))
    zero = jnp.zeros((), x_0.dtype)

    def link(state: tuple[Array, Array], inputs: tuple[Array, _Slots]) -> tuple[tuple[Array, Array], tuple]:
        (h, log_scale), (index, slots) = state, inputs
        kernel = draw_kernel(words, net, index, size.width, len(size.shape), size.dtype)
        bias = normal(words, BIAS, index, (size.width,), wide(size.dtype)).astype(size.dtype)
        active = activate(net.activation, h.reshape(1, -1), log_scale[None], size.scalable).reshape(h.shape)
        x = jnp.where(index == 1, h, active)
        relative = jnp.exp(jnp.minimum(-log_scale, _LOG_EDGE))
        h = net.sigma_w * convolved(net, kernel, x)
        h = (h + (net.sigma_b * relative * bias).reshape((1,) * len(size.shape) + (-1,))).astype(x.dtype)
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
@asked()
def samples(
    key: Array,
    net: Conv,
    *,
    depth: int,
    width: int,
    positions: Any,
    num_nets: int,
    dtype: str = "float32",
    keep: str | None = None,
    memory: float | int | None = None,
    devices: Sequence[Any] | None = None,
) -> ConvLogs:
    r"""Forward and backward log-norms along many real convolutional networks, by automatic differentiation in the log domain.

    Parameters
    ----------
    key
        A JAX key; network i uses ``fold_in(key, i)``.
    net
        The ensemble, with scalar ``sigma_w`` and ``sigma_b``.
    depth, width
        Numbers of layers and of channels.
    positions
        Number of positions, or two of them for a plane.
    num_nets
        Number of networks, each with weights of its own, one input (independent normal numbers, every position scaled to unit mean
        square) and one standard normal cotangent at the top.
    dtype
        ``"float32"`` or ``"float64"``: of weights and arithmetic.
    keep, memory, devices
        As for ``samples``.

    Returns
    -------
    ConvLogs
        Of every network; -inf where a norm is exactly zero.

    Raises
    ------
    ValueError
        If ``net`` is no ``Conv``, a count is no positive integer, the format is unknown, or the measurement does not fit.

    Notes
    -----
    Accuracy: one rounding of ``dtype`` per link; equal to ``jax.grad`` of the same network where that does not underflow.
    Assumes: nothing about the network.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Conv, measure
    >>> net = Conv("tanh", weights="delta_orthogonal")
    >>> logs = measure.samples(jax.random.key(0), net, depth=3, width=8, positions=(4, 5), num_nets=2)
    >>> logs.log_grad.shape, logs.log_grad_positions.shape
    ((2, 3), (2, 3, 4, 5))
    """
    where = "samples"
    expect_scalars(where, sigma_w=net.sigma_w, sigma_b=net.sigma_b)
    shape, chosen = expect_positions(where, net, positions), chosen_devices(devices)
    rows, itemsize = int(np.prod(shape)) + net.kernel_size ** len(shape) * width, np.dtype(dtype).itemsize
    count = {"depth": depth, "width": width, "rows": rows, "num_nets": num_nets, "itemsize": itemsize}
    kept = planned(where, **count, keep=keep, memory=memory, devices=chosen).keep
    size = _Size(depth, width, shape, dtype, is_scalable(net.activation), kept)
    # One at a time: XLA makes a grouped convolution of a batch of kernels, which is slow.
    walked = run(_one, key, in_format(net, dtype), size, num_nets=num_nets, dtype=dtype, devices=chosen)
    return _summed(walked, size)


def _summed(walked: tuple[np.ndarray, ...], size: _Size) -> ConvLogs:
    """Sums over depth, in float64."""
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
