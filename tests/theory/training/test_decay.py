"""Weight decay on a chain: stationary weights, whether they are minima of all weights, and the largest decay that leaves any."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tolerances import EXACT
from vgtheory import theory


@given(depth=st.integers(3, 200), share=st.floats(1e-6, 0.999), y=st.floats(0.2, 5.0))
def test_both_weights_balance_pull_and_decay(depth: int, share: float, y: float) -> None:
    decay = share * theory.training.chain_decay(depth, 0.0, y=y).decay_max
    got = theory.training.chain_decay(depth, decay, y=y)
    for w in got[1:]:
        log_pull = np.log(y - w**depth) + (depth - 2) * np.log(w)
        assert np.exp(log_pull) == pytest.approx(decay, rel=1e4 * depth * EXACT)
    assert 0 < got.w_barrier < got.w_star < y ** (1 / depth)


@pytest.mark.parametrize("depth", [3, 4, 10])
def test_the_larger_is_a_minimum_in_all_directions_and_the_smaller_is_not(depth: int) -> None:
    decay, y = 0.1, 1.2
    got = theory.training.chain_decay(depth, decay, y=y)

    def eigenvalues(w: float) -> np.ndarray:
        p, ones = w**depth, np.ones((depth, depth))
        cross = (2 * p**2 - y * p) / w**2 * (ones - np.eye(depth))
        return np.linalg.eigvalsh(cross + (p**2 / w**2 + decay) * np.eye(depth))

    assert eigenvalues(got.w_star)[0] > 0
    assert eigenvalues(got.w_barrier)[0] < 0 < eigenvalues(got.w_barrier)[1]
    assert eigenvalues(got.w_star)[0] == pytest.approx(2 * decay, rel=1e4 * EXACT)


@given(depth=st.integers(3, 100), y=st.floats(0.2, 5.0))
def test_the_largest_decay_is_the_maximum_of_the_pull(depth: int, y: float) -> None:
    w = np.linspace(0, y ** (1 / depth), 200_001)[1:]
    pull = np.exp(np.log(np.maximum(y - w**depth, 1e-300)) + (depth - 2) * np.log(w))
    decay_max = theory.training.chain_decay(depth, 0.0, y=y).decay_max
    assert pull.max() == pytest.approx(decay_max, rel=1e4 * depth * EXACT)
    assert theory.training.chain_decay(depth, 1.0001 * decay_max, y=y)[1:] == (0.0, np.inf)


def test_one_and_two_layers_and_no_decay() -> None:
    assert theory.training.chain_decay(1, 0.5, y=3.0) == (np.inf, 2.0, 0.0)
    assert theory.training.chain_decay(2, 0.75) == (1.0, 0.5, 0.0)
    assert theory.training.chain_decay(2, 1.5) == (1.0, 0.0, np.inf)
    assert theory.training.chain_decay(5, 0.0, y=32.0)[1:] == pytest.approx((2.0, 0.0), rel=EXACT)


def test_small_weights_survive_a_decay_of_their_own_gradient() -> None:
    for depth, w0 in ((5, 0.1), (20, 0.3), (1000, 0.9)):
        decay = w0 ** (depth - 2)
        assert theory.training.chain_decay(depth, decay).w_barrier == pytest.approx(w0, rel=w0**depth)


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    with refused("chain_decay", "depth"):
        theory.training.chain_decay(0, 0.1)
    with refused("chain_decay", "decay"):
        theory.training.chain_decay(3, -0.1)
    with refused("chain_decay", "y"):
        theory.training.chain_decay(3, 0.1, y=0.0)
