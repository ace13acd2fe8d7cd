"""Decays and sums in number formats: the exact law against loops of ml_dtypes and of XLA."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from vgtheory import measure, theory
from vgtheory.theory.linear.formats import rounded

KINDS: dict[str, Any] = {"bfloat16": ml_dtypes.bfloat16, "float16": np.float16, "float32": np.float32}
DECAYS = (0.0, 0.3, 0.9, 0.99, 0.995, 0.999, 0.9999)


def multiplied(decay: float, dtype: str, share: float) -> tuple[float, int | None, float]:
    """The loop itself; products of two such numbers are exact in float64."""
    kind = KINDS[dtype]
    held, product, lag = kind(decay), kind(1), 0
    while float(product) > share:
        after = kind(float(held) * float(product))
        if after == product:
            return float(held), None, float(product)
        product, lag = after, lag + 1
    return float(held), lag, float(product)


def added(decay: float, dtype: str, size: float) -> tuple[float, int | None, float]:
    kind = KINDS[dtype]
    held, x, state, step = kind(decay), float(kind(size)), kind(0), 0
    while True:
        with np.errstate(over="ignore"):
            after = kind(float(held) * float(state) + x)
        step += 1
        if not np.isfinite(float(after)):
            return float(held), step, float(state)
        if after == state:
            return float(held), None, float(state)
        state = after


@pytest.mark.parametrize("dtype", KINDS)
def test_numbers_are_rounded_as_the_formats_do(dtype: str) -> None:
    numbers = np.random.default_rng(0).normal(size=200) * 10.0 ** np.random.default_rng(1).integers(-9, 4, 200)
    for number in [*numbers, 1 + 2.0**-8, 1 + 3 * 2.0**-8, 2.0**-25, 3 * 2.0**-26, 0.0]:
        assert float(rounded(Fraction(float(number)), dtype)) == float(KINDS[dtype](number))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", pytest.param("float32", marks=pytest.mark.slow)])
def test_the_lag_at_which_a_format_forgets_is_exact(dtype: str) -> None:
    for decay in DECAYS:
        for share in (0.3678, 1e-3, 1e-7):
            assert tuple(theory.linear.decay_lag(decay, dtype, share)) == multiplied(decay, dtype, share)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_xla_forgets_at_the_same_lag(dtype: str) -> None:
    for decay in DECAYS:
        for kept in (None, "float32"):
            assert tuple(measure.linear.decay_lag(decay, dtype, decay_dtype=kept)) == tuple(
                theory.linear.decay_lag(decay, dtype, decay_dtype=kept)
            )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_step_at_which_a_state_overflows_is_exact(dtype: str) -> None:
    for decay in (0.5, 0.99, 0.9999, 1.0, 1.01):
        for size in (1.0, 33.3, 7000.0):
            law = theory.linear.overflow_step(decay, dtype, size)
            assert tuple(law) == added(decay, dtype, size)
            assert tuple(measure.linear.overflow_step(decay, dtype, size)) == tuple(law)


def test_memories_from_which_on_a_decay_is_one() -> None:
    for dtype, most in (("bfloat16", 512), ("float16", 4096), ("float32", 2**25)):
        assert theory.linear.decay_lag(1 - 0.99 / most, dtype).held == 1
        assert theory.linear.decay_lag(1 - 1.01 / most, dtype).held < 1
    assert theory.linear.overflow_step(1.0, "float32").last == 2**24


def test_questions_without_an_answer_are_refused(refused: Callable[..., Any]) -> None:
    with refused("decay_lag", "decay"):
        theory.linear.decay_lag(1.5, "bfloat16")
    with refused("overflow_step", "decay"):
        theory.linear.overflow_step(1.0000001, "float64", 1.0)
