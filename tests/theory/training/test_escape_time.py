"""How long a chain takes to train: against 30 digits, closed forms at depths 1 and 2, and the limit of small weights."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tolerances import ASYMPTOTIC, ESCAPE, EXACT
from vgtheory import theory

CASES = [(0.1, 0.5, 1.0), (0.3, 0.9, 2.5), (0.9, 0.999, 30.0), (1.5, 1.1, 1.0), (3.0, 1.5, 0.2), (0.99, 0.9999, 1.0)]


@mp.workdps(30)
def escape(depth: int, w0: float, level: float, y: float) -> float:
    """The quadrature over ln w itself."""
    w0, level, y = mp.mpf(w0), mp.mpf(level), mp.mpf(y)
    start, end = mp.log(w0), mp.log(level * y) / depth
    pieces = min(max(4, int(abs(end - start) * depth / 2)), 300)
    rate = lambda x: (y - mp.e ** (depth * x)) * mp.e ** ((depth - 2) * x)
    return float(mp.log(mp.quad(lambda x: 1 / rate(x), mp.linspace(start, end, pieces + 1))))


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 20, 50])
@pytest.mark.parametrize(("w0", "level", "y"), CASES)
def test_escape_time_is_as_accurate_as_stated(depth: int, w0: float, level: float, y: float) -> None:
    exact = escape(depth, w0, level, y)
    assert theory.training.log_escape_time(depth, w0, level=level, y=y) == pytest.approx(
        exact, rel=EXACT / 100, abs=ESCAPE
    )


@given(w0=st.floats(0.01, 0.6), level=st.floats(0.4, 0.99), y=st.floats(0.95, 50))
def test_one_and_two_layers_are_logarithms(w0: float, level: float, y: float) -> None:
    one, two = np.exp(theory.training.log_escape_time(np.array([1, 2]), np.array([w0 * 0.6, w0]), level=level, y=y))
    assert one == pytest.approx(np.log((y - 0.6 * w0) / (y - level * y)), rel=100 * EXACT)
    odds = lambda p: np.log(p / (y - p))
    assert two == pytest.approx((odds(level * y) - odds(w0**2)) / (2 * y), rel=100 * EXACT)


@pytest.mark.parametrize("depth", [3, 4, 10, 1000, 100_000])
def test_from_small_weights_depth_is_an_exponent(depth: int) -> None:
    w0, y = 1e-5, 1.7
    limit = (2 - depth) * np.log(w0) - np.log(y * (depth - 2))
    assert theory.training.log_escape_time(depth, w0, y=y) == pytest.approx(limit, abs=ASYMPTOTIC)


@given(depth=st.integers(1, 300), w0=st.floats(0.2, 0.8), share=st.floats(0.1, 0.9), y=st.floats(0.9, 4))
def test_times_add_and_scale(depth: int, w0: float, share: float, y: float) -> None:
    """From start to end is from start to a place between and on; and the target only sets the units of time and weight."""
    end = 0.9
    log_u = share * np.log(end) + (1 - share) * (depth * np.log(w0) - np.log(y))
    between = np.exp((log_u + np.log(y)) / depth)
    whole, first, second = (
        theory.training.log_escape_time(depth, start, level=level, y=y)
        for start, level in ((w0, end), (w0, np.exp(log_u)), (between, end))
    )
    if log_u > -600:
        assert whole == pytest.approx(np.logaddexp(first, second), abs=depth * EXACT)
    unit = theory.training.log_escape_time(depth, w0 / y ** (1 / depth), level=end)
    assert whole == pytest.approx(unit - (2 - 2 / depth) * np.log(y), abs=depth * EXACT)


def test_what_is_there_and_what_never_gets_there() -> None:
    assert theory.training.log_escape_time(5, 0.99, level=0.5) == -np.inf
    assert theory.training.log_escape_time(5, 1.5, level=10.0) == -np.inf
    never = theory.training.log_escape_time(np.array([2, 3, 9, 5, 5, 1]), np.array([0, 0, 0, 0.5, 2, 0.5]), level=1.0)
    assert (never == np.inf).all()
    assert (theory.training.log_escape_time(np.array([2, 3, 9]), 0.0) == np.inf).all()
    assert theory.training.log_escape_time(4, 2.0) == np.inf


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    for depth in (0, 2.5):
        with refused("log_escape_time", "depth"):
            theory.training.log_escape_time(depth, 0.5)
    for w0 in (-0.1, np.nan):
        with refused("log_escape_time", "w0"):
            theory.training.log_escape_time(3, w0)
    for name in ("level", "y"):
        with refused("log_escape_time", name):
            theory.training.log_escape_time(3, 0.5, **{name: 0.0})
