"""Infinite width: the tangent kernel of a network, layer by layer and in logs.

========  ====================================================  =====
symbol    meaning                                               shape
========  ====================================================  =====
``gap``   1 - c, c the correlation of two inputs in this layer  (n,)
``size``  log of the kernel of an input with itself             ()
``r``     kernel of the two inputs over that of one             (n,)
========  ====================================================  =====
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.expect import Numbers, expect, is_static
from vgtheory.networks.dense import Dense
from vgtheory.networks.ensemble import expect_matrices
from vgtheory.theory.arguments import asked
from vgtheory.theory.integrals import moments_2d
from vgtheory.theory.integrals.moments_1d import Curves, curves, value_and_slope
from vgtheory.theory.laws import Question, q_law
from vgtheory.theory.layers.correlation import EDGE
from vgtheory.theory.meanfield.fixed_points import growth_and_slope
from vgtheory.theory.precision import Values, floats, in_float64

_WHERE = "tangent_kernel"
_MANY = 256
"""Number of pairs in all layers from which on a table is quicker."""


class TangentKernel(NamedTuple):
    """Tangent kernel of the outputs (all weights and biases free), and law of the outputs.

    Attributes
    ----------
    log_size
        Natural log of the squared norm of one output's gradient with respect to all weights and
        biases, shape ``()``.
    cosine
        Inner product of two inputs' gradients over that squared norm, the shape of ``c_0``.
    log_q
        Natural log of the mean square of an output, shape ``()``.
    c
        Correlation of two inputs' outputs, the shape of ``c_0``.
    """

    log_size: Values
    cosine: Values
    log_q: Values
    c: Values


class _State(NamedTuple):
    """State of one layer's pre-activations."""

    log_q: Array
    gap: Array
    size: Array
    r: Array


def _mixed(size: Array, r: Array, log_own: Array, own: Array) -> tuple[Array, Array]:
    """Sum of two kernels, each as the log of its diagonal and the cosine off it."""
    total = jnp.logaddexp(size, log_own)
    return total, r * jnp.exp(size - total) + own * jnp.exp(log_own - total)


def _with_bias(log_square: Array, cosine: Array) -> tuple[Array, Array]:
    """Kernel of a layer's own weights, which is that of its inputs, and of its bias, which is 1."""
    return _mixed(log_square, cosine, jnp.zeros_like(log_square), jnp.ones_like(cosine))


@functools.partial(jax.jit, static_argnames=("count",))
def _walk(
    state: _State,
    scales: tuple[Array, Array, Array],
    table: Curves,
    read: Callable[[Array, Array], Array],
    count: int,
) -> _State:
    """``count`` layers further on."""
    sigma_w, sigma_b, log_width = scales

    def step(state: _State, _: None) -> tuple[_State, None]:
        log_q, gap, size, r = state
        seen = jnp.clip(log_q, -EDGE, EDGE)
        log_f, log_g = (value_and_slope(each, seen)[0] for each in table[:2])
        growth = growth_and_slope(seen, sigma_w, sigma_b, table)[0]
        share = jnp.where(gap <= 1, gap, 2 - gap)
        log_share = jnp.where(share > 0, jnp.log(jnp.where(share > 0, share, 1.0)) / 2, -jnp.inf)
        four = read(jnp.broadcast_to(seen, share.shape), log_share)
        split, turn, cross, fold = (four[..., index] for index in range(4))
        # E (phi(u) - phi(v))^2 / 2 E phi^2, for positive or negative correlation.
        apart = jnp.where(gap <= 1, jnp.exp(seen + log_g - log_f) * gap * split, 1 - cross)
        log_chi = 2 * jnp.log(sigma_w) + log_g
        own = _with_bias(log_width + log_f, 1 - apart)
        size, r = _mixed(size + log_chi, r * jnp.where(gap <= 1, turn, fold), *own)
        weights = sigma_w**2 * jnp.exp(log_f - seen) / (1 + growth)
        return _State(log_q + jnp.log1p(growth), jnp.clip(weights * apart, 0.0, 2.0), size, r), None

    return lax.scan(step, state, length=count)[0]


