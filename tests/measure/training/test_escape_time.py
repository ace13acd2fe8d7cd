"""Chains trained by optax against their laws, and against laws of weights 3 % off."""

from typing import Any

import jax
import numpy as np
import pytest

from tests.tolerances import DECAY_MAX, ESCAPED, LAGS, SETTLED_WEIGHT, STEP_LIMIT
from vgtheory import measure, theory

DEPTHS = np.arange(1, 21)[:, None]
WEIGHTS = np.array([0.1, 0.3, 0.5, 0.9])
LEVEL = 0.95
"""That even one weight of 0.9 is below."""
PRODUCTS = np.array([0.1, 2.0, 10.0, 100.0])
"""At the start of gradient descent at large rates, in targets."""
UNEQUAL = {
    "unequal": ([0.2, 0.5, 2.0], 1.0),
    "one small": ([0.01, 0.3, 0.3, 0.9, 1.2], 1.5),
    "from above": ([1.5, 2.0, 0.9], 1.0),
    "signs": ([-0.3, 0.4, -0.5, 0.6, 0.7], 1.0),
}


def grid() -> tuple[np.ndarray, ...]:
    """Depth, w0, level and target of chains from below and from above, as one call: one program."""
    below = np.broadcast_arrays(DEPTHS, WEIGHTS, LEVEL, 1.0)
    above = np.broadcast_arrays(np.array([1, 2, 5, 20]), np.array([[1.5], [3.0]]), 1.1, 1.2)
    return tuple(np.concatenate([one.ravel(), other.ravel()]) for one, other in zip(below, above, strict=True))


@pytest.mark.optimised
def test_escape_times_to_depth_20_over_seventeen_decades() -> None:
    depth, w0, level, y = grid()
    law = theory.training.log_escape_time(depth, w0, level=level, y=y)
    hat = measure.training.log_escape_time(depth, w0, level=level, y=y)
    assert np.ptp(law) > 17 * np.log(10)
    assert np.abs(hat.value - law).max() < ESCAPED
    assert np.all(np.abs(hat.value - law) <= hat.err)
    off = theory.training.log_escape_time(depth, 1.03 * w0, level=level, y=y)
    assert np.all(np.abs(hat.value - off)[(depth > 1) & (w0 < 1)] > hat.err[0])
    coarse = measure.training.log_escape_time(depth, w0, level=level, y=y, change=1e-2)
    np.testing.assert_allclose(coarse.value - law, 10 * (hat.value - law), rtol=10 * ESCAPED, atol=ESCAPED / 100)


@pytest.mark.parametrize(("optimiser", "rate"), [("sgd", 1e-2), ("momentum", 1e-3), ("sign", 1e-4), ("adam", 4e-6)])
def test_steps_of_four_optimisers(optimiser: str, rate: float) -> None:
    options: Any = {"learning_rate": rate, "level": 0.9}
    case: Any = (np.array([[2], [5], [8]]), np.array([0.3, 0.5]))
    law = theory.training.log_escape_steps(optimiser, *case, **options)
    hat = measure.training.log_escape_steps(optimiser, *case, **options, most=400_000)
    assert np.isfinite(hat.value).all()
    assert np.abs(hat.value - law).max() < LAGS
    off = theory.training.log_escape_steps(optimiser, case[0], 1.03 * case[1], **options)
    assert np.abs(hat.value - off).min() > LAGS


@pytest.mark.slow
def test_eps_turns_adam_into_gradient_descent() -> None:
    options: Any = {"learning_rate": 1e-3, "level": 0.9, "eps": 100.0, "square_decay": 0.9}
    law = theory.training.log_escape_steps("adam", 6, 0.3, **options)
    flow = theory.training.log_escape_time(6, 0.3, level=0.9) + np.log(100 / 1e-3)
    assert law == pytest.approx(flow, abs=10 * LAGS)
    options["eps"] = 1e-2
    law = theory.training.log_escape_steps("adam", 6, 0.3, **options)
    assert measure.training.log_escape_steps("adam", 6, 0.3, **options).value == pytest.approx(law, abs=LAGS)


# Adam is among the four optimisers above.
@pytest.mark.slow
def test_adam_in_runs_shorter_than_its_memory() -> None:
    """Its average of squares has not forgotten the start: at 999 steps of lag the first order is NaN, or 14 times too many."""
    depth, w0 = np.array([1, 3, 6, 12])[:, None, None], np.array([0.3, 0.45])[:, None]
    options: Any = {"learning_rate": np.array([3e-3, 1e-3]), "most": 100_000}
    hat = measure.training.log_escape_steps("adam", depth, w0, **options)
    del options["most"]
    law = theory.training.log_escape_steps("adam", depth, w0, **options)
    assert np.isfinite(law).all()
    assert np.all(np.abs(hat.value - law) < 2 * LAGS)
    off = theory.training.log_escape_steps("adam", depth, 1.03 * w0, **options)
    assert np.abs(hat.value - off)[1:].min() > np.abs(hat.value - law).max()


def test_no_number_of_steps_is_nan_or_less_than_one() -> None:
    grid = np.meshgrid([1, 2, 3, 10, 100], [0.05, 0.5, 0.9, 0.99], [1e-6, 1e-2, 1.0, 100.0], [0.1, 1.0, 10.0])
    for optimiser in ("sgd", "momentum", "sign", "adam"):
        law = theory.training.log_escape_steps(optimiser, grid[0], grid[1], learning_rate=grid[2], y=grid[3])
        assert np.all((law >= 0) | (law == -np.inf))


def test_too_many_steps_are_not_a_number() -> None:
    assert np.isnan(measure.training.log_escape_steps("sgd", 10, 0.1, learning_rate=1e-2, most=100).value)


