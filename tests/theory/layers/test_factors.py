"""Weights and slopes apart: closed forms, and their sum is the gradient's law."""

import numpy as np
import pytest

from tests.tolerances import EXACT
from vgtheory import Dense, theory


def test_relu_halves_and_linear_leaves() -> None:
    for name, slope in (("relu", -np.log(2) / 2), ("linear", 0.0)):
        parts = theory.layers.log_parts_layers(Dense(name, sigma_w=1.7), depth=4)
        np.testing.assert_allclose(parts.weights.mean, np.log(1.7) * np.array([1, 1, 1, 0]), atol=EXACT)
        np.testing.assert_allclose(parts.slopes.mean, slope * np.array([1, 1, 1, 0]), atol=EXACT)


@pytest.mark.parametrize("width", [None, 50])
@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
def test_their_sum_is_the_gradients_law(width: int | None, weights: str) -> None:
    net = Dense("tanh", 1.6, 0.3, weights)
    parts = theory.layers.log_parts_layers(net, depth=8, width=width)
    total = theory.log_grad_layers(net, depth=8, width=width).mean
    summed = np.cumsum((parts.weights.mean + parts.slopes.mean)[::-1])[::-1]
    np.testing.assert_allclose(summed, total, atol=EXACT)
    if weights == "orthogonal":
        np.testing.assert_array_equal(parts.weights.std, 0)
