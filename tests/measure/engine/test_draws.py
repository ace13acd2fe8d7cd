"""The normal numbers: JAX's own bits, the normal law, no stream shared, one number whatever the format, shape or order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from tests.tolerances import POWER
from vgtheory.measure.engine import draws


def test_bits_are_those_of_jax(key: jax.Array) -> None:
    index = jnp.arange(1000, dtype=jnp.uint32)
    ours = draws.threefry(jax.random.key_data(key), jnp.zeros_like(index), index)
    assert np.array_equal(ours[0] ^ ours[1], jax.random.bits(key, (1000,), jnp.uint32))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_are_normal(key: jax.Array, dtype: str) -> None:
    with jax.enable_x64(dtype == "float64"):
        z = np.asarray(draws.normal(draws.words_of(key), draws.WEIGHTS, 3, (10**6,), dtype), dtype=float)
    assert stats.kstest(z, "norm").pvalue > POWER
    for power, moment in ((1, 0), (2, 1), (4, 3), (6, 15)):
        sample = z**power
        assert abs(sample.mean() - moment) < 5 * sample.std() / 10**3
    far = (np.abs(z) > 4).sum()
    assert stats.binomtest(int(far), z.size, 2 * stats.norm.sf(4)).pvalue > POWER


def test_neighbours_streams_and_layers_are_independent(key: jax.Array) -> None:
    """Correlations of numbers, and of their squares, one index, one layer, one role and one key apart."""
    words, other = (draws.words_of(jax.random.fold_in(key, index)) for index in (0, 1))
    count = 200_000
    z = draws.normal(words, draws.WEIGHTS, 1, (count,))
    beside = (
        jnp.roll(z, 1),
        draws.normal(words, draws.WEIGHTS, 2, (count,)),
        draws.normal(words, draws.UNITS, 1, (count,)),
        draws.normal(other, draws.WEIGHTS, 1, (count,)),
    )
    for neighbour in beside:
        for first, second in ((z, neighbour), (z**2, neighbour**2), (z, neighbour**2)):
            correlation = np.corrcoef(np.asarray(first, float), np.asarray(second, float))[0, 1]
            assert abs(correlation) < 5 / count**0.5


def test_a_number_does_not_depend_on_format_shape_or_order(key: jax.Array) -> None:
    words = draws.words_of(key)
    square = draws.normal(words, draws.WEIGHTS, 7, (40, 50))
    assert np.array_equal(square.reshape(-1)[:300], draws.normal(words, draws.WEIGHTS, 7, (300,)))
    batch = jax.vmap(lambda layer: draws.normal(words, draws.WEIGHTS, layer, (40, 50)))(jnp.array([9, 7]))
    assert np.array_equal(batch[1], square)
    with jax.enable_x64(True):
        fine = np.asarray(draws.normal(words, draws.WEIGHTS, 7, (40, 50), jnp.float64))
    assert np.sqrt(np.mean((fine - np.asarray(square)) ** 2)) < 10 * np.finfo(np.float32).eps
