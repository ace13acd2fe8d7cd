"""The tangent kernel: closed forms, the arc-cosine recursion, sampled networks' own gradients, and wrong questions."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from tests.tolerances import EXACT, PAIR, SIGMAS
from vgtheory import Dense, theory

WIDTH, INPUTS, NETS = 300, 64, 60
PHI = {
    "tanh": (np.tanh, lambda h: 1 / np.cosh(h) ** 2),
    "relu": (lambda h: np.maximum(h, 0), lambda h: (h > 0).astype(float)),
}
OFF = 1.03


@pytest.mark.parametrize("c_0", [-1.0, 0.0, 0.3, 1.0])
def test_linear_networks_have_a_closed_form(c_0: float) -> None:
    """Every matrix's share is what comes in times what goes on."""
    depth, sigma_w = 5, 1.3
    sizes = np.array([INPUTS] + [WIDTH] * (depth - 1))
    layers = np.arange(depth)
    shares = lambda c: (sizes * c * sigma_w ** (2 * layers) + 1) * sigma_w ** (2 * (depth - 1 - layers))
    found = theory.training.tangent_kernel(
        Dense("linear", sigma_w), depth=depth, width=WIDTH, num_inputs=INPUTS, c_0=c_0
    )
    assert np.exp(found.log_size) == pytest.approx(shares(1.0).sum(), rel=10 * EXACT)
    assert found.cosine == pytest.approx(shares(c_0).sum() / shares(1.0).sum(), abs=depth * PAIR)
    assert found.log_q == pytest.approx(2 * depth * np.log(sigma_w), abs=10 * EXACT)


def arc_cosine(c: float, sigma_w: float, sigma_b: float, depth: int) -> tuple[float, float]:
    """ReLU's kernel of two inputs and of one with itself."""
    total, own = sigma_w**2 + sigma_b**2, INPUTS + 1.0
    cross, both = (sigma_w**2 * c + sigma_b**2) / total, INPUTS * c + 1.0
    for _ in range(depth - 1):
        angle = np.arccos(cross)
        kernel = (np.sin(angle) + (np.pi - angle) * cross) / np.pi
        both = WIDTH * total / 2 * kernel + 1 + sigma_w**2 / 2 * (np.pi - angle) / np.pi * both
        own = WIDTH * total / 2 + 1 + sigma_w**2 / 2 * own
        following = sigma_w**2 * total / 2 + sigma_b**2
        total, cross = following, (sigma_w**2 * total / 2 * kernel + sigma_b**2) / following
    return both, own


def test_relu_follows_the_arc_cosine_kernels() -> None:
    c_0, depth = np.array([-0.9, 0.0, 0.7]), 6
    found = theory.training.tangent_kernel(
        Dense("relu", 1.2, 0.3), depth=depth, width=WIDTH, num_inputs=INPUTS, c_0=c_0
    )
    pairs = np.array([arc_cosine(c, 1.2, 0.3, depth) for c in c_0])
    np.testing.assert_allclose(np.exp(found.log_size), pairs[0, 1], rtol=10 * EXACT)
    np.testing.assert_allclose(found.cosine, pairs[:, 0] / pairs[:, 1], atol=depth * PAIR)


def sampled(rng: np.random.Generator, name: str, sigma_w: float, sigma_b: float, depth: int, c: float) -> np.ndarray:
    """The two inputs' kernel of one drawn network, by its own backward pass."""
    (phi, dphi), inputs = PHI[name], np.linalg.qr(rng.standard_normal((INPUTS, 2)))[0].T * INPUTS**0.5
    x = [np.stack([inputs[0], c * inputs[0] + (1 - c**2) ** 0.5 * inputs[1]])]
    sizes, h, matrices = [INPUTS] + [WIDTH] * (depth - 1) + [1], [], []
    for fan_in, fan_out in itertools.pairwise(sizes):
        matrices.append(rng.normal(0, sigma_w / fan_in**0.5, (fan_in, fan_out)))
        h.append(x[-1] @ matrices[-1] + rng.normal(0, sigma_b, fan_out))
        x.append(phi(h[-1]))
    kernel, slope = np.zeros((2, 2)), np.ones((2, 1))
    for layer in range(depth - 1, -1, -1):
        kernel += slope @ slope.T * (x[layer] @ x[layer].T + 1)
        if layer:
            slope = slope @ matrices[layer].T * dphi(h[layer - 1])
    return kernel


# The kernels of ReLU have a closed form, above.
@pytest.mark.parametrize(
    ("name", "sigma_w", "c_0"), [("tanh", 1.5, 0.4), pytest.param("relu", 1.2, -0.3, marks=pytest.mark.slow)]
)
def test_sampled_networks_have_this_kernel_and_not_one_of_three_per_cent_more(
    name: str, sigma_w: float, c_0: float
) -> None:
    rng, depth = np.random.default_rng(7), 5
    kernels = np.array([sampled(rng, name, sigma_w, 0.3, depth, c_0) for _ in range(NETS)])
    own, both = np.trace(kernels, axis1=1, axis2=2) / 2, kernels[:, 0, 1]

    def z_scores(scale: float) -> list[float]:
        law = theory.training.tangent_kernel(
            Dense(name, scale * sigma_w, 0.3), depth=depth, width=WIDTH, num_inputs=INPUTS, c_0=c_0
        )
        size = np.exp(law.log_size)
        pairs = ((own, size), (both, size * law.cosine))
        return [abs(each.mean() - value) / (each.std() / NETS**0.5) for each, value in pairs]

    assert max(z_scores(1.0)) < SIGMAS
    assert max(z_scores(OFF)) > SIGMAS


def test_wrong_questions_are_named(refused: Callable) -> None:
    with refused("tangent_kernel", "depth"):
        theory.training.tangent_kernel(Dense("tanh"), depth=0, width=4)
    with refused("tangent_kernel", "num_inputs"):
        theory.training.tangent_kernel(Dense("tanh"), depth=2, width=4, num_inputs=0)
    with refused("tangent_kernel", "c_0"):
        theory.training.tangent_kernel(Dense("tanh"), depth=2, width=4, c_0=2.0)
    with refused("tangent_kernel", "sigma_w"):
        theory.training.tangent_kernel(Dense("tanh", np.ones(2)), depth=2, width=4)
