"""Gated units, maxout and random slopes at infinite width: closed forms, a brute-force sum, published scales, fixed points."""

from typing import Any

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from tests.tolerances import CRITICAL, CURVE, EXACT, FIXED_POINT, PER_LAYER
from vgtheory import Dense, theory
from vgtheory.activations.units import GLU, Maxout, Unit
from vgtheory.theory.integrals.moments_1d import curves, largest_square, value_and_slope
from vgtheory.theory.width.unit import points

BRUTE = 1e-9
"""Relative, of 120 by 120 nodes of Gauss and Hermite for smooth gates at q of 2 at most."""
FAR = 1e-9
"""Of logs beyond 1e138, which grow by the slope of the tables' last panel."""
PRINTED = 5.1e-6
"""Half a unit of the fifth digit, which is published."""
Q = 0.7


def squares(name: str, q: float) -> tuple[float, float]:
    """E[x^2] and the mean square of x's derivatives, from the tables."""
    with jax.enable_x64(True):
        table = curves(Dense(name).activation)
    square, slopes = (float(np.exp(value_and_slope(each, np.log(q))[0])) for each in table[:2])
    return square, slopes


def erf_squares(q: float) -> tuple[float, float]:
    square = 2 / np.pi * np.arcsin(2 * q / (1 + 2 * q))
    return q * square, 4 * q / np.pi / np.sqrt(1 + 4 * q) + square


CLOSED: dict[str, Any] = {
    "bilinear": lambda q: (q**2, 2 * q),
    "reglu": lambda q: (q**2 / 2, q),
    "glu(erf)": erf_squares,
    "maxout(2)": lambda q: (q, 1.0),
    "maxout(3)": lambda q: (q * (1 + 3**0.5 / (2 * np.pi)), 1.0),
    "maxout(4)": lambda q: (q * (1 + 3**0.5 / np.pi), 1.0),
    "rrelu(0, 1)": lambda q: (q * 2 / 3, 2 / 3),
    "rrelu(-0.5, 0.25)": lambda q: (q * (1 + 0.0625) / 2, (1 + 0.0625) / 2),
}


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("q", [1e-6, Q, 1e5])
def test_closed_forms(name: str, q: float) -> None:
    net = Dense(name, 1.3, 0.4)
    square, slopes = CLOSED[name](q)
    np.testing.assert_allclose(squares(name, q), (square, slopes), rtol=CURVE)
    np.testing.assert_allclose(theory.q_map(q, net), 1.69 * square + 0.16, rtol=CURVE)


@pytest.mark.parametrize("name", ["swiglu", "geglu", "glu", "glu(tanh)"])
def test_gated_units_by_a_sum_over_both_pre_activations(name: str) -> None:
    """The unit as it is measured, with its derivative by JAX: nothing of the law is used."""
    places, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = np.outer(weights, weights).ravel() / (2 * np.pi)
    h = Q**0.5 * np.stack(np.meshgrid(places, places, indexing="ij"), axis=-1).reshape(-1, 2)
    unit = Dense(name).activation
    with jax.enable_x64(True):
        value, slopes = jax.jit(jax.vmap(jax.value_and_grad(lambda one: unit.phi(one)[0])))(jnp.asarray(h))
        value, slopes = np.asarray(value), np.asarray(slopes)
    brute = [weights @ each for each in (value**2, np.sum(slopes**2, axis=-1))]
    np.testing.assert_allclose(squares(name, Q), brute, rtol=BRUTE)


def test_largest_of_many_at_thirty_digits() -> None:
    with mp.workdps(30):
        for count in (2, 7, 1024):
            density = lambda z, count=count: count * mp.npdf(z) * mp.ncdf(z) ** (count - 1) * z**2
            truth = mp.quad(density, [-12, -4, *range(-2, 7), 12])
            assert abs(largest_square(count) / float(truth) - 1) < EXACT


def test_published_scales_of_maxout() -> None:
    """Tseran and Montufar (2023), arXiv:2301.06956: the variance of weights, times the fan-in, that keeps lengths."""
    published = {2: 1.0, 3: 0.78391, 4: 0.64461, 5: 0.55555}
    for pieces, square in published.items():
        assert 1 / largest_square(pieces) == pytest.approx(square, abs=PRINTED)
        net = Dense(f"maxout({pieces})", largest_square(pieces) ** -0.5)
        profile = theory.log_q_layers(net, depth=8).mean
        np.testing.assert_allclose(profile, profile[0], rtol=0, atol=8 * PER_LAYER)


def test_maxout_leaves_the_gradient_to_the_weights() -> None:
    for pieces in (2, 5):
        net = Dense(f"maxout({pieces})", np.array([0.8, 1.0]))
        np.testing.assert_allclose(theory.chi_1(net), [0.64, 1.0], rtol=EXACT)


def test_random_slopes_of_one_value_are_leaky_relu() -> None:
    scales = 1.3, 0.2
    for function in (theory.chi_1, theory.q_star, theory.meanfield.q_slope):
        fixed, drawn = function(Dense("leaky_relu", *scales)), function(Dense("rrelu(0.01, 0.01)", *scales))
        np.testing.assert_allclose(drawn, fixed, rtol=FIXED_POINT)


