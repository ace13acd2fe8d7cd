"""Convolutions and residual blocks whose scales are listed, one for every layer: closed forms, and the plain law of like layers."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.tolerances import EXACT, PER_LAYER, SINGLE
from vgtheory import Conv, Dense, Residual, theory

DEPTH = 4
SCALES, BIASES, ALPHAS = (1.5, 0.8, 2.0, 1.1), (0.3, 0.0, 0.5, 0.1), (0.9, 0.2, 1.3, 0.5)
LIKE = {
    "plain": (Residual("tanh", 1.5, 0.3, alpha=0.7, branch_layers=2), {}),
    "pre": (Residual("relu", 1.2, 0.2, norm="layer"), {}),
    "post": (Residual("gelu", 1.2, 0.2, norm="rms", place="post"), {}),
    "border": (Conv("tanh", 1.4, 0.2, padding="zero"), {"positions": 6}),
    "plane": (Conv("relu", 1.4, weights="delta_orthogonal"), {"positions": (3, 4)}),
}


@pytest.mark.parametrize("name", LIKE)
def test_like_layers_have_the_plain_law(name: str) -> None:
    net, how = LIKE[name]
    listed: Any = net.replace(sigma_w=(net.sigma_w,) * DEPTH)
    if isinstance(net, Residual):
        listed = listed.replace(alpha=(net.alpha,) * DEPTH)
    for profile in (theory.log_grad_layers, theory.log_q_layers):
        expected = profile(net, depth=DEPTH, **how).mean  # type: ignore[arg-type]
        np.testing.assert_allclose(profile(listed, **how).mean, expected, rtol=0, atol=DEPTH * PER_LAYER)  # type: ignore[arg-type]


@pytest.mark.parametrize("norm", [None, "rms"])
def test_blocks_of_relu_in_closed_form(norm: str | None) -> None:
    """A block adds half of (alpha sigma_w)^2 to the square of the stream, or to 1 with a norm, and as much of the gradient."""
    half = (np.array(ALPHAS) * SCALES) ** 2 / 2
    q = np.cumprod(1 + half) if norm is None else 1 + np.cumsum(half)
    chi = 1 + half / (1.0 if norm is None else np.append(1.0, q[:-1]))
    net = Residual("relu", SCALES, alpha=ALPHAS, norm=norm)
    np.testing.assert_allclose(np.exp(theory.log_q_layers(net).mean), q, rtol=EXACT)
    grad = np.append(np.cumprod(chi[1:][::-1])[::-1], 1.0)
    np.testing.assert_allclose(np.exp(2 * theory.log_grad_layers(net, width=np.inf).mean), grad, rtol=EXACT)
    assert np.isinf(theory.log_grad_layers(net, width=64).std).all() == (norm is not None)


def test_a_convolution_without_a_border_is_a_dense_network() -> None:
    for profile in (theory.log_grad_layers, theory.log_q_layers):
        found = profile(Conv("tanh", SCALES, BIASES), positions=5).mean
        np.testing.assert_allclose(found, profile(Dense("tanh", SCALES, BIASES)).mean, rtol=0, atol=10 * EXACT)


def test_scales_by_block_are_traced_and_differentiated() -> None:
    bottom = lambda alphas: theory.log_grad_layers(Residual("relu", 2**0.5, alpha=tuple(alphas))).mean[0]
    alphas = jnp.asarray(ALPHAS, jnp.float32)
    expected = np.where(np.arange(DEPTH) > 0, np.array(ALPHAS) / (1 + np.array(ALPHAS) ** 2), 0.0)
    np.testing.assert_allclose(jax.grad(bottom)(alphas), expected, rtol=SINGLE, atol=SINGLE)


def test_what_does_not_fit_is_refused(refused: Callable[..., Any]) -> None:
    with refused("Residual", "sigma_w", "single number"):
        Residual("tanh", (1.0, 2.0), alpha=ALPHAS)
    with refused("log_q_layers", "depth", "Leave depth out"):
        theory.log_q_layers(Conv("tanh", SCALES), depth=3, positions=4)
    with refused("log_q_layers", "norm", "Measure it"):
        theory.log_q_layers(Residual("tanh", SCALES, norm="batch", batch=8))
    with refused("log_q_layers", "drop_path", "alike"):
        theory.log_q_layers(Residual("tanh", SCALES, drop_path=0.1))
