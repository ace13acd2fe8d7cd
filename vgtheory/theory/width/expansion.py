"""Fluctuations to order 1/N about infinite width, for Gaussian and orthogonal weights.

For Gaussian weights, ``accumulation`` avoids the expansion where fluctuations accumulate over
depth; this is its limit at great width. Forward, given the layer below, ``h`` is Gaussian with
conditional variance Q, whose fluctuation affects every later factor. Backward, given the forward
pass, ``W^T g`` is Gaussian but for its component along the layer's input x, which the forward pass
has fixed. Everything is relative: ``r = Q / q - 1`` with q the infinite-width value.

===========  ==============================================================
symbol       meaning, dimensionless
===========  ==============================================================
``slope``    d ln q_{l+1} / d ln q_l
``bend``     second-order coefficient of ln q_{l+1} in ln q_l
``a``        d ln E[phi'^2] / d ln q
``b``        second-order coefficient of ln E[phi'^2] in ln q
``rho``      share of the weights (not the bias) in q
``u``        E[c^2] - 1, for the squared component of g along x over 1/N
``forward``  N times the variance of a layer's own noise in ln q_{l+1}
``back``     N times the variance of a layer's own noise in ln |g_l|^2
``joint``    N times the covariance of the two
``reach``    total response of ln |g_l|^2 to r_l
===========  ==============================================================
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vgtheory.activation import ACTIVATIONS, Activation
from vgtheory.activations.units import Unit
from vgtheory.networks.ensemble import Ensemble
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import compiled, library, scan
from vgtheory.theory.integrals.moments_1d import curves, value_and_slope
from vgtheory.theory.integrals.rules import Moments, moments
from vgtheory.theory.integrals.squares import log_resolved
from vgtheory.theory.precision import Arrays, Values, in_float64

_SMALL_U, _SMALL_EFFECT, _SMALL_R, _NEARLY_ONE = 0.05, 0.15, 0.3, 0.02
"""Where the order-1/N law holds.

The first two bound the share of the component along x in |g|^2, and the effect of r's variance on
ln chi. The third bounds the variance of r where the slope of the map of ln q is not within
``_NEARLY_ONE`` of 1.
"""
_ROUNDING = 8
"""Roundings of the largest term of a difference, within which the difference counts as 0; linear units leave three."""
_DEGREE_OF_UNITS = 2.0
"""Largest degree of a unit's far ends, which are those of its curves."""


class Layers(NamedTuple):
    """The infinite-width trajectory and each layer's noise (module's table), shape (depth,)."""

    log_q: Arrays
    log_chi: Arrays
    slope: Arrays
    bend: Arrays
    a: Arrays
    b: Arrays
    rho: Arrays
    forward: Arrays
    forward_mean: Arrays
    back: Arrays
    back_mean: Arrays
    joint: Arrays
    along: Arrays
    grip: Arrays
    kick: Arrays


def _moments(q: Values, log_q: Values, activation: Activation | Unit) -> Moments:
    """``rules.moments``; of a unit, and where ripples are not resolved, the moments of squares only, and NaN."""
    if not isinstance(activation, Unit):
        found, largest = moments(q, activation), log_resolved(activation)
        if largest == np.inf:
            return found
    table, xp = curves(activation), library(q)
    (log_f, by_f), (log_g, by_g) = (value_and_slope(each, log_q) for each in (table.log_f, table.log_g))
    f, g, none = xp.exp(log_f), xp.exp(log_g), xp.full_like(q, xp.nan)
    known = Moments(f, g, 2 * by_f * f, 2 * by_g * g, none, none, none, none, none)
    if isinstance(activation, Unit):
        return known
    return jax.tree.map(lambda near, far: jnp.where(log_q > largest, far, near), found, known)


