"""Networks in training: gradient descent by hand, laws of the start with 3 % off that fails, symmetries, and wrong questions."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
import pytest

from tests.tolerances import EQUAL_FLOAT32, NORM_EPSILON, SIGMAS
from vgtheory import Dense, Normed, measure, theory

SGD = optax.sgd(1.0)
RNG = np.random.default_rng(0)
X = RNG.standard_normal((64, 8)).astype(np.float32)
CLASSES = np.argmax(X[:, :3], axis=1)
SIZES: dict[str, Any] = {"depth": 5, "width": 16, "optimiser": SGD, "num_nets": 3}


ONE = np.ones((1, 1), np.float32)
CHAIN: dict[str, Any] = {"depth": 4, "width": 1, "optimiser": SGD, "num_nets": 8}


def _sum(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    del targets
    return outputs.sum(axis=1).mean()


def by_hand(w: np.ndarray, target: float, rate: float, num: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Gradient descent of a chain of weights and biases on one example, x = 1; the weights' gradients at the end."""
    b = np.zeros_like(w)
    for step in range(num + 1):
        x = [1.0]
        for weight, bias in zip(w, b, strict=True):
            x.append(weight * x[-1] + bias)
        delta = (x[-1] - target) * np.append(np.cumprod(w[:0:-1])[::-1], 1.0)
        slope = delta * np.array(x[:-1])
        if step < num:
            w, b = w - rate * slope, b - rate * delta
    return w, slope, (x[-1] - target) ** 2 / 2


@pytest.mark.parametrize("num", [pytest.param(1, marks=pytest.mark.slow), 30])
def test_it_is_gradient_descent(key: jax.Array, num: int) -> None:
    run = lambda rate: measure.training.training_logs(
        key, Dense("linear"), ONE, ONE, num_updates=30, record=[0, num], rate=rate, **CHAIN
    )
    logs, wild = run(0.05), run(1e30)
    near = {
        "rtol": EQUAL_FLOAT32,
        "atol": EQUAL_FLOAT32,
    }  # the error at the end is a small difference of numbers of order 1
    assert logs.finite.all()
    assert not wild.finite.any()
    for net in range(8):
        w = np.exp(logs.log_scale[net, 0])
        w[-1] *= 1 if np.isclose((np.prod(w) - 1) ** 2 / 2, logs.loss[net, 0], rtol=EQUAL_FLOAT32) else -1
        end, slope, loss = by_hand(w, 1.0, 0.05, num)
        np.testing.assert_allclose(np.exp(logs.log_scale[net, 1]), np.abs(end), **near)
        np.testing.assert_allclose(np.exp(logs.log_grad_weight[net, 1]), np.abs(slope), **near)
        np.testing.assert_allclose(logs.loss[net, 1], loss, **near)


def _deviation(key: jax.Array, net: Dense, said: Dense) -> np.ndarray:
    """Of the profile's increments at the start from their law, in standard errors."""
    depth, width, nets = 20, 64, 200
    sizes = {"depth": depth, "width": width, "optimiser": SGD, "num_nets": nets, "loss": _sum, "num_probes": 1}
    logs = measure.training.training_logs(key, net, X, CLASSES, num_updates=1, record=[0], batch=1, **sizes)
    law = theory.log_grad_weight_layers(said, depth=depth, width=width)
    tilt = logs.log_grad_weight[:, 0, 1] - logs.log_grad_weight[:, 0, -2]
    spread = np.sqrt(law.std[1] ** 2 - law.std[-2] ** 2) / nets**0.5
    return (tilt.mean() - (law.mean[1] - law.mean[-2])) / spread


@pytest.mark.parametrize(
    "net",
    [Dense("tanh", 1.6), Dense("sigmoid", 1.0, 0.5)],
    ids=["tanh", "sigmoid"],
)
@pytest.mark.slow  # the first record of a run is the ensemble's own law, which the twins hold
def test_the_start_has_its_law(key: jax.Array, net: Dense) -> None:
    assert abs(_deviation(key, net, net)) < SIGMAS


@pytest.mark.slow
def test_three_percent_off_fails(key: jax.Array) -> None:
    assert abs(_deviation(key, Dense("sigmoid", 1.0, 0.5), Dense("sigmoid", 1.03, 0.5))) > SIGMAS


@pytest.mark.slow
def test_batch_norm_makes_the_gradient_go_as_one_over_the_weights(key: jax.Array) -> None:
    how = SIZES | {"loss": _sum, "num_nets": 1}
    run = lambda scale: measure.training.training_logs(
        key, Normed("tanh", "batch", scale, batch=8), X, CLASSES, num_updates=1, record=[0], **how
    )
    change = (run(2.0).log_grad_weight - run(1.0).log_grad_weight)[:, 0]
    np.testing.assert_allclose(change[:, -1], 0.0, atol=NORM_EPSILON)
    np.testing.assert_allclose(
        change[:, :-1], 0.0, atol=NORM_EPSILON
    )  # doubled on the last layer's account, halved on their own


@pytest.mark.slow
def test_networks_do_not_depend_on_how_many_there_are_or_where(key: jax.Array) -> None:
    run = lambda num, devices: measure.training.training_logs(
        key,
        Dense("tanh", weights="orthogonal"),
        X,
        CLASSES,
        num_updates=8,
        devices=devices,
        **(SIZES | {"num_nets": num}),
    )
    many, few = run(3, None), run(2, jax.devices()[:1])
    np.testing.assert_allclose(many.loss[:2], few.loss, rtol=EQUAL_FLOAT32)
    np.testing.assert_allclose(many.log_scale[:, 0, 1:-1], 0.0, atol=EQUAL_FLOAT32)
    assert np.all(np.isneginf(many.log_moved[:, 0]))
    assert many.updates.tolist() == [0, 1, 2, 3, 4, 6, 8]


# Two hundred updates; thirty are compared with gradient descent by hand.
@pytest.mark.slow
def test_it_learns(key: jax.Array) -> None:
    logs = measure.training.training_logs(key, Dense("tanh"), X, CLASSES, rate=0.2, num_updates=200, **SIZES)
    assert logs.finite.all()
    assert logs.score[:, -1].min() > 0.95


@pytest.mark.parametrize(
    ("got", "change"),
    [
        ("net", {"net": 3}),
        ("depth", {"depth": 1}),
        ("depth", {"depth": 2.5}),
        ("inputs", {"inputs": X[0]}),
        ("targets", {"targets": CLASSES[:5]}),
        ("targets", {"targets": X[:, 0]}),
        ("loss", {"loss": "cross"}),
        ("record", {"record": [0, 3]}),
        ("record", {"record": [1, 1]}),
        ("sigma_w", {"net": Dense("tanh", np.ones(2))}),
    ],
)
def test_wrong_questions(key: jax.Array, refused: Callable[..., Any], got: str, change: dict[str, Any]) -> None:
    asked = {"net": Dense("tanh"), "inputs": X, "targets": CLASSES, "num_updates": 2, **SIZES} | change
    with refused("training_logs", got):
        measure.training.training_logs(key, **asked)
