"""Ripples at large variances and slopes without bound, beyond the curves: the right value, or NaN, or a spread of inf."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from vgtheory import Dense, theory
from vgtheory.activation import as_activation
from vgtheory.activations.cusp import steepness
from vgtheory.theory.integrals.log_moments import sides

SNAKE = as_activation(jax.jit(lambda h: h + jnp.sin(h) ** 2))
ROOT = as_activation(jax.jit(lambda h: jnp.abs(h) ** 0.6))
GROWING = Dense(SNAKE, 1.1, 0.1)


def test_item_6_profiles_of_a_snake_are_its_recursion() -> None:
    """E[cos(k h)] = exp(-k^2 q / 2)."""
    q, log_q, log_chi = 1.22, [], []
    for _ in range(30):
        log_q.append(np.log(q))
        log_chi.append(np.log(1.21 * (1.5 - np.exp(-8 * q) / 2)))
        q = 1.21 * (q + 3 / 8 - np.exp(-2 * q) / 2 + np.exp(-8 * q) / 8) + 0.01
    np.testing.assert_allclose(theory.log_q_layers(GROWING, depth=30).mean, log_q, rtol=1e-12)
    np.testing.assert_allclose(theory.layers.log_chi_layers(GROWING, depth=30).mean, log_chi[:-1], rtol=1e-12)


@pytest.mark.slow
def test_item_6_what_a_snake_does_at_finite_width_and_large_q_is_not_known() -> None:
    assert np.all(np.isinf(theory.log_grad_layers(GROWING, depth=20, width=64).std[:-1]))
    assert np.isinf(theory.layers.log_chi_layers(GROWING, depth=20, width=64).std[-1])
    assert np.isinf(theory.log_q_layers(GROWING, depth=20, width=64).std[-1])
    assert np.all(np.isfinite(theory.log_grad_layers(Dense(SNAKE, 0.6, 0.3), depth=20, width=64).std))


@pytest.mark.slow
def test_item_6_correlations_and_spectra_beyond_the_ripples_are_nan() -> None:
    assert np.isnan([theory.c_star(GROWING), theory.meanfield.chi_c(GROWING), theory.c_map(0.5, GROWING)]).all()
    moments, edge = theory.spectra.jacobian_moments(GROWING, 10), theory.jacobian_edge(GROWING, 10)
    assert np.isnan([moments.spread, moments.mean_log, edge.upper, edge.lower]).all()
    assert moments.log_mean_square == pytest.approx(10 * np.log(1.815), rel=1e-12)
    assert np.isnan(theory.recurrent.lyapunov_curve(Dense(SNAKE, 0.6, 3.5), [0.0, 0.5])).all()


@pytest.mark.optimised
def test_item_6_spectra_within_the_ripples() -> None:
    """At q = 3.7 the phase is uniform: E[g^2] = (35/8) / (3/2)^2 and E ln g = -2 ln 2 - ln(3/2)."""
    moments = theory.spectra.jacobian_moments(Dense(SNAKE, 0.6, 1.5), 10)
    assert moments.spread == pytest.approx(1 + 10 * (35 / 8 / 2.25), rel=1e-9)
    assert moments.mean_log == pytest.approx(5 * (np.log(0.36) - 2 * np.log(2) - 1), abs=1e-4)


@pytest.mark.slow
def test_item_6_logs_of_a_slope_that_touches_zero() -> None:
    """E ln|1 + sin 2h| is -ln 2 once the phase is uniform."""
    slope = sides(np.log([4.0]), np.array([0.3]), SNAKE)[1]
    assert np.sum(slope.weight * slope.mean) == pytest.approx(-np.log(2) + 7e-8, abs=1e-6)


def power_mean(power: float, q: float = 1.0) -> float:
    """E|h|^power by SciPy's rule with an algebraic weight."""
    density = lambda h: np.sqrt(2 / (np.pi * q)) * np.exp(-(h**2) / (2 * q))
    return float(quad(density, 0, 40, weight="alg", wvar=(power, 0), epsabs=1e-14, limit=400)[0])


@pytest.mark.slow
def test_item_5_fourth_powers_of_slopes_without_bound_are_infinite() -> None:
    assert steepness(ROOT.dphi, ROOT.kinks) == pytest.approx(0.4, abs=1e-6)
    assert steepness(jnp.tanh, (0.0,)) == 0
    assert theory.spectra.jacobian_moments(Dense(ROOT, 1.0, 0.3), 10).spread == np.inf
    law = theory.log_grad_layers(Dense(ROOT, 1.0, 0.3), depth=4, width=64)
    assert np.all(np.isinf(law.std[:-1]))
    assert np.all(np.abs(law.mean) < 5)


@pytest.mark.slow
def test_item_5_a_cusp_behind_batch_norm() -> None:
    rate = 0.36 * power_mean(-0.8) / (power_mean(1.2) - power_mean(0.6) ** 2)
    assert theory.blocks.batch_norm_rate(ROOT) == pytest.approx(rate, rel=1e-9)
    # To order 1/B it goes to that.
    near, far = (theory.blocks.batch_norm_rate(ROOT, batch=batch) for batch in (64, 128))
    assert 2 * far - near == pytest.approx(rate, rel=0.01)
