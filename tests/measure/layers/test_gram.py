"""Batches of handwritten digits in real networks, against infinite width; and a real loss's gradient, by NumPy alone."""

import itertools
from typing import Any

import jax
import numpy as np
import pytest

from tests.tolerances import EQUAL_FLOAT32, SIGMAS
from vgtheory import Dense, measure, theory

DEPTH, WIDTH, NETS, BATCH = 5, 256, 240, 4
SCALES = {"relu": (2**0.5, 0.1), "tanh": (1.5, 0.2), "gelu": (1.5, 0.2)}


def digits() -> np.ndarray:
    """Four images of unlike lengths: two zeros, a one and a dark two."""
    from sklearn.datasets import load_digits

    images, classes = load_digits(return_X_y=True)
    rows = [*np.flatnonzero(classes == 0)[:2], *(np.flatnonzero(classes == each)[0] for each in (1, 2))]
    return images[rows] / 16 * np.array([1.0, 1.0, 1.0, 0.5])[:, None]


def furthest(measured: Any, law: Any) -> dict[str, float]:
    """Largest distance beyond five standard errors, by quantity."""
    return {
        name: float(np.max(np.abs(found.value - value) - SIGMAS * found.err))
        for name, found, value in zip(law._fields, measured, law, strict=True)
    }


def cotangents(common: bool) -> np.ndarray | None:
    """One for all, or one for each of the four."""
    return None if common else np.eye(BATCH)


@pytest.mark.optimised
@pytest.mark.parametrize(
    ("name", "common"),
    [
        ("relu", True),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in [("relu", False), ("tanh", True), ("gelu", False)]),
    ],
)
def test_batches_agree_and_three_percent_off_do_not(key: jax.Array, name: str, common: bool) -> None:
    x, (sigma_w, sigma_b) = digits(), SCALES[name]
    how = {"depth": DEPTH, "cotangent": cotangents(common)}
    measured = measure.layers.gram_layers(key, Dense(name, sigma_w, sigma_b), x, width=WIDTH, num_nets=NETS, **how)
    law = theory.layers.gram_layers(Dense(name, sigma_w, sigma_b), x, **how)
    assert max(furthest(measured, law).values()) < 0
    for off in (0.97, 1.03):
        wrong = furthest(measured, theory.layers.gram_layers(Dense(name, off * sigma_w, sigma_b), x, **how))
        assert wrong["log_q"] > 0
        assert wrong["log_grad_weight"] > 0
    other = theory.layers.gram_layers(Dense(name, sigma_w, sigma_b), x, depth=DEPTH, cotangent=cotangents(not common))
    assert furthest(measured, other)["log_grad_weight"] > 0


def test_one_layer_has_the_gradient_of_its_summed_inputs(key: jax.Array) -> None:
    """Whatever the weights."""
    x = np.random.default_rng(0).standard_normal((3, 32))
    found = measure.layers.gram_layers(key, Dense("linear"), x, depth=1, width=64, num_nets=200)
    wanted = np.log(np.sum(x.sum(axis=0) ** 2) / 32) / 2
    assert abs(found.log_grad_weight.value[0] - wanted) < SIGMAS * found.log_grad_weight.err[0]
    np.testing.assert_allclose(found.c_grad.value, 1, atol=EQUAL_FLOAT32)


def squared_error(
    rng: np.random.Generator, x: np.ndarray, targets: np.ndarray, scales: tuple[float, float]
) -> list[float]:
    """Square of the batch's gradient of half the squared error with respect to each matrix, over its inputs, in one network."""
    sizes, signals, slopes, matrices = [x.shape[1]] + [WIDTH] * (DEPTH - 1) + [targets.shape[1]], [x], [], []
    for fan_in, fan_out in itertools.pairwise(sizes):
        matrices.append(rng.normal(0, scales[0] / fan_in**0.5, (fan_in, fan_out)))
        h = signals[-1] @ matrices[-1] + rng.normal(0, scales[1], fan_out)
        signals.append(np.tanh(h))
        slopes.append(1 - signals[-1] ** 2)
    delta, found = h - targets, []
    for layer in reversed(range(DEPTH)):
        found.append(np.sum((delta.T @ signals[layer]) ** 2) / sizes[layer])
        if layer:
            delta = delta @ matrices[layer].T * slopes[layer - 1]
    return found[::-1]


