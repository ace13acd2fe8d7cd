"""One matrix to the power t against 50 digits, and the rate of a settled recurrence."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import reference
from tests.tolerances import ASYMPTOTIC, EXACT, NEARLY_NORMAL, POWER_NORM, POWER_NORM_PER_STEP, SETTLED
from vgtheory import Recurrent, theory
from vgtheory.theory import recurrent

STEPS = [0, 1, 10, 100, 1000]


def turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def matrices() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    square, blocks = rng.normal(size=(6, 6)), np.zeros((4, 4))
    blocks[:2, :2], blocks[2:, 2:] = 0.95 * turn(0.3), 1.02 * turn(1.0)
    return {
        "symmetric": (square + square.T) / 12**0.5,
        "rotations": blocks,
        "orthogonal": 0.99 * np.linalg.qr(square)[0],
        "jordan": 0.9 * np.eye(4) + np.eye(4, k=1),
        "ginibre": square / 6**0.5,
        "triangular": np.triu(square),
        "huge": 1e200 * np.array([[1.0, 1.0], [0.0, 0.5]]),
        "tiny": 1e-300 * np.array([[1.0, 1.0], [0.0, 0.5]]),
    }


def vector(matrix: np.ndarray) -> np.ndarray:
    return np.cos(np.arange(len(matrix)))


def condition(matrix: np.ndarray) -> float:
    """Of the eigenvectors; a Jordan block counts by its size, for repeated squaring adds only positive numbers."""
    return min(float(np.linalg.cond(np.linalg.eig(matrix)[1])), 10.0 * len(matrix))


@pytest.mark.parametrize(("name", "matrix"), matrices().items())
def test_power_norms_are_as_accurate_as_stated(name: str, matrix: np.ndarray) -> None:
    got = theory.log_power_norms(matrix, vector(matrix), np.array(STEPS))
    expected = reference.log_power_norms(matrix, vector(matrix), STEPS)
    for step, value, truth in zip(STEPS, got, expected, strict=True):
        rounding = POWER_NORM_PER_STEP * float(abs(truth))
        assert abs(value - truth) <= POWER_NORM + step * POWER_NORM_PER_STEP * condition(matrix) + rounding


def test_a_barely_non_normal_matrix_errs_no_more_than_stated() -> None:
    matrix = np.array([[1.0, 5e-13], [0.0, 1.0]])
    got = theory.log_power_norms(matrix, np.ones(2), np.array(STEPS))
    expected = reference.log_power_norms(matrix, np.ones(2), STEPS)
    for step, value, truth in zip(STEPS, got, expected, strict=True):
        assert abs(value - truth) <= POWER_NORM + step * NEARLY_NORMAL


def test_a_nilpotent_matrix_ends_at_minus_infinity() -> None:
    nilpotent, ones = np.eye(4, k=1), np.ones(4)
    np.testing.assert_array_equal(
        np.exp(2 * theory.log_power_norms(nilpotent, ones, [0, 1, 2, 3, 4])).round(9), [4, 3, 2, 1, 0]
    )
    assert theory.log_power_norms(np.zeros((2, 2)), np.ones(2), 1) == -np.inf
    assert theory.log_power_norms(np.eye(2), np.zeros(2), 3) == -np.inf


@pytest.mark.parametrize("name", ["symmetric", "ginibre"])
@given(first=st.integers(0, 12), then=st.integers(0, 300))
def test_steps_add_up(name: str, first: int, then: int) -> None:
    matrix = matrices()[name]
    moved = np.linalg.matrix_power(matrix.T, first) @ vector(matrix)
    once, twice = (
        theory.log_power_norms(matrix, vector(matrix), first + then),
        theory.log_power_norms(matrix, moved, then),
    )
    assert once == pytest.approx(twice, abs=1000 * POWER_NORM_PER_STEP * condition(matrix) + POWER_NORM)


def test_eigenvalues_are_closed_forms() -> None:
    logs = theory.log_eigen_powers(0.9 * turn(0.7), np.array([0, 1, 1000]))
    np.testing.assert_allclose(logs, np.outer([0, 1, 1000], [np.log(0.9)] * 2), rtol=EXACT)
    ends = theory.log_eigen_powers(np.diag([0.0, -3.0, 2.0]), 5)
    np.testing.assert_allclose(ends, [5 * np.log(3), 5 * np.log(2), -np.inf], rtol=EXACT)
    assert theory.log_eigen_powers(np.diag([0.0, 1.0]), 0).tolist() == [0.0, 0.0]


def test_eigenvalues_rule_the_rate_and_not_the_transient() -> None:
    matrix = matrices()["jordan"]
    norms, rate = theory.log_power_norms(matrix, vector(matrix), np.array([10, 10**6])), np.log(0.9)
    assert norms[0] > 0 > theory.log_eigen_powers(matrix, 10)[0]
    assert norms[1] / 10**6 == pytest.approx(rate, rel=ASYMPTOTIC)


def tanh_rate(w: float) -> float:
    """ln |w phi'(h)| at the stable h = |w| tanh h, for |w| > 1."""
    with mp.workdps(30):
        h = mp.findroot(lambda h: abs(w) * mp.tanh(h) - h, abs(w))
        return float(mp.log(abs(w) * mp.sech(h) ** 2))


