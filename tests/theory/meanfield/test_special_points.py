"""Limits: without weights, without anything, at exact criticality and just beyond it; in both precisions, with derivatives."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.tolerances import EXACT, PAIR, SINGLE
from vgtheory import ACTIVATIONS, Conv, Dense, theory

HOMOGENEOUS = {"linear": 1.0, "abs": 1.0, "relu": 2**0.5, "leaky_relu": (2 / (1 + 0.01**2)) ** 0.5}
POINTS = np.array([(0.0, 0.3), (0.0, 0.0), (0.001, 0.001), (1.0, 0.0), (1.5, 0.3), (1.001, 0.0)])
NEAR = 1e-3
"""Of float32 a thousandth beyond the critical scale, whose distance from 1 has lost four digits to rounding."""


def settled_tanh(sigma_w: float) -> tuple[float, float, float]:
    """Series of q_star, ln chi_1 and ln chi_c without biases a little above 1: Gauss-Hermite quadrature in NumPy."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    mean = lambda values: float(weights @ values)
    low, high = 1e-6, 0.1
    for _ in range(200):
        q = (low + high) / 2
        grows = sigma_w**2 * mean(np.tanh(q**0.5 * nodes) ** 2) > q
        low, high = (q, high) if grows else (low, q)
    slope = 1 - np.tanh(q**0.5 * nodes) ** 2
    # c_star is 0, for tanh is odd, and there the two are independent.
    return q, np.log(sigma_w**2 * mean(slope**2)), np.log(sigma_w**2 * mean(slope) ** 2)


@pytest.mark.slow
def test_just_beyond_criticality_in_both_precisions() -> None:
    q, log_chi, log_chi_c = settled_tanh(1.001)
    net = Dense("tanh", 1.001)
    assert abs(theory.c_star(net)) < 1e-7
    assert theory.xi_c(net) == pytest.approx(-1 / log_chi_c, rel=NEAR)
    assert theory.xi_grad(net) == pytest.approx(-1 / log_chi, rel=NEAR)
    found = jax.jit(jax.vmap(lambda scale: theory.phase_diagram(Dense("tanh", scale))))(jnp.array([1.001, 1.5]))
    assert found.q_star.dtype == jnp.float32
    assert float(found.q_star[0]) == pytest.approx(q, rel=NEAR)
    assert float(found.c_star[0]) < NEAR
    assert float(found.xi_c[0]) == pytest.approx(-1 / log_chi_c, rel=NEAR)
    assert float(found.xi_grad[0]) == pytest.approx(-1 / log_chi, rel=NEAR)


@pytest.mark.parametrize("name", HOMOGENEOUS)
def test_scales_are_infinite_at_exact_criticality(name: str) -> None:
    net = Dense(name, HOMOGENEOUS[name])
    for function in (theory.xi_c, theory.xi_grad, theory.xi_q, theory.meanfield.decade_depth):
        assert function(net) == np.inf
    assert theory.c_star(net) == 1
    single = Dense(name, jnp.float32(HOMOGENEOUS[name]))
    assert [float(function(single)) for function in (theory.xi_c, theory.xi_grad)] == [np.inf] * 2


def test_scales_of_tanh_are_infinite_at_exact_criticality() -> None:
    net, modes = Dense("tanh", 1.0), theory.blocks.xi_c_modes(Conv("tanh", 1.0), 5)
    assert [
        function(net) for function in (theory.xi_c, theory.xi_grad, theory.xi_q, theory.meanfield.decade_depth)
    ] == [np.inf] * 4
    diagram = theory.phase_diagram(net)
    assert diagram.xi_c == diagram.xi_grad == np.inf
    assert np.isinf(modes).tolist() == [True, False, False, False, False]


