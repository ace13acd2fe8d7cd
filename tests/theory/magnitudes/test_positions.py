"""Entries that are sums over positions: drawn sums, moments in closed form, and what the matrices of a transformer may not change."""

from typing import Any

import numpy as np
import pytest

from tests.tolerances import SIGMAS
from vgtheory import Dense, Transformer, theory
from vgtheory.activation import as_activation, both_in_numpy
from vgtheory.theory.magnitudes.positions import Sums, modes, normal_sums
from vgtheory.theory.magnitudes.positions import unit_sums as sums_of
from vgtheory.theory.magnitudes.units import function_units, normal_units, product

DRAWS, COUNT = 40_000, 24
POINTS = 0.02
"""Two points of a share: sums over 24 positions are taken to be normal, given what the positions share."""
SIZE: dict[str, Any] = {"depth": 2, "positions": 16}


def drawn(rng: np.random.Generator, correlation: float) -> np.ndarray:
    shared, own = rng.normal(size=(DRAWS, 1)), rng.normal(size=(DRAWS, COUNT))
    return np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own


def gap(entries: np.ndarray, law: Sums) -> float:
    """Largest gap in the distribution of the modulus, less what sampling explains."""
    bounds = np.array([0.03, 0.1, 0.3, 1.0, 3.0]) * np.sqrt(np.mean(entries**2))
    seen = np.array([np.mean(abs(entries) < bound) for bound in bounds])
    return float(abs(law.zero + law.beyond(np.log(bounds), above=False) - seen).max()) - SIGMAS * 0.5 / DRAWS**0.5


@pytest.mark.parametrize(("c", "b"), [(0.0, 0.0), (0.8, 0.02), (0.5, 0.4)])
def test_shares_are_those_of_drawn_sums(c: float, b: float) -> None:
    rng = np.random.default_rng(0)
    h, x, y = drawn(rng, c), drawn(rng, c), drawn(rng, b)
    read, top, pulled = modes(1.0, c, COUNT), modes(1.0, b, COUNT), normal_units(b)
    for name in ("tanh", "gelu", "relu"):
        activation = as_activation(name, "test")
        phi, dphi = both_in_numpy(activation, 1.3 * h)
        kinds = [(function_units(activation, slope, 1.69, c), f) for slope, f in ((False, phi), (True, dphi))]
        for entries, units, other in (
            ((phi * y).sum(axis=1), kinds[0][0], top),
            ((dphi * y * x).sum(axis=1), product(kinds[1][0], pulled), read),
        ):
            assert gap(entries, sums_of(np.log(np.mean(entries**2)), units, other, COUNT)) < POINTS
    entries = (x * y).sum(axis=1)
    assert gap(entries, normal_sums(np.log(np.mean(entries**2)), read, top, COUNT)) < POINTS / 4


@pytest.mark.parametrize("c", [0.0, 0.3, 0.9, 1.0])
def test_the_kurtosis_of_gaussian_sides(c: float) -> None:
    """With eigenvalues e_k of the product of both covariances it is 3 (1 + 2 sum e_k^2 / (sum e_k)^2)."""
    covariance = c + (1 - c) * np.eye(COUNT)
    law = normal_sums(0.0, modes(1.0, c, COUNT), modes(1.0, 0.2, COUNT), COUNT)
    both = covariance @ (0.2 + 0.8 * np.eye(COUNT))
    exact = 3 * (1 + 2 * np.trace(both @ both) / np.trace(both) ** 2)
    assert 3 * (law.weight @ np.exp(2 * law.log)) == pytest.approx(exact, rel=2e-3)
    assert law.weight @ np.exp(law.log) == pytest.approx(1.0, rel=1e-3)


def test_a_scale_shifts_bounds_and_no_logits_have_no_gradient() -> None:
    net = Transformer("tanh", sigma_qk=0.0, heads=4)
    shares = theory.magnitudes.underflow_share(net, "float8_e4m3fn", **SIZE, loss_scale=0.25)
    small = theory.magnitudes.share_below(net, 2.0**-10, **SIZE, loss_scale=0.25)
    for name in net.groups:
        np.testing.assert_allclose(small[name], shares[name].zero + shares[name].underflow, rtol=1e-9)
    assert (shares["query"].zero == 1).all()
    assert (shares["value"].zero == 0).all()


def test_keys_and_values_shared_by_heads_have_larger_entries() -> None:
    """Half as many entries share the same squared gradient."""
    apart, shared = (
        theory.magnitudes.share_below(Transformer("tanh", heads=4, kv_heads=few), 0.5 * by, **SIZE)
        for few, by in ((None, 1.0), (2, 2**0.5))
    )
    np.testing.assert_allclose(apart["key"], shared["key"], rtol=1e-9)
    assert (apart["query"] > shared["query"] / 2).all()


def test_the_best_scale_loses_less_than_its_neighbours() -> None:
    net = Transformer("gelu", heads=4)
    best = theory.magnitudes.best_loss_scale(net, "float8_e4m3fn", **SIZE)
    sizes = {name: 4.0 if name.startswith("mlp") else 1.0 for name in net.groups}

    def lost(scale: float) -> float:
        found = theory.magnitudes.underflow_share(net, "float8_e4m3fn", **SIZE, loss_scale=scale)
        return sum(sizes[name] * float(np.mean(each.underflow + each.overflow)) for name, each in found.items()) / 12

    assert lost(best.scale) == pytest.approx(best.underflow + best.overflow, rel=1e-6)
    assert lost(best.scale) < min(lost(best.scale / 2), lost(best.scale * 2))


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    ask = theory.magnitudes.underflow_share
    with refused("underflow_share", "positions"):
        ask(Dense("tanh"), "float16", depth=3, positions=16)
    with refused("underflow_share", "positions"):
        ask(Transformer("relu"), "float16", depth=3)
    with refused("underflow_share", "positions"):
        ask(Transformer("relu"), "float16", depth=3, positions=15)
    with refused("underflow_share", "depth"):
        ask(Transformer("relu"), "float16", positions=16)
    with refused("underflow_share", "net"):
        ask(Transformer("relu", is_causal=True), "float16", depth=3, positions=16)
    with refused("underflow_share", "input_square"):
        ask(Transformer("relu"), "float16", depth=3, positions=16, input_square=2.0)
