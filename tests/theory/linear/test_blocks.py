"""Blocks of linear recurrences in depth: telescopes, a filter by hand, gates by quadrature, wrong questions."""

import numpy as np
import pytest

from tests.tolerances import EXACT
from vgtheory import LinearRecurrence, Ring, StateSpace, theory
from vgtheory.theory.linear import blocks

WHITE = LinearRecurrence(Ring(0.5, 0.9), "gamma")


def test_a_white_stream_grows_by_one_per_block_and_its_gradient_telescopes() -> None:
    alpha, index = 0.5, np.arange(7)
    q = 1 + alpha**2 * index
    logs = theory.linear.log_q_blocks(WHITE, depth=6, alpha=alpha)
    assert np.exp(logs) == pytest.approx(q, rel=1e-9)
    grads = theory.linear.log_grad_blocks(WHITE, depth=6, alpha=alpha)
    assert grads == pytest.approx(np.log(q[-1] / q) / 2, abs=1e-9)


def test_a_profile_is_a_prefix_of_a_deeper_one() -> None:
    net = LinearRecurrence(StateSpace("s5", 4, dt_min=0.05, dt_max=0.5), "step", 0.5)
    deep, shallow = (theory.linear.log_q_blocks(net, depth=depth, gate="silu") for depth in (5, 3))
    assert deep[:4] == pytest.approx(shallow, rel=EXACT)


def test_a_slow_input_makes_the_output_of_its_spectrum() -> None:
    """One unit with a real eigenvalue: its state's mean square by the law of states, and two filters in a row by hand."""
    net = LinearRecurrence([0.6], "gamma", 0.7)
    q = np.exp(theory.linear.log_q_blocks(net, depth=1))
    state = np.exp(theory.linear.log_q_state(net))[0]
    assert q[1] == pytest.approx(1 + state, rel=1e-4)
    turn = np.exp(-2j * np.pi * np.arange(4096) / 4096)
    power, spectrum = (1 - 0.36) / np.abs(1 - 0.6 * turn) ** 2, (1 - 0.49) / np.abs(1 - 0.7 * turn) ** 2
    after = spectrum * (1 + power)
    second = after.mean() + (after * power).mean() / after.mean()
    assert np.exp(theory.linear.log_q_blocks(net, depth=2))[2] == pytest.approx(second, rel=1e-4)
    factors = (1 + power / after.mean()) * (1 + power)
    grads = theory.linear.log_grad_blocks(net, depth=2)
    assert grads[0] == pytest.approx(np.log(factors.mean()) / 2, abs=1e-4)


@pytest.mark.parametrize("name", ["sigmoid", "silu"])
def test_gates_have_their_moments(name: str) -> None:
    z, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    open_ = 1 / (1 + np.exp(-z))
    gate = {"sigmoid": open_, "silu": z * open_}[name]
    slope = {"sigmoid": open_ * (1 - open_), "silu": open_ * (1 + z * (1 - open_))}[name]
    found = blocks._gate(name)
    assert found.gate.sum() == pytest.approx(weights @ gate**2, rel=1e-6)
    assert found.gate[0] == pytest.approx((weights @ gate) ** 2, rel=1e-9, abs=1e-15)
    assert found.slope.sum() == pytest.approx(weights @ slope**2, rel=1e-6)
    grads = theory.linear.log_grad_blocks(WHITE, depth=1, gate=name)
    assert np.exp(2 * grads[0]) == pytest.approx(1 + weights @ (gate**2 + slope**2), rel=1e-6)


def test_the_power_of_a_ring_is_that_of_its_units() -> None:
    phases = Ring(0.7, 0.7, 0.4)
    one = blocks._power(LinearRecurrence(phases, "gamma"), 256)
    angles = 0.4 * (np.arange(400) + 0.5) / 400
    assert one == pytest.approx(blocks._power(LinearRecurrence(0.7 * np.exp(1j * angles), "gamma"), 256), rel=1e-4)


def test_wrong_questions() -> None:
    with pytest.raises(ValueError, match="memories below"):
        theory.linear.log_grad_blocks(LinearRecurrence(Ring(0.5, 1.0), "gamma"), depth=2)
    with pytest.raises(ValueError, match="gate"):
        theory.linear.log_q_blocks(WHITE, depth=2, gate="tanh")
