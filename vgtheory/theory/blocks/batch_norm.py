"""Batch norm over B inputs: averages over a unit, and the growth of its gradient.

At the fixed point all inputs are alike. The B numbers of a unit, after the norm, are then uniform
on a sphere of radius root B. The sphere lies in the n = B - 1 dimensions of vectors that sum to 0.
``y_1`` and ``y_2`` are two of them, of variance 1 and correlation ``-1/n``.

=========  ====================================================  ========
symbol     meaning                                               shape
=========  ====================================================  ========
``n``      B - 1                                                 ()
``y``      value of a unit for one input, after the norm         (nodes,)
``theta``  latitude: y_1 is root n sin(theta)                    (nodes,)
=========  ====================================================  ========
"""

import functools
from typing import NamedTuple

import numpy as np

from vgtheory.activation import Activation
from vgtheory.activations.cusp import graded
from vgtheory.theory.integrals.rules import values

_ORDER = 16
_MARKS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16, 24)
_FINER = 4.0 ** -np.arange(1, 13)
_REACH, _HAIR = 13.0, 1e-17


class BatchRates(NamedTuple):
    """Averages over a unit; plain numbers.

    Attributes
    ----------
    square, variance
        E phi(y_1)^2, and its product with the mean square of noise's factors, less
        E phi(y_1) phi(y_2).
    seen
        Factor per layer of the mean squared gradient that has passed one norm (its mean over the
        batch is 0).
    unseen
        Additional factor from the gradient's mean over the batch, which the next norm removes. It
        holds for gradients of equal mean squares that are independent between inputs, whose mean
        has the share ``1/B``.
    """

    square: float
    variance: float
    seen: float
    unseen: float


