"""Shares of entries that a format loses: sums of random draws, closed forms, and what scaling may not change."""

import numpy as np
import pytest
from scipy import integrate, special

from tests.tolerances import SIGMAS
from vgtheory import Dense, theory
from vgtheory.activation import both_in_numpy

DRAWS = 400_000
SHARES = theory.magnitudes.underflow_share
ZERO, LARGEST = 2.0**-10, 464.0
"""Of E4M3."""


def drawn_entries(net: Dense, depth: int, layer: int) -> np.ndarray:
    """Entries of one layer at infinite width, from h as they are there, each a product of three draws."""
    rng = np.random.default_rng(layer)
    q = np.exp(theory.log_q_layers(net, depth=depth).mean)
    size = np.exp(theory.log_grad_layers(net, depth=depth).mean)
    at = lambda place, which: both_in_numpy(net.activation, np.sqrt(q[place]) * rng.normal(size=DRAWS))[which]
    x = at(layer - 1, 0) if layer else rng.normal(size=DRAWS)
    if layer == depth - 1:
        return np.abs(rng.normal(size=DRAWS) * x)
    return np.abs(net.sigma_w * size[layer + 1] * rng.normal(size=DRAWS) * at(layer, 1) * x)


@pytest.mark.parametrize(
    ("net", "loss_scale"),
    [
        (Dense("tanh", 1.0), 1.0),
        (Dense("tanh", 3.0, 0.5), 30.0),
        (Dense("hard_tanh", 1.5, 0.2), 3.0),
        (Dense("relu", 2**0.5), 60.0),
        (Dense("gelu", 1.6), 30.0),
        (Dense("sigmoid", 2.0), 10.0),
    ],
)
def test_shares_are_those_of_drawn_entries(net: Dense, loss_scale: float) -> None:
    law = SHARES(net, "float8_e4m3fn", depth=4, loss_scale=loss_scale)
    for layer in range(4):
        entries = loss_scale * drawn_entries(net, 4, layer)
        seen = [entries == 0, (entries > 0) & (entries <= ZERO), entries > LARGEST]
        for which, predicted in zip(seen, law, strict=True):
            err = np.sqrt((predicted[layer] * (1 - predicted[layer]) + 1 / DRAWS) / DRAWS)
            assert abs(which.mean() - predicted[layer]) < SIGMAS * err + 1e-3 * predicted[layer]


def product_shares(low: float, high: float) -> tuple[float, float]:
    """Probabilities that the modulus of a product of two standard normal numbers is below and above a bound."""
    density = lambda log_x: 2 / np.pi * special.k0(np.exp(log_x)) * np.exp(log_x)
    below = sum(integrate.quad(density, end - 5, end)[0] for end in np.arange(np.log(low), np.log(low) - 40, -5))
    above = sum(integrate.quad(density, end, end + 1)[0] for end in np.arange(np.log(high), np.log(high) + 8))
    return float(below), float(above)


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2", "float16"])
def test_products_of_two_normal_numbers(dtype: str) -> None:
    zero, normal, largest = np.exp(theory.layers.formats.log_edges(dtype))
    net = Dense("linear", 1.0)
    for scale in (0.5, 30.0, 1000.0):
        shares = SHARES(net, dtype, depth=1, loss_scale=scale)
        flushed = SHARES(net, dtype, depth=1, loss_scale=scale, flush=True)
        below, above = product_shares(zero / scale, largest / scale)
        np.testing.assert_allclose(shares.underflow, below, rtol=1e-3)
        np.testing.assert_allclose(shares.overflow, above, rtol=1e-3, atol=1e-20)
        np.testing.assert_allclose(flushed.underflow, product_shares(normal / scale, 1.0)[0], rtol=1e-3)


def test_a_scale_shifts_bounds() -> None:
    net, size = Dense("tanh", 1.3, 0.2), {"depth": 5, "width": 50}
    np.testing.assert_allclose(
        theory.magnitudes.share_below(net, 1e-3, **size),
        theory.magnitudes.share_below(net, 1e-1, **size, loss_scale=100.0),
        rtol=1e-12,
    )
    shares = SHARES(net, "float8_e5m2", **size)
    np.testing.assert_allclose(theory.magnitudes.share_below(net, 2.0**-17, **size), shares.underflow, rtol=1e-12)


def test_widths_as_a_list_and_layers_alike_are_one_law() -> None:
    alike, listed = Dense("relu", 1.3), Dense("relu", 1.3, widths=(50,) * 6)
    for one, other in zip(SHARES(alike, "float8_e5m2", depth=5, width=50), SHARES(listed, "float8_e5m2"), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-12)


def test_narrower_networks_lose_more_and_wide_ones_what_infinite_ones_lose() -> None:
    net = Dense("relu", 2**0.5)
    shares = [SHARES(net, "float8_e4m3fn", depth=8, width=width).underflow for width in (16, 256, None)]
    assert (shares[0] > shares[1]).all()
    assert (shares[1] > shares[2]).all()
    wide = SHARES(net, "float8_e4m3fn", depth=8, width=10**6).underflow
    np.testing.assert_allclose(wide, shares[2], rtol=1e-3)


@pytest.mark.parametrize("net", [Dense("tanh", 0.9), Dense("relu", 1.2), Dense("tanh", 3.0)])
def test_the_best_scale_loses_less_than_its_neighbours(net: Dense) -> None:
    size = {"depth": 8, "width": 64}
    best = theory.magnitudes.best_loss_scale(net, "float8_e4m3fn", **size)
    below, here, above = (
        np.mean(sum(SHARES(net, "float8_e4m3fn", **size, loss_scale=float(best.scale * by))[1:])) for by in (0.5, 1, 2)
    )
    assert here == pytest.approx(float(best.underflow + best.overflow), rel=1e-6)
    assert here < min(below, above)


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    with refused("underflow_share", "cast", remedy=r"Did you mean 'float8_e5m2'\?$"):
        SHARES(Dense("tanh"), "float8_e5m3", depth=3)
    with refused("share_below", "bound"):
        theory.magnitudes.share_below(Dense("tanh"), 0.0, depth=3)
    with refused("best_loss_scale", "net"):
        theory.magnitudes.best_loss_scale(Dense("tanh", dropout=0.1), "float16", depth=3)


def test_an_unknown_spread_leaves_no_share() -> None:
    """Sparse weights of 64 units have too large a kurtosis for a law of the gradient's spread."""
    net = Dense("tanh", 1.5, 0.1, weights="sparse")
    assert np.isinf(theory.log_grad_layers(net, depth=4, width=64).std[0])
    found = SHARES(net, "float16", depth=4, width=64)
    assert np.isnan(found.underflow[0])
    assert np.isnan(found.overflow[0])
    assert np.isnan(theory.magnitudes.best_loss_scale(net, "float16", depth=4, width=64)).all()
