"""Number formats and the depths at which they give out, exactly."""

from fractions import Fraction

import jax.numpy as jnp
import ml_dtypes
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgtheory import Dense, FixedRecurrent, theory
from vgtheory.formats import FORMATS
from vgtheory.theory.layers.formats import _edges, format_range

BITS = {
    "float8_e4m3fn": (3, -6, 8),
    "float8_e5m2": (2, -14, 15),
    "float16": (10, -14, 15),
    "bfloat16": (7, -126, 127),
    "float32": (23, -126, 127),
    "float64": (52, -1022, 1023),
}
"""Bits after the point, smallest and largest exponent, from IEEE 754 (and the definitions of bfloat16 and float8)."""


@pytest.mark.parametrize("dtype", BITS)
def test_format_range_is_that_of_its_bits(dtype: str) -> None:
    bits, low, high = BITS[dtype]
    two = Fraction(2)
    unused = two ** (high - bits) if dtype == "float8_e4m3fn" else 0  # its last place is NaN's
    assert format_range(dtype) == (two ** (low - bits), two**low, two**high * (2 - two**-bits) - unused)
    info = ml_dtypes.finfo(FORMATS[dtype])
    assert format_range(dtype) == tuple(float(each) for each in (info.smallest_subnormal, info.tiny, info.max))


@pytest.mark.parametrize("dtype", BITS)
def test_powers_of_two_leave_where_the_exponent_does(dtype: str) -> None:
    bits, low, high = BITS[dtype]
    assert theory.depth_limit(0.5, dtype) == (1 - low, 1 - low + bits, None)
    assert theory.depth_limit(2.0, dtype) == (None, None, high + 1)
    assert theory.depth_limit(1.0, dtype) == (None, None, None)
    assert theory.depth_limit(0.0, dtype) == (1, 1, None)


def cast(power: Fraction, dtype: str) -> float:
    """The power rounded once to the format, by NumPy (bfloat16 and float8: by ml_dtypes)."""
    try:
        exact = float(power)  # Python rounds a fraction to the nearest float64, a tie to the even one
    except OverflowError:
        return np.inf
    with np.errstate(over="ignore"):
        return float(np.asarray(exact).astype(FORMATS[dtype]))


def crossings(factor: float, dtype: str) -> list[tuple[int | None, bool, bool]]:
    """Every depth of ``depth_limit``, with whether a cast has left the format there, and in the layer before."""
    limit, exact = theory.depth_limit(factor, dtype), Fraction(factor)
    normal = float(format_range(dtype)[1])
    left = [lambda number: number < normal, lambda number: number == 0, lambda number: not np.isfinite(number)]
    return [
        (depth, bool(beyond(cast(exact**depth, dtype))), depth > 1 and bool(beyond(cast(exact ** (depth - 1), dtype))))
        for depth, beyond in zip(limit, left, strict=True)
        if depth is not None
    ]


@given(factor=st.floats(1e-9, 0.99) | st.floats(1.01, 1e9), dtype=st.sampled_from(sorted(FORMATS)))
def test_a_cast_power_leaves_at_that_depth_and_not_before(factor: float, dtype: str) -> None:
    limit = theory.depth_limit(factor, dtype)
    assert [depth is None for depth in limit] == [factor > 1, factor > 1, factor < 1]
    assert all((here, before) == (True, False) for _, here, before in crossings(factor, dtype))


@pytest.mark.parametrize(
    ("factor", "dtype", "zero"), [(0.9, "float16", 165), (0.98, "float32", 5147), (0.25, "float16", 13)]
)
def test_zero_is_the_depth_that_rounds_to_zero(factor: float, dtype: str, zero: int) -> None:
    assert theory.depth_limit(factor, dtype).zero == zero
    assert all((here, before) == (True, False) for _, here, before in crossings(factor, dtype))


@pytest.mark.parametrize("dtype", ["float8_e5m2", "float16", "bfloat16"])
def test_ties_go_to_the_even_neighbour(dtype: str) -> None:
    zero, normal, overflow = _edges(dtype)
    assert float(normal) == cast(normal, dtype) - float(zero)
    assert (cast(zero, dtype), cast(overflow, dtype)) == (0.0, np.inf)
    below = cast(zero * (1 + Fraction(1, 1000)), dtype), cast(overflow * (1 - Fraction(1, 10**6)), dtype)
    smallest, _, largest = map(float, format_range(dtype))
    assert below == (smallest, largest)
    assert theory.depth_limit(float(zero), dtype).zero == 1
    assert theory.depth_limit(float(normal), dtype).subnormal == 2
    assert theory.depth_limit(float(overflow), dtype).overflow == 1


