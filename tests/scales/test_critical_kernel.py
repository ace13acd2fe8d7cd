"""Initialisers at the critical scale: their numbers, what libraries make of them, and refusals."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

from vgtheory import Dense, critical_kernel, theory
from vgtheory.scales.line import point, response

SAMPLED = 0.02
"""Relative error of a standard deviation from some 10,000 numbers, three times over."""


@pytest.mark.parametrize("name", ["gelu", "tanh", "relu", "sigmoid", "selu"])
def test_the_gradient_keeps_its_size_at_the_fixed_point(name: str) -> None:
    kernel = critical_kernel(name)
    net = Dense(name, kernel.sigma_w, kernel.sigma_b)
    assert abs(float(theory.chi_1(net)) - 1) < 1e-9
    assert math.isclose(float(theory.q_map(kernel.q_star, net)), kernel.q_star, rel_tol=1e-9)


def test_known_scales() -> None:
    assert math.isclose(critical_kernel("relu").sigma_w, 2**0.5, rel_tol=1e-12)
    assert critical_kernel("relu").sigma_b == 0
    tanh = critical_kernel("tanh", sigma_b=0.05**0.5)
    assert math.isclose(tanh.sigma_w, float(theory.critical("tanh", sigma_b=0.05**0.5).sigma_w[0]))


def test_a_centred_layer_sees_the_variance_of_its_activation() -> None:
    """Softplus, by the Gauss-Hermite rule."""
    found = point("test", "softplus", None, centred=True)
    z, weights = np.polynomial.hermite_e.hermegauss(80)
    h, weights = found.q_star**0.5 * z, weights / weights.sum()
    phi, dphi = np.logaddexp(0, h), 1 / (1 + np.exp(-h))
    assert math.isclose(found.sigma_w**2 * float(weights @ dphi**2), 1.0, rel_tol=1e-6)
    variance = float(weights @ phi**2 - (weights @ phi) ** 2)
    assert math.isclose(found.sigma_w**2 * variance + found.sigma_b**2, found.q_star, rel_tol=1e-6)
    assert abs(response(found)[0]) < 1


@pytest.mark.parametrize("name", ["gelu", "tanh"])
def test_the_response_is_that_of_the_length_map(name: str) -> None:
    found = point("test", name)
    slope = float(theory.meanfield.q_slope(Dense(name, found.sigma_w, found.sigma_b)))
    assert math.isclose(response(found)[0], slope, rel_tol=1e-3)


@pytest.mark.parametrize("name", ["softplus", "relu_squared", "cube"])
def test_what_has_no_scale_is_refused(name: str, refused: Callable[..., Any]) -> None:
    with refused("critical_kernel", "activation", "does not settle"):
        critical_kernel(name)


def test_a_refusal_says_what_makes_a_scale(refused: Callable[..., Any]) -> None:
    with refused("critical_kernel", "activation", r"sigma_b=0\.469"):
        critical_kernel("gelu", sigma_b=0.0)
    with refused("critical_kernel", "activation", "centred=True"):
        critical_kernel("softplus", sigma_b=0.5)
    with refused("critical_kernel", "sigma_b"):
        critical_kernel("softplus", sigma_b=0.5, centred=True)


@pytest.mark.parametrize(("shape", "fan_in"), [((128, 64), 128), ((3, 3, 32, 64), 288)])
def test_fan_in_is_read_off_the_shape(shape: tuple[int, ...], fan_in: int, key: jax.Array) -> None:
    kernel = critical_kernel("gelu")
    drawn = kernel(key, shape, jnp.float32)
    assert math.isclose(float(drawn.std()), kernel.sigma_w / fan_in**0.5, rel_tol=SAMPLED)
    turned = critical_kernel("gelu", in_axis=1, out_axis=0)(key, (64, 128))
    assert math.isclose(float(turned.std()), kernel.sigma_w / 128**0.5, rel_tol=SAMPLED)
    assert kernel(key, shape, jnp.bfloat16).dtype == jnp.bfloat16


@pytest.mark.parametrize("shape", [(64, 64), (64, 16), (3, 3, 32, 32)])
def test_orthogonal_kernels(shape: tuple[int, ...], key: jax.Array) -> None:
    kernel = critical_kernel("tanh", weights="orthogonal")
    drawn = kernel(key, shape)
    flat = drawn.reshape(-1, shape[-1])
    assert np.allclose(np.linalg.svd(flat)[1], kernel.sigma_w, rtol=1e-5)


def test_centred_weights_sum_to_zero(key: jax.Array) -> None:
    kernel = critical_kernel("softplus", centred=True)
    drawn = kernel(key, (3, 3, 16, 64))
    assert np.allclose(drawn.sum(axis=(0, 1, 2)), 0, atol=1e-5)
    assert math.isclose(float(drawn.std()), kernel.sigma_w / 144**0.5, rel_tol=SAMPLED)


def test_libraries_take_them(key: jax.Array) -> None:
    kernel, x = critical_kernel("gelu"), jnp.ones((2, 128))
    scale = kernel.sigma_w / 128**0.5
    dense = nnx.Linear(128, 128, kernel_init=kernel, bias_init=kernel.bias, rngs=nnx.Rngs(0))
    linen = nn.Dense(128, kernel_init=kernel, bias_init=kernel.bias).init(key, x)["params"]
    linear = hk.transform(lambda x: hk.Linear(128, w_init=kernel, b_init=kernel.bias)(x)).init(key, x)["linear"]
    turned = critical_kernel("gelu", in_axis=1, out_axis=0)
    equinox = eqx.nn.Linear(128, 128, key=key)
    equinox = eqx.tree_at(lambda layer: layer.weight, equinox, turned(key, equinox.weight.shape))
    for drawn in (dense.kernel[...], linen["kernel"], linear["w"], equinox.weight):
        assert math.isclose(float(drawn.std()), scale, rel_tol=SAMPLED)
    for drawn in (dense.bias[...], linen["bias"], linear["b"]):
        assert math.isclose(float(drawn.std()), kernel.sigma_b, rel_tol=0.25)


def test_a_call_without_a_key_is_refused(refused: Callable[..., Any], key: jax.Array) -> None:
    kernel = critical_kernel("gelu")
    with refused("critical_kernel", "key", "Haiku and Keras"):
        kernel((3, 4))
    with refused("critical_kernel", "shape"):
        kernel(key, (3,))


def test_dropout_shrinks_the_scale(refused: Callable[..., Any]) -> None:
    for name in ("relu", "gelu"):
        plain, dropped = critical_kernel(name), critical_kernel(name, dropout=0.2)
        assert (dropped.sigma_b, dropped.q_star) == (plain.sigma_b, plain.q_star)
        net = Dense(name, dropped.sigma_w, dropped.sigma_b, dropout=0.2)
        assert abs(float(theory.chi_1(net)) - 1) < 1e-9
    with refused("critical_kernel", "dropout"):
        critical_kernel("softplus", centred=True, dropout=0.2)
    with refused("critical_kernel", "dropout"):
        critical_kernel("relu", dropout=1.0)
