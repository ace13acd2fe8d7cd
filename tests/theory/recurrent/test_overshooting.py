"""One step of gradient descent on a linear recurrence: along an eigenvector everything is a closed form."""

import mpmath as mp
import numpy as np
import pytest

from tests.tolerances import DIFFERENCE, EXACT, OVERSHOOT, OVERSHOOT_FLOAT32
from vgtheory import FixedRecurrent, Recurrent, measure, theory

RATES = np.array([0.0, 1e-4, 1e-2, 1.0])


def symmetric(lam: float, width: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """A symmetric matrix and its leading eigenvector."""
    basis = np.linalg.qr(np.random.default_rng(2).normal(size=(width, width)))[0]
    return basis * np.concatenate([[lam], np.linspace(-0.5, 0.5, width - 1)]) @ basis.T, basis[:, 0]


def linear(matrix: np.ndarray) -> Recurrent:
    return FixedRecurrent("linear", matrix=matrix)


@pytest.mark.parametrize("lam", [0.9, 1.0, 1.1, -1.05])
def test_along_an_eigenvector_it_is_a_scalar(lam: float) -> None:
    a, b, steps = 1.3, 0.4, 40
    matrix, u = symmetric(lam)
    got = theory.recurrent.overshoot(linear(matrix), a * u, b * u, RATES, steps=steps)
    with mp.workdps(30):
        lam, a, b = mp.mpf(lam), mp.mpf(a), mp.mpf(b)
        error = lam**steps * a - b
        slope = steps * lam ** (steps - 1) * a * error
        curvature = (steps * lam ** (steps - 1) * a) ** 2 + error * a * steps * (steps - 1) * lam ** (steps - 2)
        ratios = [2 * mp.log(abs(((lam - mp.mpf(rate) * slope) ** steps * a - b) / error)) for rate in RATES]
        expected = mp.log(error**2 / 2), mp.log(abs(slope)), 2 / curvature
    np.testing.assert_allclose([got.log_loss, got.log_grad], [float(each) for each in expected[:2]], atol=OVERSHOOT)
    assert got.stable_rate == pytest.approx(float(expected[2]) if expected[2] > 0 else np.inf, rel=OVERSHOOT)
    np.testing.assert_allclose(got.log_ratio, [float(each) for each in ratios], rtol=OVERSHOOT, atol=OVERSHOOT)


def test_stable_rate_is_where_a_small_step_stops_helping() -> None:
    """Near its target the loss is a parabola along the gradient: twice the best step restores it."""
    matrix, u = symmetric(1.1)
    steps = 30
    near = (1 - 1e-5) * 1.1**steps * u
    rate = theory.recurrent.overshoot(linear(matrix), u, near, 0.0, steps=steps).stable_rate
    assert abs(theory.recurrent.overshoot(linear(matrix), u, near, rate, steps=steps).log_ratio) < DIFFERENCE


def generic(scale: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    matrix, x, y = scale * rng.normal(size=(16, 16)) / 4, rng.normal(size=16), rng.normal(size=16)
    return matrix, x, y


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_generic_matrix_agrees_with_automatic_differentiation_and_three_percent_off_does_not(dtype: str) -> None:
    matrix, x, y = generic()
    off = generic(1.03)[0]
    allowed = OVERSHOOT_FLOAT32 if dtype == "float32" else OVERSHOOT
    rates = np.array([1e-4, 1e-3, 1e-2])
    hat = measure.recurrent.overshoot(linear(matrix), x, y, rates, steps=20, dtype=dtype)
    for net, agrees in ((linear(matrix), True), (linear(off), False)):
        law = theory.recurrent.overshoot(net, x, y, rates, steps=20)
        for name in ("log_loss", "log_grad", "log_ratio"):
            close = np.allclose(getattr(hat, name), getattr(law, name), rtol=allowed, atol=allowed)
            assert close == agrees, name
        assert np.isclose(hat.stable_rate, law.stable_rate, rtol=10 * allowed) == agrees


def test_relu_obeys_the_linear_law_until_its_state_dies() -> None:
    width, lam, steps = 16, 1.02, 30
    matrix, u = lam * np.full((width, width), 1 / width), np.full(width, width**-0.5)
    law = theory.recurrent.overshoot(linear(matrix), u, 0 * u, RATES, steps=steps)
    hat = measure.recurrent.overshoot(FixedRecurrent("relu", matrix=matrix), u, 0 * u, RATES, steps=steps)
    assert hat.log_grad == pytest.approx(law.log_grad, abs=OVERSHOOT_FLOAT32)
    left = lam - RATES * steps * lam ** (2 * steps - 1)
    assert ((left < 0) == [False, False, False, True]).all()
    np.testing.assert_allclose(hat.log_ratio[:3], law.log_ratio[:3], atol=steps * OVERSHOOT_FLOAT32)
    assert hat.log_ratio[3] == -np.inf < law.log_ratio[3]


def test_what_leaves_every_number_format_is_still_a_number() -> None:
    step = theory.recurrent.overshoot(linear(np.array([[1.1]])), [1.0], [0.0], 0.01, steps=100)
    lam = 1.1 - 0.01 * 100 * 1.1**199
    assert step.log_ratio == pytest.approx(200 * np.log(abs(lam / 1.1)), rel=EXACT)


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    for room in (theory.recurrent, measure.recurrent):
        with refused("overshoot", "net"):
            room.overshoot(Recurrent("linear", sigma_w=1.0), [1.0], [0.0], 0.1, steps=2)
        with refused("overshoot", "activation"):
            room.overshoot(FixedRecurrent("tanh", matrix=np.eye(2)), np.ones(2), np.ones(2), 0.1, steps=2)
        with refused("overshoot", "sigma_b"):
            room.overshoot(
                FixedRecurrent("linear", matrix=np.eye(2), sigma_b=1.0), np.ones(2), np.ones(2), 0.1, steps=2
            )
        with refused("overshoot", "shape"):
            room.overshoot(linear(np.eye(2)), np.ones(3), np.ones(3), 0.1, steps=2)
        with refused("overshoot", "shape"):
            room.overshoot(linear(np.eye(2)), np.ones(2), np.ones(3), 0.1, steps=2)
        with refused("overshoot", "steps"):
            room.overshoot(linear(np.eye(2)), np.ones(2), np.ones(2), 0.1, steps=0)