def test_the_fixed_points_of_bilinear_units() -> None:
    """q = sigma_w^2 q^2 + sigma_b^2: the lower root is stable and the upper one is not; chi is the map's slope."""
    sigma_w, sigma_b = 1.5, 0.2
    found = theory.meanfield.q_stars(Dense("bilinear", sigma_w, sigma_b))
    roots = (1 + np.array([-1, 1]) * (1 - 4 * sigma_w**2 * sigma_b**2) ** 0.5) / (2 * sigma_w**2)
    np.testing.assert_allclose(found.q[:2], roots, rtol=10 * FIXED_POINT)
    assert found.is_stable[:2].tolist() == [True, False]
    np.testing.assert_allclose(found.slope[:2], 2 * sigma_w**2 * roots, rtol=10 * FIXED_POINT)
    quiet = Dense("bilinear", 0.5, sigma_b)
    q = (1 - (1 - sigma_b**2) ** 0.5) / 0.5
    np.testing.assert_allclose(theory.chi_1(quiet), 0.5 * q, rtol=10 * FIXED_POINT)


@pytest.mark.parametrize(("name", "sigma_w"), [("swiglu", 2.5), ("geglu", 2.5), ("reglu", 2.5), ("glu", 1.7)])
def test_without_biases_gradients_grow_wherever_lengths_are_kept(name: str, sigma_w: float) -> None:
    points = theory.meanfield.q_stars(Dense(name, sigma_w))
    inner = (points.q > 0) & np.isfinite(points.q)
    assert inner.sum() == 1
    assert not points.is_stable[inner].any()
    assert sigma_w**2 * squares(name, float(points.q[inner][0]))[1] > 1
    assert theory.critical(name).sigma_w.size == (name == "glu")  # as q goes to 0


def test_bilinear_units_are_critical_where_their_fixed_points_meet() -> None:
    found = theory.critical("bilinear", sigma_b=0.3)
    np.testing.assert_allclose([found.q_star[0], found.sigma_w[0]], [2 * 0.3**2, 1 / (2 * 0.3)], rtol=CRITICAL)
    np.testing.assert_allclose(found.slope[0], 1, rtol=CRITICAL)


def test_profiles_follow_the_maps_and_never_overflow() -> None:
    depth, net = 6, Dense("swiglu", 1.5, 0.2)
    q, log_chi, log_q = 1.5**2 + 0.2**2, [], []
    for _ in range(depth):
        log_q.append(np.log(q))
        log_chi.append(np.log(1.5**2 * squares("swiglu", q)[1]))
        q = float(theory.q_map(q, net))
    np.testing.assert_allclose(theory.log_q_layers(net, depth=depth).mean, log_q, rtol=0, atol=1e2 * PER_LAYER)
    grad = np.append(np.cumsum(log_chi[:-1][::-1])[::-1], 0) / 2
    np.testing.assert_allclose(theory.log_grad_layers(net, depth=depth).mean, grad, rtol=0, atol=1e2 * PER_LAYER)
    deep = theory.log_q_layers(Dense("bilinear", 2.0), depth=40).mean
    np.testing.assert_allclose(deep, np.log(4) * (2.0 ** np.arange(1, 41) - 1), rtol=FAR)


@pytest.mark.parametrize("name", ["bilinear", "maxout(3)", "rrelu(0.1, 0.4)"])
def test_moments_of_a_unit_add_up(name: str) -> None:
    """Nodes of the finite-width law have the tables' moments, and Euler's relation where the unit is homogeneous."""
    unit = Dense(name).activation
    assert isinstance(unit, Unit)
    found = points(unit, np.array([Q]))
    np.testing.assert_allclose(np.sum(found.weights), 1, rtol=EXACT)
    ours = [np.sum(found.weights * each) for each in (found.value**2, found.slope_square)]
    np.testing.assert_allclose(ours, squares(name, Q), rtol=CURVE)
    degree = 2 if isinstance(unit, GLU) else 1
    np.testing.assert_allclose(found.rise * Q**0.5, degree * found.value, rtol=EXACT, atol=EXACT)
    assert isinstance(unit, Maxout) == (unit.fan == 3)


@pytest.mark.slow
def test_arrays_of_jax_are_mapped_and_differentiated() -> None:
    with jax.enable_x64(True):
        by_w = jax.grad(lambda sigma_w: theory.q_star(Dense("glu", sigma_w, 0.2)))(jnp.asarray(1.5))
        ends = [float(theory.q_star(Dense("glu", each, 0.2))) for each in (1.5 - 1e-5, 1.5 + 1e-5)]
        np.testing.assert_allclose(by_w, (ends[1] - ends[0]) / 2e-5, rtol=1e-6)
        factor = jax.jit(lambda sigma_w: theory.chi_1(Dense("maxout(3)", sigma_w)))(jnp.asarray(1.5))
        np.testing.assert_allclose(factor, 2.25, rtol=EXACT)
