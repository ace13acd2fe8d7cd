"""Real gradients cast to formats, beside the law of their entries."""

from typing import Any

import jax
import numpy as np
import pytest

from tests.tolerances import SIGMAS
from vgtheory import Dense, measure, theory
from vgtheory.measure.magnitudes import casts, tensors
from vgtheory.networks.listed import listing
from vgtheory.theory.laws import question_of
from vgtheory.theory.magnitudes import entries

E4M3 = "float8_e4m3fn"
POINTS = 0.02
"""Two points of a share."""
CASES: list[tuple[Dense, dict[str, Any], float]] = [
    (Dense("tanh", 0.9), {"depth": 8, "width": 64}, 1.0),
    (Dense("tanh", 2.0, 0.3), {"depth": 8, "width": 64}, 100.0),
    (Dense("relu", 2**0.5), {"depth": 6, "width": 64}, 300.0),
    (Dense(("relu", "tanh", "gelu", "linear"), (1.3, 2.0, 1.0, 0.7), 0.1, widths=(60, 90, 50, 30, 10)), {}, 4.0),
]


def off(net: Dense, by: float) -> Dense:
    scale = tuple(by * each for each in net.sigma_w) if isinstance(net.sigma_w, tuple) else by * net.sigma_w
    return Dense(net.activation, scale, net.sigma_b, widths=net.widths)


def gaps(predicted: Any, measured: Any) -> np.ndarray:
    """Gaps of shares of 0.2 to 99.8 %, of which enough entries were counted, in standard errors."""
    z = [
        np.where((law > 0.002) & (law < 0.998), (seen.value - law) / np.maximum(seen.err, 1e-12), 0.0)
        for law, seen in zip(predicted, measured, strict=True)
    ]
    return np.abs(np.array(z))


@pytest.mark.parametrize(("net", "size", "loss_scale"), CASES)
def test_shares_agree(key: jax.Array, net: Dense, size: dict[str, Any], loss_scale: float) -> None:
    """Ten per cent of sigma_w would be seen."""
    measured = measure.magnitudes.underflow_share(key, net, E4M3, **size, num_nets=96, loss_scale=loss_scale)
    right, wrong = (
        theory.magnitudes.underflow_share(off(net, by), E4M3, **size, loss_scale=loss_scale) for by in (1.0, 1.1)
    )
    assert gaps(right, measured).max() < SIGMAS
    assert gaps(wrong, measured).max() > SIGMAS
    for law, seen in zip(right, measured, strict=True):
        assert abs(law - seen.value).max() < POINTS


def test_the_best_scale_agrees_within_a_factor_of_two(key: jax.Array) -> None:
    for net, size, _ in CASES:
        law = theory.magnitudes.best_loss_scale(net, E4M3, **size)
        seen = measure.magnitudes.best_loss_scale(key, net, E4M3, **size, num_nets=16)
        assert 0.5 <= seen.scale / law.scale <= 2
    wrong = theory.magnitudes.best_loss_scale(Dense("tanh", 0.9 * 0.9), E4M3, depth=24, width=64)
    seen = measure.magnitudes.best_loss_scale(key, Dense("tanh", 0.9), E4M3, depth=24, width=64, num_nets=16)
    assert wrong.scale / seen.scale > 2


FAR_FROM_LOG_NORMAL = Dense("gelu", 1.4, 0.1)
"""Few networks out of many keep their length, in 24 layers: the mean square of the last one's h is a hundred times the others'."""


