"""Echo-state networks: delay lines and their like in closed form, Jaeger's sum, and a reservoir that is run."""

import jax
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from tests.tolerances import EXACT, MEMORY, SIGMAS
from vgtheory import measure, theory


def reservoir(width: int = 16, rho: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    draw = rng.normal(size=(width, width))
    return rho * draw / np.abs(np.linalg.eigvals(draw)).max(), rng.normal(size=width) / width**0.5


@given(decay=st.floats(0.3, 1.0), noise=st.floats(0.01, 2.0))
def test_a_delay_line_with_noise(decay: float, noise: float) -> None:
    """Unit k holds decay^k u_(t-k) and the noise of k + 1 units on the way, sum over j <= k of decay^(2j)."""
    width = 6
    power = decay ** (2 * np.arange(width))
    expected = power / (power + noise**2 * np.cumsum(power))
    curve = theory.recurrent.memory_curve(decay * np.eye(width, k=-1), np.eye(width)[0], width + 2, sigma_noise=noise)
    np.testing.assert_allclose(curve[:width], expected, rtol=MEMORY)
    np.testing.assert_allclose(curve[width:], 0, atol=MEMORY)


def test_a_single_unit() -> None:
    a = 0.8
    expected = (1 - a**2) * a ** (2 * np.arange(30))
    np.testing.assert_allclose(theory.recurrent.memory_curve([[a]], [2.0], 30), expected, rtol=1e3 * EXACT)


def test_the_formula_itself() -> None:
    matrix, start = reservoir()
    noise = 0.1
    covariance = scipy.linalg.solve_discrete_lyapunov(matrix, np.outer(start, start) + noise**2 * np.eye(len(start)))
    echoes = [np.linalg.matrix_power(matrix, lag) @ start for lag in range(40)]
    expected = [echo @ np.linalg.solve(covariance, echo) for echo in echoes]
    np.testing.assert_allclose(
        theory.recurrent.memory_curve(matrix, start, 40, sigma_noise=noise), expected, atol=MEMORY
    )


@pytest.mark.parametrize("width", [1, 4, 8])
def test_memory_adds_up_to_the_width(width: int) -> None:
    matrix, start = reservoir(width)
    curve = theory.recurrent.memory_curve(matrix, start, 2000)
    assert curve.sum() == pytest.approx(width, abs=MEMORY)
    assert ((curve >= 0) & (curve <= 1 + EXACT)).all()
    assert theory.recurrent.memory_curve(matrix, start, 2000, sigma_noise=0.1).sum() < width


def test_a_reservoir_that_is_run_agrees_and_three_percent_off_does_not(key: jax.Array) -> None:
    matrix, start = reservoir(16, 0.95)
    hat = measure.recurrent.memory_curve(key, matrix, start, 20, sigma_noise=0.1)
    z = (hat.value - theory.recurrent.memory_curve(matrix, start, 20, sigma_noise=0.1)) / hat.err
    wrong = (hat.value - theory.recurrent.memory_curve(1.03 * matrix, start, 20, sigma_noise=0.1)) / hat.err
    assert np.abs(z).max() < SIGMAS < np.abs(wrong).max()


@given(scale=st.floats(0.1, 3.0), lean=st.floats(0.0, 30.0))
def test_bounds_are_ordered(scale: float, lean: float) -> None:
    found = theory.recurrent.echo_state(scale * np.array([[0.9, lean], [0.1, -0.5]]))
    assert found.log_rho - MEMORY <= found.log_scaled_norm <= found.log_norm + EXACT


def test_scaling_finds_what_is_known() -> None:
    """Two by two with equal signs: a similarity makes it symmetric, whose norm is its radius."""
    found = theory.recurrent.echo_state(np.array([[0.3, 8.0], [0.02, 0.1]]))
    assert found.log_scaled_norm == pytest.approx(found.log_rho, abs=MEMORY)
    assert theory.recurrent.echo_state(np.zeros((2, 2))) == (-np.inf, -np.inf, -np.inf)


def test_a_radius_below_one_does_not_make_it_forget() -> None:
    matrix, given_input = np.array([[2.0, -2.0], [2.0, -1.8]]), np.array([2.0, 5.0])
    assert theory.recurrent.echo_state(matrix).log_rho < 0 < theory.recurrent.echo_state(matrix).log_scaled_norm
    states = np.array([[0.9, 0.9], [-0.9, 0.9]])
    for _ in range(1000):
        states = np.tanh(states @ matrix.T + given_input)
    assert np.linalg.norm(states[0] - states[1]) > 1


def test_wrong_questions(refused: pytest.RaisesExc, key: jax.Array) -> None:
    with refused("echo_state", "shape"):
        theory.recurrent.echo_state(np.ones((2, 3)))
    with refused("memory_curve", "rho"):
        theory.recurrent.memory_curve(np.eye(2), np.ones(2), 3)
    with refused("memory_curve", "shape"):
        theory.recurrent.memory_curve(np.eye(2) / 2, np.ones(3), 3)
    with refused("memory_curve", "num_lags"):
        theory.recurrent.memory_curve(np.eye(2) / 2, np.ones(2), 0)
    with refused("memory_curve", "sigma_noise"):
        theory.recurrent.memory_curve(np.eye(2) / 2, np.ones(2), 3, sigma_noise=-1.0)
    with refused("memory_curve", "shape"):
        measure.recurrent.memory_curve(key, np.eye(2) / 2, np.ones(3), 3)
    with refused("memory_curve", "steps"):
        measure.recurrent.memory_curve(key, np.eye(2) / 2, np.ones(2), 3, steps=5)
