"""Wide networks' Jacobians without a matrix: against the dense ones, exact laws at finite width, and the law's edge."""

from collections.abc import Callable

import jax
import numpy as np
import pytest
from scipy.optimize import brentq

from tests.tolerances import DENSE_PER_LAYER, LARGEST, SIGMAS, TOP_FLOAT32, TOP_FLOAT64, TOP_PER_LAYER
from vgtheory import Dense, measure, theory
from vgtheory.measure.spectra import top

SLOW = pytest.mark.slow
TANH = Dense("tanh", 1.3, 0.2)


def settled_input(net: Dense) -> float:
    """Mean square of the input whose first layer is at the fixed point."""
    return float((theory.q_star(net) - net.sigma_b**2) / net.sigma_w**2)


def allowed(dtype: str, depth: int) -> float:
    stated = {"float32": TOP_FLOAT32, "float64": TOP_FLOAT64}[dtype]
    return stated + depth * (TOP_PER_LAYER * float(np.finfo(dtype).eps) + DENSE_PER_LAYER)


CASES = [
    pytest.param(TANH, 3, 24, "float64", marks=SLOW, id="shallow"),
    pytest.param(Dense("relu", 1.4), 60, 24, "float64", id="rank falls on the way"),
    pytest.param(Dense("relu", 1.4), 20, 6, "float64", marks=SLOW, id="fewer than asked for"),
    pytest.param(Dense("sigmoid", 3.0, 0.1), 60, 24, "float32", marks=SLOW, id="not scalable"),
    pytest.param(Dense("linear", 1e3), 60, 24, "float64", marks=SLOW, id="far from one"),
    pytest.param(Dense("linear", 0.7, weights="orthogonal"), 2, 24, "float32", marks=SLOW, id="all the same"),
    pytest.param(Dense("linear", 1.2), 1, 128, "float64", marks=SLOW, id="close together"),
    pytest.param(TANH, 2, 200, "float32", marks=SLOW, id="close together, float32"),
    pytest.param(Dense("relu", 1.6, 0.1), 2000, 8, "float32", marks=SLOW, id="deep, float32"),
    pytest.param(Dense("linear", 1.5), 10_000, 8, "float64", marks=SLOW, id="deep and beyond reach"),
]


@pytest.mark.parametrize(("net", "depth", "width", "dtype"), CASES)
def test_top_values_are_those_of_the_dense_jacobian(
    key: jax.Array, net: Dense, depth: int, width: int, dtype: str
) -> None:
    shape = {"depth": depth, "width": width, "num_nets": 2, "input_square": 0.8}
    dense = measure.jacobian_singular_values(key, net, **shape)[:, :3]
    found = measure.spectra.jacobian_top_singular_values(key, net, **shape, num_values=3, dtype=dtype)
    assert not np.isnan(found[:, 0]).any()
    np.testing.assert_allclose(found, dense, rtol=0, atol=allowed(dtype, depth))


