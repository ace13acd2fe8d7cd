"""The cotangent tap: forward it is nothing, backward it keeps the size of what flows through it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.tolerances import EQUAL_FLOAT32
from vgtheory import measure
from vgtheory.measure.engine import taps


def test_forward_is_the_identity() -> None:
    x = jnp.arange(4.0)
    assert (measure.tap(x, jnp.float32(0)) == x).all()


@pytest.mark.parametrize("size", [2e-38, 1e-20, 1.0, 1e20, 3e38])
def test_log_norm_neither_underflows_nor_overflows(size: float) -> None:
    log, unit = measure.log_norm(jnp.full(4, size, jnp.float32))
    assert float(log) == pytest.approx(np.log(2 * np.float64(np.float32(size))), rel=EQUAL_FLOAT32)
    assert jnp.allclose(unit, 0.5)


def test_log_norm_of_nothing_and_of_nan() -> None:
    log, unit = measure.log_norm(jnp.zeros(3))
    assert jnp.isneginf(log)
    assert (unit == 0).all()
    assert jnp.isnan(measure.log_norm(jnp.array([1.0, jnp.nan]))[0])


@pytest.mark.parametrize("power", [-125, -83, 1, 66, 124])
def test_a_length_scales_exactly_with_powers_of_two(key: jax.Array, power: int) -> None:
    values = jax.random.uniform(key, (16,), minval=1.0, maxval=2.0) * jnp.where(jnp.arange(16) % 2, 1.0, -1.0)
    measured = jax.jit(taps.length_of)
    (plain, direction), (length, unit) = measured(values), measured(values * np.float32(2.0**power))
    assert float(plain) == pytest.approx(float(jnp.sqrt(jnp.sum(values**2))), rel=EQUAL_FLOAT32)
    assert float(length) == float(plain) * 2.0**power
    np.testing.assert_array_equal(unit, direction)


def test_a_length_of_nothing_of_nan_and_of_infinity() -> None:
    assert [float(one.sum()) for one in taps.length_of(jnp.zeros(3))] == [0.0, 0.0]
    assert all(jnp.isnan(one).all() for one in taps.length_of(jnp.array([1.0, jnp.nan])))
    assert jnp.isposinf(taps.length_of(jnp.array([1.0, jnp.inf]))[0])


def test_a_length_in_float64() -> None:
    with jax.enable_x64(True):
        length, unit = taps.length_of(jnp.full(4, 1e-200))
        assert (float(length), float(unit[0])) == (2e-200, 0.5)


def test_slots_sum_to_the_gradient_of_any_chain(key: jax.Array) -> None:
    matrices = jax.random.normal(key, (5, 3, 3))

    def plain(x: jax.Array) -> jax.Array:
        for matrix in matrices:
            x = jnp.sin(matrix @ x)
        return x.sum()

    def tapped(slots: jax.Array, x: jax.Array) -> jax.Array:
        for matrix, slot in zip(matrices, slots, strict=True):
            x = jnp.sin(matrix @ measure.tap(x, slot))
        return x.sum()

    x = jnp.ones(3)
    increments = jax.jit(jax.grad(tapped))(jnp.zeros(5), x)
    expected = jnp.log(jnp.linalg.norm(jax.jit(jax.grad(plain))(x)))
    assert float(increments.sum()) == pytest.approx(float(expected), rel=EQUAL_FLOAT32)
    assert increments.shape == (5,)


def test_taps_work_in_half_precision_and_under_vmap() -> None:
    def loss(slots: jax.Array, x: jax.Array) -> jax.Array:
        for slot in slots:
            x = x * jnp.asarray(1e-3, x.dtype)
            x = measure.tap(x, slot)
        return x.sum().astype(jnp.float32)

    starts = jnp.ones((2, 4), jnp.float16)
    increments = jax.jit(jax.vmap(jax.grad(loss), in_axes=(None, 0)))(jnp.zeros(9), starts)
    decades = increments.sum(axis=1) / jnp.log(10.0)
    assert np.asarray(decades) == pytest.approx(8 * np.log10(np.float64(np.float16(1e-3))) + np.log10(2), rel=1e-3)
