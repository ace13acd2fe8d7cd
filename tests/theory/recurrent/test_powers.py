"""One matrix to the power t against 50 digits."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import reference
from tests.theory.matrices import WIDTH, explicit, grcar, jordan, turn, vector
from tests.tolerances import ASYMPTOTIC, EXACT, NEARLY_NORMAL, POWER_NORM, POWER_NORM_ROUNDING, SINGLE
from vgtheory import FixedRecurrent, theory

STEPS = [0, 1, 10, 100, 1000]
MATRICES = explicit()
NORMAL = ("symmetric", "complex pairs", "orthogonal")
SECOND = ("orthogonal", "grcar, wide")
"""Second ones of their kind, a second of 50-digit arithmetic each: normal with complex pairs, and Grcar's."""


def allowed(truth: float, step: int, normal: bool) -> float:
    return POWER_NORM + POWER_NORM_ROUNDING * abs(truth) + normal * step * NEARLY_NORMAL


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SECOND else ()) for name in MATRICES]
)
def test_power_norms_are_as_accurate_as_stated(name: str) -> None:
    matrix = MATRICES[name]
    got = theory.recurrent.log_power_norms(matrix, vector(matrix), np.array(STEPS))
    expected = reference.log_power_norms(matrix, vector(matrix), STEPS)
    for step, value, truth in zip(STEPS, got, expected, strict=True):
        assert abs(value - truth) <= allowed(float(truth), step, name in NORMAL)


@pytest.mark.parametrize("name", ["symmetric", "jordan, alternating", "grcar", "ginibre"])
def test_growth_is_as_accurate_as_stated(name: str) -> None:
    got = theory.recurrent.log_growth(MATRICES[name], np.array([0, 1, 10, 1000]))
    for step, value in zip((0, 1, 10, 1000), got, strict=True):
        truth = reference.log_growth(MATRICES[name], step)
        assert abs(value - truth) <= allowed(float(truth), step, normal=False)


def test_a_barely_non_normal_matrix_errs_no_more_than_stated() -> None:
    for lean in (5e-13, 5e-15):
        matrix = np.array([[1.0, lean], [0.0, 1.0]])
        got = theory.recurrent.log_power_norms(matrix, np.ones(2), np.array(STEPS))
        expected = reference.log_power_norms(matrix, np.ones(2), STEPS)
        for step, value, truth in zip(STEPS, got, expected, strict=True):
            assert abs(value - truth) <= allowed(float(truth), step, normal=True)


def test_a_million_steps_of_a_jordan_block_are_its_closed_form() -> None:
    steps, value = 10**6, -0.9
    with mp.workdps(50):
        entries = [mp.binomial(steps, k) * mp.mpf(value) ** -k for k in range(WIDTH)]
        truth = steps * mp.log(-mp.mpf(value)) + mp.log(mp.norm(mp.matrix(entries)))
    got = theory.recurrent.log_power_norms(jordan(value), np.eye(WIDTH)[0], steps)
    assert abs(got - truth) <= allowed(float(truth), steps, normal=False)


@pytest.mark.slow
def test_a_subspace_keeps_its_own_power_however_far_below_the_rest() -> None:
    steps = np.array([3, 5000, 100_000])
    lower = np.array([[1.0, 1.0], [0.0, 0.5]])
    np.testing.assert_allclose(
        theory.recurrent.log_power_norms(lower, [0.0, 1.0], steps), steps * np.log(0.5), rtol=EXACT
    )


def test_a_nilpotent_matrix_ends_at_minus_infinity() -> None:
    nilpotent, ones = np.eye(4, k=1), np.ones(4)
    np.testing.assert_array_equal(
        np.exp(2 * theory.recurrent.log_power_norms(nilpotent, ones, [0, 1, 2, 3, 4])).round(9), [4, 3, 2, 1, 0]
    )
    np.testing.assert_array_equal(theory.recurrent.log_growth(nilpotent, [0, 1, 3, 4, 50]), [0, 0, 0, -np.inf, -np.inf])
    assert theory.recurrent.log_power_norms(np.zeros((2, 2)), np.ones(2), 1) == -np.inf
    assert theory.recurrent.log_power_norms(np.eye(2), np.zeros(2), 3) == -np.inf


@pytest.mark.parametrize("name", ["symmetric", "ginibre", "grcar"])
@given(first=st.integers(0, 12), then=st.integers(0, 300))
def test_steps_add_up(name: str, first: int, then: int) -> None:
    matrix = MATRICES[name]
    moved = np.linalg.matrix_power(matrix.T, first) @ vector(matrix)
    once, twice = (
        theory.recurrent.log_power_norms(matrix, vector(matrix), first + then),
        theory.recurrent.log_power_norms(matrix, moved, then),
    )
    # The step that NumPy takes rounds once, and Grcar's eigenvectors have condition 1e5.
    assert once == pytest.approx(twice, abs=1e5 * EXACT)


