"""Sizes and correlations along a network's layers, as the split of Var log|g| needs them."""

from typing import NamedTuple

import numpy as np

from vgtheory.networks.dense import Dense
from vgtheory.theory.integrals import log_moments
from vgtheory.theory.integrals.log_moments import Side
from vgtheory.theory.integrals.rules import values
from vgtheory.theory.layers.correlation import c_layers
from vgtheory.theory.layers.dense import layers_of
from vgtheory.theory.layers.profiles import log_grad_weight_layers
from vgtheory.theory.magnitudes.fluctuations import Alignment, Walks, alignment, walks
from vgtheory.theory.precision import in_float64
from vgtheory.theory.width.expansion import Layers


class Trajectory(NamedTuple):
    """Sizes and correlations along a network's layers; arrays of shape ``(depth,)``.

    Attributes
    ----------
    layers
        Lengths and slopes.
    c, c_zeta
        Correlation of two examples' h, and of their gradients as they arrive.
    sides, seen_sides
        Moments of phi and phi' at these correlations, and at the root mean square of the
        correlations at finite width.
    log_zeta
        Natural log of the root mean square of an arriving gradient's entry.
    walks, aligned
        Fluctuations of sizes and of correlations at finite width.
    shift
        Change of the mean log of a layer's gradient from infinite width.
    """

    layers: Layers
    c: np.ndarray
    c_zeta: np.ndarray
    sides: tuple[Side, Side]
    seen_sides: tuple[Side, Side]
    log_zeta: np.ndarray
    walks: Walks
    shift: np.ndarray
    aligned: Alignment


@in_float64
def _layers(net: Dense, depth: int) -> Layers:
    return layers_of("log_grad_variance", net, depth, None)


def _backward(sides: tuple[Side, Side], c_cotangent: float) -> np.ndarray:
    """``c_zeta``: correlation of cotangents at the top times the factors of the layers above."""
    slopes = sides[1]
    factor = np.sum(slopes.weight * slopes.first**2, axis=1) / np.sum(slopes.weight * slopes.square, axis=1)
    c_zeta = np.full(len(factor), c_cotangent)
    for layer in range(len(factor) - 3, -1, -1):
        c_zeta[layer] = c_zeta[layer + 1] * factor[layer + 1]
    return c_zeta


def trajectory(net: Dense, depth: int, width: int | None, c_0: float, c_cotangent: float) -> Trajectory:
    """The trajectory of a network; parameters as in ``log_grad_variance``."""
    layers = _layers(net, depth)
    c = np.clip(c_layers(net, depth=depth, c_0=c_0).mean, 0.0, 1.0)
    sides = log_moments.sides(np.asarray(layers.log_q), c, net.activation)
    c_zeta = _backward(sides, c_cotangent)
    log_g = np.log(np.sum(sides[1].weight * sides[1].square, axis=1))
    log_chi = np.asarray(layers.log_chi)
    grad = np.append(np.cumsum(log_chi[:-1][::-1])[::-1], 0.0)
    log_zeta = (grad - np.append(log_g[:-1], 0.0)) / 2
    none, still = np.zeros((depth, depth)), np.zeros(depth)
    wander = (Walks(none, none), still, Alignment(still, still))
    infinite = Trajectory(layers, c, c_zeta, sides, sides, log_zeta, *wander)
    return infinite if width is None else _at_width(net, infinite, width, c_0)


def _at_width(net: Dense, way: Trajectory, width: int, c_0: float) -> Trajectory:
    """The trajectory with its fluctuations at finite width."""
    depth, sigma_w = len(way.c), float(net.sigma_w)
    aligned = alignment(way.layers, way.sides, way.c, c_0, sigma_w, width)
    if not _is_odd(net):
        aligned = aligned._replace(signals=np.zeros(depth))
    sides = log_moments.sides(np.asarray(way.layers.log_q), wider(way.c, aligned.signals), net.activation)
    walk = walks(way.layers, sides, wider(way.c_zeta, aligned.gradients), sigma_w, width)
    finite, infinite = (log_grad_weight_layers(net, depth=depth, width=each).mean for each in (width, None))
    return way._replace(seen_sides=sides, walks=walk, shift=finite - infinite, aligned=aligned)


def wider(c: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Root mean square of a correlation of this mean and variance."""
    return np.minimum(np.sqrt(c**2 + spread), 1.0)


def _is_odd(net: Dense) -> bool:
    """Whether phi(-h) = -phi(h).

    The part that units keep is then even in the correlation, whose variance therefore adds to it.
    """
    right, left = np.split(values(net.activation, np.linspace(0.1, 5.0, 50) * np.array([[1.0], [-1.0]]))[0], 2)
    return bool(np.allclose(left, -right, rtol=1e-12))