def test_a_phase_diagram_is_what_its_functions_give() -> None:
    sigma_w, sigma_b = np.meshgrid(np.linspace(0.5, 3.0, 60), np.linspace(0.0, 1.0, 20))
    net = Dense("tanh", sigma_w, sigma_b)
    found = theory.phase_diagram(net)
    for name in ("q_star", "chi_1", "c_star", "xi_grad", "xi_c", "xi_q"):
        np.testing.assert_array_equal(getattr(found, name), getattr(theory, name)(net), err_msg=name)
    np.testing.assert_array_equal(found.chi_c, theory.meanfield.chi_c(net))
    one = theory.phase_diagram(Dense("tanh", sigma_w[3, 40], sigma_b[3, 40]))
    for field, value in one._asdict().items():
        assert value == pytest.approx(getattr(found, field)[3, 40], rel=EXACT), field


@pytest.mark.slow
def test_phase_diagrams_of_both_libraries_agree() -> None:
    sigma_w, sigma_b = np.array([0.8, 1.5, 2.5]), np.array([0.1, 0.3, 0.0])
    plain = theory.phase_diagram(Dense("tanh", sigma_w, sigma_b))
    with jax.enable_x64(True):
        compiled = jax.jit(lambda *scales: tuple(theory.phase_diagram(Dense("tanh", *scales))))(sigma_w, sigma_b)
    for one, other in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(one, other, rtol=PAIR, atol=PAIR)


QUICK = {"tanh", "relu", "sigmoid"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in ACTIVATIONS]
)
def test_without_weights(name: str) -> None:
    for to in (float, jnp.float32):
        still = Dense(name, to(0.0), to(0.3))
        for function in (
            theory.chi_1,
            theory.meanfield.q_slope,
            theory.meanfield.chi_c,
            theory.xi_grad,
            theory.xi_q,
            theory.xi_c,
        ):
            assert float(function(still)) == 0.0, function.__name__
        assert float(theory.q_star(still)) == pytest.approx(0.09, rel=SINGLE)
        assert float(theory.c_star(still)) == 1.0
        empty, least = Dense(name, to(0.0), to(0.0)), Dense(name, to(1e-5), to(0.0))
        for function in (theory.chi_1, theory.meanfield.q_slope, theory.meanfield.chi_c, theory.c_star):
            value = float(function(empty))
            assert np.isfinite(value), function.__name__
            # What the smallest weights make.
            assert value == pytest.approx(float(function(least)), abs=1e-3), function.__name__
        assert float(theory.xi_c(empty)) > 0


@pytest.mark.parametrize(
    "quantity",
    [
        theory.chi_1,
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in (theory.meanfield.chi_c, theory.c_star, theory.meanfield.q_slope)
        ),
    ],
)
def test_derivatives_are_finite_at_special_points(quantity: Any) -> None:
    at = lambda sigma_w, sigma_b: quantity(Dense("tanh", sigma_w, sigma_b))
    points = jnp.asarray(POINTS, jnp.float32).T
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(at, argnums=(0, 1))))(*points)
    assert np.all(np.isfinite(values))
    assert np.all(np.isfinite(slopes))
    # Well inside the chaotic phase against a central difference in float64.
    step = 1e-5
    expected = [
        (at(1.5 + step, 0.3) - at(1.5 - step, 0.3)) / (2 * step),
        (at(1.5, 0.3 + step) - at(1.5, 0.3 - step)) / (2 * step),
    ]
    np.testing.assert_allclose([slope[4] for slope in slopes], expected, rtol=10 * NEAR)
    if quantity is theory.meanfield.chi_c:  # where nothing is carried on but the biases, chi_c is sigma_w^2 phi'(0)^2
        np.testing.assert_allclose([slope[2] for slope in slopes], [2e-3, 0.0], atol=1e-6)


def test_a_length_that_swings_has_the_scale_of_the_size_of_its_slope() -> None:
    net = Dense("gaussian", 1.5, 0.5)
    # E[exp(-2 q z^2)] is (1 + 4 q)^(-1/2).
    slope = -2 * 1.5**2 * (1 + 4 * theory.q_star(net)) ** -1.5
    assert theory.xi_q(net) == pytest.approx(-1 / np.log(-slope))
    assert 0 < theory.xi_q(Dense("sin", 1.5, 8.0)) < 0.1