@given(scale=st.floats(1e-3, 1e3), steps=st.integers(0, 400))
def test_growth_bounds_every_gradient_and_scales(scale: float, steps: int) -> None:
    matrix = MATRICES["grcar"]
    growth = theory.recurrent.log_growth(matrix, steps)
    shifted = theory.recurrent.log_growth(scale * matrix, steps)
    assert shifted == pytest.approx(growth + steps * np.log(scale), rel=EXACT, abs=max(1, steps) * EXACT)
    norm = theory.recurrent.log_power_norms(matrix, vector(matrix), steps) - np.log(np.linalg.norm(vector(matrix)))
    assert norm <= growth + POWER_NORM


def test_eigenvalues_are_closed_forms() -> None:
    logs = theory.recurrent.log_eigen_powers(0.9 * turn(0.7), np.array([0, 1, 1000]))
    np.testing.assert_allclose(logs, np.outer([0, 1, 1000], [np.log(0.9)] * 2), rtol=EXACT)
    ends = theory.recurrent.log_eigen_powers(np.diag([0.0, -3.0, 2.0]), 5)
    np.testing.assert_allclose(ends, [5 * np.log(3), 5 * np.log(2), -np.inf], rtol=EXACT)
    assert theory.recurrent.log_eigen_powers(np.diag([0.0, 1.0]), 0).tolist() == [0.0, 0.0]


def test_eigenvalues_rule_the_rate_and_not_the_transient() -> None:
    matrix = jordan(0.9, 4)
    norms, rate = theory.recurrent.log_power_norms(matrix, vector(matrix), np.array([10, 10**6])), np.log(0.9)
    assert norms[0] > 0 > theory.recurrent.log_eigen_powers(matrix, 10)[0]
    assert norms[1] / 10**6 == pytest.approx(rate, rel=ASYMPTOTIC)


@pytest.mark.slow
def test_jax_matrices_compile_and_give_the_same() -> None:
    steps, matrix = np.array(STEPS), MATRICES["ginibre"]
    start = vector(matrix)
    single = (jnp.asarray(matrix, jnp.float32), jnp.asarray(start, jnp.float32))
    norms = jax.jit(lambda w, v: theory.recurrent.log_power_norms(w, v, steps))(*single)
    assert norms.dtype == jnp.float32
    np.testing.assert_allclose(norms, theory.recurrent.log_power_norms(matrix, start, steps), rtol=SINGLE, atol=SINGLE)
    logs = jax.jit(lambda w: theory.recurrent.log_eigen_powers(w, steps))(single[0])
    np.testing.assert_allclose(logs, theory.recurrent.log_eigen_powers(matrix, steps), rtol=SINGLE, atol=1000 * SINGLE)


def test_slope_of_a_power_is_left_times_right_direction() -> None:
    """d ln rho / dW = y x^T / (y^T x rho): what both eigenvectors are for."""
    with jax.enable_x64(True):
        matrix = np.array([[0.9, 5.0], [0.3, 0.5]])
        slope = jax.jit(jax.grad(lambda w: theory.recurrent.log_power_norms(w, jnp.ones(2), 4000) / 4000))(matrix)
    found = theory.recurrent.eigen_directions(matrix)
    x, y, value = found.right[:, 0].real, found.left[:, 0].real, found.values[0].real
    np.testing.assert_allclose(slope, np.outer(y, x) / (y @ x * value), rtol=ASYMPTOTIC)


BAD_MATRICES = [
    (np.ones((2, 3)), "shape"),
    (np.ones(3), "shape"),
    (np.ones((0, 0)), "shape"),
    (np.array([[1.0, np.nan], [0.0, np.inf]]), "matrix"),
    (np.eye(2) * 1j, "matrix"),
]


@pytest.mark.parametrize(("matrix", "got"), BAD_MATRICES)
def test_wrong_matrices(matrix: np.ndarray, got: str, refused: pytest.RaisesExc) -> None:
    with refused("log_power_norms", got):
        theory.recurrent.log_power_norms(matrix, np.ones(2), 1)
    with refused("log_eigen_powers", got):
        theory.recurrent.log_eigen_powers(matrix, 1)
    with refused("log_growth", got):
        theory.recurrent.log_growth(matrix, 1)
    with refused("FixedRecurrent", got):
        FixedRecurrent("tanh", matrix=matrix)


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    for steps in (-1, 2.5, [1, -1], "3"):
        for quantity in (theory.recurrent.log_eigen_powers, theory.recurrent.log_growth):
            with refused(quantity.__name__, "steps"):
                quantity(np.eye(2), steps)
        with refused("log_power_norms", "steps"):
            theory.recurrent.log_power_norms(np.eye(2), np.ones(2), steps)
    with refused("log_power_norms", "shape"):
        theory.recurrent.log_power_norms(np.eye(2), np.ones(3), 1)
    with refused("log_power_norms", "vector"):
        theory.recurrent.log_power_norms(np.eye(2), np.array([1.0, np.nan]), 1)


def test_wider_grcar_matrices_would_defeat_float64() -> None:
    """Why powers are formed in twice its precision: one rounding of a Grcar matrix of width 100 grows a millionfold or more."""
    assert theory.recurrent.eigen_directions(grcar(100)).condition.max() > 1e6
