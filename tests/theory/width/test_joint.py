"""Signals and gradients that vary together: Gauss rules of what networks have, and networks of GELU in NumPy that are far from log-normal."""

import functools

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss
from scipy import special, stats

from tests.tolerances import SIGMAS
from vgtheory.activation import as_activation
from vgtheory.estimate import Law
from vgtheory.theory.magnitudes.entries import _ONE, Entries
from vgtheory.theory.width.joint import gauss, seen_layers
from vgtheory.theory.width.links import LOG_M, stencil

ROUNDING = 1e-9
"""Relative, of moments to the thirteenth: Lanczos's recursion and eigenvalues of seven by seven numbers."""
INTERPOLATED = 1e-3
"""Root of what interpolation leaves of a variance, 2e-8; the grid's points are 0.07 apart."""
DEPTH, WIDTH, NETS = 24, 32, 2000
SCALES = 1.4, 0.1


@pytest.mark.parametrize("law", [stats.binom(40, 0.3), stats.poisson(5.0)])
def test_a_gauss_rule_has_thirteen_moments_of_its_law(law: "stats.rv_discrete") -> None:
    places = np.arange(60.0)
    nodes, weights = gauss(places / 10, law.pmf(places))
    assert len(nodes) == 7
    for power in range(14):
        exact = law.pmf(places) @ (places / 10) ** power
        assert weights @ nodes**power == pytest.approx(exact, rel=ROUNDING)


def test_a_gauss_rule_of_two_places_is_these_and_of_one_place_is_this() -> None:
    weights = np.zeros(20)
    weights[[3, 11]] = 0.2, 0.8
    nodes, shares = gauss(np.arange(20.0), weights)
    np.testing.assert_allclose((*nodes, *shares), (3, 11, 0.2, 0.8), rtol=ROUNDING)
    np.testing.assert_allclose(gauss(np.arange(20.0), np.eye(20)[7]), [[7], [1]], rtol=ROUNDING)


def test_one_place_between_those_of_a_grid_is_one_place() -> None:
    points, shares = stencil(np.asarray(0.03))
    nodes, weights = gauss(LOG_M, np.bincount(points, shares, len(LOG_M)))
    np.testing.assert_allclose(nodes, 0.03, atol=INTERPOLATED)
    assert weights.sum() == pytest.approx(1, rel=ROUNDING)


def sizes(skew: float, excess: float) -> tuple[np.ndarray, np.ndarray]:
    return Entries(Law(0.0, 1.0), _ONE, _ONE, skew, excess).sizes


@pytest.mark.parametrize(
    ("skew", "excess"), [(0.0, 0.0), (1.0, 1.5), (0.8, 0.2), (-0.6, -0.3), (1.5, 4.0), (0.5, -0.9)]
)
def test_sizes_have_four_moments(skew: float, excess: float) -> None:
    places, shares = sizes(skew, excess)
    found = [shares @ places**power for power in range(5)]
    np.testing.assert_allclose(found, [1, 0, 1, skew, 3 + excess], atol=ROUNDING)


def test_sizes_are_known_rules_where_the_law_is_known() -> None:
    places, shares = hermegauss(5)
    np.testing.assert_allclose(sizes(0.0, 0.0), (places, shares / shares.sum()), atol=ROUNDING)
    places, shares = special.roots_genlaguerre(5, 4 - 1)  # a gamma variable of shape 4 has skewness 1 and excess 3/2
    np.testing.assert_allclose(sizes(1.0, 1.5), ((places - 4) / 2, shares / shares.sum()), atol=ROUNDING)
    two, chances = sizes(1.5, 1.5**2 - 2)  # no law of this skewness has less: two places
    np.testing.assert_allclose(np.sort(two[chances > ROUNDING]), [-0.5, 2.0], atol=ROUNDING)


@functools.cache
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """ln of the mean square of h of every layer, and of the gradient with respect to h of every layer over the top's."""
    rng, gate = np.random.default_rng(3), special.ndtr
    x = rng.standard_normal((NETS, WIDTH))
    x /= np.sqrt(np.mean(x**2, axis=1, keepdims=True))
    rows, slopes, log_q = [], [], []
    for _ in range(DEPTH):
        rows.append(rng.standard_normal((NETS, WIDTH, WIDTH), dtype=np.float32) * np.float32(SCALES[0] / WIDTH**0.5))
        h = np.einsum("nij,nj->ni", rows[-1], x) + SCALES[1] * rng.standard_normal((NETS, WIDTH))
        log_q.append(np.log(np.mean(h**2, axis=1)))
        x = h * gate(h)
        slopes.append(gate(h) + h * np.exp(-(h**2) / 2) / (2 * np.pi) ** 0.5)
    g = rng.standard_normal((NETS, WIDTH))
    log_g = [np.log(np.mean(g**2, axis=1))]
    for row, slope in zip(rows[:0:-1], slopes[-2::-1], strict=True):
        g = np.einsum("nij,ni->nj", row, g) * slope
        log_g.append(np.log(np.mean(g**2, axis=1)))
    return np.array(log_q), np.array(log_g[::-1])


def third(values: np.ndarray) -> tuple[float, float]:
    """Third central moment of a sample, and its error."""
    cubes = (values - values.mean()) ** 3
    return float(cubes.mean()), float(cubes.std() / len(cubes) ** 0.5)


def test_lengths_of_gelu_are_as_skewed_as_the_chain_says() -> None:
    """A normal ln Q has no third moment."""
    seen = seen_layers(*SCALES, as_activation("gelu"), WIDTH, DEPTH)
    for layer in (11, 17, 23):
        weight, log_q, *_ = seen[layer]
        predicted = weight @ (log_q - weight @ log_q) ** 3
        measured, err = third(drawn()[0][layer])
        assert abs(measured - predicted) < SIGMAS * err
        assert measured > SIGMAS * err


def test_gradients_of_gelu_are_as_skewed_as_the_chain_says() -> None:
    """Of layer 2, over all networks: between the nodes of ln M, and at each of them."""
    seen = seen_layers(*SCALES, as_activation("gelu"), WIDTH, DEPTH)[0]
    apart = seen.log_grad.mean - seen.weight @ seen.log_grad.mean
    predicted = seen.weight @ (apart**3 + 3 * apart * seen.log_grad.std**2 + seen.third)
    measured, err = third(drawn()[1][1])
    assert abs(measured - predicted) < SIGMAS * err
    assert measured > SIGMAS * err