def test_largest_stable_steps() -> None:
    depths = np.array([1, 2, 3, 4, 5, 8, 13, 20])[:, None]
    w0 = PRODUCTS ** (1 / depths)
    laws = [
        [np.array(theory.training.stable_step(int(d), float(w))) for w in row]
        for (d,), row in zip(depths, w0, strict=True)
    ]
    law = theory.training.StableStep(*np.moveaxis(np.array(laws), -1, 0))
    hat = measure.training.stable_step(depths, w0, steps=1000)
    assert np.all(np.abs(hat.log_local.value - law.log_local) <= hat.log_local.err)
    assert np.abs(hat.log_converges.value - law.log_converges).max() < STEP_LIMIT
    sharp = PRODUCTS >= 10
    assert np.abs(hat.log_finite.value - law.log_finite)[:, sharp].max() < STEP_LIMIT
    assert np.all(hat.log_finite.value > law.log_finite - STEP_LIMIT)
    off = [theory.training.stable_step(int(d), 1.03 * 100 ** (1 / d)).log_converges for (d,) in depths[1:]]
    assert np.abs(hat.log_converges.value[1:, 3] - off).min() > STEP_LIMIT


@pytest.mark.parametrize("name", UNEQUAL)
def test_every_layer_of_an_unbalanced_chain(name: str) -> None:
    weights, y = UNEQUAL[name]
    law, hat = theory.training.log_layer_times(weights, y=y), measure.training.log_layer_times(weights, y=y)
    assert np.all(np.abs(hat.value - law) <= hat.err)
    times = np.linspace(law.min() - 2, law.max() + 2, 20)
    flow, seen = theory.training.chain_flow(weights, times, y=y), measure.training.chain_flow(weights, times, y=y)
    assert np.all(np.abs(seen.value - flow) <= seen.err)
    off = theory.training.chain_flow(1.03 * np.array(weights), times, y=y)
    assert np.any(np.abs(seen.value - off) > 5 * seen.err)


def test_what_weight_decay_leaves() -> None:
    depth, decay = np.array([2, 3, 5, 20]), np.array([0.3, 0.1, 0.2, 0.2])
    hat = measure.training.chain_decay(depth, decay)
    law = theory.training.ChainDecay(
        *np.array([theory.training.chain_decay(int(d), float(s)) for d, s in zip(depth, decay, strict=True)]).T
    )
    np.testing.assert_allclose(hat.w_star.value, law.w_star, rtol=SETTLED_WEIGHT)
    np.testing.assert_allclose(hat.decay_max.value, law.decay_max, rtol=DECAY_MAX)
    assert np.all(np.abs(hat.w_barrier.value - law.w_barrier)[1:] <= hat.w_barrier.err[1:])
    off = np.array([theory.training.chain_decay(int(d), 1.03 * s).w_barrier for d, s in zip(depth, decay, strict=True)])
    assert np.all(np.abs(hat.w_barrier.value - off)[1:] > hat.w_barrier.err[1:])


def test_modes_of_real_matrices(key: jax.Array) -> None:
    values, w0 = np.array([1.5, 1.0, 0.7, 0.4]), 0.3
    law = theory.training.log_mode_times(values, 3, w0)
    hat = measure.training.log_mode_times(key, values, 3, w0, width=16, change=0.02)
    assert np.all(np.diff(hat.value) > 0)
    assert np.all(np.abs(hat.value - law) <= hat.err)
    assert np.all(np.abs(hat.value - theory.training.log_mode_times(values, 3, 1.03 * w0)) > hat.err)


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    for w0 in (0.0, -1.0):
        with refused("log_escape_time", "w0"):
            measure.training.log_escape_time(3, w0)
    with refused("log_escape_time", "depth"):
        measure.training.log_escape_time(0, 0.5)
    with refused("log_escape_time", "level"):
        measure.training.log_escape_time(3, 0.5, level=1.5)
    with refused("log_escape_time", "change"):
        measure.training.log_escape_time(3, 0.5, change=0.5)
    for where, ask in (
        ("chain_flow", measure.training.chain_flow),
        ("log_layer_times", lambda w, t, **rest: measure.training.log_layer_times(w, **rest)),
    ):
        with refused(where, "change"):
            ask([0.2, 0.5, 2.0], [0.0], change=1e-320)
    for room in (theory, measure):
        with refused("log_escape_steps", "optimiser", remedy=r"Did you mean 'adam'\?$"):
            room.training.log_escape_steps("adan", 3, 0.5, learning_rate=0.1)
        with refused("log_escape_steps", "learning_rate"):
            room.training.log_escape_steps("sgd", 3, 0.5, learning_rate=0.0)
    with refused("log_escape_steps", "momentum"):
        theory.training.log_escape_steps("momentum", 3, 0.5, learning_rate=0.1, momentum=1.0)
    with refused("chain_decay", "depth"):
        measure.training.chain_decay(1, 0.1)
    with refused("chain_decay", "decay"):
        measure.training.chain_decay(3, 0.0)
    with refused("log_mode_times", "singular_values"):
        measure.training.log_mode_times(jax.random.key(0), [1.0, 1e-3], 3, 0.3, width=4)
    with refused("log_mode_times", "level"):
        measure.training.log_mode_times(jax.random.key(0), [1.0], 3, 0.3, width=4, level=1.0)
    with refused("chain_flow", "log_time"):
        measure.training.chain_flow([0.5, 0.6], [1.0, 0.0])
    with refused("log_layer_times", "weights"):
        measure.training.log_layer_times([0.5, -0.6])
