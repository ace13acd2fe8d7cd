"""The largest stable steps: a map of one weight, iterated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tolerances import EXACT, MAP
from vgtheory import theory

STEPS = 20_000


def ends(depth: int, w0: float, y: float, rate: float, steps: int = STEPS) -> float:
    """Where gradient descent on one weight ends; nan or inf if nowhere."""
    w = w0
    for _ in range(steps):
        w += rate * (y - w**depth) * w ** (depth - 1)
        if not abs(w) < 1e3 * (1 + w0):
            return np.inf
    return w


@given(depth=st.integers(1, 60), y=st.floats(0.2, 5.0))
def test_near_the_minimum_it_is_the_curvature_of_all_weights(depth: int, y: float) -> None:
    gradient = np.full(depth, y ** (1 - 1 / depth))
    top = np.linalg.eigvalsh(gradient[:, None] * gradient[None, :])[-1]
    got = theory.training.stable_step(depth, 0.5 * y ** (1 / depth), y=y)
    assert got.log_local == pytest.approx(np.log(2 / top), abs=depth * EXACT)
    assert got.log_converges == got.log_local <= got.log_finite


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 7, 10])
@pytest.mark.parametrize("y", [0.5, 2.0])
def test_from_below_it_converges_up_to_the_local_limit_and_not_beyond(depth: int, y: float) -> None:
    w0 = (0.3 * y) ** (1 / depth)
    limit = np.exp(theory.training.stable_step(depth, w0, y=y).log_local)
    for share in (0.03, 0.3, 0.7, 0.9, 0.99):
        assert ends(depth, w0, y, share * limit) ** depth == pytest.approx(y, rel=MAP)
    assert ends(depth, w0, y, 1.01 * limit) ** depth != pytest.approx(y, rel=MAP)


@pytest.mark.parametrize("depth", [2, 3, 4, 5, 8, 9, 20, 21])
@pytest.mark.parametrize(("above", "y"), [(8.0, 1.0), (90.0, 0.4)])
def test_from_above_even_chains_run_away_and_odd_ones_turn_negative(depth: int, above: float, y: float) -> None:
    w0 = (above * y) ** (1 / depth)
    limits = np.exp(theory.training.stable_step(depth, w0, y=y))
    f = lambda rate: w0 + rate * (y - w0**depth) * w0 ** (depth - 1)
    assert f(limits[1]) == pytest.approx(-w0 if depth % 2 == 0 else 0.0, abs=depth * EXACT * w0)
    assert np.isfinite(ends(depth, w0, y, 0.99 * limits[2], 2000))
    assert ends(depth, w0, y, 1.01 * limits[2]) == np.inf
    if depth % 2:
        assert ends(depth, w0, y, 1.1 * limits[1], 2000) <= 0


@pytest.mark.parametrize(("depth", "share"), [(2, 2.0), (4, None)])
def test_a_chaotic_chain_stays_until_its_highest_point_is_outside(depth: int, share: float | None) -> None:
    """At depth 2 the map is the cubic one, bounded for rates up to 2."""
    limits = np.exp(theory.training.stable_step(depth, 0.7))
    if share is not None:
        assert limits[2] / limits[0] == pytest.approx(share, rel=1e4 * EXACT)
    assert abs(ends(depth, 0.7, 1.0, 0.995 * limits[2])) < 2
    assert ends(depth, 0.7, 1.0, 1.03 * limits[2]) == np.inf


def test_huge_chains_are_logs() -> None:
    w0, depth = 2.0, 100_000
    limits = theory.training.stable_step(depth, w0)
    assert limits.log_converges == pytest.approx(np.log(2) + (2 - 2 * depth) * np.log(w0), rel=EXACT)
    assert np.isfinite(theory.training.stable_step(10_001, w0)).all()


@given(depth=st.integers(2, 40), above=st.floats(1.5, 1e4), y=st.floats(0.1, 10.0))
def test_the_target_sets_the_unit(depth: int, above: float, y: float) -> None:
    w0 = above ** (1 / depth)
    one, other = (np.array(theory.training.stable_step(depth, w0 * t ** (1 / depth), y=t)) for t in (1.0, y))
    np.testing.assert_allclose(other, one - (2 - 2 / depth) * np.log(y), atol=depth * 1e4 * EXACT)


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    with refused("stable_step", "depth"):
        theory.training.stable_step(0, 0.5)
    with refused("stable_step", "w0"):
        theory.training.stable_step(3, -0.5)
    with refused("stable_step", "w0"):
        theory.training.stable_step(3, np.ones(2))
    with refused("stable_step", "y"):
        theory.training.stable_step(3, 0.5, y=0.0)
