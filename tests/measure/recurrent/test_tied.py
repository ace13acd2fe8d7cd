"""One random matrix at a finite width: gradients and exponents that are measured, beside the law."""

import jax
import numpy as np
import pytest

from tests.tolerances import EQUAL_FLOAT32, SIGMAS
from vgtheory import Recurrent, measure, theory


def test_lags_of_a_linear_network_agree_and_three_percent_off_does_not(key: jax.Array) -> None:
    lags, sizes = np.array([1, 16, 64]), {"width": 64, "num_nets": 128}
    mean, std = measure.recurrent.log_tied_lags(key, Recurrent("linear", 1.1), lags, **sizes)
    law, wrong = (
        theory.recurrent.log_tied_lags(Recurrent("linear", sigma_w), lags, width=64) for sigma_w in (1.1, 1.133)
    )
    err = np.hypot(mean.err, law.std / 1024**0.5)
    assert np.all(np.abs(mean.value - law.mean) < SIGMAS * err)
    assert np.all(np.abs(std.value - law.std) < SIGMAS * np.hypot(std.err, law.std / 2048**0.5))
    assert np.any(np.abs(mean.value - wrong.mean) > SIGMAS * err)


def test_one_step_may_shrink_a_gradient_beyond_the_root_of_the_format(key: jax.Array) -> None:
    net, lags = Recurrent("linear", 1e-25, weights="orthogonal"), np.array([1, 8])
    mean, _ = measure.recurrent.log_tied_lags(key, net, lags, width=8, num_nets=2, burn_in=2)
    np.testing.assert_allclose(mean.value, lags * np.log(1e-25), rtol=EQUAL_FLOAT32)


@pytest.mark.slow
@pytest.mark.parametrize("sigma_w", [1.0, 1.05, 1.1, 1.2, 1.3, 1.5])
@pytest.mark.parametrize(("width", "num_nets"), [(200, 24), (500, 12), (2000, 4)])
def test_exponents_just_above_the_edge(key: jax.Array, width: int, num_nets: int, sigma_w: float) -> None:
    """The law is up to 0.01 too high at 200 units; the limit's exponent is off where the leading mode rules."""
    net = Recurrent("tanh", sigma_w=sigma_w)
    sizes = {"width": width, "num_nets": num_nets, "steps": 2000, "burn_in": 1000, "block": 10}
    logs = measure.recurrent.lyapunov_logs(key, net, **sizes)[:, 0]
    law = theory.recurrent.tied_exponent(net, width=width).exponent
    err = np.hypot(law.std, logs.std(ddof=1)) / num_nets**0.5
    assert abs(logs.mean() - law.mean) < SIGMAS * err


@pytest.mark.slow
def test_lags_of_a_chaotic_network(key: jax.Array) -> None:
    net, lags = Recurrent("tanh", sigma_w=2.5), np.array([16, 64, 128])
    mean, std = measure.recurrent.log_tied_lags(key, net, lags, width=500, num_nets=48, burn_in=200)
    law = theory.recurrent.log_tied_lags(net, lags, width=500)
    assert np.all(np.abs(mean.value - law.mean) < SIGMAS * mean.err)
    assert np.all(np.abs(std.value - law.std) < SIGMAS * std.err)
