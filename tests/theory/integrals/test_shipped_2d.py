"""Pairs that are shipped: closed forms at 30 digits, what is integrated afresh, and the file's own format."""

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from tests.tolerances import EXACT, NEAR_ONE, PAIR
from vgtheory import ACTIVATIONS
from vgtheory.theory.integrals import ship, shipped_2d

Row = tuple[Any, ...]
MIDDLE = 15
"""The panel of ln q from 0 to 2."""


def erf(q: Any, gap: Any) -> Row:
    """1 - split, 1 - turn, cross and fold."""
    k, end, c = 2 * q / (1 + 2 * q), 1 + 2 * q, 1 - gap
    split = (mp.asin(k) - mp.asin(k * c)) * mp.sqrt(end**2 - 4 * q**2) / (2 * q * gap)
    turn = mp.sqrt((end**2 - 4 * q**2) / (end**2 - (2 * q * c) ** 2))
    return 1 - split, 1 - turn, -mp.asin(k * c) / mp.asin(k), turn


def sine(q: Any, gap: Any) -> Row:
    c = 1 - gap
    split, turn = (mp.sinh(q) - mp.sinh(q * c)) / (q * gap * mp.cosh(q)), mp.cosh(q * c) / mp.cosh(q)
    return 1 - split, 1 - turn, -mp.sinh(q * c) / mp.sinh(q), turn


def relu(q: Any, gap: Any) -> Row:
    c = 1 - gap
    length = lambda c: (mp.sqrt(1 - c**2) + (mp.pi - mp.acos(c)) * c) / mp.pi
    return 1 - (1 - length(c)) / gap, mp.acos(c) / mp.pi, length(-c), 1 - mp.acos(-c) / mp.pi


CLOSED: dict[str, tuple[Callable[[Any, Any], Row], float]] = {
    "erf": (erf, 27.0),
    "sin": (sine, 3.8),
    "relu": (relu, 27.0),
}
"""The four, and the largest ln q."""


@pytest.mark.parametrize("name", CLOSED)
@mp.workdps(40)
def test_pairs_are_their_closed_forms(name: str) -> None:
    (form, most), rng = CLOSED[name], np.random.default_rng(0)
    log_q, log_share = rng.uniform(-15.0, most, 150), -(10 ** rng.uniform(-3.0, 1.0, 150))
    expected = [form(mp.exp(mp.mpf(a)), mp.exp(2 * mp.mpf(b))) for a, b in zip(log_q, log_share, strict=True)]
    got = shipped_2d.lost_pairs(ACTIVATIONS[name], log_q, log_share)
    np.testing.assert_allclose(got, np.array(expected, float), atol=PAIR / 10, rtol=0)


@mp.workdps(40)
def test_near_full_correlation_the_distance_keeps_its_digits() -> None:
    log_q, log_share = (each.ravel() for each in np.meshgrid([0.3, 2.0, 5.0], np.log([1e-5, 1e-4, 1e-3])))
    expected = [erf(mp.exp(mp.mpf(a)), mp.exp(2 * mp.mpf(b)))[:2] for a, b in zip(log_q, log_share, strict=True)]
    got = shipped_2d.lost_pairs(ACTIVATIONS["erf"], log_q, log_share)[:, :2]
    np.testing.assert_allclose(got, np.array(expected, float), rtol=NEAR_ONE)


@pytest.mark.parametrize("name", ["sin", "relu", pytest.param("tanh", marks=pytest.mark.slow)])
def test_shipped_pairs_are_those_that_are_fitted_afresh(name: str) -> None:
    afresh, kept = ship.fitted(ACTIVATIONS[name], MIDDLE), shipped_2d.panels(name)[MIDDLE]
    both = np.zeros((2, *np.maximum(afresh.shape, kept.shape)))
    for blank, each in zip(both, (afresh, kept), strict=True):
        blank[: each.shape[0], : each.shape[1]] = each
    # Series that are cut at other lengths say the same, and more of x than of what is kept over x.
    t = np.linspace(-1, 1, 25)
    said = [np.polynomial.chebyshev.chebgrid2d(t, t, each) for each in both]
    for each in said:
        each[: shipped_2d.ABREAST] *= (1 + t) / 2
    np.testing.assert_allclose(*said, atol=EXACT)


def test_slopes_are_those_of_the_pairs() -> None:
    log_q, log_share, step = np.array([-1.0, 0.5, 4.0]), np.array([-0.1, -1.0, -3.0]), 1e-5
    for name in ("tanh", "relu"):
        at = lambda shift, name=name: shipped_2d.lost_pairs(ACTIVATIONS[name], log_q, log_share + shift)
        slopes = shipped_2d.slopes(ACTIVATIONS[name], log_q, log_share)
        np.testing.assert_allclose(slopes, (at(step) - at(-step)) / (2 * step), atol=PAIR)


def test_the_file_gives_back_what_is_put_in() -> None:
    rng = np.random.default_rng(0)
    panels = [rng.normal(size=(3, 5, 4)), np.zeros((0, 0, 4)), rng.normal(size=(1, 2, 4)), np.zeros((0, 0, 4))]
    for one, other in zip(panels, shipped_2d.unpacked(*shipped_2d.packed(panels)), strict=False):
        np.testing.assert_allclose(one, other, atol=shipped_2d.QUANTUM)
    assert set(ACTIVATIONS) == {name for name in ACTIVATIONS if len(shipped_2d.panels(name))}
