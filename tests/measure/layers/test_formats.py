"""Passes that are stored in float8, against NumPy's own loop with casts of ml_dtypes and against the law."""

import jax
import ml_dtypes
import numpy as np
import pytest

from tests.tolerances import SIGMAS
from vgtheory import Dense, measure, theory
from vgtheory.measure.engine.draws import words_of
from vgtheory.measure.engine.networks import draw_cotangent, draw_input, draw_layer

KINDS = {"float8_e4m3fn": ml_dtypes.float8_e4m3fn, "float8_e5m2": ml_dtypes.float8_e5m2}
SIZE = {"depth": 40, "width": 64}


def looped(key: jax.Array, net: Dense, dtype: str) -> tuple[float, float]:
    """Layers at which one tanh network loses each pass, by NumPy in float32 with a cast after each operation."""
    kind, (depth, width) = KINDS[dtype], SIZE.values()
    words = words_of(jax.random.fold_in(key, 0))
    rounded = lambda numbers: np.asarray(numbers, np.float32).astype(kind).astype(np.float32)
    x, lost = np.asarray(draw_input(words, width, dtype)).astype(np.float32), [np.inf, np.inf]
    kernels, states = [], []
    for layer in range(1, depth + 1):
        drawn = {name: np.asarray(each).astype(np.float32) for name, each in _drawn(words, net, layer, dtype).items()}
        h = rounded(x @ drawn["kernel"] + drawn["bias"])
        x = rounded(np.tanh(h))
        kernels.append(drawn["kernel"])
        states.append(h)
        if not np.isfinite(h).all() or not h.any():
            lost[0] = min(lost[0], layer)
    g = np.asarray(draw_cotangent(words, width, dtype)).astype(np.float32)
    for layer in range(depth - 1, 0, -1):
        g = rounded(rounded(kernels[layer] @ g) * (1 - np.tanh(states[layer - 1]) ** 2))
        if not np.isfinite(g).all() or not g.any():
            lost[1] = min(lost[1], depth - layer)
    return lost[0], lost[1]


def _drawn(words: jax.Array, net: Dense, layer: int, dtype: str) -> dict[str, jax.Array]:
    drawn: dict[str, jax.Array] = draw_layer(words, net, layer, SIZE["width"], dtype)["params"]["Dense_0"]
    return drawn


@pytest.mark.parametrize("dtype", KINDS)
def test_a_pass_is_lost_where_a_loop_of_casts_loses_it(key: jax.Array, dtype: str) -> None:
    for net in (Dense("tanh", 0.5), Dense("tanh", 0.3, 0.1)):
        limits = measure.pass_limit(key, net, dtype, **SIZE, num_nets=1)
        # A sum that XLA forms in another order may round to the other neighbour, and a layer later.
        found = limits.forward[0], limits.backward[0]
        np.testing.assert_allclose(found, looped(key, net, dtype), rtol=0, atol=1)


@pytest.mark.parametrize("dtype", KINDS)
def test_float8_overflows_where_predicted(key: jax.Array, dtype: str) -> None:
    """Five per cent of sigma_w would be seen."""
    shape = {"depth": 110, "width": 64}
    right, wrong = (theory.pass_limit(Dense("linear", off * 1.15), dtype, **shape) for off in (1, 1.05))
    measured = measure.pass_limit(key, Dense("linear", 1.15), dtype, **shape, num_nets=24)
    for layers, predicted, other in zip(measured, right, wrong, strict=True):
        err = max(1.0, layers.std(ddof=1) / 24**0.5)
        assert abs(np.median(layers) - predicted) < SIGMAS * err
        assert abs(np.median(layers) - other) > SIGMAS * err


@pytest.mark.optimised
@pytest.mark.parametrize("dtype", KINDS)
def test_coarse_subnormal_numbers_keep_a_pass_for_longer(key: jax.Array, dtype: str) -> None:
    """Rounding to multiples of s adds s^2 / 12 to a mean square: about 1 layer at 0.6, and 5 at 0.8."""
    for sigma_w, most in ((0.6, 2), (0.8, 7)):
        shape = {"depth": 110, "width": 64}
        predicted = theory.pass_limit(Dense("linear", sigma_w), dtype, **shape)
        measured = measure.pass_limit(key, Dense("linear", sigma_w), dtype, **shape, num_nets=24)
        for layers, law in zip(measured, predicted, strict=True):
            assert 0 <= np.median(layers) - law <= most
