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
from typing import Any

import jax
import numpy as np
import scipy

from vgtheory.activation import ACTIVATIONS
from vgtheory.estimate import Law
from vgtheory.expect import expect
from vgtheory.networks.conv import Conv, expect_positions
from vgtheory.networks.listed import depth_of, is_listed
from vgtheory.networks.noise import lone_scales
from vgtheory.theory.arrays import compiled, library, scan
from vgtheory.theory.blocks import fourier
from vgtheory.theory.integrals.moments_1d import Curves, curves, value_and_slope
from vgtheory.theory.laws import Question, grad_law, halved, q_law
from vgtheory.theory.precision import Values, looped, stacked


def is_closed(net: Conv) -> bool:
    """Tell whether nothing is lost at the border."""
    return net.padding == "circular" or net.weights == "delta_orthogonal"


def _log_average(logs: Values, net: Conv) -> Values:
    """Log of the mean over every position's window."""
    if net.weights == "delta_orthogonal":
        return logs
    xp = library(logs)
    peak = xp.max(logs)
    peak = xp.where(xp.isfinite(peak), peak, 0.0)
    values, half = xp.exp(logs - peak), net.kernel_size // 2
    mode = "wrap" if net.padding == "circular" else "constant"
    for axis in range(values.ndim):
        rows = xp.moveaxis(values, axis, 0)
        padded = xp.pad(rows, [(half, half), *[(0, 0)] * (values.ndim - 1)], mode)
        near = [padded[start : start + len(rows)] for start in range(2 * half + 1)]
        values = xp.moveaxis(functools.reduce(xp.add, near) / net.kernel_size, 0, axis)
    return peak + xp.log(values)


@compiled("net", "depth", "shape")
def _fields(
    scales: tuple[Values, Values], table: Curves, net: Conv, depth: int, shape: tuple[int, ...]
) -> tuple[Values, Values]:
    """Logs of q and of the squared gradient over the top's, at every layer and position."""
    xp = library(scales)
    log_w, log_b = (2 * xp.log(scale) for scale in scales)
    log_mean = lambda which, log_q: value_and_slope(table[which], log_q)[0]

    listed = log_w.ndim + log_b.ndim > 0
    own_w, own_b = (xp.broadcast_to(each, (depth,)) for each in (log_w, log_b))

    def up(log_x: Values, row: Any) -> tuple[Values, tuple[Values, Values]]:
        here_w, here_b = row if listed else (log_w, log_b)
        log_q = xp.logaddexp(here_w + _log_average(log_x, net), here_b)
        return log_mean(0, log_q), (log_q, log_mean(1, log_q))

    def down(log_g: Values, row: Any) -> tuple[Values, Values]:
        slope, above_w = row if listed else (row, log_w)
        return (above_w + _log_average(log_g, net) + slope,) * 2

    flat = xp.zeros(shape, log_w.dtype)
    log_q, slopes = scan(up, flat, (own_w, own_b) if listed else None, length=depth)[1]
    below = scan(down, flat, (slopes[:-1], own_w[1:]) if listed else slopes[:-1], reverse=True)[1]
    return log_q, xp.concatenate([below, flat[None]])


def fields(where: str, net: Conv, depth: int, positions: int | tuple[int, ...] | None) -> tuple[Values, Values]:
    """Check the question; logs of q and of the squared gradient over the top's at infinite width.

    Both have the shape ``(depth, *positions)``.
    """
    shape = expect_positions(where, net, positions)
    depth_of(where, net, depth)
    scales = looped(net.activation, depth, *(stacked(scale, depth) for scale in lone_scales(net)))
    scalar = all(scale.ndim == 0 for scale in scales)
    known, remedy = (
        scalar or is_listed(net),
        "Give a tuple for a scale in every layer. For many networks: Use jax.vmap.",
    )
    expect(known, where, "scalar sigma_w and sigma_b", remedy, sigma_w=net.sigma_w, sigma_b=net.sigma_b)
    static = Conv(net.activation, 1.0, 0.0, net.kernel_size, net.weights, net.padding)
    return _fields((scales[0], scales[1]), curves(net.activation), static, depth, shape)


@compiled()
def _log_mean(logs: Values) -> Values:
    """Log of the mean over positions, the axes after the first."""
    rows, logsumexp = logs.reshape(len(logs), -1), (scipy.special if library(logs) is np else jax.nn).logsumexp
    return logsumexp(rows, axis=1) - float(np.log(rows.shape[1]))


def _means(net: Conv, question: Question) -> tuple[Values, Values]:
    """Logs of both fields' means over positions; without a border one position is enough."""
    where, depth, _, positions, *_ = question
    shape = expect_positions(where, net, positions)
    log_q, log_g = fields(where, net, depth, (1,) * len(shape) if is_closed(net) else shape)
    return _log_mean(log_q), _log_mean(log_g)


def _expect_width(net: Conv, question: Question, known: bool) -> None:
    """Raise unless the law at this width is known."""
    remedy = (
        "Predicted are linear networks without a border and DropConnect (of log_q, without biases and added noise)."
    )
    known = known and net.dropconnect == 0 and net.activation == ACTIVATIONS["linear"] and is_closed(net)
    expect(question.width is None or known, question.where, "width=None", remedy, width=question.width)


def _variance(net: Conv, question: Question, fixed: bool, mean: Values) -> Values:
    """Variance of the log of the squared norm after 0 ... depth layers."""
    _, depth, width, positions, *_ = question
    xp, shape = library(mean), expect_positions(question.where, net, positions)
    if width is None:
        return xp.zeros(depth + 1)
    if net.weights == "delta_orthogonal":
        return xp.asarray(fourier.orthogonal_variance(net, shape, width, depth, fixed), mean.dtype)
    var = fourier.log_growth_variance(net.kernel_size, shape, width, depth, xp, fixed)
    if net.dropout == 0:
        return var
    return var + xp.asarray(fourier.dropout_variance(net, shape, width, depth), var.dtype)


def _law(mean: Values, var: Values) -> Law:
    """Law of the log of a log-normal variable with this log-mean and variance."""
    xp = library(mean, var)
    var = var.astype(mean.dtype)
    return Law(mean - var / 2, xp.where(var > fourier.MOST, xp.inf, xp.sqrt(var)))


@grad_law.register(Conv)
def _grad(net: Conv, question: Question) -> Law:
    """Gradient of a convolutional chain, averaged over positions.

    Notes
    -----
    Accuracy: 1e-12 per layer at infinite width. At finite width only linear networks without a
    border have a law. It is exact for delta-orthogonal kernels. For Gaussian kernels it follows
    from the exact second moment (``fourier``), with ``std`` to 5 %, and inf above 0.27. With
    dropout ``std`` is to order 1/N: 5 %, and 10 % with 16 channels and p = 0.5 (measured).
    Assumes: a cotangent independent of the weights.
    """
    mean = _means(net, question)[1]
    _expect_width(net, question, known=True)
    return halved(_law(mean, _variance(net, question, False, mean)[:-1][::-1]))


@q_law.register(Conv)
def _q(net: Conv, question: Question) -> Law:
    """Mean square of a convolutional chain's pre-activations, averaged over positions.

    Notes
    -----
    Accuracy: as of the gradient; at finite width only without biases.
    Assumes: inputs of unit mean square at every position.
    """
    mean = _means(net, question)[0]
    _expect_width(net, question, known=bool(np.all(np.asarray(lone_scales(net)[1]) == 0)))
    return _law(mean, _variance(net, question, True, mean)[1:])
