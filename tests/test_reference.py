"""The references against each other: formulas, quadrature in one and in two dimensions, and the committed table."""

import csv
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from tests import reference, reference_pair
from tests.reference_pair import CLOSED_PAIR, FUNCTIONS, QS, STATED, STATED_ERF, pair_quadrature
from tests.tolerances import REFERENCE

CS = (-1.0, -0.9, -0.3, 0.0, 0.5, 0.9, 0.99, 0.999999, 1.0)
BETWEEN = [c for c in CS if 0 < abs(c) < 1]
REACH = {"sin": 100.0}
SLOPES = (False, True)
OPEN = [name for name in FUNCTIONS if name not in CLOSED_PAIR]
RAMPS = {"hard_tanh": (-1, 1, 1), "hard_sigmoid": (-3, 3, 6), "relu6": (0, 6, 1)}
"""Start, end and run over rise of the activations that are one ramp between two plateaus."""


def within(name: str, slope: bool) -> float:
    return STATED_ERF if name == "gelu" or (name == "erf" and not slope) else STATED


def definition(name: str, slope: bool) -> Callable[[Any], Any]:
    return (reference.DPHI if slope else reference.PHI)[name]


@reference.precise
def error(name: str, q: float, c: float, slope: bool, expected: Any) -> float:
    """Error of the quadrature, relative to E[phi^2]."""
    value = reference_pair.as_mpf(pair_quadrature(name, q, c, slope))
    return float(abs(value - mp.mpf(expected)) / reference.mean_square(name, q, slope))


def closed_errors(name: str, points: list[tuple[float, float]]) -> Iterator[float]:
    for q, c in points:
        for slope in SLOPES:
            if q <= REACH.get(name, np.inf):
                yield error(name, q, c, slope, reference_pair.pair(name, q, c, slope)) / within(name, slope)


@reference.precise
def on_a_line(name: str, q: float, c: float, slope: bool) -> Any:
    """The pair at c = -1, 0 or 1, by quadrature in one dimension."""
    function = definition(name, slope)
    if c == 0:
        return reference.expectation(lambda h, z: function(h), q) ** 2
    return reference.expectation(lambda h, z: function(h) * function(c * h), q)


@reference.precise
def by_correlation(name: str, q: float, c: float, slope: bool) -> Any:
    """The pair by integration over the correlation, along which it grows at q times the pair of the derivatives."""
    variance, end = mp.mpf(q), mp.asin(mp.mpf(c))
    low, high, run = RAMPS[name]
    uncorrelated, uncorrelated_slope = (on_a_line(name, q, 0.0, each) for each in SLOPES)

    def bends(angle: Any) -> Any:
        t = mp.sin(angle)
        exponent = lambda h, k: ((h - k) ** 2 / (1 - t) + 2 * h * k) / (2 * variance * (1 + t))
        signed = ((low, low, 1), (low, high, -2), (high, high, 1))
        return mp.fsum(sign * mp.exp(-exponent(h, k)) for h, k, sign in signed) / (2 * mp.pi * run**2)

    inner = [mp.sign(end) * mp.asin(1 - mp.mpf(10) ** -power) for power in range(1, 7)]
    ends = [mp.mpf(0), *(angle for angle in inner if abs(angle) < abs(end)), end]
    if slope:
        return uncorrelated_slope + mp.quad(bends, ends)
    lever = lambda angle: variance * (mp.sin(end) - mp.sin(angle)) * bends(angle)
    return uncorrelated + variance * mp.sin(end) * uncorrelated_slope + mp.quad(lever, ends)


@reference.precise
def by_conditioning(name: str, q: float, c: float, slope: bool) -> Any:
    """The pair by quadrature over v given u, then over u; only for smooth activations at moderate q and c."""
    function, rest = definition(name, slope), mp.sqrt((1 - mp.mpf(c)) * (1 + mp.mpf(c)))
    given = lambda u: reference.expectation(lambda h, z: function(c * u + rest * h), q)
    return reference.expectation(lambda h, z: function(h) * given(h), q)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_definitions_in_longdouble_are_those_in_mpmath(name: str) -> None:
    points = [sign * h for h in (1e-9, 0.11, 0.9, 1.7, 3.1, 6.5, 40.0, 700.3) for sign in (-1, 1)]
    for slope in SLOPES:
        for h, value in zip(points, FUNCTIONS[name][slope](np.array(points, np.longdouble)), strict=True):
            with mp.workdps(30):
                expected = definition(name, slope)(mp.mpf(h))
                assert abs(reference_pair.as_mpf(value) - expected) < within(name, slope) * max(1, abs(expected))


