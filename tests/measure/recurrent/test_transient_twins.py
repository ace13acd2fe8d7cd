"""Powers of explicit matrices measured by automatic differentiation, within what rounding can do to them and no further.

A step back computes ``W^T g`` with an error of at most ``r |W|^T |g|`` in each component, r = (width + 5) half-roundings (the weights', the
products', the sum's, the rescaling's). To first order step s adds ``W^T`` to the power t - s - 1 of that. Two bounds of the whole hold: by
norms, ``sum_s |W^(t-s-1)| r | |W| | |g_s| / |g_t|``, and by components, ``|W|^T`` in place of ``W^T``; the smaller one counts, and
where it is above a half the first order says nothing. A component that leaves the format's range is lost: an error of its smallest
normal number, which a Jordan block of width 32 blows up beyond all bounds by step 1,000 in float32 (its components span 10^59).
"""

import numpy as np
import pytest

from tests.theory.matrices import explicit, radius, vector
from tests.tolerances import POWER_NORM, SIGMAS
from vgtheory import compare, measure, theory

STEPS = np.array([0, 1, 10, 100, 1000])
MATRICES = {name: matrix for name, matrix in explicit().items() if name not in ("huge", "tiny", "grcar, wide")}
FIRST_ORDER, HOPELESS = 0.5, 1e100
SILENT = {
    ("grcar", "float32"): 2,
    ("triangular", "float32"): 2,
    ("jordan", "float32"): 1,
    ("jordan, alternating", "float32"): 1,
}
"""How many of the five powers rounding leaves nothing of."""


def log_norms_of_powers(matrix: np.ndarray, steps: int) -> np.ndarray:
    power, log_scale, logs = np.eye(len(matrix)), 0.0, [0.0]
    for _ in range(steps):
        power = matrix @ power
        size = np.linalg.norm(power, 2)
        power, log_scale = power / size, log_scale + np.log(size)
        logs.append(log_scale)
    return np.array(logs)


def by_norms(matrix: np.ndarray, start: np.ndarray, per_step: float) -> np.ndarray:
    growth = log_norms_of_powers(matrix, STEPS[-1])
    norms = theory.recurrent.log_power_norms(matrix, start, np.arange(STEPS[-1] + 1))
    size = np.log(np.linalg.norm(np.abs(matrix), 2))
    sums = [np.exp(growth[:t][::-1] + size + norms[:t] - norms[t]).sum() for t in STEPS]
    return per_step * np.array(sums)


def by_components(matrix: np.ndarray, start: np.ndarray, per_step: float, underflow: float) -> np.ndarray:
    transpose, error, state, found = matrix.T, np.zeros(len(start)), start, []
    for step in range(STEPS[-1] + 1):
        if step in STEPS:
            found.append(np.linalg.norm(error) / np.linalg.norm(state))
        error = np.minimum(np.abs(transpose) @ (error + per_step * np.abs(state) + underflow), HOPELESS)
        state = transpose @ state
        size = np.abs(state).max()
        error, state = error / size, state / size
    return np.array(found)


def bound(matrix: np.ndarray, start: np.ndarray, dtype: str) -> np.ndarray:
    per_step = (len(start) + 5) * np.finfo(dtype).eps / 2
    chain = np.fmin(by_norms(matrix, start, per_step), by_components(matrix, start, per_step, np.finfo(dtype).tiny))
    return chain + (STEPS + 2) * np.finfo(dtype).eps + POWER_NORM


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MATRICES)
def test_powers_agree_within_rounding_and_three_percent_off_does_not(name: str, dtype: str) -> None:
    matrix, start = MATRICES[name], vector(MATRICES[name])
    allowed = bound(matrix, start, dtype)
    telling = allowed < FIRST_ORDER
    assert (~telling).sum() <= SILENT.get((name, dtype), 0)
    off = measure.recurrent.log_power_norms(matrix, start, STEPS, dtype).value - theory.recurrent.log_power_norms(
        matrix, start, STEPS
    )
    assert (np.abs(off) <= allowed)[telling].all()
    wrong = np.abs(off - STEPS * np.log(1.03))
    assert (wrong > allowed)[telling & (STEPS > 0)].all()


@pytest.mark.parametrize("name", ["symmetric", "complex pairs", "orthogonal"])
def test_growth_of_normal_matrices_agrees(name: str) -> None:
    matrix = MATRICES[name]
    measured = measure.recurrent.log_growth(matrix, STEPS)
    assert np.abs(compare.z_score(measured, theory.recurrent.log_growth(matrix, STEPS))).max() < SIGMAS
    assert np.abs(compare.z_score(measured, theory.recurrent.log_growth(1.03 * matrix, STEPS))[1:]).min() > SIGMAS


@pytest.mark.parametrize(
    "name", ["grcar", "jordan", *(pytest.param(name, marks=pytest.mark.slow) for name in ("ginibre", "triangular"))]
)
def test_growth_agrees_up_to_its_peak(name: str) -> None:
    """Up to the peak norms of powers multiply to less than (width) times the peak's own, by the Kreiss matrix theorem."""
    matrix = 0.9 * MATRICES[name] / radius(MATRICES[name])
    peak = theory.recurrent.transient(matrix)
    steps = np.unique(np.linspace(1, peak.step, 8).round().astype(int))
    measured, predicted = measure.recurrent.log_growth(matrix, steps), theory.recurrent.log_growth(matrix, steps)
    growth, per_step = log_norms_of_powers(matrix, peak.step), (len(matrix) + 5) * np.finfo("float32").eps / 2
    size = np.log(np.linalg.norm(np.abs(matrix), 2))
    sums = np.array([np.exp(growth[:t][::-1] + size + growth[:t] - growth[t]).sum() for t in steps])
    allowed = np.sqrt(len(matrix)) * per_step * sums + len(matrix) * np.finfo("float32").eps
    assert allowed.min() < 0.01
    assert (np.abs(measured.value - predicted) <= allowed).all()


@pytest.mark.parametrize("name", ["symmetric", "complex pairs", "ginibre"])
def test_angles_agree_down_to_rounding(name: str) -> None:
    matrix, steps = MATRICES[name], 100
    start, facts = vector(MATRICES[name]), theory.recurrent.eigen_directions(MATRICES[name])
    gap = 1 - np.min(np.abs(facts.values[2] / facts.values[0]))
    allowed = 40 * np.finfo("float32").eps * facts.condition[0] / max(gap, 1 / steps)
    measured = measure.recurrent.alignment_steps(matrix, start, steps)
    np.testing.assert_allclose(measured, theory.recurrent.alignment_steps(matrix, start, steps), atol=allowed)
    other = np.abs(measured - theory.recurrent.alignment_steps(matrix.T, start, steps)).max()
    assert (other > 2 * allowed) == (name == "ginibre")


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    with refused("log_growth", "shape"):
        measure.recurrent.log_growth(np.ones((2, 3)), 1)
    with refused("log_growth", "steps"):
        measure.recurrent.log_growth(np.eye(2), -1)
    with refused("log_growth", "dtype"):
        measure.recurrent.log_growth(np.eye(2), 1, "int8")
    with refused("alignment_steps", "shape"):
        measure.recurrent.alignment_steps(np.eye(2), np.ones(3), 2)
    with refused("alignment_steps", "steps"):
        measure.recurrent.alignment_steps(np.eye(2), np.ones(2), 0)
