"""One random matrix at a finite width: exact moments, a reduced matrix, limits of the leading mode's law, wrong questions."""

import jax.numpy as jnp
import numpy as np
import pytest

from tests.tolerances import EXACT, SIGMAS
from vgtheory import Activation, Recurrent, theory
from vgtheory.theory.recurrent.tied_lags import _paths

MOMENTS = {2: {3: 1, 1: 2}, 3: {4: 1, 2: 10, 1: 4}, 4: {5: 1, 3: 28, 2: 28, 1: 48}}
"""Coefficients of E tr (W^T)^t W^t by powers of the width: the pairings of 2t letters, counted one by one."""


@pytest.mark.parametrize("steps", MOMENTS)
def test_reduced_matrices_have_the_exact_mean_square(steps: int) -> None:
    width, paths = 6, 4000
    squares = np.exp(2 * _paths(steps, width, paths)[:, steps])
    exact = sum(count * float(width) ** power for power, count in MOMENTS[steps].items()) / width ** (steps + 1)
    assert abs(squares.mean() - exact) < SIGMAS * squares.std() / paths**0.5


def test_one_step_is_a_chi_square() -> None:
    law = theory.recurrent.log_tied_lags(Recurrent("linear", 1.5), [0, 1], width=16, num_paths=4000)
    one = theory.width.log_chi_square_law(16)
    assert law.mean[0] == law.std[0] == 0
    assert abs(law.mean[1] - np.log(1.5) - one.mean / 2) < SIGMAS * one.std / 2 / 4000**0.5


def test_an_orthogonal_matrix_has_no_spread() -> None:
    law = theory.recurrent.log_tied_lags(Recurrent("linear", 0.9, weights="orthogonal"), [1, 300], width=50)
    assert law.mean == pytest.approx(np.array([1, 300]) * np.log(0.9), rel=EXACT)
    assert np.all(law.std == 0)


def test_late_lags_obey_the_spectral_radius() -> None:
    net, lags = Recurrent("linear", 1.2), [300, 600]
    law = theory.recurrent.log_tied_lags(net, lags, width=24, num_paths=600)
    radius = theory.recurrent.log_spectral_radius(net, width=24)
    rate, spread = (np.diff(each)[0] / 300 for each in law)
    assert abs(rate - radius.mean) < 0.05 * radius.std + SIGMAS * radius.std / 600**0.5
    assert spread == pytest.approx(radius.std, rel=0.03 + SIGMAS / 1200**0.5)


def test_below_the_edge_the_state_dies_and_eigenvalues_rule() -> None:
    net = Recurrent("tanh", sigma_w=0.5)
    found = theory.recurrent.tied_exponent(net, width=100)
    radius = theory.recurrent.log_spectral_radius(net, width=100)
    assert found.exponent.mean == pytest.approx(float(radius.mean), rel=1e-3)
    assert found.exponent.std == pytest.approx(float(radius.std), rel=1e-2)
    assert found.q.mean < 1e-3
    assert found.chaotic == 0


def test_a_wide_network_has_the_limits_exponent() -> None:
    net = Recurrent("tanh", sigma_w=1.5)
    found = theory.recurrent.tied_exponent(net, width=6000)
    assert found.ruled < 0.01
    assert found.chaotic == pytest.approx(1, abs=1e-6)
    assert found.exponent.mean == pytest.approx(float(theory.recurrent.lyapunov_exponent(net)), abs=5e-4)
    assert found.q.mean == pytest.approx(float(theory.q_star(net)), rel=1e-3)


def test_an_activation_of_another_slope_at_rest() -> None:
    """phi(h) = tanh(2 h) / 2 at sigma_w is tanh at the same sigma_w of a state twice as large."""
    half = Activation("half", lambda h: jnp.tanh(2 * h) / 2, lambda h: 1 / jnp.cosh(2 * h) ** 2, ())
    double = Activation("double", lambda h: jnp.tanh(2 * h), lambda h: 2 / jnp.cosh(2 * h) ** 2, ())
    tanh, same, steep = (
        theory.recurrent.tied_exponent(Recurrent(activation, sigma_w), width=100)
        for activation, sigma_w in (("tanh", 1.2), (half, 1.2), (double, 0.6))
    )
    for other in (same, steep):
        assert other.exponent.mean == pytest.approx(tanh.exponent.mean, abs=1e-5)
        assert other.q.mean == pytest.approx(tanh.q.mean / 4, rel=1e-4)


def test_narrower_networks_are_less_chaotic_and_wider_scatter_less() -> None:
    laws = [theory.recurrent.tied_exponent(Recurrent("tanh", sigma_w=1.3), width=width) for width in (100, 800)]
    assert np.all(np.diff([law.exponent.mean for law in laws]) > 0)
    assert np.all(np.diff([law.exponent.std for law in laws]) < 0)
    assert np.all(np.diff([law.q.mean for law in laws]) < 0)


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (Recurrent("relu", 1.5), "flattens"),
        (Recurrent("sigmoid", 1.5), "odd"),
        (Recurrent("tanh", 1.5, 0.1), "sigma_b=0"),
        (Recurrent("tanh", 1.5, weights="orthogonal"), "Gaussian weights"),
    ],
)
def test_wrong_questions(net: Recurrent, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        theory.recurrent.tied_exponent(net, width=64)


def test_lags_of_a_network_that_rests_are_refused() -> None:
    with pytest.raises(ValueError, match="chaotic"):
        theory.recurrent.log_tied_lags(Recurrent("tanh", 1.1), [3], width=200)