@pytest.mark.slow
def test_the_squared_error_of_digits_has_this_gradient() -> None:
    """Dense networks in NumPy, their outputs' errors and all."""
    x, targets, scales = digits(), np.eye(10)[[0, 0, 1, 2]], SCALES["tanh"]
    rng = np.random.default_rng(5)
    squares = np.array([squared_error(rng, x, targets, scales) for _ in range(NETS)])
    err = squares.std(axis=0) / NETS**0.5

    def z_scores(sigma_w: float) -> np.ndarray:
        net = Dense("tanh", sigma_w, scales[1])
        top = theory.layers.gram_layers(net, x, depth=DEPTH)
        size = np.exp(top.log_q[-1] / 2)
        errors = 10 * top.c[-1] * np.outer(size, size) + targets @ targets.T
        law = theory.layers.gram_layers(net, x, depth=DEPTH, cotangent=errors)
        return np.abs(squares.mean(axis=0) - np.exp(2 * law.log_grad_weight)) / err

    assert z_scores(scales[0]).max() < SIGMAS
    assert z_scores(1.03 * scales[0]).max() > SIGMAS


def scaled_to_unit_variance(rng: np.random.Generator, x: np.ndarray) -> tuple[list[float], np.ndarray]:
    """Logs of the factors that LSUV gives the matrices of one tanh network, and each example's squared gradient at every h."""
    logs, hs, matrices = [], [], []
    for fan_in in [x.shape[1]] + [WIDTH] * (DEPTH - 1):
        matrix = rng.normal(0, fan_in**-0.5, (fan_in, WIDTH))
        logs.append(-np.log(np.std(x @ matrix)))
        matrices.append(matrix * np.exp(logs[-1]))
        hs.append(x @ matrices[-1])
        x = np.tanh(hs[-1])
    delta = np.tile(rng.normal(0, WIDTH**-0.5, WIDTH), (len(x), 1))
    squares = [np.sum(delta**2, axis=1)]
    for layer in reversed(range(DEPTH - 1)):
        delta = delta @ matrices[layer + 1].T / np.cosh(hs[layer]) ** 2
        squares.append(np.sum(delta**2, axis=1))
    return logs, np.array(squares[::-1])


def unit_variance_scales(x: np.ndarray) -> tuple[float, ...]:
    """What the law says that LSUV finds: one over the root of the batch's mean square, layer by layer."""
    found: tuple[float, ...] = ()
    for _ in range(DEPTH):
        log_q = theory.layers.gram_layers(Dense("tanh", (*found, 1.0)), x).log_q[-1]
        found = (*found, float(np.mean(np.exp(log_q)) ** -0.5))
    return found


@pytest.mark.slow
def test_lsuv_finds_the_scales_of_the_law_and_its_gradients() -> None:
    """Mishkin and Matas (2016): every layer's variance over the batch is 1, and gradients grow by E[phi'^2] / E[phi^2]."""
    x, rng = digits(), np.random.default_rng(6)
    logs, squares = (
        np.array(each) for each in zip(*(scaled_to_unit_variance(rng, x) for _ in range(NETS)), strict=True)
    )
    scales = unit_variance_scales(x)
    err = logs.std(axis=0) / NETS**0.5
    assert np.all(np.abs(logs.mean(axis=0) - np.log(scales)) < SIGMAS * err + 1 / WIDTH)
    assert np.all(np.abs(logs.mean(axis=0) - np.log(scales) - np.log(1.03)) > SIGMAS * err + 1 / WIDTH)

    def z_scores(factor: float) -> np.ndarray:
        net = Dense("tanh", tuple(factor * scale for scale in scales))
        law = np.exp(2 * theory.layers.gram_layers(net, x).log_grad)
        return np.abs(squares.mean(axis=0) - law) / (squares.std(axis=0) / NETS**0.5)

    assert z_scores(1.0).max() < SIGMAS
    assert z_scores(1.03).max() > SIGMAS
    assert z_scores(0.97).max() > SIGMAS
