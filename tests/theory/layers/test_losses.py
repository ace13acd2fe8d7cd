"""Absolute gradients of a real loss against networks in NumPy, and the derivative of the loss against exact values."""

import numpy as np
import pytest
import scipy.stats

from tests.tolerances import POWER
from vgtheory import Dense, theory
from vgtheory.estimate import Law
from vgtheory.theory.layers import losses

ACTIVATIONS = {
    "relu": (lambda h: np.maximum(h, 0), lambda h: (h > 0) * 1.0),
    "tanh": (np.tanh, lambda h: 1 - np.tanh(h) ** 2),
}
NETS = 600


def in_numpy(net: Dense, loss: str, rng: np.random.Generator) -> np.ndarray:
    """Log-norms of the gradients of every layer's weights in one network without biases."""
    phi, slope = ACTIVATIONS[net.activation.name]
    x = rng.normal(size=net.widths[0])
    inputs, preactivations, matrices = [x / np.sqrt(np.mean(x**2))], [], []
    for scale, below, above in zip(net.sigma_w, net.widths, net.widths[1:], strict=False):
        matrices.append(rng.normal(size=(above, below)) * scale / below**0.5)
        preactivations.append(matrices[-1] @ inputs[-1])
        inputs.append(phi(preactivations[-1]))
    logits, label = preactivations[-1], rng.integers(net.widths[-1])
    g = logits.copy() if loss == "squared" else np.exp(logits) / np.exp(logits).sum()
    g[label] -= 1
    logs = []
    for place in reversed(range(len(matrices))):
        logs.append(np.log(np.linalg.norm(g) * np.linalg.norm(inputs[place])))
        if place:
            g = slope(preactivations[place - 1]) * (matrices[place].T @ g)
    return np.array(logs[::-1])


@pytest.mark.parametrize(("name", "loss"), [("relu", "cross_entropy"), ("tanh", "squared")])
def test_means_and_spreads_are_those_of_networks_in_numpy(name: str, loss: str) -> None:
    """A scale of the head that is 10 % off fails."""
    widths, scales = (40, 64, 48, 64, 10), (1.4, 1.4, 1.5, 2.0)
    net, rng = Dense(name, sigma_w=scales, widths=widths), np.random.default_rng(5)
    logs = np.array([in_numpy(net, loss, rng) for _ in range(NETS)])
    law = theory.layers.log_loss_grad_layers(net, loss=loss)
    err = logs.std(axis=0) / NETS**0.5
    np.testing.assert_allclose((logs.mean(axis=0) - law.mean) / err, 0, atol=4)
    known = np.isfinite(law.std)
    assert known.all() == (loss == "cross_entropy")
    np.testing.assert_allclose((logs.std(axis=0) / law.std)[known], 1, atol=0.1 + 3 / (2 * NETS) ** 0.5)
    wrong = theory.layers.log_loss_grad_layers(net.replace(sigma_w=(*scales[:-1], 2.2)), loss=loss)
    assert scipy.stats.norm.sf(abs(logs.mean(axis=0) - wrong.mean)[0] / err[0]) < POWER**0.5


def test_of_two_classes_the_error_is_an_integral_over_one_number() -> None:
    """|p - y|^2 is 2 (1 - p)^2, and the logits' difference is normal of twice their variance."""
    x = np.linspace(-9, 9, 20_001)
    weights = np.exp(-(x**2) / 2)
    variance = 1.7
    logs = np.log(2**0.5 * scipy.special.expit((2 * variance) ** 0.5 * x))
    mean = weights @ logs / weights.sum()
    std = (weights @ logs**2 / weights.sum() - mean**2) ** 0.5
    error = losses.error_of("cross_entropy", 2, Law(np.log(variance), 0.0))
    np.testing.assert_allclose((error.mean, error.std), (mean, std), atol=1e-3)


def test_logits_may_be_of_any_size() -> None:
    """Of two classes the mean tends to that of the negative part of the logits' difference."""
    error = losses.error_of("cross_entropy", 2, Law(np.log(1e8), 0.0))
    np.testing.assert_allclose(error.mean, -((2e8) ** 0.5) / (2 * np.pi) ** 0.5, rtol=2e-3)


def test_squared_errors_of_a_few_classes_are_noncentral_chi_squares() -> None:
    classes, variance = 7, 0.8
    points = np.linspace(1e-4, 1 - 1e-4, 20_001)
    squares = variance * scipy.stats.ncx2.ppf(points, classes, 1 / variance)
    error = losses.error_of("squared", classes, Law(np.log(variance), 0.0))
    np.testing.assert_allclose(error.mean, np.log(squares).mean() / 2, atol=2e-3)


def test_a_wide_head_of_small_scale_is_uniform_over_classes() -> None:
    error = losses.error_of("cross_entropy", 10, Law(np.log(1e-12), 0.0))
    np.testing.assert_allclose(error.mean, np.log(0.9) / 2, atol=1e-6)
    np.testing.assert_allclose(error.along, 1.0, atol=0.02)


def test_what_has_no_law_is_refused() -> None:
    square = {"depth": 3, "width": 16}
    with pytest.raises(ValueError, match=r"log_loss_grad_layers: expected a finite width, got width=None. Give width="):
        theory.layers.log_loss_grad_layers(Dense("relu", 1.4), depth=3)
    with pytest.raises(ValueError, match="expected Gaussian weights"):
        theory.layers.log_loss_grad_layers(Dense("relu", 1.4, weights="uniform"), **square)
    with pytest.raises(ValueError, match="expected one of"):
        theory.layers.log_loss_grad_layers(Dense("relu", 1.4), **square, loss="hinge")
    with pytest.raises(ValueError, match="units of the last layer"):
        theory.layers.log_loss_grad_layers(Dense("relu", 1.4, widths=(8, 8, 1)))
