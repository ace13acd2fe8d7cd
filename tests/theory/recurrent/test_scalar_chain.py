"""One unit: exact gradients along a scalar recurrence, and products of random weights."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import reference, surface
from tests.tolerances import ASYMPTOTIC, CHAIN_MEAN, CHAIN_STD, EXACT, MEAN_CHAIN, SINGLE, STEP
from vgtheory import theory


@mp.workdps(40)
def scalar_steps(w: float, name: str, h: float, steps: int) -> np.ndarray:
    phi, dphi, state, total, rows = reference.PHI[name], reference.DPHI[name], mp.mpf(h), mp.mpf(0), []
    for _ in range(steps):
        total += mp.log(abs(w * dphi(state)))
        state = w * phi(state)
        rows.append(float(total))
    return np.array(rows)


@pytest.mark.parametrize(
    ("w", "name", "h"),
    [(2.0, "tanh", 0.3), (-2.0, "tanh", 0.3), (1.0, "tanh", 1.0), (0.9, "sigmoid", 0.4), (1.5, "gelu", 2.0)],
)
def test_scalar_steps_lose_a_rounding_per_step(w: float, name: str, h: float) -> None:
    got, expected = theory.recurrent.log_scalar_steps(w, name, h, steps=500), scalar_steps(w, name, h, 500)
    assert np.all(np.abs(got - expected) <= STEP * np.maximum(np.arange(1, 501), np.abs(expected)))


def test_linear_steps_neither_underflow_nor_overflow() -> None:
    for w in (1e-3, -5.0):
        logs = theory.recurrent.log_scalar_steps(w, "linear", 1e-300, steps=500)
        np.testing.assert_allclose(logs, np.log(abs(w)) * np.arange(1, 501), rtol=EXACT)


def test_critical_tanh_decays_as_a_power_of_three_halves() -> None:
    logs = theory.recurrent.log_scalar_steps(1.0, "tanh", 1.0, steps=64_000)
    assert (logs[63_999] - logs[15_999]) / np.log(4) == pytest.approx(-1.5, rel=ASYMPTOTIC)


@pytest.mark.parametrize("ratio", [0.0, 0.1, 1.0, -5.0, 15.9, 16.1, 1000.0, 1e4])
def test_scalar_chain_is_as_accurate_as_stated(ratio: float) -> None:
    law = theory.recurrent.log_scalar_chain(3 * ratio, 3.0, 1)
    mean, std = reference.log_abs_normal(abs(ratio))
    assert abs(law.mean - float(mean + mp.log(3))) < CHAIN_MEAN
    assert law.std == pytest.approx(float(std), rel=CHAIN_STD)


@given(mean=st.floats(-3, 3), std=st.floats(0.01, 3), factor=st.floats(0.1, 10), depth=st.integers(1, 1000))
def test_chains_add_and_scale(mean: float, std: float, factor: float, depth: int) -> None:
    one, many = theory.recurrent.log_scalar_chain(mean, std, 1), theory.recurrent.log_scalar_chain(mean, std, depth)
    np.testing.assert_allclose(many, [depth * one.mean, depth**0.5 * one.std], rtol=EXACT, atol=EXACT)
    scaled = theory.recurrent.log_scalar_chain(factor * mean, factor * std, 1)
    np.testing.assert_allclose(scaled, [one.mean + np.log(factor), one.std], rtol=EXACT, atol=EXACT)
    assert theory.recurrent.log_mean_scalar_chain(mean, std, depth) >= many.mean - depth * EXACT


def test_a_certain_chain_is_a_power() -> None:
    assert theory.recurrent.log_scalar_chain(-0.5, 0.0, 10) == (10 * np.log(0.5), 0.0)
    assert theory.recurrent.log_scalar_chain(0.0, 0.0, 10).mean == -np.inf
    assert theory.recurrent.log_mean_scalar_chain(-0.5, 0.0, 10) == 10 * np.log(0.5)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (1.0, 0.2), (-1.0, 0.25), (0.7, 0.9), (5.0, 1.0), (40.0, 1.0)])
def test_mean_chain_is_as_accurate_as_stated(mean: float, std: float) -> None:
    with mp.workdps(40):
        m, s = mp.mpf(mean), mp.mpf(std)
        size = s * mp.sqrt(2 / mp.pi) * mp.exp(-((m / s) ** 2) / 2) + m * mp.erf(m / s / mp.sqrt(2))
        error = abs(theory.recurrent.log_mean_scalar_chain(mean, std, 1) - mp.log(size))
        assert error <= MEAN_CHAIN * max(1, abs(mp.log(size)))


def test_precision_follows_the_argument() -> None:
    traced = jax.jit(lambda w: theory.recurrent.log_scalar_steps(w, "tanh", 0.3, steps=20))(jnp.float32(2.0))
    plain = theory.recurrent.log_scalar_steps(2.0, "tanh", 0.3, steps=20)
    assert (traced.dtype, plain.dtype) == (jnp.float32, np.float64)
    np.testing.assert_allclose(traced, plain, rtol=20 * SINGLE)
    slope = jax.vmap(jax.grad(lambda w: theory.recurrent.log_scalar_steps(w, "linear", 0.3, steps=20)[-1]))(
        jnp.array([0.5, 2.0])
    )
    np.testing.assert_allclose(slope, [40, 10], rtol=SINGLE)


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    for steps in (0, 2.5):
        with refused("log_scalar_steps", "steps"):
            theory.recurrent.log_scalar_steps(1.0, "tanh", 1.0, steps=steps)
    with refused("log_scalar_steps", "activation", remedy=r"Did you mean 'tanh'\?$"):
        theory.recurrent.log_scalar_steps(1.0, "thanh", 1.0, steps=1)
    for where in ("log_scalar_chain", "log_mean_scalar_chain"):
        chain = surface.public(theory)[where]
        for std in (-1.0, np.nan, np.inf):
            with refused(where, "std"):
                chain(1.0, std, 3)
        with refused(where, "mean"):
            chain(np.nan, 1.0, 3)
        with refused(where, "depth"):
            chain(1.0, 1.0, 0)
