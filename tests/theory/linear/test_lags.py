"""Gradients of linear recurrences by lag: closed forms, brute-force averages, and real recurrences beside them."""

from typing import Any

import jax
import mpmath as mp
import numpy as np
import pytest

from tests.tolerances import EXACT, SIGMAS, SPREAD
from vgtheory import LinearRecurrence, Ring, StateSpace, measure, theory

LAGS = np.array([0, 1, 16, 256, 1024])
LAWS = {
    "ring": Ring(0.9, 0.999),
    **{kind: StateSpace(kind, size=16) for kind in ("s4d-lin", "s4d-inv", "s4d-real", "s4d-legs", "s5")},
}


@pytest.mark.parametrize("radii", [(0.0, 1.0), (0.9, 0.999), (0.5, 0.5), (0.999, 1.0), (0.0, 1e-3)])
def test_a_ring_has_its_closed_form(radii: tuple[float, float]) -> None:
    low, high = (mp.mpf(each) ** 2 for each in radii)
    net = LinearRecurrence(Ring(*radii))
    for lag in (0, 1, 7, 300, 65_536):
        mean = high**lag if low == high else (high ** (lag + 1) - low ** (lag + 1)) / ((lag + 1) * (high - low))
        assert float(theory.linear.log_grad_lags(net, lag).mean) == pytest.approx(
            float(mp.log(mean) / 2), rel=EXACT, abs=EXACT
        )
    if low < high:
        each = lambda k: mp.quad(lambda u: mp.log(u) ** k / (high - low), [low, high]) / 2**k
        law = theory.linear.log_grad_units(net, 3)
        assert float(law.mean) == pytest.approx(float(3 * each(1)), rel=1e-10)
        assert float(law.std) == pytest.approx(float(3 * mp.sqrt(each(2) - each(1) ** 2)), rel=1e-8)


@pytest.mark.parametrize("method", ["zoh", "bilinear"])
@pytest.mark.parametrize("kind", [name for name in LAWS if name != "ring"])
def test_a_state_space_has_the_average_over_its_time_steps(kind: str, method: str) -> None:
    law = StateSpace(kind, size=4, method=method)
    discrete = lambda turn: mp.exp(turn) if method == "zoh" else (1 + turn / 2) / (1 - turn / 2)
    for lag in (1, 2000):
        at = lambda s, pole, lag=lag: abs(discrete(pole * mp.exp(s))) ** (2 * lag)
        ends = [mp.log(law.dt_min) + (mp.log(law.dt_max) - mp.log(law.dt_min)) * mp.mpf(k) / 8 for k in range(9)]
        means = [
            mp.quad(lambda s, pole=pole, at=at: at(s, mp.mpc(pole)), ends) / (ends[-1] - ends[0]) for pole in law.poles
        ]
        found = theory.linear.log_grad_lags(LinearRecurrence(law), lag).mean
        assert float(found) == pytest.approx(float(mp.log(sum(means) / 4) / 2), rel=1e-10)


def test_poles_are_those_of_the_hippo_matrix() -> None:
    """HiPPO-LegS plus a rank-one term is normal; its eigenvalues are -1/2 and pairs of frequencies."""
    n = np.arange(12)
    lower = np.tril(np.sqrt(np.outer(2 * n + 1, 2 * n + 1)), -1)
    matrix = -lower - np.diag(n + 1) + np.outer(np.sqrt(n + 0.5), np.sqrt(n + 0.5))
    found = np.linalg.eigvals(matrix)
    upper = found[found.imag > 0]
    poles = StateSpace("s4d-legs", size=6).poles
    np.testing.assert_allclose(poles, upper[np.argsort(upper.imag)], atol=1e-12)
    np.testing.assert_allclose(
        StateSpace("s4d-inv", size=6).poles[[0, 5]].imag, [12 / np.pi * 11, 12 / np.pi / 11], atol=1e-12
    )


def test_given_eigenvalues_are_taken_as_they_are() -> None:
    net = LinearRecurrence([0.5, 0.8j, 0.0, 2.0])
    law = theory.linear.log_grad_lags(net, [0, 2])
    np.testing.assert_allclose(np.exp(2 * law.mean), [1, (0.5**4 + 0.8**4 + 16) / 4], rtol=EXACT)
    assert law.std.tolist() == [0, 0]
    assert theory.linear.memory_lags(LinearRecurrence([2.0])) == np.inf
    assert float(theory.linear.memory_lags(LinearRecurrence(Ring()), 0.1)) == pytest.approx(99, rel=1e-9)


def test_the_spread_over_networks_knows_that_a_channel_shares_its_time_step() -> None:
    shared, own = (
        theory.linear.log_grad_lags(LinearRecurrence(LAWS[kind]), 512, width=64).std for kind in ("s4d-lin", "s5")
    )
    assert float(shared / own) == pytest.approx(4, rel=1e-9)  # 16 units of one real part: as many fewer are independent


@pytest.mark.parametrize("scan", ["associative", "sequential"])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "ring" else pytest.mark.slow) for name in LAWS]
)
def test_networks_obey_the_laws(key: jax.Array, name: str, scan: str) -> None:
    """And eigenvalues 1 % further from 1 do not: the power of the same test."""
    sizes: dict[str, Any] = {"width": 256, "num_nets": 12, "scan": scan}
    net = LinearRecurrence(LAWS[name], "gamma")
    seen = measure.linear.log_grad_lags(key, net, LAGS, **sizes)
    law = theory.linear.log_grad_lags(net, LAGS)
    assert np.all(np.abs(seen.value - law.mean) < SIGMAS * seen.err)
    mean, std = measure.linear.log_grad_units(key, net, LAGS, **sizes)
    units = theory.linear.log_grad_units(net, LAGS)
    assert np.all(np.abs(mean.value - units.mean) < SIGMAS * mean.err)
    assert np.all(np.abs(std.value - units.std) < SIGMAS * std.err)
    inputs = measure.linear.log_grad_input_lags(key, net, LAGS, **sizes)
    assert np.all(np.abs(inputs.value - theory.linear.log_grad_input_lags(net, LAGS)) < SIGMAS * inputs.err)


@pytest.mark.parametrize("name", ["ring", "s4d-lin"])
def test_networks_spread_as_predicted(key: jax.Array, name: str) -> None:
    net, lags = LinearRecurrence(LAWS[name]), np.array([4, 64])
    seen = measure.linear.log_grad_lags(key, net, lags, width=256, num_nets=160)
    law = theory.linear.log_grad_lags(net, lags, width=256)
    assert np.all(np.abs(np.log(seen.err * 160**0.5 / law.std)) < SPREAD)


def test_eigenvalues_one_per_cent_off_are_caught(key: jax.Array) -> None:
    lags, sizes = np.array([16, 256]), {"width": 256, "num_nets": 8}
    seen = measure.linear.log_grad_lags(key, LinearRecurrence(Ring(0.9, 0.999)), lags, **sizes)
    law = theory.linear.log_grad_lags(LinearRecurrence(Ring(0.99 * 0.9, 0.99 * 0.999)), lags)
    assert np.all(np.abs(seen.value - law.mean) > SIGMAS * seen.err)


def test_memory_of_networks_is_as_predicted(key: jax.Array) -> None:
    net = LinearRecurrence(Ring(0.5, 0.95))
    seen = measure.linear.memory_lags(key, net, width=256, num_nets=16, steps=64)
    assert abs(seen.value - theory.linear.memory_lags(net)) < SIGMAS * seen.err + 0.05  # curvature within a step