def layer_of(
    log_q: Values,
    sigma_w: Values,
    sigma_b: Values,
    activation: Activation | Unit,
    orthogonal: bool,
    own_b: Values | None = None,
) -> tuple[Values, Layers]:
    """One layer: the next ln q, and the noise that this layer adds.

    The scales are those of the next layer; ``own_b`` is this layer's, where its bias is another.
    """
    of_unit = isinstance(activation, Unit)
    degree = _DEGREE_OF_UNITS if of_unit else activation.degree or 1.0
    xp = library(log_q, sigma_w, sigma_b)
    edge = 0.45 * float(np.log(float(xp.finfo(log_q.dtype).tiny))) / max(degree, 1.0)
    clipped = xp.clip(log_q, edge, -edge)
    q, beyond = xp.exp(clipped), log_q - clipped
    m = _moments(q, clipped, activation)
    image = sigma_w**2 * m.f + sigma_b**2
    gain, curve = sigma_w**2 / image, 1.0 if orthogonal else 0.0
    rho = xp.clip(1 - (sigma_b if own_b is None else own_b) ** 2 / q, 0.0, 1.0)
    kappa_f, kappa_g = rho * m.f_2 / 2, rho * m.g_2 / 2
    a = m.g_2 / (2 * m.g)
    least = _ROUNDING * xp.finfo(log_q.dtype).eps
    # What cancels exactly, as for orthogonal weights and linear units, must not leave the root of a rounding.
    left = lambda difference, largest: xp.where(xp.abs(difference) < least * xp.abs(largest), 0.0, difference)
    power, steep = (m.f_2 / (2 * m.f), a) if of_unit else (degree, degree - 1)
    layer = Layers(
        log_q=log_q,
        log_chi=xp.log(sigma_w**2 * m.g) + (0.0 if degree == 1 else steep * beyond),
        slope=gain * m.f_2 / 2,
        bend=gain * m.f_4 / 8,
        a=a,
        b=m.g_4 / (8 * m.g) - a**2 / 2,
        rho=rho,
        forward=gain**2 * left(m.f_f - m.f**2 - curve * 2 * kappa_f**2, m.f_f),
        forward_mean=-curve * gain * rho**2 * m.f_4 / 4,
        back=left(3 * m.g_g - m.g**2 - curve * 2 * (kappa_g**2 + m.g**2), 3 * m.g_g) / m.g**2,
        back_mean=-curve * rho**2 * m.g_4 / (4 * m.g),
        joint=gain / m.g * left(m.f_g - m.f * m.g - curve * 2 * kappa_f * kappa_g, m.f_g),
        along=m.f_g / (m.f * m.g) - curve,
        grip=rho * m.f_2**2 / (4 * q * m.f * m.g),
        kick=rho * m.g_2 / m.g,
    )
    return xp.log(image) + power * beyond, layer


@compiled("activation", "orthogonal", "depth")
def _walk(sigma_w: Values, sigma_b: Values, activation: Activation | Unit, orthogonal: bool, depth: int) -> Layers:
    """The layers, for depths that are powers of two, so that few programs serve all depths."""
    xp = library(sigma_w, sigma_b)
    layer = functools.partial(layer_of, sigma_w=sigma_w, sigma_b=sigma_b, activation=activation, orthogonal=orthogonal)
    step = functools.cache(layer) if xp is np else layer  # a chain of numbers soon settles, at one or at a few
    return scan(lambda log_q, _: step(log_q), xp.log(sigma_w**2 + sigma_b**2), length=depth)[1]


def trajectory(sigma_w: Values, sigma_b: Values, activation: Activation | Unit, orthogonal: bool, depth: int) -> Layers:
    """Infinite-width layers 1 ... depth for inputs of unit mean square, with each layer's noise.

    Notes
    -----
    Accuracy: that of ``gaussian.mean`` at every layer. ln q neither under- nor overflows: beyond
    1e-138 and 1e138 (in float64; the roots of these for powers) the map's ratio is taken at the
    edge.
    Assumes: beyond the edges, ``phi`` is homogeneous (of degree one, unless declared), or
    ``sigma_b`` or ``phi(0)`` keeps q away.
    """
    size = depth if library(sigma_w, sigma_b) is np else 1 << (depth - 1).bit_length()
    layers = _walk(sigma_w, sigma_b, activation, orthogonal, size)
    return jax.tree.map(lambda leaf: leaf[:depth], layers)


@compiled()
def forward_fluctuation(layers: Layers, width: int | float | Values) -> tuple[Values, Values]:
    """Mean and variance of r_l = Q_l / q_l - 1 at order 1/width, each of shape ``(depth,)``."""

    def step(state: tuple[Values, Values], layer: Layers) -> tuple[tuple[Values, Values], tuple[Values, Values]]:
        mean, var = state
        mean_next = layer.slope * mean + layer.bend * var + layer.forward_mean / width
        return (mean_next, layer.slope**2 * var + layer.forward / width), state

    zero = library(layers, width).zeros_like(layers.log_q[0])
    return scan(step, (zero, zero), layers)[1]


