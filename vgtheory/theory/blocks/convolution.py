r"""Convolutions at infinite width: mean squares of signal and gradient at every position.

With many channels the taps of a Gaussian kernel act independently. Forward and backward, mean
squares are therefore averaged over the kernel's window (``A``):

.. math:: q_{l+1} = \sigma_w^2\, A\, E[\phi(\sqrt{q_l} z)^2] + \sigma_b^2, \qquad
    g_l = \sigma_w^2\, E[\phi'(\sqrt{q_l} z)^2]\, A\, g_{l+1}

With circular padding A leaves constant fields unchanged and preserves the sum of every field. With
zero padding, windows at the border average over zeros, and part of the sum is lost. A
delta-orthogonal kernel does not mix positions: A is the identity, and there is no border.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.activation import ACTIVATIONS
from vgtheory.estimate import Law
from vgtheory.expect import expect
from vgtheory.networks.conv import Conv, expect_positions
from vgtheory.theory.blocks import fourier
from vgtheory.theory.integrals.moments_1d import Curves, curves, value_and_slope
from vgtheory.theory.laws import Question, grad_law, halved, q_law
from vgtheory.theory.precision import floats


def is_closed(net: Conv) -> bool:
    """Tell whether nothing is lost at the border."""
    return net.padding == "circular" or net.weights == "delta_orthogonal"


def _log_average(logs: Array, net: Conv) -> Array:
    """Log of the mean over every position's window."""
    if net.weights == "delta_orthogonal":
        return logs
    peak = jnp.max(logs)
    peak = jnp.where(jnp.isfinite(peak), peak, 0.0)
    values, half = jnp.exp(logs - peak), net.kernel_size // 2
    for axis in range(values.ndim):
        padded = jnp.pad(values, [(half, half) if each == axis else (0, 0) for each in range(values.ndim)])
        shifts, length = range(-half, half + 1), values.shape[axis]
        near = (
            [jnp.roll(values, shift, axis) for shift in shifts]
            if net.padding == "circular"
            else [lax.slice_in_dim(padded, half + shift, half + shift + length, axis=axis) for shift in shifts]
        )
        values = functools.reduce(jnp.add, near) / net.kernel_size
    return peak + jnp.log(values)


@functools.partial(jax.jit, static_argnames=("net", "depth", "shape"))
def _fields(
    scales: tuple[Array, Array], table: Curves, net: Conv, depth: int, shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """Logs of q and of the squared gradient over the top's, at every layer and position."""
    log_w, log_b = (2 * jnp.log(scale) for scale in scales)
    log_mean = lambda which, log_q: value_and_slope(table[which], log_q)[0]

    def up(log_x: Array, _: None) -> tuple[Array, tuple[Array, Array]]:
        log_q = jnp.logaddexp(log_w + _log_average(log_x, net), log_b)
        return log_mean(0, log_q), (log_q, log_mean(1, log_q))

    def down(log_g: Array, slope: Array) -> tuple[Array, Array]:
        return (log_w + _log_average(log_g, net) + slope,) * 2

    flat = jnp.zeros(shape, log_w.dtype)
    log_q, slopes = lax.scan(up, flat, length=depth)[1]
    below = lax.scan(down, flat, slopes[:-1], reverse=True)[1]
    return log_q, jnp.concatenate([below, flat[None]])


def fields(where: str, net: Conv, depth: int, positions: int | tuple[int, ...] | None) -> tuple[Array, Array]:
    """Check the question; logs of q and of the squared gradient over the top's at infinite width.

    Both have the shape ``(depth, *positions)``.
    """
    shape = expect_positions(where, net, positions)
    scales = floats(net.sigma_w, net.sigma_b)
    scalar = all(scale.ndim == 0 for scale in scales)
    expect(scalar, where, "scalar sigma_w and sigma_b", "Use jax.vmap.", sigma_w=net.sigma_w, sigma_b=net.sigma_b)
    static = Conv(net.activation, 1.0, 0.0, net.kernel_size, net.weights, net.padding)
    return _fields((scales[0], scales[1]), curves(net.activation), static, depth, shape)


def _means(net: Conv, question: Question) -> tuple[Array, Array]:
    """Logs of both fields' means over positions; without a border one position is enough."""
    where, depth, _, positions = question
    shape = expect_positions(where, net, positions)
    both = fields(where, net, depth, (1,) * len(shape) if is_closed(net) else shape)
    log_q, log_g = (jax.nn.logsumexp(logs.reshape(depth, -1), axis=1) - float(np.log(logs[0].size)) for logs in both)
    return log_q, log_g


def _expect_width(net: Conv, question: Question, known: bool) -> None:
    """Raise unless the law at this width is known."""
    remedy = "With a width only linear networks without a border (of log_q, without biases) are predicted."
    known = known and net.activation == ACTIVATIONS["linear"] and is_closed(net)
    expect(question.width is None or known, question.where, "width=None", remedy, width=question.width)


def _variance(net: Conv, question: Question, fixed: bool) -> Array:
    """Variance of the log of the squared norm after 0 ... depth layers."""
    _, depth, width, positions = question
    if width is None or net.weights == "delta_orthogonal":
        return jnp.zeros(depth + 1)
    shape, dtype = expect_positions(question.where, net, positions), jnp.result_type(float)
    return fourier.log_growth_variance(net.kernel_size, shape, width, depth, dtype, fixed)


def _law(mean: Array, var: Array) -> Law:
    """Law of the log of a log-normal variable with this log-mean and variance."""
    var = var.astype(mean.dtype)
    return Law(mean - var / 2, jnp.where(var > fourier.MOST, jnp.inf, jnp.sqrt(var)))


@grad_law.register(Conv)
def _grad(net: Conv, question: Question) -> Law:
    """Gradient of a convolutional chain, averaged over positions.

    Notes
    -----
    Accuracy: 1e-12 per layer at infinite width. At finite width only linear networks without a
    border have a law. It is exact for delta-orthogonal kernels. For Gaussian kernels it follows
    from the exact second moment (``fourier``), with ``std`` to 5 %, and inf above 0.27.
    Assumes: a cotangent independent of the weights.
    """
    mean = _means(net, question)[1]
    _expect_width(net, question, known=True)
    return halved(_law(mean, _variance(net, question, fixed=False)[:-1][::-1]))


@q_law.register(Conv)
def _q(net: Conv, question: Question) -> Law:
    """Mean square of a convolutional chain's pre-activations, averaged over positions.

    Notes
    -----
    Accuracy: as of the gradient; at finite width only without biases.
    Assumes: inputs of unit mean square at every position.
    """
    mean = _means(net, question)[0]
    _expect_width(net, question, known=bool(np.all(np.asarray(net.sigma_b) == 0)))
    return _law(mean, _variance(net, question, fixed=True)[1:])
