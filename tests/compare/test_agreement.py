"""Comparisons are calibrated: a right prediction is accepted as often as it should be, a wrong one is not."""

import numpy as np
import pytest
from scipy import stats

from tests.tolerances import EXACT
from vgtheory import Estimate, compare


def test_z_score_adds_errors_in_quadrature() -> None:
    assert float(compare.z_score(Estimate(2.0, 0.3), 1.0, 0.4)) == pytest.approx(2.0, rel=EXACT)
    assert compare.z_score(Estimate(np.array([1.0, 1.0]), np.array([0.0, 0.0])), np.array([1.0, 2.0])).tolist() == [
        0.0,
        -np.inf,
    ]


def walks(seed: int, num_nets: int, depth: int, memory: float) -> np.ndarray:
    """Random walks whose increments are themselves correlated along depth."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(num_nets, depth))
    for layer in range(1, depth):
        noise[:, layer] += memory * noise[:, layer - 1]
    return np.cumsum(noise, axis=1)


@pytest.mark.parametrize("memory", [0.0, 0.8])
def test_profile_test_is_calibrated_whatever_the_correlation(memory: float) -> None:
    values = [compare.profile_test(walks(seed, 64, 40, memory), np.zeros(40)).p_value for seed in range(300)]
    assert stats.kstest(values, "uniform").pvalue > 1e-4


def test_profile_test_sees_a_drift_of_a_tenth_of_a_step() -> None:
    drift = 0.1 * np.arange(40)
    assert compare.profile_test(walks(0, 400, 40, 0.0), drift).p_value < 1e-6


def test_profile_test_sees_a_bend_that_the_end_points_hide() -> None:
    bend = 2 * np.sin(np.linspace(0, np.pi, 40))
    samples = walks(1, 400, 40, 0.0)
    assert compare.profile_test(samples, bend).p_value < 1e-6
    assert compare.profile_test(samples, np.zeros(40)).p_value > 1e-4


def test_profile_test_says_when_it_cannot_tell() -> None:
    samples = walks(2, 20, 10, 0.0)
    samples[3, 4] = -np.inf
    assert np.isnan(compare.profile_test(samples, np.zeros(10)).p_value)
    assert np.isnan(compare.profile_test(samples[:2], np.zeros(10)).p_value)


def test_rate_error_is_honest_for_random_walks() -> None:
    rates = [compare.log_rate_layers(walks(seed, 32, 50, 0.0)) for seed in range(400)]
    z = np.array([rate.value / rate.err for rate in rates])
    assert stats.kstest(z, stats.t(31).cdf).pvalue > 1e-4
    assert compare.log_rate_layers(walks(0, 1, 50, 0.0)).err == np.inf


@pytest.mark.parametrize(
    ("measured", "phrase"),
    [
        (Estimate(1.05, 0.1), "agrees (z = +0.5)"),
        (Estimate(2.0, 0.1), "disagrees (z = +10.0, measured / predicted = 2)"),
        (Estimate(1.0, np.inf), "outside (the measurement's error is unknown)"),
        (Estimate(np.nan, 0.1), "broken (measured nan +- 0.1)"),
        (Estimate(np.inf, np.nan), "broken (measured inf +- nan)"),
        (Estimate(-np.inf, 0.1), "disagrees (no error is known)"),
        (Estimate(1.5, 0.0), "disagrees (no error is known)"),
    ],
)
def test_verdicts(measured: Estimate, phrase: str) -> None:
    assert compare.verdict(measured, 1.0) == phrase
    assert phrase.split(" ")[0] in compare.OUTCOMES


@pytest.mark.parametrize(
    ("measured", "predicted", "phrase"),
    [
        (Estimate(1.5, 0.1), 1.0, "outside (the law declines; the gap is +5.0 measured standard errors)"),
        (Estimate(1.5, 0.0), 1.0, "outside (the law declines)"),
        (Estimate(np.nan, 0.1), 1.0, "broken (measured nan +- 0.1)"),
        (Estimate(1.5, np.nan), 1.0, "broken (measured 1.5 +- nan)"),
    ],
)
def test_a_law_that_declines_hides_no_gap_and_no_broken_measurement(
    measured: Estimate, predicted: float, phrase: str
) -> None:
    assert compare.verdict(measured, predicted, np.inf) == phrase


def test_a_prediction_that_is_nan_without_declining_is_broken() -> None:
    assert compare.verdict(Estimate(1.0, 0.1), np.nan) == "broken (predicted nan +- 0)"
    assert compare.verdict(Estimate(1.0, 0.1), 1.0, np.nan) == "broken (predicted 1 +- nan)"


def test_calibration_accepts_the_normal_law_and_sees_a_shift_and_a_scale() -> None:
    z = np.random.default_rng(3).normal(size=2000)
    right = compare.calibration(z)
    assert abs(right.mean) < 4 * right.mean_err
    assert abs(right.std - 1) < 4 * right.std_err
    assert right.p_value > 1e-3
    assert compare.calibration(z + 0.15).p_value < 1e-6
    assert compare.calibration(1.15 * z).std - 1 > 4 * right.std_err
    assert np.isnan(compare.calibration([*z, np.nan]).p_value)
