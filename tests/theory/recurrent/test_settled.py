"""The rate of a settled recurrence, against closed forms."""

import mpmath as mp
import numpy as np
import pytest

from tests import reference
from tests.theory.matrices import turn
from tests.tolerances import SETTLED
from vgtheory import FixedRecurrent, Recurrent, theory
from vgtheory.theory.recurrent import settled


def tanh_rate(w: float) -> float:
    """ln |w phi'(h)| at the stable h = |w| tanh h, for |w| > 1."""
    with mp.workdps(30):
        h = mp.findroot(lambda h: abs(w) * mp.tanh(h) - h, abs(w))
        return float(mp.log(abs(w) * mp.sech(h) ** 2))


@pytest.mark.parametrize("w", [1.1, 2.0, -2.0, -4.0])
def test_rate_of_a_settled_unit(w: float) -> None:
    net = FixedRecurrent("tanh", matrix=np.array([[w]]))
    assert theory.recurrent.log_rate(net, np.array([0.3])) == pytest.approx(tanh_rate(w), abs=SETTLED)


def test_rate_of_a_lopsided_two_cycle() -> None:
    phi, dphi, h = reference.PHI["sigmoid"], reference.DPHI["sigmoid"], mp.mpf(0)
    for _ in range(2000):
        h = -10 * phi(h)
    other = -10 * phi(h)
    assert abs(h - other) > 1
    expected = float(mp.log(100 * dphi(h) * dphi(other)) / 2)
    net = FixedRecurrent("sigmoid", matrix=np.array([[-10.0]]))
    assert theory.recurrent.log_rate(net, np.zeros(1)) == pytest.approx(expected, abs=SETTLED)


def test_rate_of_what_dies_out_is_that_of_the_matrix() -> None:
    net = FixedRecurrent("tanh", matrix=0.8 * turn(0.5))
    assert theory.recurrent.log_rate(net, np.ones(2)) == pytest.approx(np.log(0.8), abs=SETTLED)
    shear = np.array([[0.5, 7.0], [0.0, -0.6]])
    assert theory.recurrent.log_rate(FixedRecurrent("linear", matrix=shear), np.ones(2)) == pytest.approx(
        np.log(0.6), abs=SETTLED
    )


def test_a_state_that_starts_at_almost_nothing_still_settles_where_it_is_stable() -> None:
    net = FixedRecurrent("tanh", matrix=np.array([[2.0]]))
    assert theory.recurrent.log_rate(net, np.array([1e-40])) == pytest.approx(tanh_rate(2.0), abs=SETTLED)


def test_rate_takes_the_slowest_of_several_units() -> None:
    net = FixedRecurrent("tanh", matrix=np.diag([1.5, -3.0, 0.4]))
    expected = max(tanh_rate(1.5), tanh_rate(-3.0), np.log(0.4))
    assert theory.recurrent.log_rate(net, np.array([0.3, 0.2, 0.1])) == pytest.approx(expected, abs=SETTLED)


@pytest.mark.parametrize("matrix", [2 * turn(1.0), np.eye(2)], ids=["rotates", "critical"])
def test_what_does_not_settle_is_refused(
    matrix: np.ndarray, refused: pytest.RaisesExc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settled, "_MAX_STEPS", 500)
    with refused("log_rate", "num_steps"):
        theory.recurrent.log_rate(FixedRecurrent("tanh", matrix=matrix), np.array([1.0, 0.2]))


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    with refused("log_rate", "net"):
        theory.recurrent.log_rate(Recurrent("tanh", sigma_w=1.0), np.ones(2))
    with refused("log_rate", "shape"):
        theory.recurrent.log_rate(FixedRecurrent("tanh", matrix=np.eye(2)), np.ones(3))
    with refused("log_rate", "state"):
        theory.recurrent.log_rate(FixedRecurrent("tanh", matrix=np.eye(2)), np.array([1.0, np.nan]))
    with refused("log_rate", "sigma_b"):
        theory.recurrent.log_rate(FixedRecurrent("tanh", matrix=np.eye(2), sigma_b=0.1), np.ones(2))
