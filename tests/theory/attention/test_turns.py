"""Rotary positions without a mask: means over positions by hand, two positions exactly, drawn waves, a real layer."""

from typing import Any

import jax
import numpy as np
import pytest

from vgtheory import measure, theory
from vgtheory.theory.attention.turns import rates, turns, waves

LIKELY, UNLIKELY = 4.5, 10.0
"""Standard errors: of the largest of a dozen, and of one that must be seen."""


def test_means_over_positions_are_those_of_all_pairs() -> None:
    count, at = 6, np.arange(6)
    factor = lambda distance: np.cos(np.asarray(distance)[..., None] * rates(1 / 16)).mean(axis=-1)
    two = [i - j for i in at for j in at if i != j]
    found = turns(count, 1 / 16)
    assert found.once == pytest.approx(factor(two).mean(), rel=1e-12)
    assert found.twice == pytest.approx(factor(np.subtract.outer(two, two)).mean(), rel=1e-12)
    assert found.spread == pytest.approx((1 - found.once) * (count - 1) / count, rel=1e-12)


def test_two_positions_see_the_difference_of_their_logits() -> None:
    """A_1 is logistic in a Gaussian of variance 2 kappa (1 - c rho), and 1 - 2 A_1 A_2 the mean square of a share."""
    c, sigma = 0.6, 1.1
    rho = float(np.cos(rates(0.0)).mean())
    z, weight = np.polynomial.hermite_e.hermegauss(80)
    share = 1 / (1 + np.exp(-np.sqrt(2 * sigma**4 * (1 - c * rho)) * z))
    same = 1 - 2 * (weight / weight.sum()) @ (share * (1 - share))
    found = theory.attention.softmax_attention(sigma, positions=2, c=c, is_rotary=True)
    assert found.output[0] == pytest.approx(c + (1 - c) * same, rel=1e-5)
    assert found.value[0] == pytest.approx(same, rel=1e-5)


@pytest.mark.parametrize(("head", "positions"), [(32, 64), (64, 128)])
def test_waves_are_those_of_drawn_queries(head: int, positions: int) -> None:
    """Keys of one common part and no own one: a query's logits are waves over the positions."""
    rng, draws, kappa = np.random.default_rng(5), 2000, 1.0
    angles = np.outer(rates(1 / head), np.arange(positions))
    query, key = rng.normal(size=(2, draws, head // 2)) + 1j * rng.normal(size=(2, draws, head // 2))
    logits = np.sqrt(kappa) * ((query * key) @ np.exp(1j * angles)).real / np.sqrt(head)
    share = np.exp(logits - logits.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    seen = positions * (share**2).sum(axis=1)
    known = turns(positions, 1 / head)
    factor = float(waves(np.asarray(0.0), np.asarray(kappa), known, 1.0)[0])
    law, err = np.exp(kappa * known.spread) * factor, seen.std() / draws**0.5
    assert abs(seen.mean() - law) < 4 * err + 0.01 * law
    assert abs(seen.mean() - law / factor) > 6 * err


SETTINGS: list[dict[str, Any]] = [
    {"sigma_qk": 1.0, "c": 0.5, "c_cotangent": 0.3},
    {"sigma_qk": 0.8, "c": 0.4, "c_cotangent": 0.3, "dropout": 0.3, "is_normed": False},
]


def scores(seen: measure.attention.AttentionEstimates, law: theory.attention.AttentionOverlaps) -> np.ndarray:
    """Deviations of a law from real layers, in standard errors."""
    rows = [(getattr(seen, name), getattr(law, name)) for name in (*law._fields, "gradient")]
    return np.array([(estimate.value - mean) / estimate.err for estimate, mean in rows])


@pytest.mark.parametrize("setting", [SETTINGS[0], pytest.param(SETTINGS[1], marks=pytest.mark.slow)])
def test_a_real_layer_has_the_law(setting: dict[str, Any]) -> None:
    how, law = setting | {"positions": 96, "head_width": 32, "width": 96}, theory.attention.softmax_attention
    seen = measure.attention.softmax_attention(jax.random.key(5), num_nets=512, is_rotary=True, **how)
    right = scores(seen, law(is_rotary=True, **how))
    assert np.abs(right).max() < LIKELY, right
    assert np.abs(scores(seen, law(is_rotary=False, **how))).max() > UNLIKELY
    assert np.abs(scores(seen, law(is_rotary=True, **(how | {"sigma_qk": 1.05 * how["sigma_qk"]})))).max() > LIKELY


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_wide_layer_has_the_law(setting: dict[str, Any]) -> None:
    how = setting | {"positions": 256, "head_width": 64, "width": 512, "is_rotary": True}
    seen = measure.attention.softmax_attention(jax.random.key(5), num_nets=512, **how)
    right = scores(seen, theory.attention.softmax_attention(**how))
    assert np.abs(right).max() < LIKELY, right
