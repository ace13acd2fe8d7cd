"""Compiled passes: plain sums of squares where float32 holds them, other multiples where it does not; and bfloat16."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.tolerances import BRAIN_FLOAT, SINGLE
from vgtheory.diagnose import diagnose
from vgtheory.diagnose.passes.runner import Runner

WIDTH, BATCH = 16, 8


def layers(key: jax.Array, depth: int, scale: float = 1.0) -> list[jax.Array]:
    keys = jax.random.split(key, depth)
    return [scale * jax.random.normal(each, (WIDTH, WIDTH)) / WIDTH**0.5 for each in keys]


def tower(params: list[jax.Array], x: jax.Array) -> Any:
    for each in params:
        x = jnp.tanh(x @ each)
    return jnp.sum(x.astype(jnp.float32) ** 2)


def log_norms(params: list[jax.Array], x: jax.Array) -> np.ndarray:
    """By plain autodiff, in the parameters' own format."""
    grads = jax.grad(tower)(params, x)
    return np.log([np.linalg.norm(np.asarray(each, np.float64)) for each in grads])


@pytest.fixture
def multiples(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Multiples with which passes ran."""
    found, call = list[float](), Runner.__call__

    def run(self: Runner, leaves: list, arrays: list, multiple: float = 1.0) -> list[Any]:
        found.append(multiple)
        return call(self, leaves, arrays, multiple)

    monkeypatch.setattr(Runner, "__call__", run)
    return found


@pytest.mark.parametrize(("scale", "count"), [(1.0, 1), (1e-12, 3)])
def test_sums_that_float32_cannot_hold_are_of_three_multiples(
    scale: float, count: int, key: jax.Array, multiples: list[float]
) -> None:
    """The second network's signal falls to 1e-36 of the input, and its square to nothing; one program serves all."""
    params, x = layers(key, 3), jax.random.normal(key, (BATCH, WIDTH))
    found = diagnose([scale * each for each in params], tower, x)
    assert len(multiples) == count
    assert found._runs.compiled._run._cache_size() == 1
    if count > 1:  # tanh is the identity there: every layer's gradient is that of a product
        product = np.linalg.multi_dot([np.asarray(each, np.float64) for each in params])
        out = np.asarray(x, np.float64) @ product
        last = np.log(np.linalg.norm(2 * (out @ np.asarray(params[2], np.float64).T))) + 4 * np.log(scale)
        assert abs(found.rows[1].log_grad - last) < SINGLE * abs(last)
    else:
        assert np.allclose(list(found.weights.values()), log_norms(params, x), rtol=0, atol=SINGLE)


def test_a_kernel_of_zeros_is_known_to_be_one(key: jax.Array, multiples: list[float]) -> None:
    params = layers(key, 2)
    branch = lambda params, x: jnp.sum((x @ params[0] + jnp.tanh(x @ params[1]) @ params[2]) ** 2)
    found = diagnose([*params, jnp.zeros((WIDTH, WIDTH))], branch, jax.random.normal(key, (BATCH, WIDTH)))
    assert multiples == [1.0]
    assert found.weights["1"] == -np.inf
    assert np.isfinite(found.weights["2"])


def rms_norm(x: jax.Array) -> jax.Array:
    return x / jnp.sqrt(jnp.mean(x**2, axis=-1, keepdims=True))


@jax.custom_vjp
def closed_norm(x: jax.Array) -> jax.Array:
    """A norm whose own two gradients are added before anything else is added to them."""
    return rms_norm(x)


closed_norm.defvjp(lambda x: jax.vjp(rms_norm, x), lambda pull, above: pull(above))


def residual(params: list[jax.Array], x: jax.Array, norm: Any = rms_norm) -> Any:
    x = x @ params[0]
    for each in params[1:]:
        x = x + norm(x) @ each
    return jnp.sum(x.astype(jnp.float32) ** 2)


def test_in_bfloat16_gradients_that_meet_are_added_in_another_order(key: jax.Array) -> None:
    """Those through a layer first: where JAX does so too, the norms are its norms; else they differ by that format's rounding."""
    params = [each.astype(jnp.bfloat16) for each in layers(key, 4)]
    x = jax.random.normal(key, (BATCH, WIDTH), jnp.bfloat16)
    runs = diagnose(params, residual, x)._runs
    with jax.disable_jit():
        seen = runs.compiled.seen(runs.leaves, runs.arrays).leaves
        plain, closed = (jax.grad(residual)(params, x, norm) for norm in (rms_norm, closed_norm))
    gap = lambda grads: np.abs(seen - np.log([np.linalg.norm(np.asarray(each, np.float64)) for each in grads]))
    assert gap(closed).max() < SINGLE
    assert SINGLE < gap(plain).max() < BRAIN_FLOAT


def test_in_bfloat16_exponents_round_nothing(key: jax.Array) -> None:
    """Op by op, so that XLA leaves out no rounding, in a chain, where no gradients are added in another order."""
    params = [each.astype(jnp.bfloat16) for each in layers(key, 4)]
    x = jax.random.normal(key, (BATCH, WIDTH), jnp.bfloat16)
    runs = diagnose(params, tower, x)._runs
    with jax.disable_jit():
        seen, true = runs.compiled.seen(runs.leaves, runs.arrays), log_norms(params, x)
    assert np.allclose(seen.leaves, true, rtol=0, atol=SINGLE)
