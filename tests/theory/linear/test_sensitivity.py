"""States and sensitivities of linear recurrences: sums over the past, closed forms, and real recurrences beside them."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from tests.tolerances import EXACT, SIGMAS
from vgtheory import LinearRecurrence, Ring, StateSpace, measure, theory
from vgtheory.theory.linear.moments import moments
from vgtheory.theory.linear.units import units_of

INPUTS: dict[str, tuple[Any, Callable[[int], float]]] = {
    "white": (0.0, lambda j: float(j == 0)),
    "slow": (0.7, lambda j: 0.7**j),
    "alternating": (-0.5, lambda j: (-0.5) ** j),
    "listed": ([0.5, 0.2], lambda j: [1.0, 0.5, 0.2, 0.0][min(j, 3)]),
}
GIVEN = [0.9, -0.8, 0.97 * np.exp(0.5j)]


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("eigenvalue", GIVEN)
def test_moments_are_sums_over_the_past(eigenvalue: complex, name: str) -> None:
    """E h h', with h_t = sum of lambda^n x_(t-n) and its derivative, term by term."""
    correlation, at = INPUTS[name]
    n = np.arange(1500)
    state = eigenvalue**n
    slope = np.where(n > 0, n * eigenvalue ** np.maximum(n - 1, 0), 0.0)
    reach = 150

    def covariance(a: np.ndarray, b: np.ndarray) -> complex:
        terms = [
            at(abs(j)) * np.vdot(b[max(0, -j) : n.size - max(0, j)], a[max(0, j) : n.size + min(0, j)])
            for j in range(-reach, reach + 1)
        ]
        return sum(terms)

    net = LinearRecurrence([eigenvalue], correlation=correlation)
    found = moments(net, units_of(net))
    square, slopes = covariance(state, state).real, covariance(slope, slope).real
    assert found.log_state[0] == pytest.approx(np.log(square), abs=1e-11)
    assert found.log_slope[0] == pytest.approx(np.log(slopes), abs=1e-11)
    assert found.cross[0] == pytest.approx(covariance(slope, state) / np.sqrt(square * slopes), abs=1e-11)


def test_white_inputs_have_the_published_law() -> None:
    u = np.abs(GIVEN) ** 2
    found = theory.linear.log_sensitivity(LinearRecurrence(GIVEN), "eigenvalue")
    np.testing.assert_allclose(np.exp(found), (1 + u) / (1 - u) ** 3, rtol=1e-10)


def test_only_the_exponential_parametrisation_with_gamma_keeps_the_sensitivity() -> None:
    net = LinearRecurrence(1 - 10.0 ** -np.arange(1, 7), "gamma")
    at = {name: theory.linear.log_sensitivity(net, name) for name in ("nu", "theta", "eigenvalue")}
    assert np.ptp(at["nu"]) < 0.11
    assert at["nu"][-1] == pytest.approx(np.log(0.5), abs=1e-5)
    np.testing.assert_allclose(np.diff(at["theta"])[2:], 2 * np.log(10), atol=0.01)
    np.testing.assert_allclose(np.diff(at["eigenvalue"])[2:], 2 * np.log(10), atol=0.01)
    without = theory.linear.log_sensitivity(net.replace(scale="none"), "nu")
    np.testing.assert_allclose(np.diff(without)[2:], np.log(10), atol=0.01)
    change = {name: theory.linear.log_memory_change(net, name) for name in ("nu", "eigenvalue", "theta")}
    assert change["nu"].tolist() == [0.0] * 6
    np.testing.assert_allclose(np.exp(change["eigenvalue"])[2:] * 10.0 ** -np.arange(3, 7), 1, atol=1e-3)
    assert np.all(change["theta"] == -np.inf)


def test_means_over_a_ring_are_closed_or_infinite() -> None:
    ring = LinearRecurrence(Ring(0.9, 0.999))
    low, high = 0.9**2, 0.999**2
    mean = np.log((1 - low) / (1 - high)) / (high - low)
    assert float(theory.linear.log_q_state(ring)) == pytest.approx(np.log(mean), rel=1e-10)
    open_ring = LinearRecurrence(Ring())
    assert theory.linear.log_q_state(open_ring) == np.inf
    assert float(theory.linear.log_q_state(LinearRecurrence(Ring(), "gamma"))) == pytest.approx(0, abs=EXACT)
    assert np.isfinite(theory.linear.log_sensitivity(LinearRecurrence(Ring(), "gamma"), "nu"))
    assert theory.linear.log_sensitivity(LinearRecurrence(Ring(), "gamma"), "theta") == np.inf
    slow = theory.linear.log_q_state(ring.replace(correlation=0.9))
    assert float(slow) == pytest.approx(
        np.log(mean), rel=1e-9
    )  # harmonic: the mean over all angles is that at angle 0 of r_0
    half = theory.linear.log_q_state(LinearRecurrence(Ring(0.9, 0.999, np.pi / 8), correlation=0.9))
    assert half > np.log(mean) + 0.5


