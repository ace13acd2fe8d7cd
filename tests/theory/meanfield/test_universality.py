"""The two classes of correlation maps under dropout: exponents and scaling functions of arXiv:2605.21648 beside this package's.

Published exponents have two places. Those without dropout are of given ranges, over which they are fitted here too; those of dropout are the
limits of weak dropout. There h = 1 - F(1) is what dropout takes off the correlation map F at full correlation, chi its slope there, and
m = 1 - c* what two passes of one input lose.
"""

import numpy as np
import pytest
from scipy.optimize import brentq

from tests.tolerances import CRITICAL
from vgtheory import Dense, theory

TWO_PLACES = 0.005 + 1e-3
"""Published exponents have two places; the last digit is one of the fit."""
BIAS = 0.1**0.5
KINK = 2 * 2**0.5 / (3 * np.pi)
"""Coefficient of m to the power 3/2 in the map of ReLU, at slope one."""
NEAR = 1e-6
"""Distance from full correlation at which the curvature is taken."""
SMALL = 1e-6
"""Dropout at which the scaling functions, of leading order, are compared."""
LEADING = {"tanh": SMALL**0.5, "relu": SMALL ** (1 / 3)}
"""Size of what they leave out."""


def _power(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def _with_slope(slope: float, drop: float = 0.0) -> Dense:
    """Tanh whose correlation map has this slope at full correlation: the factor of gradients, without the noise's mean square."""
    net = Dense("tanh", 1.0, BIAS, dropout=drop)
    off = lambda scale: theory.chi_1(net.replace(sigma_w=scale)) * (1 - drop) - slope
    return net.replace(sigma_w=brentq(off, 0.5, 4.0, xtol=CRITICAL))


@pytest.mark.slow
def test_without_dropout() -> None:
    """Published: 1.02 for the correlation length, 0.99 and 1.96 for c*, 1.00 and 1.99 for the relaxation."""
    near = np.geomspace(1e-2, 1e-1, 20)
    lengths = [theory.xi_c(_with_slope(1 - each)) for each in near[::5]]
    np.testing.assert_allclose(_power(near[::5], np.array(lengths)), -1.02, atol=2 * TWO_PLACES)
    critical = _with_slope(1.0)
    above = [critical.replace(sigma_w=critical.sigma_w * (1 + each) ** 0.5) for each in near[:10]]
    slopes = np.array([theory.chi_1(net) for net in above])
    gaps = np.array([1 - theory.c_star(net) for net in above])
    np.testing.assert_allclose(_power(slopes - 1, gaps), 0.99, atol=TWO_PLACES)
    places = np.arange(500, 8000)
    for net, published in ((critical, 1.00), (Dense("relu", 2**0.5), 1.99)):
        found = 1 - theory.layers.c_layers(net, depth=8000, c_0=0.0).mean[places]
        np.testing.assert_allclose(_power(places + 1, found), -published, atol=TWO_PLACES)


def test_relu_above_criticality() -> None:
    """Published: 1.96, of the map held at one length, which a negative variance of biases would do."""
    near = np.geomspace(1e-2, 1e-1, 20)[:10]
    base = Dense("relu", 2**0.5)
    off = lambda m, slope: slope * float(theory.c_map(1 - m, base)) + 1 - slope - (1 - m)
    gaps = [brentq(off, 1e-7, 1.0, args=(1 + each,)) for each in near]
    np.testing.assert_allclose(_power(near, np.array(gaps)), 1.96, atol=TWO_PLACES)


def test_dropout_at_unit_slope() -> None:
    """Published: 1 - c* grows as h^0.50 (tanh) and h^0.67 (ReLU), and the correlation length falls as h^-0.50 and h^-0.33.

    Limits: over h from 0.0009 to 0.009 the power of tanh's 1 - c* is 0.518, as a quadrature apart from this package says too.
    """
    drops = np.geomspace(1e-8, 1e-6, 3)
    smooth = [_with_slope(1.0, drop) for drop in drops]
    kinked = [Dense("relu", 2**0.5, dropout=drop) for drop in drops]
    for nets, gap, length in ((smooth, 0.50, 0.50), (kinked, 0.67, 0.33)):
        fields = np.array([1 - float(theory.c_map(1.0, net)) for net in nets])
        gaps = np.array([1 - theory.c_star(net) for net in nets])
        lengths = np.array([theory.xi_c(net) for net in nets])
        np.testing.assert_allclose(_power(fields, gaps), gap, atol=TWO_PLACES)
        np.testing.assert_allclose(_power(fields, lengths), -length, atol=TWO_PLACES)


@pytest.mark.parametrize("place", [-2.0, -0.5, 0.0, 1.0, 3.0])
def test_scaling_functions(place: float) -> None:
    """Smooth: m sqrt(g / 2h) = sqrt(1 + t^2) - t with t = (1 - chi) / sqrt(2 g h); kinked: m = (h / k)^(2/3) s^2 with s^3 + u s^2 = 1."""
    critical = _with_slope(1.0, SMALL)
    field = 1 - float(theory.c_map(1.0, critical))
    bend = float(theory.meanfield.c_map_curvature(1 - NEAR, critical))
    net = _with_slope(1 - place * (2 * bend * field) ** 0.5, SMALL)
    found = (1 - theory.c_star(net)) * (bend / (2 * field)) ** 0.5
    np.testing.assert_allclose(found, (1 + place**2) ** 0.5 - place, rtol=20 * LEADING["tanh"])
    slope = 1 - place * KINK ** (2 / 3) * SMALL ** (1 / 3)
    base = Dense("relu", 2**0.5)
    off = lambda m: slope * float(theory.c_map(1 - m, base)) + 1 - slope - SMALL - (1 - m)
    root = max(np.roots([1, place, 0, -1]).real)
    gap = brentq(off, 1e-9, 0.9, xtol=1e-14)
    np.testing.assert_allclose(gap / (SMALL / KINK) ** (2 / 3), root**2, rtol=5 * LEADING["relu"])