def test_the_best_scale_is_better_than_all_others(key: jax.Array) -> None:
    """Of entries, most of which are far smaller than the largest: also beyond the scale at which every layer has begun to overflow."""
    size: dict[str, Any] = {"depth": 24, "width": 32, "num_nets": 24}
    best = measure.magnitudes.best_loss_scale(key, FAR_FROM_LOG_NORMAL, E4M3, **size)
    lost = []
    for power in range(-6, 7):
        scale = float(best.scale * 2.0**power)
        shares = measure.magnitudes.underflow_share(key, FAR_FROM_LOG_NORMAL, E4M3, **size, loss_scale=scale)
        lost.append(np.mean(shares.underflow.value + shares.overflow.value))
    assert int(np.argmin(lost)) == 6
    assert min(lost) == pytest.approx(float(best.underflow + best.overflow), rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("cast", [E4M3, "float8_e5m2", "float16"])
def test_the_best_scale_agrees_far_from_log_normal(key: jax.Array, cast: str) -> None:
    """Of 96 networks; of the E5M2's best scale a tenth of these decide, and of a single network's it is another."""
    size = {"depth": 24, "width": 96}
    law = theory.magnitudes.best_loss_scale(FAR_FROM_LOG_NORMAL, cast, **size)
    seen = measure.magnitudes.best_loss_scale(key, FAR_FROM_LOG_NORMAL, cast, **size, num_nets=96)
    assert 0.5 <= seen.scale / law.scale <= 2


def test_small_entries_agree(key: jax.Array) -> None:
    net, size = Dense("sigmoid", 1.0), {"depth": 14, "width": 64}
    measured = measure.magnitudes.share_below(key, net, 1e-8, **size, num_nets=64)
    law = theory.magnitudes.share_below(net, 1e-8, **size)
    wrong = theory.magnitudes.share_below(Dense("sigmoid", 1.1), 1e-8, **size)
    counted = (law > 0.002) & (law < 0.998)
    assert counted.sum() >= 3
    assert (abs(measured.value - law) < SIGMAS * measured.err)[counted].all()
    assert (abs(measured.value - wrong) > SIGMAS * measured.err)[counted].any()


def test_entries_are_those_of_jax_grad(key: jax.Array) -> None:
    """The plain pass gives the norms of the walk in the log domain."""
    drawn = tensors.pieces_of(Dense("tanh", 1.4, 0.3), key, tensors.Asked("f", 4, 16, 3, None, 0.0, 1.0, "float32"))
    logs = np.stack([np.log(np.linalg.norm(each.entries, axis=(1, 2))) for each in drawn], axis=1)
    samples = measure.samples(key, Dense("tanh", 1.4, 0.3, widths=(16,) * 5), num_nets=3)
    np.testing.assert_allclose(logs - logs[:, -1:], samples.log_grad_weight, atol=1e-5)


def test_casts_flush_and_saturate_as_said() -> None:
    entries = np.array([0.0, 2.0**-10, 2.0**-9, 2.0**-6, -448.0, 464.1])
    assert casts.plain(entries, E4M3, flush=False)[:5].tolist() == [0, 0, 2.0**-9, 2.0**-6, 448]
    assert casts.plain(entries, E4M3, flush=True)[:5].tolist() == [0, 0, 0, 2.0**-6, 448]
    assert np.isnan(casts.plain(entries, E4M3, flush=True)[5])


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu", "sigmoid", "hard_tanh", "linear"])
@pytest.mark.parametrize("sigma_w", [0.9, 1.4, 2.0])
def test_shares_agree_widely(key: jax.Array, activation: str, sigma_w: float) -> None:
    for cast in (E4M3, "float8_e5m2", "float16"):
        net, size = Dense(activation, sigma_w, 0.1), {"depth": 24, "width": 96}
        best = theory.magnitudes.best_loss_scale(net, cast, **size).scale
        for shift in (1 / 64, 1.0, 64.0):
            size |= {"loss_scale": float(best) * shift}
            measured = measure.magnitudes.underflow_share(key, net, cast, **size, num_nets=48, dtype="float64")
            law = theory.magnitudes.underflow_share(net, cast, **size)
            assert gaps(law, measured).max() < SIGMAS
            for predicted, seen in zip(law, measured, strict=True):
                assert (abs(predicted - seen.value) < POINTS + 2 * seen.err).all()


@pytest.mark.slow
def test_signals_and_gradients_that_grow_together(key: jax.Array) -> None:
    """Small shares of GELU, whose ln q spreads by 1.2 over networks; taken as independent, entries of deep layers overflow a tenth as often."""
    net, size = Dense("gelu", 1.4, 0.1), {"depth": 24, "width": 96}
    law = theory.magnitudes.underflow_share(net, E4M3, **size, loss_scale=64.0)
    seen = measure.magnitudes.underflow_share(key, net, E4M3, **size, loss_scale=64.0, num_nets=192, dtype="float64")
    assert gaps(law, seen)[1].max() < SIGMAS
    assert (law.overflow[4:10] > 1e-4).all()
    low = float(np.log(2.0**-10 / 64))
    question = question_of("f", net, 24, 96)
    rows = entries._apart(net, question, listing("f", net, 24, 96))
    apart = np.array([row.beyond(np.array([low]), above=False)[0] for row in rows])
    assert (abs(seen.underflow.value - apart) > SIGMAS * seen.underflow.err / 2).any()