def _reader(net: Dense, depth: int, num_pairs: int) -> Callable[[Array, Array], Array]:
    """Few pairs are integrated; many are read from a table over the variances of the layers."""
    log_q = jnp.asarray(q_law(net, Question(_WHERE, depth)).mean)
    if depth * num_pairs <= _MANY:
        return moments_2d.reader(log_q[:1], net.activation)
    return moments_2d.reader(jnp.repeat(jnp.clip(log_q, -EDGE, EDGE), moments_2d.FEW), net.activation)


@asked()
@in_float64
def tangent_kernel(
    net: Dense, *, depth: int, width: int, num_inputs: int | None = None, c_0: Numbers = 0.5
) -> TangentKernel:
    r"""Neural tangent kernel of two inputs of unit mean square.

    .. math:: \Theta_1 = N_0 c_0 + 1, \qquad
        \Theta_{l+1} = N\, E[\phi(u) \phi(v)] + 1 + \sigma_w^2\, E[\phi'(u) \phi'(v)]\, \Theta_l

    The kernel is the inner product of the gradients of two outputs. One step of gradient descent at
    rate eta changes the output of one input by ``-eta Theta`` times the slope of the loss at the
    output of the other. The curvature of the loss at initialisation is, with n examples, the
    largest eigenvalue of ``Theta / n`` times the curvature of the loss in one output. That factor
    is 1 for half the squared error, and 1/K for the cross-entropy of K equally likely classes.
    Descent is stable at rates below 2 over the curvature.

    Parameters
    ----------
    net
        A ``Dense`` ensemble with scalar ``sigma_w`` and ``sigma_b``.
    depth
        Number of matrices L, the last of which reads the outputs, >= 1.
    width
        Number of units N, >= 1.
    num_inputs
        Number of inputs N_0, >= 1; None for the width.
    c_0
        Correlations of the two inputs, from -1 to 1; a number, or an array of one axis.

    Returns
    -------
    TangentKernel
        The kernel and the outputs' correlation.

    Notes
    -----
    Accuracy: 1e-10 per layer for the cosine, 1e-13 per layer for ``log_size``.
    Assumes: leading order in the width. At width N the kernel of one network scatters, and its mean
    changes, by a relative amount of order depth / N, which grows faster with depth in the chaotic
    phase. The kernel also changes during training.

    References
    ----------
    Jacot, Gabriel and Hongler (2018), arXiv:1806.07572; here with weights of variance
    ``sigma_w**2 / N`` that are themselves the parameters.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> kernel = theory.training.tangent_kernel(Dense("linear"), depth=3, width=100, c_0=0.0)
    >>> round(float(kernel.cosine), 9)  # 3 biases over 3 x 100 weights and 3 biases
    0.00990099
    """
    expect_matrices(_WHERE, net)
    num_inputs = width if num_inputs is None else num_inputs
    correlated = not is_static(c_0) or bool(np.all(np.abs(c_0) <= 1))
    expect(correlated, _WHERE, "correlations from -1 to 1", c_0=c_0)
    expect(np.ndim(c_0) <= 1, _WHERE, "a number or one axis", c_0=f"shape {np.shape(c_0)}")
    c, sigma_w, sigma_b = floats(c_0, net.sigma_w, net.sigma_b)
    scalar = sigma_w.ndim == sigma_b.ndim == 0
    expect(scalar, _WHERE, "scalar sigma_w and sigma_b", "Use jax.vmap.", sigma_w=net.sigma_w, sigma_b=net.sigma_b)
    total, flat = sigma_w**2 + sigma_b**2, jnp.atleast_1d(c)
    first = _with_bias(jnp.full_like(total, np.log(num_inputs)), flat)
    state = _State(jnp.log(total), sigma_w**2 * (1 - flat) / total, *first)
    scales = sigma_w, sigma_b, jnp.full_like(total, np.log(width))
    read = _reader(net, depth, flat.size)
    last = _walk(state, scales, curves(net.activation), read, depth - 1)
    return TangentKernel(last.size, last.r.reshape(c.shape), last.log_q, (1 - last.gap).reshape(c.shape))
