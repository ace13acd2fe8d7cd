"""A mean with its uncertainty is a pair that unpacks, and in arithmetic a number, not a tuple."""

import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vgtheory import Estimate, Law

PAIRS = (Estimate, Law)
TWOS = (2, 2.0, np.int64(2), np.float64(2), np.float32(2), np.array(2.0), jnp.asarray(2.0))


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("two", TWOS, ids=lambda two: type(two).__name__)
def test_law_arithmetic_scales_both_and_shifts_the_mean(kind: type, two: Any) -> None:
    pair = kind(3.0, 1.0)
    for got, expected in (
        (pair * two, (6, 2)),
        (two * pair, (6, 2)),
        (pair * -two, (-6, 2)),
        (pair / two, (1.5, 0.5)),
        (pair + two, (5, 1)),
        (two + pair, (5, 1)),
        (pair - two, (1, 1)),
        (two - pair, (-1, 1)),
        (-pair, (-3, 1)),
    ):
        assert type(got) is kind
        assert tuple(map(float, got)) == expected


@pytest.mark.parametrize("kind", PAIRS)
def test_law_arithmetic_with_arrays_keeps_both_fields_of_one_shape(kind: type) -> None:
    depths = np.array([1.0, -2.0])
    for got, mean, std in (
        (kind(3.0, 1.0) * depths, [3, -6], [1, 2]),
        (depths * kind(np.ones(2), np.ones(2)), [1, -2], [1, 2]),
        (depths + kind(3.0, 1.0), [4, 1], [1, 1]),
        (kind(3.0, 1.0) - depths, [2, 5], [1, 1]),
        (jax.jit(lambda pair: pair + jnp.asarray(depths))(kind(3.0, 1.0)), [4, 1], [1, 1]),
    ):
        assert type(got) is kind
        assert np.asarray(got[0]).tolist() == mean
        assert np.asarray(got[1]).tolist() == std


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("join", [operator.add, operator.sub, operator.mul, operator.truediv])
def test_law_arithmetic_refuses_what_is_no_known_number(
    refused: Callable[..., Any], kind: type, join: Callable[[Any, Any], Any]
) -> None:
    pair = kind(1.0, 2.0)
    with refused(kind.__name__, "other", "vary together"):
        join(pair, pair)
    for other in ((1.0, 2.0), "2", None, True, [1.0]):
        with refused(kind.__name__, "other"):
            join(pair, other)
    with refused(kind.__name__, "other"):
        sum([pair, pair])


@pytest.mark.parametrize("kind", PAIRS)
def test_a_law_is_still_a_pair(kind: type) -> None:
    middle, spread = kind(1.0, 2.0)
    assert (middle, spread) == (1.0, 2.0) == kind(1.0, 2.0)
    assert jax.tree.map(lambda leaf: 2 * leaf, kind(1.0, 2.0)) == kind(2.0, 4.0)
    np.testing.assert_array_equal(np.asarray(kind(1.0, 2.0)), [1.0, 2.0])
