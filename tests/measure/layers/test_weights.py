"""Weights of every kind: their moments, the twin and power tests of each, and what does not hold of them."""

from typing import Any

import jax
import numpy as np
import pytest
from scipy import stats

from tests import surface
from tests.tolerances import EQUAL_FLOAT32, POWER, SAME_LAW, SIGMAS, SPREAD
from vgtheory import Dense, Estimate, Recurrent, compare, measure, theory
from vgtheory.measure.engine.draws import drawn, words_of
from vgtheory.weights import CUT, DEGREES, EXCESS_KURTOSIS, SHARE

LIGHT = [kind for kind, excess in EXCESS_KURTOSIS.items() if np.isfinite(excess)]
NETS = {"linear": Dense("linear", 1.1), "tanh": Dense("tanh", 0.9, 0.2)}
NUM_NETS, DEPTH, WIDTH = 240, 16, 128


def entries(kind: str, dtype: str = "float32") -> np.ndarray:
    with jax.enable_x64(dtype == "float64"):
        return np.asarray(drawn(words_of(jax.random.key(3)), kind, 2, (500, 400), dtype), np.float64)


def law_of(kind: str) -> Any:
    """The distribution function of one entry, by scipy."""
    if kind == "gaussian":
        return stats.norm.cdf
    if kind == "uniform":
        return stats.uniform(-(3**0.5), 2 * 3**0.5).cdf
    if kind == "truncated_normal":
        unit = stats.truncnorm(-CUT, CUT)
        return lambda x: unit.cdf(x * unit.std())
    return lambda x: stats.t(DEGREES).cdf(x * (DEGREES / (DEGREES - 2)) ** 0.5)


@pytest.mark.parametrize("kind", EXCESS_KURTOSIS)
def test_entries_are_of_their_law_with_unit_variance(kind: str) -> None:
    numbers = entries(kind).ravel()
    if kind == "sparse":
        count = np.count_nonzero(numbers)
        assert abs(count - SHARE * numbers.size) < SIGMAS * (SHARE * (1 - SHARE) * numbers.size) ** 0.5
        assert stats.kstest(numbers[numbers != 0] * SHARE**0.5, "norm").pvalue > SAME_LAW
    else:
        assert stats.kstest(numbers, law_of(kind)).pvalue > SAME_LAW
        assert stats.kstest(1.03 * numbers, law_of(kind)).pvalue < POWER
    excess = EXCESS_KURTOSIS[kind]
    if np.isfinite(excess):
        for power, expected in ((2, 1.0), (4, 3 + excess)):
            err = np.std(numbers**power) / numbers.size**0.5
            assert abs(np.mean(numbers**power) - expected) < SIGMAS * err
    assert abs(np.mean(numbers)) < SIGMAS / numbers.size**0.5


@pytest.mark.parametrize("kind", EXCESS_KURTOSIS)
def test_entries_are_the_same_in_either_format(kind: str) -> None:
    np.testing.assert_allclose(
        entries(kind), entries(kind, "float64"), rtol=10 * EQUAL_FLOAT32, atol=10 * EQUAL_FLOAT32
    )


def of_kind(net: Dense, kind: str, off: float = 1.0) -> Dense:
    return Dense(net.activation, off * net.sigma_w, net.sigma_b, kind)


@pytest.fixture(scope="module")
def sampled() -> Any:
    seen: dict[tuple[str, str], Any] = {}

    def logs(name: str, kind: str) -> Any:
        if (name, kind) not in seen:
            size = {"depth": DEPTH, "width": WIDTH, "num_nets": NUM_NETS}
            seen[name, kind] = measure.samples(jax.random.key(11), of_kind(NETS[name], kind), **size)
        return seen[name, kind]

    return logs


def z_and_spread(samples: np.ndarray, law: Any) -> tuple[np.ndarray, np.ndarray]:
    spread = samples.std(axis=0, ddof=1)
    err = np.hypot(spread / len(samples) ** 0.5, 2 * np.finfo(np.float32).eps * DEPTH)
    with np.errstate(invalid="ignore", divide="ignore"):
        return compare.z_score(Estimate(samples.mean(axis=0), err), law.mean), spread / law.std


def cases() -> list[Any]:
    slow = pytest.mark.slow
    pairs = [(name, kind) for name in NETS for kind in LIGHT if kind != "gaussian"]
    return [pytest.param(*pair, marks=() if pair == ("tanh", "sparse") else slow) for pair in pairs]


@pytest.mark.parametrize(("name", "kind"), cases())
def test_profiles_agree_in_mean_and_spread_and_three_percent_off_fails(sampled: Any, name: str, kind: str) -> None:
    logs, size = sampled(name, kind), {"depth": DEPTH, "width": WIDTH}
    for quantity, samples in (
        ("log_grad_layers", logs.log_grad),
        ("log_grad_weight_layers", logs.log_grad_weight),
        ("log_q_layers", logs.log_q),
    ):
        z, ratio = z_and_spread(samples, surface.public(theory)[quantity](of_kind(NETS[name], kind), **size))
        assert np.nanmax(np.abs(z)) < SIGMAS, quantity
        assert abs(np.log(ratio[-1 if quantity == "log_q_layers" else 0])) < SPREAD, quantity
        wrong = surface.public(theory)[quantity](of_kind(NETS[name], kind, 1.03), **size)
        if name == "tanh" or quantity != "log_grad_weight_layers":
            assert np.nanmax(np.abs(z_and_spread(samples, wrong)[0])) > SIGMAS, quantity