@pytest.mark.parametrize("w", [1.1, 2.0, -2.0, -4.0])
def test_rate_of_a_settled_unit(w: float) -> None:
    net = Recurrent("tanh", matrix=np.array([[w]]))
    assert theory.log_rate(net, np.array([0.3])) == pytest.approx(tanh_rate(w), abs=SETTLED)


def test_rate_of_a_lopsided_two_cycle() -> None:
    phi, dphi, h = reference.PHI["sigmoid"], reference.DPHI["sigmoid"], mp.mpf(0)
    for _ in range(2000):
        h = -10 * phi(h)
    other = -10 * phi(h)
    assert abs(h - other) > 1
    expected = float(mp.log(100 * dphi(h) * dphi(other)) / 2)
    net = Recurrent("sigmoid", matrix=np.array([[-10.0]]))
    assert theory.log_rate(net, np.zeros(1)) == pytest.approx(expected, abs=SETTLED)


def test_rate_of_what_dies_out_is_that_of_the_matrix() -> None:
    net = Recurrent("tanh", matrix=0.8 * turn(0.5))
    assert theory.log_rate(net, np.ones(2)) == pytest.approx(np.log(0.8), abs=SETTLED)
    shear = np.array([[0.5, 7.0], [0.0, -0.6]])
    assert theory.log_rate(Recurrent("linear", matrix=shear), np.ones(2)) == pytest.approx(np.log(0.6), abs=SETTLED)


def test_a_state_that_starts_at_almost_nothing_still_settles_where_it_is_stable() -> None:
    net = Recurrent("tanh", matrix=np.array([[2.0]]))
    assert theory.log_rate(net, np.array([1e-40])) == pytest.approx(tanh_rate(2.0), abs=SETTLED)


def test_rate_takes_the_slowest_of_several_units() -> None:
    net = Recurrent("tanh", matrix=np.diag([1.5, -3.0, 0.4]))
    expected = max(tanh_rate(1.5), tanh_rate(-3.0), np.log(0.4))
    assert theory.log_rate(net, np.array([0.3, 0.2, 0.1])) == pytest.approx(expected, abs=SETTLED)


@pytest.mark.parametrize("matrix", [2 * turn(1.0), np.eye(2)], ids=["rotates", "critical"])
def test_what_does_not_settle_is_refused(
    matrix: np.ndarray, refused: pytest.RaisesExc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recurrent, "_MAX_STEPS", 500)
    with refused("log_rate", "num_steps"):
        theory.log_rate(Recurrent("tanh", matrix=matrix), np.array([1.0, 0.2]))


BAD_MATRICES = [
    (np.ones((2, 3)), "shape"),
    (np.ones(3), "shape"),
    (np.ones((0, 0)), "shape"),
    (np.array([[1.0, np.nan], [0.0, np.inf]]), "num_not_finite"),
    (np.eye(2) * 1j, "dtype"),
]


@pytest.mark.parametrize(("matrix", "got"), BAD_MATRICES)
def test_wrong_matrices(matrix: np.ndarray, got: str, refused: pytest.RaisesExc) -> None:
    with refused("log_power_norms", got):
        theory.log_power_norms(matrix, np.ones(2), 1)
    with refused("log_eigen_powers", got):
        theory.log_eigen_powers(matrix, 1)
    with refused("Recurrent", got):
        Recurrent("tanh", matrix=matrix)


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    for steps in (-1, 2.5, [1, -1], "3"):
        with refused("log_power_norms", "steps"):
            theory.log_power_norms(np.eye(2), np.ones(2), steps)
        with refused("log_eigen_powers", "steps"):
            theory.log_eigen_powers(np.eye(2), steps)
    with refused("log_power_norms", "shape"):
        theory.log_power_norms(np.eye(2), np.ones(3), 1)
    with refused("log_power_norms", "vector"):
        theory.log_power_norms(np.eye(2), np.array([1.0, np.nan]), 1)
    with refused("log_rate", "matrix"):
        theory.log_rate(Recurrent("tanh", sigma_w=1.0), np.ones(2))
    with refused("log_rate", "shape"):
        theory.log_rate(Recurrent("tanh", matrix=np.eye(2)), np.ones(3))
    with refused("log_rate", "state"):
        theory.log_rate(Recurrent("tanh", matrix=np.eye(2)), np.array([1.0, np.nan]))
    with refused("log_rate", "sigma_b"):
        theory.log_rate(Recurrent("tanh", matrix=np.eye(2), sigma_b=0.1), np.ones(2))
