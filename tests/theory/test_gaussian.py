"""The one integrator against 30-digit quadrature and closed forms."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from tests import reference
from tests.tolerances import EXACT, MEAN, REFERENCE
from vgtheory import ACTIVATIONS
from vgtheory.theory import gaussian
from vgtheory.theory.precision import in_float64

QS = (1e-12, 1e-6, 1e-2, 1.0, 3.0, 10.0, 100.0, 1e4, 1e8)
REACH = {"sin": 100.0}
"""Largest q of the stated range, where it is not 1e8."""


def moments(name: str, qs: tuple[float, ...]) -> gaussian.Moments:
    return in_float64(jax.jit(jax.vmap(lambda q: gaussian.moments(q, ACTIVATIONS[name]))))(np.array(qs))


def mean_squares(name: str, qs: tuple[float, ...]) -> np.ndarray:
    """E[phi^2] and E[phi'^2], a row for each q."""
    entry = ACTIVATIONS[name]
    both = lambda h: jnp.stack([entry.phi(h) ** 2, entry.dphi(h) ** 2])
    one = lambda q: gaussian.mean(lambda z: both(jnp.sqrt(q) * z), q, entry.kinks)
    return in_float64(jax.jit(jax.vmap(one)))(np.array(qs))


def worst(got: np.ndarray, expected: Sequence, size: Sequence) -> float:
    """Largest error relative to ``size``."""
    return float(max(abs((float(a) - b) / c) for a, b, c in zip(got, expected, size, strict=True)))


@pytest.mark.parametrize("name", reference.CLOSED)
def test_reference_quadrature_meets_the_closed_forms(name: str) -> None:
    for q in (1e-2, 3.0, 100.0):
        for slope in (False, True):
            assert abs(reference.quadrature(name, q, slope) / reference.mean_square(name, q, slope) - 1) < REFERENCE


def test_every_activation_has_its_reference() -> None:
    assert set(ACTIVATIONS) == set(reference.PHI) == set(reference.DPHI)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_mean_squares_are_as_accurate_as_stated(name: str) -> None:
    qs = tuple(q for q in QS if q <= REACH.get(name, np.inf))
    for values, slope in zip(mean_squares(name, qs).T, (False, True), strict=True):
        expected = [reference.mean_square(name, q, slope) for q in qs]
        assert worst(values, expected, expected) < MEAN


@pytest.mark.parametrize("name", ["tanh", "gelu", "hard_tanh", "sin"])
def test_higher_moments_are_as_accurate_as_stated(name: str) -> None:
    qs = (1e-2, 3.0, 50.0)
    got, truth = moments(name, qs), [reference.moments(name, q) for q in qs]
    for field in truth[0]:
        expected, size = zip(*(each[field] for each in truth), strict=True)
        assert worst(getattr(got, field), expected, size) < MEAN


def test_even_powers_are_double_factorials() -> None:
    powers = [2, 4, 6, 8]
    stacked = lambda z: jnp.stack([z**power for power in powers])
    values = in_float64(lambda q: gaussian.mean(stacked, jnp.asarray(q)))(1.0)
    np.testing.assert_allclose(values, [float(mp.fac2(power - 1)) for power in powers], rtol=EXACT)


def test_exponential_is_its_closed_form_at_any_scale() -> None:
    rates = np.array([0.01, 0.5, 1.0, 2.0])
    values = in_float64(jax.vmap(lambda rate: gaussian.mean(lambda z: jnp.exp(rate * z), rate**2)))(rates)
    np.testing.assert_allclose(values, np.exp(rates**2 / 2), rtol=EXACT)
