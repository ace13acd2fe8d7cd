"""Convolutions and residual blocks whose scales are listed: theory and measurement agree, and with two scales exchanged they do not."""

from typing import Any

import jax
import numpy as np
import pytest

from tests.tolerances import SIGMAS
from vgtheory import Conv, Residual, measure, theory

SCALES, BIASES, ALPHAS = (1.5, 0.8, 2.0, 1.1), (0.3, 0.0, 0.5, 0.1), (0.9, 0.2, 1.3, 0.5)
NETS: dict[str, tuple[Any, dict[str, Any]]] = {
    "plain": (Residual("tanh", SCALES, BIASES, alpha=ALPHAS), {}),
    "pre": (Residual("relu", SCALES, 0.2, alpha=ALPHAS, norm="layer"), {}),
    "post": (Residual("tanh", SCALES, (0.0, 0.0, 1.0, 1.0), alpha=2.0, norm="rms", place="post"), {}),
    "conv": (Conv("tanh", SCALES, BIASES, padding="zero"), {"positions": 6}),
}
WIDTH, NUM_NETS = 128, 100
FINITE = 6.0
"""Of a log at width N against infinite width, times N: half of its variance, which is a few over N per block."""
CASES = [pytest.param(name, marks=() if name == "plain" else pytest.mark.slow) for name in NETS]


@pytest.mark.parametrize("name", CASES)
def test_theory_and_measurement_agree(key: jax.Array, name: str) -> None:
    net, how = NETS[name]
    logs = measure.samples(key, net, width=WIDTH, num_nets=NUM_NETS, **how)
    for quantity in ("log_grad", "log_q"):
        profile, values = getattr(theory, f"{quantity}_layers"), getattr(logs, quantity)
        allowed = SIGMAS * values.std(axis=0, ddof=1) / NUM_NETS**0.5 + FINITE / WIDTH
        gap = np.abs(values.mean(axis=0) - profile(net, **how).mean)
        assert (gap < allowed).all(), quantity
        wrong = profile(net.replace(sigma_w=SCALES[::-1]), **how).mean
        fixed = name == "post" and quantity == "log_q"
        assert fixed or not (np.abs(values.mean(axis=0) - wrong) < allowed).all(), quantity