@pytest.mark.parametrize("name", ["relu", "gaussian", "erf"])
def test_two_dimensions_meet_the_closed_forms(name: str) -> None:
    assert max(closed_errors(name, [(1e-6, -0.3), (3.0, 0.5), (1e8, 0.999999)])) < 1


@pytest.mark.slow
@pytest.mark.parametrize("name", CLOSED_PAIR)
def test_two_dimensions_meet_the_closed_forms_everywhere(name: str) -> None:
    assert max(closed_errors(name, [(q, c) for q in QS for c in CS])) < 1


@pytest.mark.parametrize("name", CLOSED_PAIR)
def test_closed_forms_at_correlation_one_are_the_mean_squares(name: str) -> None:
    with mp.workdps(30):
        for q, slope in itertools.product(QS, SLOPES):
            assert abs(reference_pair.pair(name, q, 1.0, slope) / reference.mean_square(name, q, slope) - 1) < REFERENCE


@pytest.mark.slow
@pytest.mark.parametrize("name", CLOSED_PAIR)
def test_closed_forms_meet_one_dimension(name: str) -> None:
    with mp.workdps(40):
        for q, c, slope in itertools.product((1e-2, 3.0, 100.0), (-1.0, 0.0), SLOPES):
            difference = reference_pair.pair(name, q, c, slope) - on_a_line(name, q, c, slope)
            assert abs(difference) < REFERENCE * reference.mean_square(name, q, slope)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPEN)
def test_two_dimensions_meet_one(name: str) -> None:
    for q, c, slope in itertools.product(QS, (-1.0, 0.0, 1.0), SLOPES):
        assert error(name, q, c, slope, on_a_line(name, q, c, slope)) < STATED


@pytest.mark.slow
@pytest.mark.parametrize("name", RAMPS)
def test_two_dimensions_meet_the_integral_over_the_correlation(name: str) -> None:
    for q, c, slope in itertools.product(QS, BETWEEN, SLOPES):
        assert error(name, q, c, slope, by_correlation(name, q, c, slope)) < STATED


@pytest.mark.slow
@pytest.mark.parametrize(("q", "c"), [(1.0, 0.5), (3.0, -0.9)])
@pytest.mark.parametrize("slope", SLOPES)
def test_two_dimensions_meet_thirty_digits(q: float, c: float, slope: bool) -> None:
    assert error("tanh", q, c, slope, by_conditioning("tanh", q, c, slope)) < STATED


@pytest.mark.slow
@pytest.mark.parametrize("name", OPEN)
def test_more_nodes_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    points = list(itertools.product(QS, BETWEEN[::2], SLOPES))
    values = [pair_quadrature(name, *point) for point in points]
    monkeypatch.setattr(reference_pair, "_NUM_NODES", 36)
    for (q, c, slope), value in zip(points, values, strict=True):
        assert error(name, q, c, slope, reference_pair.as_mpf(value)) < STATED


def written_table() -> dict[tuple[str, float, float, int], str]:
    with reference_pair.TABLE.open() as file:
        header, *table = csv.reader(file)
    assert header == ["name", "q", "c", "slope", "value"]
    return {(name, float(q), float(c), int(slope)): value for name, q, c, slope, value in table}


@pytest.mark.slow
def test_the_table_is_what_its_script_makes() -> None:
    table = written_table()
    assert list(table) == reference_pair.cases()
    for (name, q, c, slope), value in table.items():
        if name in CLOSED_PAIR:
            assert value == reference_pair.written(name, q, c, slope)
        elif (q, c) == (1e-2, 0.5):
            assert error(name, q, c, bool(slope), value) < STATED


@pytest.mark.slow
@pytest.mark.parametrize("name", OPEN)
def test_the_whole_table_is_what_its_script_makes(name: str) -> None:
    for (row, q, c, slope), value in written_table().items():
        if row == name:
            assert error(name, q, c, bool(slope), value) < STATED
