"""The initialisers that the explorer writes draw what they say, and those for libraries that are not installed are at least Python."""

from typing import Any

import numpy as np
import pytest

from tests.docs.explorer.states import WEIGHTS, ask

pytestmark = pytest.mark.site
WIDTH, SIGMA_W, SIGMA_B = 400, 1.7, 0.3
EXCESS = {"uniform": -1.2, "truncated_normal": -0.634, "sparse": 27.0}
"""Excess kurtoses of the weights; of all others 0."""


def codes(page: Any, weights: str) -> dict[str, str]:
    """What the page writes, by framework."""
    body = (
        """return Object.fromEntries(Object.keys(m.FRAMEWORKS).map((name) => [name, m.initialiser(name, argument)]));"""
    )
    return dict(ask(page, "initialisers", body, {"sigmaW": SIGMA_W, "sigmaB": SIGMA_B, "weights": weights}))


def run(code: str) -> Any:
    """The function that the code defines for a layer."""
    drawn: dict[str, Any] = {}
    exec(code, drawn)
    return drawn["layer"]


def flax(code: str) -> tuple[np.ndarray, np.ndarray]:
    """Kernel, from the inputs to the outputs, and bias of a layer of Flax."""
    from flax import nnx

    linear = run(code)(WIDTH, nnx.Rngs(0))
    return np.asarray(linear.kernel[...], float), np.asarray(linear.bias[...], float)


def equinox(code: str) -> tuple[np.ndarray, np.ndarray]:
    """The same of a layer of Equinox, which keeps its weights from the outputs to the inputs."""
    import jax

    linear = run(code)(WIDTH, jax.random.key(0))
    return np.asarray(linear.weight, float).T, np.asarray(linear.bias, float)


@pytest.mark.parametrize("layer", [flax, equinox], ids=["flax", "equinox"])
def test_the_initialisers_draw_what_they_say(explorer: Any, layer: Any) -> None:
    for weights in WEIGHTS:
        kernel, bias = layer(codes(explorer, weights)[layer.__name__])
        assert kernel.std() * WIDTH**0.5 == pytest.approx(SIGMA_W, rel=0.03)
        assert bias.std() == pytest.approx(SIGMA_B, rel=0.2)
        wanted = EXCESS.get(weights, 0.0)
        excess = np.mean(kernel**4) / np.mean(kernel**2) ** 2 - 3
        assert excess == pytest.approx(wanted, abs=0.05 + 0.05 * abs(wanted))
        is_orthogonal = np.allclose(kernel @ kernel.T, SIGMA_W**2 * np.eye(WIDTH), atol=1e-3)
        assert is_orthogonal == (weights == "orthogonal")


def test_all_initialisers_are_python(explorer: Any) -> None:
    for weights in WEIGHTS:
        for name, code in codes(explorer, weights).items():
            compile(code, f"{name}, {weights}", "exec")