def test_the_largest_number_of_e4m3_is_even_and_beyond_it_lies_no_infinity() -> None:
    assert (cast(Fraction(464), "float8_e4m3fn"), cast(Fraction(464) + Fraction(1, 100), "float8_e4m3fn")) == (
        448,
        pytest.approx(np.nan, nan_ok=True),
    )
    assert theory.depth_limit(464.0, "float8_e4m3fn").overflow == 2
    assert theory.depth_limit(464.01, "float8_e4m3fn").overflow == 1


@pytest.mark.parametrize("factor", [0.99999, 1 - 1e-12, 1 - 2**-53, 1 + 2**-52])
def test_factors_next_to_one_are_answered_at_once_and_exactly(factor: float) -> None:
    zero, _, overflow = _edges("float64")
    limit = theory.depth_limit(factor, "float64")
    with mp.workdps(80):
        bound = overflow if factor > 1 else zero
        crossing = mp.log(mp.mpf(bound.numerator) / bound.denominator) / mp.log(mp.mpf(factor))
        assert (limit.overflow or limit.zero) == int(mp.ceil(crossing))


def drawn_limits(sigma_w: float, width: int, depth: int, largest: float) -> np.ndarray:
    """Layers at which each pass of 400 linear networks first overflows; the last axis is forward, backward."""
    rng = np.random.default_rng(0)
    weights = rng.normal(0, sigma_w / width**0.5, (400, depth, width, width))
    x, g = rng.normal(size=(2, 400, width))
    x *= width**0.5 / np.linalg.norm(x, axis=1, keepdims=True)
    sizes = []
    for layer in range(depth):
        x = np.einsum("kij,kj->ki", weights[:, layer], x)
        g = np.einsum("kij,ki->kj", weights[:, -1 - layer], g)
        sizes.append([abs(x).max(axis=1), abs(g).max(axis=1)])
    return 1 + np.argmax(np.array(sizes) > largest, axis=0)


def test_pass_limit_is_the_median_of_drawn_networks() -> None:
    limit = theory.pass_limit(Dense("linear", sigma_w=8.0), "float16", depth=16, width=16)
    assert limit == tuple(np.median(drawn_limits(8.0, 16, 16, 65504.0), axis=1))


def test_a_wider_format_lasts_longer_and_flushing_shortens() -> None:
    net = Dense("linear", sigma_w=0.05)
    limits = [theory.pass_limit(net, dtype, depth=64, width=16) for dtype in ("float16", "bfloat16", "float32")]
    assert limits[0].forward < limits[1].forward < limits[2].forward
    assert limits[0].backward < limits[1].backward < limits[2].backward
    assert theory.pass_limit(net, "float16", depth=64, width=16, flush=True).forward < limits[0].forward


def test_a_critical_network_lasts() -> None:
    assert theory.pass_limit(Dense("linear", sigma_w=1.0), "float16", depth=64, width=16) == (None, None)


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    for factor in (-0.5, np.nan, np.inf, "0.5", jnp.ones(2)):
        with refused("depth_limit", "factor"):
            theory.depth_limit(factor, "float32")
    with refused("depth_limit", "dtype", remedy=r"Did you mean 'float32'\?$"):
        theory.depth_limit(0.5, "flot32")
    with refused("pass_limit", "dtype"):
        theory.pass_limit(Dense("tanh"), "double", depth=3, width=3)
    with refused("pass_limit", "depth"):
        theory.pass_limit(Dense("tanh"), "float16", depth=0, width=3)
    with refused("pass_limit", "width"):
        theory.pass_limit(Dense("tanh"), "float16", depth=3, width=2.5)
    with refused("pass_limit", "net"):
        theory.pass_limit(FixedRecurrent("tanh", matrix=np.eye(2)), "float16", depth=3, width=3)


def test_scales_by_layer_are_refused() -> None:
    with pytest.raises(ValueError, match="pass_limit: expected a net of like layers"):
        theory.pass_limit(Dense("tanh", (1.5, 1.2, 1.0)), "float16", depth=3, width=8)
