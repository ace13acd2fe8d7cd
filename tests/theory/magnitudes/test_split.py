"""The predicted split of Var log|g|: closed forms, thirty-digit integrals, and quadrature against fixed numbers."""

from collections.abc import Callable

import mpmath
import numpy as np
import pytest

from tests.tolerances import LOG_MOMENT, SHIFTED, SIGMAS
from vgtheory import Dense, theory
from vgtheory.theory.integrals import log_moments
from vgtheory.theory.magnitudes import split, trajectory
from vgtheory.theory.magnitudes.split import Drawing

WHOLE = np.pi**2 / 8
"""Variance of the log of a standard normal variable's size."""
ROOT_2 = 2**0.5


def whole(split: theory.magnitudes.VarianceSplit) -> float:
    return split.layers.value + split.entries.value + split.draws.value


def kept_of(side: log_moments.Side) -> float:
    weight = side.weight * side.share / (side.weight * side.share).sum()
    return float((weight * side.mean**2).sum() - (weight * side.mean).sum() ** 2)


def by_thirty_digits(function: Callable, q: float, power: int) -> float:
    """Mean of a power of the log of an even or odd function of a normal variable of variance q."""
    with mpmath.workdps(30):
        log = lambda z: mpmath.log(function(mpmath.sqrt(q) * z))
        return float(2 * mpmath.quad(lambda z: mpmath.npdf(z) * log(z) ** power, [0, 0.1, 1, 3, 6, 14]))


@pytest.mark.parametrize("c", [0.0, 0.3, 0.9, 1.0])
def test_what_a_normal_log_keeps_is_half_a_squared_arcsine(c: float) -> None:
    side = log_moments.normal_side(np.array([c]))
    assert kept_of(side) == pytest.approx(np.arcsin(c) ** 2 / 2, abs=LOG_MOMENT)
    assert kept_of(side) + (side.weight * side.var).sum() == pytest.approx(WHOLE, abs=LOG_MOMENT)


@pytest.mark.parametrize("r", [0.0, 0.4, 3.0, 13.0])
def test_log_of_a_shifted_normal_by_thirty_digits(r: float) -> None:
    with mpmath.workdps(30):
        density = lambda z: mpmath.npdf(z) * mpmath.log(abs(z + r))
        pieces = [-r - 12, -r - 1, -r, -r + 1, -r + 3, 3, 12]
        pieces = sorted({float(piece) for piece in pieces})
        mean = mpmath.quad(density, pieces)
        square = mpmath.quad(lambda z: density(z) * mpmath.log(abs(z + r)), pieces)
    found = log_moments.log_shifted_normal(r)
    assert float(found[0]) == pytest.approx(float(mean), abs=SHIFTED)
    assert float(found[1]) == pytest.approx(float(square - mean**2), abs=SHIFTED)


@pytest.mark.parametrize("q", [pytest.param(0.01, marks=pytest.mark.slow), 0.7, 6.0])
def test_tanh_and_its_slope_by_thirty_digits(q: float) -> None:
    sides = log_moments.sides(np.log([q]), np.array([0.4]), Dense("tanh").activation)
    for side, function in zip(sides, (mpmath.tanh, lambda h: mpmath.sech(h) ** 2), strict=True):
        mean, square = (by_thirty_digits(function, q, power) for power in (1, 2))
        assert float((side.weight * side.mean).sum()) == pytest.approx(mean, abs=LOG_MOMENT)
        found = (side.weight * (side.mean**2 + side.var)).sum()
        assert float(found) == pytest.approx(square, rel=LOG_MOMENT, abs=LOG_MOMENT)


@pytest.mark.parametrize("draws", [2, 16])
def test_a_linear_network_has_two_normal_logs_and_no_depth(draws: int) -> None:
    split = theory.log_grad_variance(Dense("linear", 1.0), depth=5, num_draws=draws, c_0=0.5, c_cotangent=0.8)
    kept = (np.arcsin(0.5) ** 2 + np.arcsin(0.8) ** 2) / 2
    assert split.layers.value == pytest.approx(0.0, abs=LOG_MOMENT)
    assert split.entries.value == pytest.approx(kept + (2 * WHOLE - kept) / draws, abs=LOG_MOMENT)
    assert whole(split) == pytest.approx(2 * WHOLE, abs=LOG_MOMENT)