@pytest.mark.slow
def test_heavy_tails_change_nothing_at_infinite_width(key: jax.Array) -> None:
    """The mean square of a linear stack is the same at every width; its log's mean at 192 units is short of that by some 1/N."""
    net = of_kind(NETS["linear"], "heavy_tailed")
    logs = measure.samples(key, net, depth=6, width=192, num_nets=48)
    for off, agrees in ((1.0, True), (1.03, False)):
        law = theory.log_grad_layers(of_kind(NETS["linear"], "heavy_tailed", off), depth=6)
        assert (np.abs(z_and_spread(logs.log_grad, law)[0]).max() < SIGMAS) == agrees


@pytest.mark.slow
def test_sparse_weights_scatter_more_than_gaussian_ones_as_their_fourth_cumulant_says(key: jax.Array) -> None:
    size, num_nets = {"depth": 5, "width": 96}, 2000
    logs = measure.samples(key, of_kind(NETS["linear"], "sparse"), **size, num_nets=num_nets).log_grad[:, 0]
    sparse, gaussian = (
        theory.log_grad_layers(of_kind(NETS["linear"], kind), **size) for kind in ("sparse", "gaussian")
    )
    ratio = np.log(logs.std(ddof=1) / np.array([sparse.std[0], gaussian.std[0]]))
    assert abs(ratio[0]) < SIGMAS / (2 * num_nets) ** 0.5 < ratio[1]


def test_what_has_no_law_is_refused(refused: Any) -> None:
    size = {"depth": 3, "width": 64}
    heavy = Dense("tanh", 1.5, 0.1, "heavy_tailed")
    for name in ("log_grad_layers", "log_grad_weight_layers", "log_q_layers", "log_chi_layers"):
        assert np.isfinite(surface.public(theory)[name](heavy, depth=3).mean).all()
        with refused(name, "weights"):
            surface.public(theory)[name](heavy, **size)
    with refused("log_bound_layers", "weights"):
        theory.layers.log_bound_layers(heavy, depth=3)
    with refused("jacobian_edge", "weights"):
        theory.jacobian_edge(heavy, 3)
    with refused("log_parts_layers", "weights"):
        theory.layers.log_parts_layers(Dense("tanh", weights="uniform"), **size)
    with refused("log_spectral_radius", "weights"):
        theory.recurrent.log_spectral_radius(Recurrent("linear", 1.0, weights="sparse"), width=64)
    with refused("lyapunov_exponents", "weights"):
        theory.lyapunov_exponents(Dense("linear", weights="sparse"), width=64)
    with refused("samples", "weights", remedy="Use sampler='networks'"):
        measure.samples(jax.random.key(0), Dense("tanh", weights="uniform"), **size, num_nets=1, sampler="matrix_free")


def test_too_few_entries_have_no_spread_predicted() -> None:
    """Ten in a row of a hundred are enough for ReLU's mean, three in a row of 32 are not for its spread."""
    for width, known in ((192, True), (32, False)):
        law = theory.log_grad_layers(Dense("relu", 2**0.5, 0.0, "sparse"), depth=5, width=width)
        assert np.isfinite(law.mean).all()
        assert np.isfinite(law.std[0]) == known


def test_the_spectrum_of_independent_entries_is_one() -> None:
    for kind in ("uniform", "sparse"):
        other, gaussian = (Dense("tanh", 1.3, 0.2, weights) for weights in (kind, "gaussian"))
        assert theory.jacobian_edge(other, 4) == theory.jacobian_edge(gaussian, 4)
        assert theory.spectra.jacobian_moments(other, 4) == theory.spectra.jacobian_moments(gaussian, 4)
        assert theory.chi_1(other) == theory.chi_1(gaussian)


@pytest.mark.slow
def test_the_fourth_cumulant_moves_means_at_order_one_over_width(key: jax.Array) -> None:
    """Sparse tanh networks of 256 units: by Edgeworth's term and by what ties a weight to the slope above it."""
    net, size = Dense("tanh", 2.0, 0.1, "sparse"), {"depth": 6, "width": 256}
    samples = measure.samples(key, net, **size, num_nets=6000).log_grad_weight[:, 0]
    right, wrong = (
        theory.log_grad_weight_layers(of_kind(net, kind), **size).mean[0] for kind in ("sparse", "gaussian")
    )
    err = samples.std(ddof=1) / len(samples) ** 0.5
    assert abs(samples.mean() - right) < SIGMAS * err < abs(samples.mean() - wrong)
