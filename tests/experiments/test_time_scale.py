"""The gradient of recurrent learners at initialisation: the law of one sequence, the long run, and networks that follow."""

import jax
import numpy as np
import pytest
from scipy.special import comb, expit

from experiments.parts import time_scale
from experiments.parts.learners import FORGET_BIAS, LEARNERS, Reader, initial
from experiments.parts.tasks import TASKS
from tests.tolerances import PATHS, SINGLE

STEPS = 24
DRIVE = TASKS["latch"].drive(STEPS)
WIDTH, NETWORKS = 256, 4


def ratios(key: jax.Array, name: str) -> tuple[float, float]:
    """Mean log-factor per step, predicted and measured, of four networks that read the latch from a state of zero."""
    reader, keys = Reader(LEARNERS[name], WIDTH, 2, 1), jax.random.split(key, NETWORKS)
    draw = lambda key: TASKS["latch"].draw(key, STEPS + 1, 1).inputs
    measure = lambda key: time_scale.log_ratio_hat(key, initial(key, reader, 1), reader, draw(key))
    # One after the other: XLA's batched orthogonal draws may wait for each other forever on a CPU.
    found = jax.jit(lambda keys: jax.lax.map(measure, keys))(keys)
    laws = [time_scale.log_ratio(LEARNERS[name], np.asarray(draw(each)[:, 0]), k) for k, each in enumerate(keys)]
    return float(np.mean(laws)) / STEPS, float(found.mean()) / STEPS


@pytest.mark.parametrize(
    "name", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("tanh", "leaky", "gru")), "lstm"]
)
def test_networks_follow_the_prediction(name: str, key: jax.Array) -> None:
    predicted, found = ratios(key, name)
    assert abs(found - predicted) < PATHS


@pytest.mark.parametrize("num_steps", [1, 2, 12])
def test_a_gradient_enters_an_lstm_by_its_output_gate(num_steps: int) -> None:
    """Inputs near zero leave every gate where its bias puts it: the gradient's paths can be counted."""
    keep, push = (
        expit(FORGET_BIAS),
        1 / 2,
    )  # a cell to the cell before; a cell through the candidate to the output before
    k = np.arange(num_steps + 1)
    through = (push / 2) ** (2 * k) * keep ** (
        2.0 * (num_steps - k)
    )  # an output enters its cell by a gate that is half open
    cells = np.sum(comb(num_steps - 1, k) ** 2 * through) / 4  # the last step back keeps
    outputs = np.sum((comb(num_steps - 1, k - 1) ** 2 * through)[1:])  # the last step back goes through the candidate
    inputs = 1e-4 * np.random.default_rng(0).normal(size=(num_steps + 1, 1))
    found = [time_scale.log_ratio(LEARNERS["lstm"], inputs, seed) for seed in range(8)]
    assert abs(np.mean(found) - np.log(cells + outputs) / 2) < 5 * np.std(found, ddof=1) / 8**0.5


def test_a_relu_unit_passes_on_until_it_is_zero() -> None:
    inputs = np.array([[1.0], [-0.5], [1.0]])
    assert abs(time_scale.log_ratio(LEARNERS["irnn"], inputs) - np.log(1 / 2) / 2) < PATHS
    assert time_scale.log_ratio(LEARNERS["irnn"], np.array([[1.0], [-2.0], [3.0]])) == -np.inf


def test_the_long_run_is_that_of_powers_of_a_random_matrix() -> None:
    size, steps = 1000, 100
    keep, push = time_scale.PARTS["leaky"](LEARNERS["leaky"], DRIVE)
    matrix = keep * np.eye(size) + push * np.random.default_rng(0).normal(size=(size, size)) / size**0.5
    state, logs = np.random.default_rng(1).normal(size=size), [0.0]
    for _ in range(steps):
        state = matrix @ state
        logs.append(np.log(np.linalg.norm(state)))
    rate = (logs[-1] - logs[steps // 2]) / (steps - steps // 2)
    assert abs(rate + 1 / time_scale.time_scale(LEARNERS["leaky"], DRIVE)) < PATHS


def test_without_a_kept_part_the_time_scale_is_that_of_one_step() -> None:
    push = time_scale.PARTS["simple"](LEARNERS["tanh"], DRIVE).push
    assert abs(time_scale.time_scale(LEARNERS["tanh"], DRIVE) + 1 / np.log(push)) < SINGLE


def test_an_identity_recurrence_does_not_fade() -> None:
    assert np.isinf(time_scale.time_scale(LEARNERS["irnn"], DRIVE))
