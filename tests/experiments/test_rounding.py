"""Rounded networks: float32's bits give autodiff's gradients, and rounding takes from normal numbers what the law says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import rounding
from vgtheory import Dense

DEPTH, WIDTH = 4, 6


@pytest.mark.slow
def test_with_all_bits_the_gradients_are_those_of_autodiff() -> None:
    """The same draws, and one vector--Jacobian product through all layers."""
    net, key = Dense("tanh", 1.3, 0.2), jax.random.key(1)
    layers = jax.random.split(jax.random.fold_in(key, 0), DEPTH)
    weights = [1.3 / WIDTH**0.5 * jax.random.normal(each, (WIDTH, WIDTH)) for each in layers]
    biases = [0.2 * jax.random.normal(jax.random.fold_in(each, 1), (WIDTH,)) for each in layers]
    x, top = (jax.random.normal(jax.random.fold_in(key, place), (WIDTH,)) for place in (1, 2))
    unit = lambda each: each / jnp.sqrt(jnp.mean(each**2))

    def above(h: jax.Array, layer: int) -> jax.Array:
        for weight, bias in zip(weights[layer:], biases[layer:], strict=True):
            h = weight @ jnp.tanh(h) + bias
        return h

    h, expected = weights[0] @ unit(x) + biases[0], []
    for layer in range(1, DEPTH + 1):
        (grad,) = jax.vjp(lambda each, layer=layer: above(each, layer), h)[1](unit(top))
        expected.append(float(jnp.log(jnp.sqrt(jnp.mean(grad**2)))))
        h = above(h, layer) if layer == DEPTH else weights[layer] @ jnp.tanh(h) + biases[layer]
    found = rounding.log_grads(key, net, DEPTH, WIDTH)
    np.testing.assert_allclose(found[list(rounding.BITS).index("float32")], expected, atol=2e-6)


@pytest.mark.parametrize("bits", [2, 3])
def test_rounding_takes_energy(bits: int) -> None:
    """A quarter of a million normal numbers, rounded by NumPy."""
    numbers = np.random.default_rng(2).normal(size=250_000)
    ulp = 2.0 ** (np.floor(np.log2(np.abs(numbers))) - bits)
    change = (np.round(numbers / ulp) * ulp) ** 2 - numbers**2
    err = change.std() / change.size**0.5
    assert abs(change.mean() - rounding.added(1.0, bits)) < 4 * err
    assert change.mean() < 0
