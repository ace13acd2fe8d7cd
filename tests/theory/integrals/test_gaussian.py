"""The one integrator against 30-digit quadrature and closed forms."""

import csv
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from tests import reference
from tests.tolerances import EXACT, MEAN, PAIR, REFERENCE
from vgtheory import ACTIVATIONS
from vgtheory.theory.integrals import gaussian, rules
from vgtheory.theory.integrals import moments_2d as routes
from vgtheory.theory.precision import in_float64

QS = (1e-12, 1e-6, 1e-2, 1.0, 3.0, 10.0, 100.0, 1e4, 1e8, 1e12)
PAIRS = Path(__file__).parents[2] / "data" / "pairs.csv"


def moments(name: str, qs: tuple[float, ...]) -> rules.Moments:
    return in_float64(jax.jit(jax.vmap(lambda q: rules.moments(q, ACTIVATIONS[name]))))(np.array(qs))


def worst(got: np.ndarray, expected: Sequence, size: Sequence) -> float:
    """Largest error relative to ``size``."""
    return float(max(abs((float(a) - b) / c) for a, b, c in zip(got, expected, size, strict=True)))


@pytest.mark.parametrize("name", reference.CLOSED)
@mp.workdps(30)
def test_reference_quadrature_meets_the_closed_forms(name: str) -> None:
    for q in (1e-2, 3.0, 100.0):
        for slope in (False, True):
            assert abs(reference.quadrature(name, q, slope) / reference.mean_square(name, q, slope) - 1) < REFERENCE


def test_every_activation_has_its_reference() -> None:
    assert set(ACTIVATIONS) == set(reference.PHI) == set(reference.DPHI)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_mean_squares_are_as_accurate_as_stated(name: str) -> None:
    got = moments(name, QS)
    for values, slope in ((got.f, False), (got.g, True)):
        expected = [reference.mean_square(name, q, slope) for q in QS]
        assert worst(values, expected, expected) < MEAN


def pairs(name: str) -> dict[str, np.ndarray]:
    """Reference values of E[phi phi] and E[phi' phi'] of one activation, a column each."""
    with PAIRS.open() as file:
        rows = [row for row in csv.DictReader(file) if row["name"] == name]
    return {field: np.array([float(row[field]) for row in rows]) for field in ("q", "c", "slope", "value")}


QUICK = ("tanh", "relu", "gelu", "sin", "hard_swish", "sigmoid")
"""One of each kind: smooth, kinked, with a basin of its own, periodic, with two kinks, with a mean."""


def marked(name: str) -> object:
    return pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)


@pytest.mark.parametrize("name", [marked(name) for name in ACTIVATIONS])
def test_pairs_are_as_accurate_as_stated(name: str) -> None:
    entry, truth = ACTIVATIONS[name], pairs(name)
    q, c, slope = truth["q"], truth["c"], truth["slope"] == 1

    def four() -> jnp.ndarray:
        log_share = jnp.log1p(-jnp.abs(jnp.asarray(c))) / 2
        return routes.reader(jnp.zeros(1), entry)(jnp.log(jnp.asarray(q)), log_share)

    split, turn, cross, fold = in_float64(four)().T
    squares = {each: [float(reference.mean_square(name, each, by)) for by in (False, True)] for each in np.unique(q)}
    f, g = np.array([squares[each] for each in q]).T
    lengths = np.where(c >= 0, f - q * (1 - np.abs(c)) * g * split, f * cross)
    got = np.where(slope, g * np.where(c >= 0, turn, fold), lengths)
    size = np.where(slope, g, f)
    assert np.max(np.abs(got - truth["value"]) / size) < PAIR


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
