"""Weights and slopes apart: their sum is the chain's gradient, each agrees with its law, three per cent off does not."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from tests.tolerances import EQUAL_FLOAT32, SIGMAS, SPREAD
from vgtheory import Dense, Estimate, compare, measure, theory

SIZE = {"depth": 16, "width": 64}
NUM_NETS = 160
NETS = {
    "tanh": Dense("tanh", 2.0, 0.3),
    "relu": Dense("relu", 1.3, 0.2),
    "sigmoid": Dense("sigmoid", 4.0, 1.0),
    "selu": Dense("selu", 1.0, 0.2),
    "tanh orthogonal": Dense("tanh", 1.5, 0.3, "orthogonal"),
}


def marked(name: str) -> Any:
    """A case, slow unless it is the quick one."""
    return pytest.param(name, marks=() if name == "tanh" else pytest.mark.slow)


def z_of(samples: np.ndarray, mean: np.ndarray) -> float:
    """z of the part's mean over all links."""
    means = samples[:, :-1].mean(axis=1)
    rounding = 2 * np.finfo(np.float32).eps
    err = np.hypot(means.std(ddof=1) / means.size**0.5, rounding)
    return float(compare.z_score(Estimate(means.mean(), err), mean[:-1].mean()))


@functools.cache
def sampled(name: str) -> measure.layers.Parts:
    return measure.layers.link_parts(jax.random.key(19), NETS[name], **SIZE, num_nets=NUM_NETS)


@pytest.mark.parametrize("name", [marked(name) for name in NETS])
def test_parts_agree_and_three_percent_off_does_not(name: str) -> None:
    net = NETS[name]
    law = theory.layers.log_parts_layers(net, **SIZE)
    wrong = theory.layers.log_parts_layers(Dense(net.activation, 1.03 * net.sigma_w, net.sigma_b, net.weights), **SIZE)
    samples = sampled(name)
    for part in ("weights", "slopes"):
        each = getattr(samples, part)
        assert abs(z_of(each, getattr(law, part).mean)) < SIGMAS, part
        if "orthogonal" not in name or part == "slopes":
            assert abs(np.log(each[:, 0].std(ddof=1) / getattr(law, part).std[0])) < SPREAD
    assert abs(z_of(samples.weights, wrong.weights.mean)) > SIGMAS


def test_their_sum_is_the_chains_gradient() -> None:
    parts = sampled("tanh")
    summed = np.cumsum((parts.weights + parts.slopes)[:3, ::-1], axis=1)[:, ::-1]
    log_grad = measure.samples(jax.random.key(19), NETS["tanh"], **SIZE, num_nets=3).log_grad
    np.testing.assert_allclose(summed, log_grad, atol=SIZE["depth"] * EQUAL_FLOAT32)


def test_wrong_questions_are_named(key: jax.Array, refused: Callable) -> None:
    with refused("link_parts", "width"):
        measure.layers.link_parts(key, NETS["tanh"], depth=3, width=0, num_nets=2)
