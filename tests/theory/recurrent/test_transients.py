"""What eigenvalues do not say: closed forms of two-by-two matrices, 50 digits, and the inequalities that must hold."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.theory.matrices import explicit, radius, turn, vector
from tests.tolerances import ALIGNMENT, EXACT, KREISS, NUMERICAL_RADIUS
from vgtheory import theory

MATRICES = {name: matrix for name, matrix in explicit().items() if name not in ("huge", "tiny")}
DECAYING = {name: 0.9 * matrix / radius(matrix) for name, matrix in MATRICES.items()}


@pytest.mark.parametrize("name", MATRICES)
def test_the_six_numbers_are_ordered(name: str) -> None:
    facts = theory.recurrent.non_normality(MATRICES[name])
    slack = 1 + NUMERICAL_RADIUS
    assert facts.rho <= facts.numerical_radius * slack <= facts.norm * slack**2 <= 2 * facts.numerical_radius * slack**3
    assert facts.numerical_abscissa <= facts.numerical_radius * slack
    normal = name in ("symmetric", "complex pairs", "orthogonal")
    assert (facts.departure < EXACT) == normal == (facts.condition < 1 + EXACT)


def test_six_numbers_of_a_shear() -> None:
    """[[a, c], [0, a]]: field of values a disc of radius c / 2 about a; singular values from trace and determinant."""
    a, c = 0.9, 5.0
    facts = theory.recurrent.non_normality(np.array([[a, c], [0.0, a]]))
    norm = np.sqrt(a**2 + c**2 / 2 + np.sqrt(c**4 / 4 + a**2 * c**2))
    expected = (a, norm, a + c / 2, a + c / 2, c)
    np.testing.assert_allclose(facts[:5], expected, rtol=NUMERICAL_RADIUS)


@pytest.mark.parametrize("name", DECAYING)
def test_kreiss_bounds_the_peak_from_both_sides(name: str) -> None:
    found = theory.recurrent.transient(DECAYING[name])
    assert found.log_kreiss <= found.log_peak + EXACT
    assert found.log_peak <= found.log_bound
    if found.step:
        around = theory.recurrent.log_growth(DECAYING[name], found.step + np.array([-1, 0, 1]))
        assert around.argmax() == 1
        assert around[1] == pytest.approx(found.log_peak, abs=EXACT)
    if name in ("symmetric", "complex pairs", "orthogonal"):
        assert found.log_peak == found.log_kreiss == found.step == 0


def test_kreiss_constant_of_a_nilpotent_shear() -> None:
    """W = [[0, c], [0, 0]]: |(z - W)^-1| = s(z), with sigma_min of [[z, -c], [0, z]]; the supremum over real z by brute force."""
    c = 20.0
    z = 1 + np.exp(np.linspace(-9, 3, 200_001))
    smallest = np.sqrt(z**2 + c**2 / 2 - np.sqrt(c**4 / 4 + z**2 * c**2))
    expected = np.log(np.max((z - 1) / smallest))
    found = theory.recurrent.transient(np.array([[0.0, c], [0.0, 0.0]]))
    assert found.log_kreiss == pytest.approx(expected, abs=KREISS)
    assert (found.log_peak, found.step) == (pytest.approx(np.log(c), abs=EXACT), 1)


@pytest.mark.parametrize("name", ["symmetric", "complex pairs", "ginibre", "grcar", "jordan, alternating"])
def test_angles_against_fifty_digits(name: str) -> None:
    matrix = MATRICES[name]
    got = theory.recurrent.alignment_steps(matrix, vector(matrix), 100)
    basis = np.eye(len(matrix))[:, -1:] if name.startswith("jordan") else leading(matrix)
    with mp.workdps(50):
        transpose, state = mp.matrix(matrix.T.tolist()), mp.matrix(vector(matrix).tolist())
        for step in range(101):
            if step in (0, 1, 10, 100):
                along = mp.norm(mp.matrix(basis.T.tolist()) * state)
                angle = mp.acos(min(along / mp.norm(state), mp.mpf(1)))
                assert abs(angle - got[step]) < ALIGNMENT
            state = transpose * state


def leading(matrix: np.ndarray) -> np.ndarray:
    """Orthonormal basis of the leading left directions, from the eigenvectors of the transpose alone."""
    values, vectors = np.linalg.eig(matrix.T)
    first = vectors[:, np.abs(values).argmax()]
    return np.linalg.qr(
        np.stack([first.real, first.imag], axis=1) if np.abs(first.imag).max() > 0 else first.real[:, None]
    )[0]


def test_angle_shrinks_by_the_ratio_of_eigenvalues() -> None:
    angles = theory.recurrent.alignment_steps(np.diag([1.0, 0.5, -0.2]), np.ones(3), 40)
    expected = np.arctan(np.sqrt(0.25 ** np.arange(41) + 0.04 ** np.arange(41)))
    np.testing.assert_allclose(angles, expected, rtol=EXACT)


def test_a_rotating_pair_is_a_plane() -> None:
    matrix = np.zeros((3, 3))
    matrix[:2, :2], matrix[2, 2] = turn(1.0), 0.5
    found = theory.recurrent.eigen_directions(matrix)
    np.testing.assert_allclose(found.period, [2 * np.pi, 2 * np.pi, np.inf], rtol=EXACT)
    assert found.values[0].imag > 0
    angles = theory.recurrent.alignment_steps(matrix, np.array([1.0, 0.0, 1.0]), 20)
    np.testing.assert_allclose(angles, np.arctan(0.5 ** np.arange(21)), rtol=EXACT)


@pytest.mark.parametrize("name", ["ginibre", "grcar", "triangular"])
def test_directions_are_eigenvectors_on_their_own_side(name: str) -> None:
    matrix = MATRICES[name]
    found = theory.recurrent.eigen_directions(matrix)
    size = np.linalg.norm(matrix, 2)
    np.testing.assert_allclose(matrix @ found.right, found.right * found.values, atol=size * 10 * EXACT)
    np.testing.assert_allclose(matrix.T @ found.left, found.left * found.values.conj(), atol=size * 10 * EXACT)
    assert (found.condition >= 1 - EXACT).all()
    assert (np.diff(np.abs(found.values)) <= size * EXACT).all()
    assert theory.recurrent.eigen_directions(-np.eye(2)).period.tolist() == [2.0, 2.0]


def test_a_gradient_turns_to_the_left_direction_and_not_to_the_right_one() -> None:
    matrix = np.array([[0.9, 5.0], [0.0, 0.5]])
    found = theory.recurrent.eigen_directions(matrix)
    x, y = found.right[:, 0].real, found.left[:, 0].real
    assert np.arccos(abs(x @ y)) > 1
    gradient = np.linalg.matrix_power(matrix.T, 200) @ np.ones(2)
    assert abs(gradient @ y) / np.linalg.norm(gradient) == pytest.approx(1, abs=EXACT)
    assert theory.recurrent.alignment_steps(matrix, np.ones(2), 200)[-1] < ALIGNMENT


@given(angle=st.floats(0.1, 3.0), lean=st.floats(0.0, 20.0))
def test_orthogonal_changes_of_basis_change_nothing(angle: float, lean: float) -> None:
    matrix = np.array([[0.8, lean], [0.0, -0.5]])
    turned = turn(angle) @ matrix @ turn(angle).T
    np.testing.assert_allclose(
        theory.recurrent.non_normality(turned)[1:5],
        theory.recurrent.non_normality(matrix)[1:5],
        rtol=KREISS,
        atol=KREISS,
    )
    here, there = theory.recurrent.transient(matrix), theory.recurrent.transient(turned)
    assert here.log_peak == pytest.approx(there.log_peak, abs=1000 * EXACT)
    assert here.log_kreiss == pytest.approx(there.log_kreiss, abs=KREISS)


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    for quantity in (theory.recurrent.eigen_directions, theory.recurrent.non_normality, theory.recurrent.transient):
        with refused(quantity.__name__, "shape"):
            quantity(np.ones((2, 3)))
    with refused("transient", "rho", "Divide"):
        theory.recurrent.transient(np.eye(2))
    with refused("alignment_steps", "shape"):
        theory.recurrent.alignment_steps(np.eye(2), np.ones(3), 2)
    with refused("alignment_steps", "vector"):
        theory.recurrent.alignment_steps(np.eye(2), np.array([1.0, np.nan]), 2)
    with refused("alignment_steps", "steps"):
        theory.recurrent.alignment_steps(np.eye(2), np.ones(2), -1)
