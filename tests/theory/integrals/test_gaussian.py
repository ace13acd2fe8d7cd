"""The one integrator against 30-digit quadrature and closed forms."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from tests import reference
from tests.tolerances import EXACT, MEAN, PAIR, REFERENCE
from vgtheory import ACTIVATIONS, Activation
from vgtheory.theory.integrals import gaussian, rules
from vgtheory.theory.integrals import moments_2d as routes
from vgtheory.theory.integrals.moments_1d import curves, value_and_slope
from vgtheory.theory.precision import in_float64

QS = (1e-12, 1e-6, 1e-2, 1.0, 3.0, 10.0, 100.0, 1e4, 1e8, 1e12)
PAIRS = Path(__file__).parents[2] / "data" / "pairs.csv"


def moments(name: str, qs: tuple[float, ...]) -> rules.Moments:
    """Moments by NumPy, column by column."""
    return rules.Moments(*np.transpose([rules.moments(np.float64(q), ACTIVATIONS[name]) for q in qs]))


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


KINDS = ("tanh", "relu", "gelu", "sin", "hard_swish", "sigmoid")
"""One of each kind: smooth, kinked, with a basin of its own, periodic, with two kinks, with a mean."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in KINDS else pytest.mark.slow) for name in ACTIVATIONS]
)
def test_mean_squares_are_as_accurate_as_stated(name: str) -> None:
    got = moments(name, QS)
    for values, slope in ((got.f, False), (got.g, True)):
        expected = [reference.mean_square(name, q, slope) for q in QS]
        assert worst(values, expected, expected) < MEAN


def test_both_libraries_have_the_same_moments() -> None:
    found = in_float64(jax.jit(jax.vmap(lambda q: rules.moments(q, ACTIVATIONS["relu"]))))(np.array([1e-2, 1.0, 3.0]))
    for one, other in zip(moments("relu", (1e-2, 1.0, 3.0)), found, strict=True):
        np.testing.assert_allclose(one, other, rtol=EXACT, atol=EXACT)


def pairs(name: str) -> dict[str, np.ndarray]:
    """Reference values of E[phi phi] and E[phi' phi'] of one activation, a column each."""
    with PAIRS.open() as file:
        rows = [row for row in csv.DictReader(file) if row["name"] == name]
    return {field: np.array([float(row[field]) for row in rows]) for field in ("q", "c", "slope", "value")}


def integrated(log_q: np.ndarray, log_share: np.ndarray, entry: Activation) -> np.ndarray:
    return np.array([routes.integrated_pair(*each, entry) for each in zip(log_q, log_share, strict=True)])


def compiled(log_q: np.ndarray, log_share: np.ndarray, entry: Activation) -> np.ndarray:
    few = lambda: routes.reader(jnp.zeros(1), entry)(jnp.asarray(log_q), jnp.asarray(log_share))
    return np.asarray(in_float64(few)())


QUICK = {routes.pair: ACTIVATIONS, integrated: ("tanh",), compiled: ("relu",)}
"""What is shipped of all; what NumPy integrates of one that is smooth, and JAX of one with a kink."""


@pytest.mark.parametrize(
    ("route", "name"),
    [
        pytest.param(route, name, marks=() if name in quick else pytest.mark.slow, id=f"{route.__name__}-{name}")
        for route, quick in QUICK.items()
        for name, entry in ACTIVATIONS.items()
        if route is not integrated or entry.period is None
    ],
)
def test_pairs_are_as_accurate_as_stated(route: Callable, name: str) -> None:
    entry, truth = ACTIVATIONS[name], pairs(name)
    q, c, slope = truth["q"], truth["c"], truth["slope"] == 1
    with np.errstate(divide="ignore"):
        log_q, log_share = np.log(q), np.log1p(-np.abs(c)) / 2
    split, turn, cross, fold = route(log_q, log_share, entry).T
    with jax.enable_x64(True):
        f, g = (np.exp(value_and_slope(each, log_q)[0]) for each in curves(entry)[:2])
    lengths = np.where(c >= 0, f - q * (1 - np.abs(c)) * g * split, f * cross)
    got = np.where(slope, g * np.where(c >= 0, turn, fold), lengths)
    # A difference of phi is split times its slope: beyond a ratio of 1e4 it knows fewer digits.
    size = np.where(slope, g, np.maximum(f, q * g / 1e4))
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
    values = gaussian.mean(lambda z: np.stack([z**power for power in powers]), np.float64(1.0))
    np.testing.assert_allclose(values, [float(mp.fac2(power - 1)) for power in powers], rtol=EXACT)


def test_exponential_is_its_closed_form_at_any_scale() -> None:
    rates = np.array([0.01, 0.5, 1.0, 2.0])
    values = [gaussian.mean(lambda z, rate=rate: np.exp(rate * z), rate**2) for rate in rates]
    np.testing.assert_allclose(values, np.exp(rates**2 / 2), rtol=EXACT)