def by_difference(law: StateSpace, scale: str, dt: float, correlation: float) -> float:
    """E |dh / d dt|^2 of the first pole, from two sums over the past a small step apart."""
    change = 1e-5 * dt
    kernels = []
    for at in (dt + change, dt - change):
        turn = law.poles[0] * at
        zoh = law.method == "zoh"
        eigenvalue = np.exp(turn) if zoh else (1 + turn / 2) / (1 - turn / 2)
        factor = np.expm1(turn) / law.poles[0] if zoh else at / (1 - turn / 2)
        kernels.append((factor if scale == "step" else 1.0) * eigenvalue ** np.arange(4000))
    slope = (kernels[0] - kernels[1]) / (2 * change)
    power = (1 - correlation**2) / np.abs(1 - correlation * np.exp(-2j * np.pi * np.arange(8192) / 8192)) ** 2
    return float(np.mean(np.abs(np.fft.fft(slope, 8192)) ** 2 * power))


@pytest.mark.parametrize("scale", ["none", "step"])
@pytest.mark.parametrize("method", ["zoh", "bilinear"])
def test_the_time_step_acts_through_the_eigenvalue_and_the_input(method: str, scale: str) -> None:
    for kind in ("s4d-real", "s4d-inv"):
        law = StateSpace(kind, 1, 0.05, 0.05, method)
        known = by_difference(law, scale, 0.05, 0.3)
        found = theory.linear.log_sensitivity(LinearRecurrence(law, scale, 0.3), "dt")
        assert float(np.exp(found)) == pytest.approx(known, rel=1e-6)


NET, STEP = (
    LinearRecurrence([0.9, 0.95j, -0.97], "gamma"),
    LinearRecurrence(StateSpace("s4d-lin", 2, 0.05, 0.2), "step"),
)
CASES: dict[str, tuple[LinearRecurrence, str]] = {
    **{name: (NET.replace(correlation=0.4), name) for name in ("eigenvalue", "nu", "theta", "output")},
    "log_theta": (LinearRecurrence([0.95j, -0.97], correlation=0.4), "log_theta"),
    "listed": (NET.replace(correlation=[0.5, 0.2]), "nu"),
    "dt": (STEP, "dt"),
    "log_dt": (STEP.replace(correlation=0.4), "log_dt"),
}
FEW = {("eigenvalue", "associative"), ("dt", "sequential")}
BOTH = [(case, scan) for case in CASES for scan in ("associative", "sequential")]


@pytest.mark.parametrize(
    ("case", "scan"), [pytest.param(*each, marks=() if each in FEW else pytest.mark.slow) for each in BOTH]
)
def test_recurrences_obey_the_laws(key: jax.Array, case: str, scan: str) -> None:
    """And eigenvalues 1 % off do not: the power of the same test."""
    net, parameter = CASES[case]
    drawn = isinstance(net.eigenvalues, StateSpace)
    sizes: dict[str, Any] = {
        "steps": 256,
        "scan": scan,
        "num_inputs": 50 if drawn else 800,
        "num_nets": 40 if drawn else 1,
    }
    sizes["width"] = 8 if drawn else None
    seen = measure.linear.log_sensitivity(key, net, parameter, **sizes)
    assert np.all(np.abs(seen.value - theory.linear.log_sensitivity(net, parameter)) < SIGMAS * seen.err)
    if not drawn and parameter in ("eigenvalue", "theta"):
        off = theory.linear.log_sensitivity(net.replace(eigenvalues=0.99 * net.eigenvalues), parameter)
        assert np.any(np.abs(seen.value - off) > SIGMAS * seen.err)


@pytest.mark.parametrize("correlation", [0.6, [0.5, 0.2]])
def test_states_have_the_predicted_mean_square(key: jax.Array, correlation: Any) -> None:
    net = NET.replace(correlation=correlation)
    seen = measure.linear.log_q_state(key, net, steps=256, num_inputs=200, num_nets=1)
    assert np.all(np.abs(seen.value - theory.linear.log_q_state(net)) < SIGMAS * seen.err)


def test_one_step_changes_the_memory_as_predicted(key: jax.Array) -> None:
    for net, parameter in (
        (NET, "eigenvalue"),
        (NET, "nu"),
        (STEP, "log_dt"),
        (STEP.replace(eigenvalues=StateSpace("s4d-inv", 2, method="bilinear")), "dt"),
    ):
        drawn = isinstance(net.eigenvalues, StateSpace)
        seen = measure.linear.log_memory_change(
            key, net, parameter, num_nets=100 if drawn else 1, width=2 if drawn else None
        )
        law = theory.linear.log_memory_change(net, parameter)
        assert np.all(np.abs(seen.value - law) < SIGMAS * seen.err + 1e-6)


def test_inputs_that_cannot_be_are_refused(refused: Callable[..., Any]) -> None:
    with refused("LinearRecurrence", "correlation"):
        LinearRecurrence([0.5], correlation=[0.9])
    with refused("LinearRecurrence", "eigenvalues"):
        LinearRecurrence([0.5], scale="step")
    with refused("log_sensitivity", "eigenvalues"):
        theory.linear.log_sensitivity(NET, "dt")
