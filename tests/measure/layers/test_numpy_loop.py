"""Measured chains against a plain NumPy loop over the very same weights: no XLA, no autodiff, no logs until the end."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from tests.reference_pair import FUNCTIONS
from tests.tolerances import EQUAL_FLOAT32, EQUAL_FLOAT64
from vgtheory import ACTIVATIONS, Activation, Dense, measure
from vgtheory.measure.engine.draws import words_of
from vgtheory.measure.engine.networks import draw_cotangent, draw_input

DEPTH, WIDTH = 4, 64
"""Four of a CPU's widest vectors a layer: fewer units and XLA does not call its vector functions, which were wrong for arctan."""
TIGHT = {"float32": EQUAL_FLOAT32, "float64": EQUAL_FLOAT64}
ALWAYS = (("arctan", "float32"), ("tanh", "float64"))
"""What the default run holds; arctan is the one whose vector function was wrong. The others are programs of their own."""
Pointwise = Callable[[Any], Any]


class Logs(NamedTuple):
    log_q: np.ndarray
    log_grad: np.ndarray
    log_grad_weight: np.ndarray


def drawn(key: jax.Array, net: Dense, dtype: str) -> tuple[list[Any], list[Any], np.ndarray, np.ndarray]:
    """Matrices, biases, input and top cotangent of the chain's first network, as NumPy's."""
    with jax.enable_x64(dtype == "float64"):
        own = jax.random.fold_in(key, 0)
        _, variables = measure.engine.draw_network(own, net, depth=DEPTH, width=WIDTH, dtype=jnp.dtype(dtype))
        layers = [variables["params"][f"layer_{layer}"]["Dense_0"] for layer in range(1, DEPTH + 1)]
        ends = (draw(words_of(own), WIDTH, dtype) for draw in (draw_input, draw_cotangent))
        matrices, biases = ([np.asarray(each[name], float) for each in layers] for name in ("kernel", "bias"))
        return matrices, biases, *(np.asarray(end, float) for end in ends)


def loop(matrices: list[Any], biases: list[Any], x: np.ndarray, g: np.ndarray, phi: Pointwise, dphi: Pointwise) -> Logs:
    """The three profiles, in float64."""
    inputs, hs = [], []
    for matrix, bias in zip(matrices, biases, strict=True):
        inputs.append(x)
        hs.append(inputs[-1] @ matrix + bias)
        x = np.asarray(phi(hs[-1]), float)
    gradients = [g]
    for matrix, h in zip(matrices[:0:-1], hs[-2::-1], strict=True):
        gradients.insert(0, np.asarray(dphi(h), float) * (matrix @ gradients[0]))
    q, sizes, norms = (np.linalg.norm(each, axis=1) for each in (hs, gradients, inputs))
    return Logs(2 * np.log(q) - np.log(WIDTH), np.log(sizes / sizes[-1]), np.log(sizes * norms / (sizes * norms)[-1]))


def same(key: jax.Array, activation: Any, dtype: str, phi: Pointwise, dphi: Pointwise) -> None:
    net = Dense(activation, 1.7, 0.35)
    measured = measure.samples(key, net, depth=DEPTH, width=WIDTH, num_nets=1, dtype=dtype)
    for ours, plain in zip(measured, loop(*drawn(key, net, dtype), phi, dphi), strict=True):
        np.testing.assert_allclose(ours[0], plain, rtol=0, atol=TIGHT[dtype])


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        pytest.param(name, dtype, marks=() if (name, dtype) in ALWAYS else pytest.mark.slow)
        for name in ACTIVATIONS
        for dtype in TIGHT
    ],
)
def test_a_measured_activation_is_that_of_a_numpy_loop(key: jax.Array, name: str, dtype: str) -> None:
    same(key, name, dtype, *FUNCTIONS[name])


OWN: dict[str, tuple[Pointwise, Pointwise, Pointwise]] = {
    "arctan": (lambda h: jnp.arctan(2 * h), lambda h: np.arctan(2 * h), lambda h: 2 / (1 + 4 * h**2)),
    "arctan2": (lambda h: jnp.arctan2(h, 1.0), np.arctan, lambda h: 1 / (1 + h**2)),
    "arcsinh": (jnp.arcsinh, np.arcsinh, lambda h: 1 / np.hypot(1, h)),
    "log1p": (
        lambda h: jnp.sign(h) * jnp.log1p(jnp.abs(h)),
        lambda h: np.sign(h) * np.log1p(np.abs(h)),
        lambda h: 1 / (1 + np.abs(h)),
    ),
    "expm1": (
        lambda h: jnp.expm1(jnp.tanh(h)),
        lambda h: np.expm1(np.tanh(h)),
        lambda h: np.exp(np.tanh(h)) / np.cosh(h) ** 2,
    ),
    "sinh": (lambda h: jnp.sinh(h / 3), lambda h: np.sinh(h / 3), lambda h: np.cosh(h / 3) / 3),
    "logaddexp": (lambda h: jnp.logaddexp(h, 0.5), lambda h: np.logaddexp(h, 0.5), lambda h: special.expit(h - 0.5)),
    "sqrt": (lambda h: jnp.sqrt(1 + h**2), lambda h: np.sqrt(1 + h**2), lambda h: h / np.sqrt(1 + h**2)),
    "cbrt": (lambda h: jnp.cbrt(1 + h**2), lambda h: np.cbrt(1 + h**2), lambda h: 2 * h / np.cbrt(1 + h**2) ** 2 / 3),
    "erf": (
        lambda h: jax.scipy.special.erf(h / 2),
        lambda h: special.erf(h / 2),
        lambda h: np.exp(-(h**2) / 4) / np.sqrt(np.pi),
    ),
    "power": (lambda h: jnp.abs(h) ** 1.3, lambda h: np.abs(h) ** 1.3, lambda h: 1.3 * np.sign(h) * np.abs(h) ** 0.3),
    "arccos": (
        lambda h: jnp.arccos(jnp.tanh(h) / 2),
        lambda h: np.arccos(np.tanh(h) / 2),
        lambda h: -0.5 / np.cosh(h) ** 2 / np.sqrt(1 - np.tanh(h) ** 2 / 4),
    ),
}
"""Functions as users write them: JAX's, and phi and phi' by NumPy and SciPy."""


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        pytest.param(name, dtype, marks=() if (name, dtype) == ("arctan", "float32") else pytest.mark.slow)
        for name in OWN
        for dtype in TIGHT
    ],
)
def test_a_users_own_function_is_that_of_a_numpy_loop(key: jax.Array, name: str, dtype: str) -> None:
    own, phi, dphi = OWN[name]
    same(key, Activation(name, own, kinks=()), dtype, phi, dphi)


def test_the_loop_sees_three_per_cent(key: jax.Array) -> None:
    with pytest.raises(AssertionError):
        same(key, "tanh", "float64", lambda h: np.tanh(1.03 * h), lambda h: 1.03 / np.cosh(1.03 * h) ** 2)
