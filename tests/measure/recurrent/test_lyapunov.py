"""Measured Lyapunov exponents: maps with known ones, Gaussian products' exact law, recurrent networks."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.tolerances import EQUAL_FLOAT32, SIGMAS
from vgtheory import Dense, Leaky, Recurrent, measure, theory
from vgtheory.measure.recurrent.exponents import orthonormal

HENON_LARGEST = 0.41922
"""Of the map with a = 1.4, b = 0.3: Sprott (2003), Chaos and Time-Series Analysis."""


def henon(state: jax.Array) -> jax.Array:
    return jnp.array([1 - 1.4 * state[0] ** 2 + state[1], 0.3 * state[0]])


def test_the_logistic_map() -> None:
    seen = measure.recurrent.map_exponents(lambda x: 4 * x * (1 - x), 0.3, steps=100_000)
    assert abs(seen.value[0] - np.log(2)) < SIGMAS * seen.err[0] < 0.002


@pytest.mark.parametrize("block", [1, 3])
def test_the_henon_map(block: int) -> None:
    seen = measure.recurrent.map_exponents(henon, np.zeros(2), steps=100_000, block=block)
    assert seen.value.sum() == pytest.approx(np.log(0.3), rel=1e-12)  # its Jacobian's determinant, at every step
    assert abs(seen.value[0] - HENON_LARGEST) < SIGMAS * seen.err[0]


def test_a_block_too_long_says_so() -> None:
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    shrinking = lambda x: jnp.asarray(turn * [0.5, 0.001] @ turn.T) @ x
    short, long = (
        measure.recurrent.map_exponents(shrinking, np.ones(2), steps=320, block=block).value for block in (1, 20)
    )
    assert short == pytest.approx(np.log([0.5, 0.001]), rel=1e-9)
    assert long[0] == pytest.approx(np.log(0.5), rel=1e-9)
    assert np.isnan(long[1])


@pytest.mark.parametrize("sigma_w", [1e-7, 1e7])
def test_a_block_may_shrink_or_grow_beyond_the_root_of_the_format(key: jax.Array, sigma_w: float) -> None:
    """Four steps in float32: a tangent's square is 1e-56 or 1e56 before it is made orthonormal again."""
    net = Recurrent("linear", sigma_w, weights="orthogonal")
    seen = measure.recurrent.lyapunov_logs(key, net, width=8, steps=8, num_nets=2)
    np.testing.assert_allclose(seen, np.log(sigma_w), rtol=EQUAL_FLOAT32)


GAUSSIAN = [(64, 32, 48, 1)]
OTHER_WIDTHS = [(1, 64, 2000, 1), (2, 64, 1000, 1), (8, 64, 500, 1), (512, 8, 8, 1)]
"""The law is the one above; each width is a program of its own."""


@pytest.mark.parametrize(
    ("width", "steps", "num_nets", "block"),
    [*GAUSSIAN, *(pytest.param(*each, marks=pytest.mark.slow) for each in OTHER_WIDTHS)],
)
def test_gaussian_products(key: jax.Array, width: int, steps: int, num_nets: int, block: int) -> None:
    sizes = {"width": width, "steps": steps, "num_nets": num_nets, "num_exponents": width}
    logs = measure.recurrent.lyapunov_logs(key, Dense("linear", 1.2), block=block, **sizes)
    law = theory.lyapunov_exponents(Dense("linear", 1.2), width=width, steps=steps)
    z = (logs.mean(axis=0) - law.mean) / (law.std / num_nets**0.5)
    assert np.max(np.abs(z)) < SIGMAS
    shares = logs.var(axis=0, ddof=1) / law.std**2
    assert abs(shares.mean() - 1) < SIGMAS * np.sqrt(2 / (num_nets - 1) / width)
    off = theory.lyapunov_exponents(Dense("linear", 1.2 * 1.03), width=width, steps=steps).mean
    assert np.max(np.abs(logs.mean(axis=0) - off) / (law.std / num_nets**0.5)) > SIGMAS


# Blocks are compared on maps whose exponents are known.
@pytest.mark.slow
def test_blocks_agree(key: jax.Array) -> None:
    sizes = {"width": 32, "steps": 64, "num_nets": 2, "burn_in": 64, "num_exponents": 20}
    one, four = (
        measure.recurrent.lyapunov_logs(key, Recurrent("tanh", sigma_w=1.5), block=block, **sizes) for block in (1, 4)
    )
    assert four == pytest.approx(one, abs=EQUAL_FLOAT32)


def test_panels_are_orthonormal() -> None:
    rows = np.random.default_rng(4).standard_normal((40, 60)) * np.exp(-0.2 * np.arange(40))[:, None]
    rows = rows.astype(np.float32)
    done, logs = jax.jit(orthonormal)(rows)
    np.testing.assert_allclose(np.asarray(done) @ np.asarray(done).T, np.eye(40), atol=EQUAL_FLOAT32)
    expected = np.log(np.abs(np.diag(np.linalg.qr(np.asarray(rows, float).T)[1])))
    np.testing.assert_allclose(logs, expected, atol=EQUAL_FLOAT32)


@pytest.mark.parametrize(
    "net",
    [
        Recurrent("tanh", sigma_w=3.0),
        pytest.param(Leaky("tanh", 2.0, sigma_in=1.0), marks=pytest.mark.slow),
        # New weights at each step: their spectrum is held by the Gaussian products.
        pytest.param(Dense("tanh", 2.0, 0.5), marks=pytest.mark.slow),
    ],
)
def test_the_spectrum_of_networks(key: jax.Array, net: Dense | Recurrent | Leaky) -> None:
    """Within five standard errors and the 1 % of a unit by which 256 units differ from infinitely many."""
    sizes = {"width": 256, "steps": 300, "num_nets": 4, "num_exponents": 32}
    seen = measure.lyapunov_exponents(key, net, burn_in=100, block=5, **sizes)
    predicted = theory.lyapunov_exponents(net, width=256, num_exponents=32).mean
    assert np.max(np.abs(seen.value - predicted) - SIGMAS * seen.err) < 0.01
    assert abs(seen.value.mean() - predicted.mean()) < 0.02


def test_wrong_questions_are_refused(refused: Callable, key: jax.Array) -> None:
    sizes = {"width": 8, "steps": 8, "num_nets": 2}
    with refused("lyapunov_logs", "net"):
        measure.recurrent.lyapunov_logs(key, "tanh", **sizes)
    with refused("lyapunov_logs", "sigma_w", "Call it once for each"):
        measure.recurrent.lyapunov_logs(key, Dense("linear", np.ones(2)), **sizes)
    with refused("lyapunov_logs", "num_exponents"):
        measure.recurrent.lyapunov_logs(key, Dense("linear"), num_exponents=9, **sizes)
    with refused("lyapunov_logs", "steps"):
        measure.recurrent.lyapunov_logs(key, Dense("linear"), block=3, **sizes)
    with refused("map_exponents", "num_exponents"):
        measure.recurrent.map_exponents(henon, np.zeros(2), steps=10, num_exponents=3)
