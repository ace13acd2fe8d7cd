"""Correlation of two inputs over depth: measured against infinite width, with what finite width may add."""

from typing import Any

import jax
import numpy as np
import pytest

from tests.tolerances import EQUAL_FLOAT32, FINITE_C, SIGMAS
from vgtheory import Dense, measure, theory

SIZE = {"depth": 16, "width": 512, "num_nets": 240}
NARROW = {"relu": 256, "tanh orthogonal": 64}
"""Widths of those that show three per cent at fewer units, or whose matrices take long to draw."""
NETS = {
    "tanh chaotic": Dense("tanh", 2.0, 0.3),
    "relu": Dense("relu", 1.3, 0.5),
    "sigmoid chaotic": Dense("sigmoid", 14.0, 1.0),
    "gelu": Dense("gelu", 1.2, 0.5),
    "tanh ordered": Dense("tanh", 0.8, 0.3),
    "tanh orthogonal": Dense("tanh", 2.0, 0.3, "orthogonal"),
}

MERGING = ("relu", "gelu", "tanh ordered")


def marked(name: str) -> Any:
    """A case, slow unless it is the quick one: theory and networks take seconds each to compile."""
    return pytest.param(name, marks=() if name == "relu" else pytest.mark.slow)


def excess(measured: Any, net: Dense, width: int) -> float:
    """Largest distance from infinite width beyond five standard errors and what finite width may add."""
    c = theory.layers.c_layers(net, depth=SIZE["depth"]).mean
    allowed = SIGMAS * measured.err + FINITE_C * np.sqrt(1 - c**2) / width
    return float(np.max(np.abs(measured.value - c) - allowed))


@pytest.mark.optimised
@pytest.mark.parametrize("name", [marked(name) for name in NETS])
def test_correlations_agree_and_three_percent_off_does_not(key: jax.Array, name: str) -> None:
    """Power where inputs merge; chaotic ones settle on a c that depends on sigma_w too little for so few networks."""
    net, width = NETS[name], NARROW.get(name, SIZE["width"])
    measured = measure.layers.c_layers(key, net, **SIZE | {"width": width})
    assert excess(measured, net, width) < 0
    if name in MERGING:
        for off in (0.97, 1.03):
            assert excess(measured, Dense(net.activation, off * net.sigma_w, net.sigma_b), width) > 0


def test_the_first_layer_has_the_overlap_that_was_asked_for(key: jax.Array) -> None:
    net = Dense("linear", 1.0, 0.0, "orthogonal")
    measured = measure.layers.c_layers(key, net, depth=3, width=16, num_nets=2, c_0=-0.4)
    np.testing.assert_allclose(measured.value, -0.4, atol=EQUAL_FLOAT32)