@pytest.mark.slow
def test_what_has_not_settled_is_nan(key: jax.Array, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lanczos without enough steps."""
    net, shape = Dense("linear", 1.2), {"depth": 1, "width": 128, "num_nets": 2, "num_values": 3}
    monkeypatch.setattr(top, "_FEWEST_STEPS", 2)
    monkeypatch.setattr(top, "_MOST_STEPS", 8)
    logs = measure.spectra.jacobian_top_singular_values(key, net, **shape, dtype="float64")
    assert np.isnan(logs).any()


@pytest.mark.slow
def test_dead_networks_are_minus_infinity(key: jax.Array) -> None:
    """Weights of 0: the programs are those of other tests here."""
    net, shape = Dense("relu", 0.0, 1.0), {"depth": 60, "width": 24, "num_nets": 2}
    assert np.isneginf(
        measure.spectra.jacobian_top_singular_values(key, net, **shape, num_values=3, dtype="float64")
    ).all()
    moments = measure.spectra.jacobian_moments(key, Dense("linear", 0.0, 1.0), depth=4, width=64, num_nets=64)
    assert np.isneginf(moments.log_mean_square.value)
    assert np.isnan(moments.spread.value)


def spread_at(width: int, depth: int) -> float:
    """E[m_2] / E[m_1]^2 of a product of Gaussian matrices, by Wick's theorem: t is E[m_2], u is E[m_1^2], E[m_1] is 1."""
    t = u = 1.0
    for _ in range(depth):
        t, u = u + (1 + 1 / width) * t, u + 2 / width**2 * t
    return t


@pytest.mark.parametrize("depth", [4, pytest.param(16, marks=SLOW)])
def test_moments_are_exact_at_any_width_and_three_percent_off_fails(key: jax.Array, depth: int) -> None:
    """Wick's theorem says what they are at this width; ``theory`` fails where it should."""
    width, num_nets = (64, 64) if depth == 4 else (512, 16)
    found = measure.spectra.jacobian_moments(key, Dense("linear", 1.0), depth=depth, width=width, num_nets=num_nets)
    value, err = found.spread
    assert abs(value - spread_at(width, depth)) < SIGMAS * err
    value, err = found.log_mean_square
    assert abs(value) < SIGMAS * err
    for off in (0.97, 1.03):
        law = theory.spectra.jacobian_moments(Dense("linear", off), depth)
        assert abs(value - law.log_mean_square) > SIGMAS * err


@pytest.mark.slow
def test_deep_moments_neither_overflow_nor_underflow(key: jax.Array) -> None:
    moments = measure.spectra.jacobian_moments(key, Dense("sigmoid", 1.0), depth=400, width=24, num_nets=4)
    assert moments.log_mean_square.value < -400 * np.log(16)
    assert np.isfinite(moments.spread.value)


def dense_moments(key: jax.Array, net: Dense, **shape: float) -> tuple[float, float]:
    squares = np.exp(2 * measure.jacobian_singular_values(key, net, **shape))
    return np.log(squares.mean()), (squares**2).mean() / squares.mean() ** 2


@pytest.mark.parametrize(("net", "depth"), [(TANH, 4), pytest.param(Dense("relu", 1.4, 0.1), 6, marks=SLOW)])
def test_moments_are_those_of_the_same_dense_networks(key: jax.Array, net: Dense, depth: int) -> None:
    """Only the probes' noise is between them, and ``err`` has that and more."""
    shape = {"depth": depth, "width": 24, "num_nets": 24, "input_square": settled_input(net)}
    found = measure.spectra.jacobian_moments(key, net, **shape, num_probes=32)
    for estimate, expected in zip(found, dense_moments(key, net, **shape), strict=True):
        assert abs(estimate.value - expected) < SIGMAS * estimate.err


@pytest.mark.slow
@pytest.mark.parametrize("depth", [4, 16])
def test_moments_of_tanh_approach_the_law(key: jax.Array, depth: int) -> None:
    """The deviation is of order 1 / width: width times it agrees at two widths, and the law is what is left."""
    law, found = theory.spectra.jacobian_moments(TANH, depth), []
    for width, num_nets in ((256, 1024), (512, 512)):
        shape = {"depth": depth, "width": width, "num_nets": num_nets, "input_square": settled_input(TANH)}
        found.append(measure.spectra.jacobian_moments(key, TANH, **shape, dtype="float32"))
    for narrow, wide, expected in zip(found[0], found[1], law[:2], strict=True):
        err = np.hypot(2 * wide.err, narrow.err)
        assert abs(2 * wide.value - narrow.value - expected) < SIGMAS * err
    log_mean_square = 2 * found[1][0].value - found[0][0].value
    err = np.hypot(2 * found[1][0].err, found[0][0].err)
    for off in (0.97, 1.03):
        wrong = theory.spectra.jacobian_moments(Dense("tanh", off * TANH.sigma_w, TANH.sigma_b), depth)
        assert abs(log_mean_square - wrong.log_mean_square) > SIGMAS * err


def edge_and_unit(net: Dense, depth: int, width: int) -> tuple[float, float]:
    """Log of the law's upper edge, and the unit of the largest value's fluctuations about it."""
    edge, left = float(theory.jacobian_edge(net, depth).log_upper), 2 / (3 * np.pi * width)
    beyond = lambda log: 1 - float(theory.spectra.jacobian_cdf_of_log(log, net, depth)) - left
    return edge, edge - brentq(beyond, edge - 1, edge)


def critical_tanh() -> Dense:
    return Dense("tanh", float(theory.critical("tanh", sigma_b=0.3).sigma_w), 0.3)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "width", "num_nets"), [("linear", 1024, 4), ("linear", 4096, 1), ("tanh", 4096, 1)])
def test_the_largest_is_at_the_edge_of_the_law(key: jax.Array, name: str, width: int, num_nets: int) -> None:
    """Below it by about 1.2 of its own unit, which goes as width^(-2/3)."""
    net = Dense("linear", 1.0) if name == "linear" else critical_tanh()
    square = 1.0 if name == "linear" else settled_input(net)
    shape = {"depth": 8, "width": width, "num_nets": num_nets, "input_square": square}
    logs = measure.spectra.jacobian_top_singular_values(key, net, **shape)[:, 0]
    edge, unit = edge_and_unit(net, 8, width)
    mean, std = LARGEST
    assert abs((logs.mean() - edge) / unit - mean) < SIGMAS * std / num_nets**0.5


def test_wrong_questions_are_refused(key: jax.Array, refused: Callable[..., pytest.RaisesExc]) -> None:
    shape = {"depth": 2, "width": 4, "num_nets": 1}
    with refused("jacobian_top_singular_values", "num_values"):
        measure.spectra.jacobian_top_singular_values(key, TANH, **shape, num_values=5)
    with refused("jacobian_top_singular_values", "dtype"):
        measure.spectra.jacobian_top_singular_values(key, TANH, **shape, dtype="float16")
    with refused("jacobian_moments", "num_probes"):
        measure.spectra.jacobian_moments(key, TANH, **shape, num_probes=0)
    with refused("jacobian_moments", "input_square"):
        measure.spectra.jacobian_moments(key, TANH, **shape, input_square=-1.0)
