"""The gradient of recurrent learners at initialisation: the sum over paths, and networks that follow it."""

import dataclasses

import jax
import numpy as np
import pytest

from experiments.parts import time_scale
from experiments.parts.learners import LEARNERS, Reader, initial
from experiments.parts.tasks import TASKS
from experiments.parts.time_scale import Parts
from tests.tolerances import PATHS, SINGLE

STEPS = 24
DRIVE = TASKS["latch"].drive(STEPS)


def rate_hat(key: jax.Array, name: str) -> float:
    """Mean measured log-factor per step of four networks of width 256."""
    reader = Reader(LEARNERS[name], 256, 2, 1)

    def one(key: jax.Array) -> jax.Array:
        inputs = TASKS["latch"].draw(key, STEPS + 11, 1).inputs[10:]  # past the class, whose size is not the noise's
        return time_scale.log_ratio_hat(key, initial(key, reader, 1), reader, inputs)

    # One after the other: XLA's batched orthogonal draws may wait for each other forever on a CPU.
    return float(jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(key, 4)).mean()) / STEPS


@pytest.mark.parametrize("name", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("tanh", "leaky")), "gru"])
def test_networks_follow_the_prediction(name: str, key: jax.Array) -> None:
    predicted = time_scale.log_ratio(LEARNERS[name], DRIVE, STEPS) / STEPS
    assert abs(rate_hat(key, name) - predicted) < PATHS


def test_with_weights_drawn_anew_at_every_step_it_would_not_fit(key: jax.Array) -> None:
    keep, push = time_scale.PARTS["gru"](LEARNERS["gru"], DRIVE)
    assert abs(rate_hat(key, "gru") - np.log(keep**2 + push**2) / 2) > 3 * PATHS


def test_paths_add_up_as_powers_of_a_random_matrix_do() -> None:
    size, keep, push = 1000, 0.8, 0.3
    matrix = keep * np.eye(size) + push * np.random.default_rng(0).normal(size=(size, size)) / size**0.5
    start = np.random.default_rng(1).normal(size=size)
    found = np.log(np.linalg.norm(np.linalg.matrix_power(matrix, 12) @ start) / np.linalg.norm(start))
    learner = dataclasses.replace(LEARNERS["leaky"], cell="made up")
    time_scale.PARTS["made up"] = lambda learner, drive: Parts(keep, push)
    try:
        assert abs(time_scale.log_ratio(learner, 0.0, 12) - found) < PATHS
    finally:
        del time_scale.PARTS["made up"]


def test_without_a_kept_part_it_is_a_power() -> None:
    factor = time_scale.log_ratio(LEARNERS["tanh"], DRIVE, 1)
    assert abs(time_scale.log_ratio(LEARNERS["tanh"], DRIVE, 30) - 30 * factor) < SINGLE
    assert abs(time_scale.time_scale(LEARNERS["tanh"], DRIVE) + 1 / factor) < SINGLE


def test_an_identity_recurrence_does_not_fade() -> None:
    assert time_scale.log_ratio(LEARNERS["irnn"], DRIVE, 100) == 0
    assert np.isinf(time_scale.time_scale(LEARNERS["irnn"], DRIVE))
