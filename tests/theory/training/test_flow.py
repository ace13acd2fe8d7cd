"""Every layer of a chain under gradient flow: against 20 digits, conserved differences, and the order in which layers learn."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tolerances import ESCAPE, EXACT
from vgtheory import theory

CHAINS = {
    "unequal": ([0.2, 0.5, 2.0], 1.0),
    "one small": ([0.01, 0.3, 0.3, 0.9, 1.2], 1.5),
    "from above": ([1.5, 2.0, 0.9], 1.0),
    "equal": ([0.3] * 6, 1.0),
    "long": (list(np.geomspace(0.1, 3, 12)), 2.0),
}


@mp.workdps(20)
def log_time(weights: list[float], square: float, y: float) -> float:
    """The quadrature over the log of the smallest weight, until its square has grown by ``square``."""
    sizes = [mp.mpf(float(w)) for w in weights]
    least = min(sizes)

    def slowness(x: mp.mpf) -> mp.mpf:
        p = mp.sqrt(mp.fprod(w**2 + least**2 * mp.expm1(2 * x) for w in sizes))
        return (least * mp.e**x) ** 2 / (p * (y - p))

    end = mp.log1p(mp.mpf(square) / least**2) / 2
    return float(mp.log(abs(mp.quad(slowness, mp.linspace(0, end, 13)))))


@pytest.mark.parametrize("name", CHAINS)
def test_layer_times_are_as_accurate_as_stated(name: str) -> None:
    weights, y = CHAINS[name]
    start, end = np.array(weights), theory.training.chain_flow(weights, np.inf, y=y)
    got = theory.training.log_layer_times(weights, y=y)
    for layer in sorted({0, len(weights) - 1}):
        middle = (start[layer] + end[layer]) / 2
        assert got[layer] == pytest.approx(log_time(weights, middle**2 - start[layer] ** 2, y), abs=ESCAPE)


@pytest.mark.parametrize("name", CHAINS)
def test_flow_keeps_differences_of_squares_and_passes_its_marks(name: str) -> None:
    weights, y = CHAINS[name]
    start, end = np.array(weights), theory.training.chain_flow(weights, np.inf, y=y)
    times = theory.training.log_layer_times(weights, y=y)
    flow = theory.training.chain_flow(weights, times, y=y)
    np.testing.assert_allclose(np.ptp(flow**2 - start**2, axis=1), 0, atol=EXACT)
    np.testing.assert_allclose(np.diag(flow), (start + end) / 2, rtol=100 * EXACT)
    assert np.prod(end) == pytest.approx(y, rel=EXACT)
    np.testing.assert_allclose(theory.training.chain_flow(weights, -np.inf, y=y), start, rtol=EXACT)


@pytest.mark.parametrize(
    ("depth", "w0", "level"), [(1, 0.1, 0.5), (2, 0.3, 0.9), (20, 0.3, 0.5), (100, 0.9, 0.5), (7, 1.5, 1.3)]
)
def test_equal_layers_take_the_time_of_the_balanced_chain(depth: int, w0: float, level: float) -> None:
    """The inverse of ``log_escape_time``, which integrates another function of another variable."""
    log_t = theory.training.log_escape_time(depth, w0, level=level)
    flow = theory.training.chain_flow(np.full(depth, w0), log_t)
    assert np.ptp(flow) == 0
    assert depth * np.log(flow[0]) == pytest.approx(np.log(level), abs=depth * 1000 * EXACT)


@given(weights=st.lists(st.floats(0.1, 0.95), min_size=2, max_size=8, unique=True), y=st.floats(1.0, 3.0))
def test_layers_learn_in_the_order_of_their_weights_not_of_their_places(weights: list[float], y: float) -> None:
    order = np.argsort(weights)
    times, end = theory.training.log_layer_times(weights, y=y)[order], theory.training.chain_flow(weights, np.inf, y=y)
    assert np.all(np.diff(times) >= -EXACT)
    moved = (end - weights)[order]
    assert np.all(np.diff(moved) <= EXACT)
    turned = theory.training.log_layer_times(weights[::-1], y=y)[::-1]
    np.testing.assert_allclose(turned[order], times, atol=EXACT)


def test_signs_that_cancel_change_nothing() -> None:
    plain, signed = ([0.2, 0.5, 0.7], [-0.2, 0.5, -0.7])
    log_times = np.log([0.1, 1.0, 10.0])
    np.testing.assert_array_equal(
        theory.training.chain_flow(signed, log_times), theory.training.chain_flow(plain, log_times) * np.sign(signed)
    )


def test_a_chain_at_its_target_stays() -> None:
    np.testing.assert_array_equal(theory.training.chain_flow([2.0, 0.5], 1.0), [2.0, 0.5])
    assert (theory.training.log_layer_times([2.0, 0.5]) == -np.inf).all()


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    for law in (lambda weights: theory.training.chain_flow(weights, 0.0), theory.training.log_layer_times):
        for weights in ([0.0, 1.0], [-1.0, 1.0], [], [np.nan, 1.0]):
            with refused("chain_flow|log_layer_times", "weights"):
                law(weights)
    with refused("log_layer_times", "share"):
        theory.training.log_layer_times([0.5], share=1.0)
    with refused("chain_flow", "y"):
        theory.training.chain_flow([0.5], 0.0, y=-1.0)