def _rule(breaks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre on pieces whose ends are the last axis, in any order."""
    breaks = np.sort(breaks, axis=-1)
    places, weights = np.polynomial.legendre.leggauss(_ORDER)
    middle, half = (breaks[..., 1:] + breaks[..., :-1]) / 2, np.diff(breaks, axis=-1) / 2
    points = middle[..., None] + half[..., None] * places
    return points.reshape(*breaks.shape[:-1], -1), (half[..., None] * weights).reshape(*breaks.shape[:-1], -1)


def _latitudes(centre: np.ndarray, radius: np.ndarray, marks: np.ndarray, power: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes theta of ``centre + radius sin(theta)``, split at the marks; weights as cos^power."""
    places = np.clip((marks - centre[..., None]) / radius[..., None], -1.0, 1.0)
    units = np.linspace(-_REACH, _REACH, 27) / max(1.0, power) ** 0.5
    limit = min(np.pi / 2, _REACH / max(1.0, power) ** 0.5)
    units = np.broadcast_to(np.clip(units, -limit, limit), (*places.shape[:-1], units.size))
    theta, weights = _rule(np.clip(np.concatenate([np.arcsin(places), units], axis=-1), -limit, limit))
    weights = weights * np.exp(power * np.log(np.cos(theta)))
    return theta, weights / weights.sum(axis=-1, keepdims=True)


def _corners(kinks: np.ndarray, n: int) -> np.ndarray:
    """Values of y_1 at which a kink enters or leaves the range of y_2, and points close by."""
    t = kinks[np.abs(kinks) < n**0.5] / n**0.5
    turn = (1 - t**2) ** 0.5 * (1 - 1 / n**2) ** 0.5
    at = n**0.5 * np.concatenate([-t / n + turn, -t / n - turn])
    return (at[:, None] + np.concatenate([[0.0], _FINER, -_FINER])[None]).ravel()


@functools.lru_cache(maxsize=256)
def averages(activation: Activation, batch: int) -> dict[str, float]:
    """Averages over ``y_1`` and over the pair, of f = phi, g = phi' and k = y phi'; B >= 4.

    Notes
    -----
    Accuracy: 1e-12 of the mean square for smooth functions, 1e-9 for those with kinks.
    Assumes: as ``gaussian.mean``.
    """
    n = batch - 1
    kinks = np.asarray(activation.kinks, dtype=float)
    closer = np.asarray(graded(activation.kinks), dtype=float)
    fixed = np.concatenate([_MARKS, [0.0], np.negative(_MARKS), kinks])
    zero, radius = np.zeros(()), np.asarray(n**0.5)
    theta, weights = _latitudes(zero, radius, np.concatenate([fixed, closer[kinks.size :], _corners(kinks, n)]), n - 2)
    y = n**0.5 * np.sin(theta)
    around = ((1 - 1 / n**2) * n) ** 0.5 * np.cos(theta)
    # Averages over two inputs hold slopes only, for which these marks are close enough.
    near = np.min(np.abs(closer[:, None] - kinks), axis=1, initial=np.inf)
    fixed = np.concatenate([fixed, closer[(near > _HAIR) & (near < np.inf)]])
    inner, shares = _latitudes(-y / n, around, np.broadcast_to(fixed, (y.size, fixed.size)), n - 3)
    other = -y[:, None] / n + around[:, None] * np.sin(inner)
    rows = lambda y: np.stack([*(both := values(activation, y)), y * both[1]])
    one, two = rows(y), np.sum(rows(other) * shares, axis=-1)
    names = ("f", "g", "k")
    single = {2 * name: float(weights @ row**2) for name, row in zip(names, one, strict=True)}
    pair = {f"{name}12": float(weights @ (a * b)) for name, a, b in zip(names, one, two, strict=True)}
    f_y, squares_y = weights * one[0] * y, one[0] ** 2
    # E f_1^2 y_1^2, E f_1^2 y_2^2 and E f_1 f_2 y_1^2. Given y_1, E y_2^2 is ``left``.
    left = (batch - y**2) / n
    drift = {
        "ffyy": float(f_y @ (one[0] * y)),
        "ff,yy": float(weights @ (squares_y * left)),
        "ffy,y": float(f_y @ (y * two[0])),
    }
    return single | pair | drift


def batch_rates(activation: Activation, batch: int, factor: float = 1.0) -> BatchRates:
    r"""Averages of batch norm and activation, for the batch and for its gradient; B >= 4.

    With Gh = r y / root B, the norm's Jacobian is :math:`(\sqrt B / r)(G - y y^T / B)`. G removes
    the mean, and r is independent of y with :math:`E r^{-2} = 1 / (s^2 (B - 3))`. A gradient of
    covariance G over the batch is mapped to

    .. math:: \frac{(B - 1) E\phi'^2 + E[\phi'_1 \phi'_2] - E[y^2 \phi'^2]
        + E[y_1 \phi'_1 y_2 \phi'_2]}{(B - 3)(E\phi^2 - E[\phi_1 \phi_2])}\, G

    For a gradient that is independent between inputs, the terms in two inputs are absent. Noise
    multiplies phi and phi' by factors of mean 1 that are independent between inputs. The terms in
    one input are then multiplied by the factors' mean square, ``factor``.
    """
    m = averages(activation, batch)
    variance = factor * m["ff"] - m["f12"]
    down = (batch - 3) * variance
    alone = factor * ((batch - 1) * m["gg"] - m["kk"])
    seen = (alone + m["g12"] + m["k12"]) / down
    whole = alone / down * batch / (batch - 1)
    return BatchRates(m["ff"], variance, seen, whole - seen)


def drift(activation: Activation, batch: int) -> float:
    """Factor per layer of a small difference between the mean squares of two inputs; B >= 4."""
    m, few = averages(activation, batch), (batch - 2) / batch
    third = (batch * m["f12"] - 2 * m["ffy,y"]) / (batch - 2)
    moved = 2 * (m["ffyy"] - m["ff,yy"]) * few - 4 * few * (m["ffy,y"] - third)
    size = 2 * (1 - 1 / batch) ** 2 - 2 / batch**2
    return (batch - 1) / 2 / batch * moved / ((m["ff"] - m["f12"]) * size)
