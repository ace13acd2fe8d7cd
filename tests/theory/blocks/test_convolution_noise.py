"""The spread that dropout adds to linear convolutions: closed forms, and networks in NumPy."""

import numpy as np
import pytest

from tests.tolerances import EXACT, SIGMAS
from vgtheory import Conv, Dense, theory

LAWS = theory.log_grad_layers, theory.log_q_layers
CHANNELS, POSITIONS, DEPTH, P = 24, 6, 5, 0.5
NEXT_ORDER = 0.05
"""Of the spread, and of the mean in units of it: stated at finite width."""


def in_numpy(weights: str, num_nets: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Log gradient and log q of the bottom and top layer, mean over positions, of networks one by one."""
    shape = (num_nets, CHANNELS, POSITIONS)
    x = rng.standard_normal(shape)
    x /= np.sqrt(np.mean(x**2, axis=1, keepdims=True))
    kernels, masks = [], []
    for _ in range(DEPTH):
        if weights == "gaussian":
            kernels.append(rng.standard_normal((3, num_nets, CHANNELS, CHANNELS)) / (3 * CHANNELS) ** 0.5)
        else:
            kernels.append(np.linalg.qr(rng.standard_normal((1, num_nets, CHANNELS, CHANNELS)))[0])
        masks.append((rng.random(shape) >= P) / (1 - P))
        near = [np.roll(masks[-1] * x, tap - len(kernels[-1]) // 2, axis=2) for tap in range(len(kernels[-1]))]
        x = sum(each @ moved for each, moved in zip(kernels[-1], near, strict=True))
    top = rng.standard_normal(shape)
    g = top
    for kernel, mask in zip(kernels[:0:-1], masks[:0:-1], strict=True):
        back = [np.roll(kernel[tap].swapaxes(1, 2) @ g, len(kernel) // 2 - tap, axis=2) for tap in range(len(kernel))]
        g = mask * sum(back)
    size = lambda field: np.log(np.mean(field**2, axis=(1, 2)))
    return [(size(g) - size(top)) / 2, size(x)]


@pytest.mark.parametrize("weights", ["gaussian", "delta_orthogonal"])
def test_networks_in_numpy_have_this_mean_and_spread(weights: str) -> None:
    """Without the part of dropout that is not its scale the spread is too small."""
    num_nets, net = 2000, Conv("linear", weights=weights, dropout=P)
    how = {"depth": DEPTH, "width": CHANNELS, "positions": POSITIONS}
    for found, law, at in zip(in_numpy(weights, num_nets, np.random.default_rng(3)), LAWS, (0, -1), strict=True):
        predicted, calm, heavier = (
            law(each, **how) for each in (net, net.replace(dropout=0.0), net.replace(sigma_w=1.03))
        )
        std = found.std()
        allowed = SIGMAS * (np.mean((found - found.mean()) ** 4) / std**4 - 1) ** 0.5 / 2 / num_nets**0.5 + NEXT_ORDER
        assert abs(std / predicted.std[at] - 1) < allowed
        assert abs(calm.std[at] / std - 1) > allowed
        reach = (SIGMAS / num_nets**0.5 + NEXT_ORDER) * std
        assert abs(found.mean() - predicted.mean[at]) < reach
        assert abs(found.mean() - heavier.mean[at]) > reach


def test_one_position_is_a_dense_network() -> None:
    """A layer adds the masks' 3 (1 / (1 - p) - 1) / N to the variance of the log; what is left is of order 1/N^2."""
    width, depth = 4096, 4
    for law in LAWS:
        conv = law(Conv("linear", dropout=P), depth=depth, width=width, positions=1)
        dense = law(Dense("linear", dropout=P), depth=depth, width=width)
        np.testing.assert_allclose(conv.std, dense.std, rtol=20 / width)
        np.testing.assert_allclose(conv.mean, dense.mean, atol=depth / width)


def test_biases_and_added_noise_leave_a_linear_gradient_alone() -> None:
    how = {"depth": DEPTH, "width": CHANNELS, "positions": (2, 3)}
    plain = theory.log_grad_layers(Conv("linear", dropout=P, mask="gaussian"), **how)
    noisy = theory.log_grad_layers(Conv("linear", sigma_b=0.3, sigma_noise=0.2, dropout=P, mask="gaussian"), **how)
    np.testing.assert_allclose(noisy, plain, rtol=0, atol=DEPTH * EXACT)
