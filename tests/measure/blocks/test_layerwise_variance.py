"""Blocks whose variances fall as a power of their number: measured growth of the gradient on either side of the critical line, and theory."""

import jax
import numpy as np
import pytest

from tests.tolerances import SIGMAS
from vgtheory import Residual, measure, theory

BLOCKS = np.arange(1.0, 25.0)
WIDTH, NUM_NETS = 64, 48
FINITE = 6.0
"""Of a log at width N against infinite width, times N: half of its variance, which is a few over N per block of full variance."""
LINES = {"relu": (1.0, 0.0), "tanh": (0.5, 1.0)}
"""Power of the variance of the weights on the line, and variance of what biases add (of constant size)."""


def chain(activation: str, power: float) -> Residual:
    biases = LINES[activation][1] * BLOCKS ** (power / 2)
    return Residual(activation, 2.0, tuple(biases) if biases.any() else 0.0, alpha=tuple(BLOCKS ** (-power / 2)))


@pytest.mark.parametrize("side", [-0.3, 0.3])
@pytest.mark.parametrize("activation", ["relu", pytest.param("tanh", marks=pytest.mark.slow)])
def test_either_side_of_the_critical_line_is_measured(key: jax.Array, activation: str, side: float) -> None:
    line, _ = LINES[activation]
    logs = measure.samples(key, chain(activation, line + side), width=WIDTH, num_nets=NUM_NETS).log_grad[:, 0]
    laws = [theory.log_grad_layers(chain(activation, line + each), width=WIDTH).mean[0] for each in (side, -side)]
    allowed = SIGMAS * logs.std(ddof=1) / NUM_NETS**0.5 + (0.0 if activation == "relu" else FINITE / WIDTH)
    assert abs(logs.mean() - laws[0]) < allowed
    assert abs(logs.mean() - laws[1]) > allowed
