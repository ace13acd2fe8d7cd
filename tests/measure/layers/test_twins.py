"""Theory and measurement, independently written, agree within five standard errors; with sigma_w off by 3 % they do not."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from tests import surface
from tests.tolerances import POWER, SIGMAS, SPREAD
from vgtheory import Dense, Estimate, FixedRecurrent, compare, measure, theory

DEPTH = 24
NUM_NETS = 240
PROFILES = ("log_grad_layers", "log_grad_weight_layers", "log_q_layers")
NETS: dict[str, Dense] = {
    "linear": Dense("linear", 1.1),
    "relu": Dense("relu", 2**0.5),
    "relu with bias": Dense("relu", 1.2, 0.5),
    "leaky_relu": Dense("leaky_relu", 1.4),
    "tanh chaotic": Dense("tanh", 2.0, 0.1),
    "tanh ordered": Dense("tanh", 0.8, 0.3),
    "sigmoid": Dense("sigmoid", 1.0),
    "erf": Dense("erf", 1.3, 0.2),
    "hard_tanh": Dense("hard_tanh", 1.5, 0.2),
    "sin": Dense("sin", 1.4, 0.2),
    "selu": Dense("selu", 1.0, 0.2),
    "elu": Dense("elu", 1.2, 0.2),
    "silu": Dense("silu", 1.0, 0.2),
    "gelu": Dense("gelu", 1.0, 0.2),
    "tanh orthogonal": Dense("tanh", 1.3, 0.2, "orthogonal"),
    "relu orthogonal": Dense("relu", 1.4, 0.0, "orthogonal"),
}


QUICK = ("tanh chaotic", "tanh orthogonal")
"""Those of the default run; each takes some seconds to compile. A sigmoid of depth 1,000 is in test_chains."""


def size(name: str) -> dict[str, int]:
    """Depth and width; a QR decomposition of width 128 takes a hundred times as long as one of 64."""
    return {"depth": DEPTH, "width": 64 if name == "sigmoid" or "orthogonal" in name else 128}


def marked(name: str, *rest: Any) -> Any:
    """A case, slow unless it is one of the quick ones."""
    return pytest.param(name, *rest, marks=() if name in QUICK else pytest.mark.slow)


ALL = [marked(name) for name in NETS]


@pytest.fixture(scope="module")
def sampled() -> Callable[[str], Any]:
    """One set of networks per ensemble, shared by the tests of this file."""
    seen: dict[str, Any] = {}

    def logs(name: str) -> Any:
        if name not in seen:
            seen[name] = measure.samples(jax.random.key(20), NETS[name], **size(name), num_nets=NUM_NETS)
        return seen[name]

    return logs


def z_and_spread(samples: np.ndarray, law: Any) -> tuple[np.ndarray, np.ndarray]:
    """z at every layer in units of the measured error, and the ratio of measured to predicted spread."""
    spread = samples.std(axis=0, ddof=1)
    err = np.hypot(spread / samples.shape[0] ** 0.5, 2 * np.finfo(np.float32).eps * DEPTH)
    with np.errstate(invalid="ignore", divide="ignore"):
        return compare.z_score(Estimate(samples.mean(axis=0), err), law.mean), spread / law.std


@pytest.mark.optimised
@pytest.mark.parametrize("name", ALL)
def test_profiles_agree_in_mean_and_spread(sampled: Callable[[str], Any], name: str) -> None:
    for quantity, samples in zip(PROFILES, (sampled(name)[i] for i in (1, 2, 0)), strict=True):
        law = surface.public(theory)[quantity](NETS[name], **size(name))
        z, ratio = z_and_spread(samples, law)
        assert np.nanmax(np.abs(z)) < SIGMAS, quantity
        first = -1 if quantity == "log_q_layers" else 0
        assert abs(np.log(ratio[first])) < SPREAD, quantity


@pytest.mark.optimised
@pytest.mark.parametrize("name", ALL)
def test_the_joint_test_accepts_the_right_law_and_rejects_a_wrong_one(sampled: Callable[[str], Any], name: str) -> None:
    right = theory.log_grad_layers(NETS[name], **size(name)).mean
    net = NETS[name]
    wrong = theory.log_grad_layers(
        Dense(net.activation, 1.03 * net.sigma_w, net.sigma_b, net.weights), **size(name)
    ).mean
    samples = sampled(name).log_grad
    assert compare.profile_test(samples, right).p_value > POWER
    assert compare.profile_test(samples, wrong).p_value < POWER


def _sensitive() -> list[Any]:
    """All pairs but the weight gradients of homogeneous stacks without biases, which do not depend on sigma_w at all."""
    free = {"linear", "relu", "leaky_relu", "relu orthogonal"}
    pairs = [(name, quantity) for name in NETS for quantity in PROFILES]
    return [marked(*pair) for pair in pairs if pair[1] != "log_grad_weight_layers" or pair[0] not in free]


@pytest.mark.optimised
@pytest.mark.parametrize("off", [0.97, 1.03])
@pytest.mark.parametrize(("name", "quantity"), _sensitive())
def test_power_three_percent_off_fails(sampled: Callable[[str], Any], name: str, quantity: str, off: float) -> None:
    net = NETS[name]
    law = surface.public(theory)[quantity](
        Dense(net.activation, off * net.sigma_w, net.sigma_b, net.weights), **size(name)
    )
    samples = dict(zip(PROFILES, (sampled(name)[i] for i in (1, 2, 0)), strict=True))[quantity]
    assert np.nanmax(np.abs(z_and_spread(samples, law)[0])) > SIGMAS


def test_where_the_law_ends_its_spread_says_so() -> None:
    """An orthogonal GELU network at 1.5: two basins, twice the spread that an expansion about one of them would give."""
    net, shape = Dense("gelu", 1.5, 0.2, "orthogonal"), {"depth": 30, "width": 128}
    law, infinite = theory.log_grad_layers(net, **shape), theory.log_grad_layers(net, depth=30)
    assert np.isinf(law.std[0])
    assert np.isfinite(law.mean).all()
    assert (infinite.std == 0).all()


FEW = {"depth": 5, "width": 64, "num_nets": 6}


def test_estimates_are_the_mean_over_networks_with_its_standard_error(key: jax.Array) -> None:
    net = Dense("sigmoid", 2.0)
    logs = measure.samples(key, net, **FEW)
    for quantity, samples in zip(PROFILES, (logs[1], logs[2], logs[0]), strict=True):
        estimate = surface.public(measure)[quantity](key, net, **FEW)
        assert np.array_equal(estimate.value, samples.mean(axis=0))
        assert (estimate.err >= samples.std(axis=0, ddof=1) / 6**0.5).all()


def test_bounds_agree_and_bound(key: jax.Array) -> None:
    net, shape = Dense("sigmoid", 2.0), {"depth": FEW["depth"], "width": FEW["width"]}
    for norm in ("spectral", "frobenius"):
        measured = measure.layers.log_bound_layers(key, net, **FEW, norm=norm)
        predicted = theory.layers.log_bound_layers(net, **shape, norm=norm)
        wrong = theory.layers.log_bound_layers(Dense("sigmoid", 1.03 * 2.0), **shape, norm=norm)
        assert norm == "spectral" or wrong[0] > measured.value[0] + SIGMAS * measured.err[0]
        below_edge = 4 * 64 ** (-2 / 3) if norm == "spectral" else SIGMAS * measured.err[0]
        assert predicted[0] - below_edge < measured.value[0] < predicted[0] + SIGMAS * measured.err[0]
        assert (measured.value >= measure.log_grad_layers(key, net, **FEW).value).all()


@pytest.mark.slow
@pytest.mark.parametrize(("net", "which"), [(Dense("linear", 1.15), "forward"), (Dense("tanh", 4.0), "backward")])
def test_pass_limits_agree(key: jax.Array, net: Dense, which: str) -> None:
    """Three per cent of sigma_w is many layers where growth is slow, and less than one where it is fast."""
    shape = {"depth": 150, "width": 64}
    predicted, wrong = (
        getattr(theory.pass_limit(Dense(net.activation, off * net.sigma_w), "float16", **shape), which)
        for off in (1, 1.03)
    )
    measured = measure.pass_limit(key, net, "float16", **shape, num_nets=12)
    layers = getattr(measured, which)
    err = max(1.0, layers.std(ddof=1) / 12**0.5)
    assert abs(np.median(layers) - predicted) < SIGMAS * err
    if which == "forward":
        assert abs(np.median(layers) - wrong) > SIGMAS * err
    else:
        assert np.isinf(measured.forward).all()


@pytest.mark.parametrize("mean", [0.98, 0.0])
@pytest.mark.parametrize("std", [0.3, 1.0])
def test_scalar_chains_agree(key: jax.Array, mean: float, std: float) -> None:
    num_nets = 20_000
    typical = measure.recurrent.log_scalar_chain(key, mean, std, 6, num_nets=num_nets)
    law = theory.recurrent.log_scalar_chain(mean, std, 6)
    assert abs(compare.z_score(typical, law.mean)) < SIGMAS
    assert abs(np.log(typical.err * num_nets**0.5 / law.std)) < SPREAD
    assert abs(compare.z_score(typical, theory.recurrent.log_scalar_chain(1.03 * mean, 1.03 * std, 6).mean)) > SIGMAS
    average = measure.recurrent.log_mean_scalar_chain(key, mean, std, 6, num_nets=num_nets)
    assert abs(compare.z_score(average, theory.recurrent.log_mean_scalar_chain(mean, std, 6))) < SIGMAS
    assert abs(compare.z_score(average, theory.recurrent.log_mean_scalar_chain(1.03 * mean, 1.03 * std, 6))) > SIGMAS


def _matrices() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    basis = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    turn = np.kron(np.eye(6), [[0.8, -0.5], [0.5, 0.8]])
    return {
        "symmetric": basis * np.linspace(-0.7, 1.05, 12) @ basis.T,
        "normal": basis @ turn @ basis.T,
        "ginibre": rng.normal(size=(12, 12)) / 12**0.5,
        "orthogonal": basis,
    }


@pytest.mark.parametrize("kind", ["symmetric", "normal", "ginibre", "orthogonal"])
def test_matrix_powers_agree(kind: str) -> None:
    matrix, vector, steps = _matrices()[kind], np.ones(12), np.array([0, 1, 10, 100, 1000])
    measured = measure.recurrent.log_power_norms(matrix, vector, steps)
    z = compare.z_score(measured, theory.recurrent.log_power_norms(matrix, vector, steps))
    wrong = compare.z_score(measured, theory.recurrent.log_power_norms(1.03 * matrix, vector, steps))
    assert np.abs(z).max() < SIGMAS
    assert np.abs(wrong[1:]).min() > SIGMAS


def test_settled_rates_agree(key: jax.Array) -> None:
    symmetric = _matrices()["symmetric"]
    for scale in (0.7, 1.0, 1.6):
        net, state = FixedRecurrent("tanh", matrix=scale * symmetric), np.ones(12)
        measured = measure.recurrent.log_rate(key, net, state)
        wrong = FixedRecurrent("tanh", matrix=1.03 * scale * symmetric)
        assert abs(compare.z_score(measured, theory.recurrent.log_rate(net, state))) < SIGMAS
        assert abs(compare.z_score(measured, theory.recurrent.log_rate(wrong, state))) > SIGMAS


@pytest.mark.parametrize(
    "activation", ["tanh", "sigmoid", *(pytest.param(name, marks=pytest.mark.slow) for name in ("sin", "relu"))]
)
def test_scalar_recurrences_agree(activation: str) -> None:
    measured = measure.recurrent.log_scalar_steps(0.9, activation, 0.4, steps=60)
    assert (
        np.abs(compare.z_score(measured, theory.recurrent.log_scalar_steps(0.9, activation, 0.4, steps=60))).max()
        < SIGMAS
    )
    assert (
        np.abs(compare.z_score(measured, theory.recurrent.log_scalar_steps(0.927, activation, 0.4, steps=60))).max()
        > SIGMAS
    )


def test_a_state_that_shrinks_below_float32_still_has_its_gradient() -> None:
    measured = measure.recurrent.log_scalar_steps(0.9, "tanh", 0.5, steps=3000)
    predicted = theory.recurrent.log_scalar_steps(0.9, "tanh", 0.5, steps=3000)
    assert np.abs(compare.z_score(measured, predicted)).max() < SIGMAS


def test_flat_leading_eigenvector_obeys_the_scalar_law(key: jax.Array) -> None:
    import scipy.linalg

    basis = scipy.linalg.hadamard(8) / 8**0.5
    spectrum = np.array([1.2, 0.9, -0.8, 0.5, 0.3, -0.2, 0.1, 0.6])
    net = FixedRecurrent("tanh", matrix=basis * spectrum @ basis.T)
    scalar = theory.recurrent.log_scalar_steps(1.2, "tanh", 0.3, steps=12)
    for index in (0, 2):
        measured = np.cumsum(measure.recurrent.gradient_steps(net, 0.3 * basis[:, 0] * 8**0.5, basis[:, index], 12))
        predicted = scalar + np.arange(1, 13) * np.log(abs(spectrum[index]) / 1.2)
        assert np.abs(measured - predicted).max() < 100 * np.finfo(np.float32).eps * 12
