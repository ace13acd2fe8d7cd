"""Finite width: fluctuations of the size of a layer's gradient between networks and examples.

To order 1/N the mean of log|g| over a layer's entries differs from infinite width by a linear
response to noise that every layer adds: ``n_k`` to ln q of the next layer, and ``beta_k`` to
ln|g_k|^2 (``expansion``). Two examples of correlation c share a part of that noise. The covariance
of two examples is the fluctuation between networks, and the rest of one example's variance is new
with each example.

The correlations themselves fluctuate too, with a variance V that grows like depth / N. Examples
align with the directions that the weights stretch most, forward and backward. Units then keep
correspondingly more from one example to the next.

===========  ==============================================  ========
symbol       meaning                                         shape
===========  ==============================================  ========
``forward``  N times (co)variance of n                       (depth,)
``back``     N times (co)variance of beta                    (depth,)
``joint``    N times covariance of n and beta of one layer   (depth,)
===========  ==============================================  ========
"""

from typing import NamedTuple

import numpy as np

from vgtheory.theory.integrals.log_moments import Side
from vgtheory.theory.width.expansion import Layers


class Walks(NamedTuple):
    """Covariances over layers of the mean of log|g|, each of shape ``(depth, depth)``.

    Attributes
    ----------
    shared
        Covariance of two examples through one network.
    own
        Additional covariance of a single example.
    """

    shared: np.ndarray
    own: np.ndarray


class _Noise(NamedTuple):
    forward: np.ndarray
    back: np.ndarray
    joint: np.ndarray


def _shared_noise(sides: tuple[Side, Side], c_zeta: np.ndarray, gain: np.ndarray) -> _Noise:
    """Noise that two examples have in common, from the moments of the part that units keep."""
    signals, slopes = sides
    over = lambda one, other: np.sum(signals.weight * one * other, axis=1)
    ones = np.ones_like(signals.weight)
    f, g = over(signals.square, ones), over(slopes.square, ones)
    return _Noise(
        forward=gain**2 * (over(signals.square, signals.square) - f**2),
        back=over(slopes.square, slopes.square) * (1 + 2 * c_zeta**2) / g**2 - 1,
        joint=gain / g * (over(signals.square, slopes.square) - f * g),
    )


def _responses(layers: Layers, sides: tuple[Side, Side]) -> tuple[np.ndarray, np.ndarray]:
    """Response of the mean of log|g| of every layer to n and to beta, shapes (depth, depth)."""
    depth = len(layers.slope)
    signals, slopes = (side.response for side in sides)
    r = np.zeros((depth, depth))
    for k in range(1, depth):
        r[k] = layers.slope[k - 1] * r[k - 1]
        r[k, k - 1] += 1
    link = np.arange(depth) < depth - 1
    above = np.triu(np.ones((depth, depth)), 1) * link[None, :] / 2
    to_n = above @ (np.asarray(layers.a)[:, None] * r)
    to_n[:-1] += slopes[:-1, None] * r[:-1]
    to_n[1:] += signals[:-1, None] * r[:-1]
    return to_n, above


def walks(layers: Layers, sides: tuple[Side, Side], c_zeta: np.ndarray, sigma_w: float, width: int) -> Walks:
    """Covariances over layers in networks of Gaussian weights, to order 1/N.

    ``sides`` are ``log_moments.sides`` at the trajectory's layers, and ``c_zeta`` is the
    correlation of two examples' gradients as they arrive at every layer, shape ``(depth,)``.
    """
    to_n, to_beta = _responses(layers, sides)
    following = np.exp(np.append(layers.log_q[1:], layers.log_q[-1]))
    shared = _shared_noise(sides, c_zeta, sigma_w**2 / following)
    whole = _Noise(np.asarray(layers.forward), np.asarray(layers.back), np.asarray(layers.joint))

    def covariance(noise: _Noise) -> np.ndarray:
        cross = (to_n * noise.joint[None, :]) @ to_beta.T
        own = (to_n * noise.forward[None, :]) @ to_n.T + (to_beta * noise.back[None, :]) @ to_beta.T
        return (own + cross + cross.T) / width

    both = covariance(shared)
    return Walks(both, covariance(whole) - both)


class Alignment(NamedTuple):
    """Variance over pairs of examples of their correlation, each of shape ``(depth,)``.

    Attributes
    ----------
    signals
        Variance of the correlation of their h.
    gradients
        Variance of the correlation of their gradients as they arrive at a layer.
    """

    signals: np.ndarray
    gradients: np.ndarray


def alignment(
    layers: Layers, sides: tuple[Side, Side], c: np.ndarray, c_0: float, sigma_w: float, width: int
) -> Alignment:
    """Variance of the correlations of examples at width N, to order 1/N and damped to stay below 1.

    ``c`` is the mean correlation at every layer, shape ``(depth,)``, and ``c_0`` that of the
    inputs.
    """
    signals, slopes = sides
    over = lambda one, other: np.sum(signals.weight * one * other, axis=1)
    ones = np.ones_like(signals.weight)
    f, g = over(signals.square, ones), over(slopes.square, ones)
    gain = sigma_w**2 * np.exp(layers.log_q - np.append(layers.log_q[1:], layers.log_q[-1]))
    up, down = gain * over(slopes.first, slopes.first), over(slopes.first, slopes.first) / g
    kick_up = over(signals.square, signals.square) / f**2 * (1 - (over(signals.first, signals.first) / f) ** 2) ** 2
    kick_up = np.append(layers.rho[1:], 1.0) ** 2 * kick_up
    kick_down = over(slopes.square, slopes.square) / g**2
    depth = len(c)
    forward, backward = np.zeros(depth), np.zeros(depth)
    forward[0] = float(layers.rho[0]) ** 2 * (1 - c_0**2) ** 2 / width
    for k in range(1, depth):
        forward[k] = up[k - 1] ** 2 * forward[k - 1] + kick_up[k - 1] * (1 - min(forward[k - 1], 1)) ** 2 / width
    for k in range(depth - 2, -1, -1):
        last = backward[k + 1]
        backward[k] = (
            1 / width
            if k == depth - 2
            else down[k + 1] ** 2 * last + kick_down[k + 1] * (1 - min(last, 1)) ** 2 / width
        )
    return Alignment(np.minimum(forward, 1.0), np.minimum(backward, 1.0))
