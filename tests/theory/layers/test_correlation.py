"""Correlation over depth: the arc-cosine map in closed form, where it settles, what it refuses."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.tolerances import PAIR
from vgtheory import Dense, theory

DEPTH, DEEP = 16, 256


def arc_cosine(c: float, sigma_w: float, sigma_b: float) -> np.ndarray:
    """Correlations of a ReLU network, q running."""
    total, rows = sigma_w**2 + sigma_b**2, []
    q, c = total, (sigma_w**2 * c + sigma_b**2) / total
    for _ in range(DEPTH):
        rows.append(c)
        angle, following = np.arccos(c), sigma_w**2 * q / 2 + sigma_b**2
        kernel = (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi
        q, c = following, (sigma_w**2 * q / 2 * kernel + sigma_b**2) / following
    return np.array(rows)


@pytest.mark.parametrize("c_0", [-1.0, -0.3, 0.0, 0.5])
@pytest.mark.parametrize(("sigma_w", "sigma_b"), [(1.7, 0.0), (1.3, 0.5), (0.8, 0.3)])
def test_relu_follows_the_arc_cosine_map(c_0: float, sigma_w: float, sigma_b: float) -> None:
    law = theory.layers.c_layers(Dense("relu", sigma_w, sigma_b), depth=DEPTH, c_0=c_0)
    np.testing.assert_allclose(law.mean, arc_cosine(c_0, sigma_w, sigma_b), atol=DEPTH * PAIR)
    assert (law.std == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("net", [Dense("tanh", 2.0, 0.3), Dense("sigmoid", 12.0, 1.0), Dense("gelu", 1.2, 0.5)])
def test_it_settles_on_the_fixed_point(net: Dense) -> None:
    settled = theory.layers.c_layers(net, depth=DEEP).mean[-1]
    np.testing.assert_allclose(settled, theory.c_star(net), atol=DEEP * PAIR)


def test_equal_inputs_stay_equal_and_a_deeper_profile_begins_alike() -> None:
    net = Dense("relu", 1.3, 0.3)
    np.testing.assert_array_equal(theory.layers.c_layers(net, depth=DEPTH, c_0=1.0).mean, 1)
    deep, shallow = (theory.layers.c_layers(net, depth=depth).mean for depth in (DEPTH, DEPTH // 2 + 1))
    np.testing.assert_array_equal(deep[: shallow.size], shallow)


def test_wrong_questions_are_named(refused: Callable) -> None:
    with refused("c_layers", "c_0"):
        theory.layers.c_layers(Dense("tanh"), depth=3, c_0=1.5)
    with refused("c_layers", "depth"):
        theory.layers.c_layers(Dense("tanh"), depth=0)
    with refused("c_layers", "sigma_w"):
        theory.layers.c_layers(Dense("tanh", np.ones(2)), depth=3)