@compiled("with_inputs")
def backward_fluctuation(
    layers: Layers, width: int | float | Values, with_inputs: bool = False
) -> tuple[Values, Values]:
    """Mean shift and variance of ln |g_l|^2 relative to the top, at order 1/width.

    ``with_inputs`` adds ln |x_{l-1}|^2, relative to the top, which gives the squared norm of the
    weight gradient. The variance is inf from the layer down where fluctuations are too large for an
    expansion in 1/width:

    - The component along x carries more than 0.05 of ``|g|^2``. It grows where (d ln q_{l+1} / d ln
      q_l)^2 exceeds chi, as for ``softplus``.
    - The variance of r changes ln chi by more than 0.15.
    - The variance of r exceeds 0.3 where the map of ln q is no mere shift. For ``gelu`` and
      ``silu`` near their unstable fixed point, some networks then fall into the other basin.
    """
    xp = library(layers, width)
    r_mean, r_var = forward_fluctuation(layers, width)

    def step(
        state: tuple[Values, Values, Values, Values], inputs: tuple[Layers, Values, Values]
    ) -> tuple[tuple[Values, Values, Values, Values], Values]:
        shift, noise, reach, u = state
        layer, mean, var = inputs
        effect = (xp.abs(layer.a) + xp.abs(layer.b)) * var
        bent = (var > _SMALL_R) & (xp.abs(layer.slope - 1) > _NEARLY_ONE)
        wild = (xp.abs(u * layer.along) > _SMALL_U * width) | (effect > _SMALL_EFFECT) | bent
        own = layer.back + reach**2 * layer.forward + 2 * reach * layer.joint
        shift = shift + layer.a * mean + layer.b * var + (layer.back_mean + u * layer.along - layer.back / 2) / width
        noise = noise + xp.where(wild, xp.inf, own / width)
        reach = layer.a + layer.slope * reach
        u = layer.kick + u * layer.grip
        return (shift, noise, reach, u), xp.stack([shift, noise, reach])

    zero = xp.zeros_like(layers.log_q[0])
    top = -1 / layers.rho[-1] if with_inputs else zero
    below = jax.tree.map(lambda leaf: leaf[:-1], (layers, r_mean, r_var))
    rows = scan(step, (zero, zero, top, zero), below, reverse=True)[1]
    shift, noise, reach = xp.concatenate([rows, xp.stack([zero, zero, top])[None]]).T
    if with_inputs:
        input_mean = r_mean / layers.rho - r_var / (2 * layers.rho**2)
        shift, reach = shift + input_mean - input_mean[-1], reach + 1 / layers.rho
    return shift, noise + reach**2 * r_var


@compiled()
def aligned_gain(layers: Layers) -> Values:
    """Log-gain of ``|g_l|^2`` for the cotangent ``h_depth`` over one independent of the weights.

    The share v of ``|g|^2`` along the layer's own input starts at ``rho`` instead of 1/N, and each
    layer adds ``ln(1 + v along)``. Critical linear networks gain ``ln(1 + k)`` over k layers,
    critical ReLU networks ``ln(1 + 2 k)``. Shape ``(depth,)``, zero at the top, at leading order in
    the width.
    """
    xp = library(layers)

    def step(state: tuple[Values, Values], layer: Layers) -> tuple[tuple[Values, Values], Values]:
        gain, share = state
        boost = 1 + share * layer.along
        gain = gain + xp.log(boost)
        return (gain, layer.grip * share / boost), gain

    zero = xp.zeros_like(layers.log_q[0])
    below = jax.tree.map(lambda leaf: leaf[:-1], layers)
    gains = scan(step, (zero, layers.rho[-1]), below, reverse=True)[1]
    return xp.concatenate([gains, zero[None]])


@asked()
@in_float64
def dead_probability(net: Ensemble, *, depth: int, width: int) -> float:
    """Probability that a ReLU network has a layer, from 1 to depth - 1, with no active unit.

    .. math:: 1 - (1 - 2^{-N})^{L - 1}

    Parameters
    ----------
    net
        The ensemble; the result is 0 for any activation but ``relu``.
    depth, width
        Numbers of layers L and of units N, >= 1.

    Returns
    -------
    float
        A probability.

    Notes
    -----
    Accuracy: 1e-15.
    Assumes: weights and biases that are symmetric about 0 and independent between units.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> float(theory.width.dead_probability(Dense("relu", sigma_w=1.4), depth=2, width=3))
    0.125
    """
    if net.activation != ACTIVATIONS["relu"]:
        return 0.0
    return float(-np.expm1((depth - 1) * np.log1p(-(0.5**width))))