def test_relu_has_half_normal_logs_and_zeros() -> None:
    split = theory.log_grad_variance(Dense("relu", 1.3), depth=5)
    share = np.array([0.5, *[0.25] * 3, 0.5])
    assert split.zeros.value == pytest.approx(1 - share.mean(), abs=LOG_MOMENT)
    assert whole(split) - split.layers.value == pytest.approx(2 * WHOLE, abs=LOG_MOMENT)


def test_more_draws_move_variance_from_entries_to_draws() -> None:
    few, many = (theory.log_grad_variance(Dense("relu", ROOT_2), depth=5, num_draws=draws) for draws in (3, 300))
    assert many.draws.value > few.draws.value
    assert whole(few) == pytest.approx(whole(many), abs=LOG_MOMENT)


@pytest.mark.parametrize(("name", "sigma_w"), [("tanh", 1.5), pytest.param("relu", ROOT_2, marks=pytest.mark.slow)])
def test_fixed_numbers_agree_with_quadrature_for_single_examples(name: str, sigma_w: float) -> None:
    net = Dense(name, sigma_w)
    exact = theory.log_grad_variance(net, depth=5, num_draws=8, c_0=0.5, c_cotangent=0.6)
    way = trajectory.trajectory(net, 5, None, 0.5, 0.6)
    none = np.zeros((5, 5))
    sets = [
        split._joined(split._batch_sums(way, net, 0.5, Drawing(8, 1), 17 * k), none, np.zeros(5), None)
        for k in range(6)
    ]
    mean, err = np.mean(sets, axis=0), np.std(sets, axis=0, ddof=1) / 6**0.5
    for part, value, each in zip(exact, mean, err, strict=True):
        assert abs(part.value - value) < SIGMAS * max(each, 1e-3)


@pytest.mark.slow
def test_large_batches_leave_one_normal_log() -> None:
    split = theory.log_grad_variance(Dense("tanh", 1.0), depth=2, batch=256, num_draws=8)
    assert split.draws.value * 8 / 7 == pytest.approx(WHOLE, rel=0.02)


# Ten layers, twice; momentum is held at two.
@pytest.mark.slow
@pytest.mark.parametrize(("name", "sigma_w"), [("tanh", 0.8), ("relu", 1.6)])
def test_a_second_moment_takes_layers_and_entries_away(name: str, sigma_w: float) -> None:
    net = Dense(name, sigma_w)
    before = theory.log_grad_variance(net, depth=10, batch=32)
    after = theory.magnitudes.log_update_variance(net, depth=10, batch=32)
    assert after.layers.value < 0.1 * before.layers.value
    assert after.entries.value - after.draws.value / 15 < 0.2 * max(before.entries.value - before.draws.value / 15, 0.1)
    assert after.draws.value == pytest.approx(before.draws.value, rel=0.02)


@pytest.mark.slow
def test_momentum_leaves_the_spread_of_a_normal_variable() -> None:
    split = theory.magnitudes.log_update_variance(Dense("tanh", 1.0), depth=2, batch=4, beta_1=0.9)
    assert split.draws.value * 16 / 15 == pytest.approx(WHOLE, rel=0.02)


def test_momentum_where_gradients_are_often_zero_is_said_to_be_beyond_the_law() -> None:
    size = {"depth": 3, "batch": 2, "num_draws": 2}
    assert theory.magnitudes.log_update_variance(Dense("relu", ROOT_2), beta_1=0.5, **size).draws.err == np.inf
    assert np.isfinite(theory.magnitudes.log_update_variance(Dense("relu", ROOT_2), **size).draws.err)


@pytest.mark.parametrize(
    ("change", "got"),
    [
        ({"depth": 0}, "depth"),
        ({"batch": 0}, "batch"),
        ({"num_draws": 1}, "num_draws"),
        ({"c_0": 1.0}, "c_0"),
        ({"c_cotangent": -0.1}, "c_cotangent"),
        ({"width": 0}, "width"),
    ],
)
def test_wrong_questions(refused: Callable[..., pytest.RaisesExc], change: dict[str, float], got: str) -> None:
    size = {"depth": 3} | change
    with refused("log_grad_variance", got):
        theory.log_grad_variance(Dense("tanh", 1.0), **size)
    with refused("log_update_variance", got):
        theory.magnitudes.log_update_variance(Dense("tanh", 1.0), **size)


def test_orthogonal_weights_have_no_finite_width_law_here(refused: Callable[..., pytest.RaisesExc]) -> None:
    with refused("log_grad_variance", "weights"):
        theory.log_grad_variance(Dense("tanh", 1.0, weights="orthogonal"), depth=3, width=64)
