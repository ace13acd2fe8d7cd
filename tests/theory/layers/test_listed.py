"""Layers as a list: like layers give the plain law, unlike ones chi-squares and recursions computed otherwise."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import digamma, polygamma

from tests import reference
from tests.tolerances import DIFFERENCE, EXACT, PAIR, PER_LAYER, SINGLE
from vgtheory import Dense, Residual, theory

PROFILES = (
    theory.log_grad_layers,
    theory.layers.log_chi_layers,
    theory.log_grad_weight_layers,
    theory.log_q_layers,
)
DEPTH = 12
GRID = 1e-5
"""Two grids of one chain's interpolation: 1e-9 per layer and step; at the grid's end, where gelu is not straight, 1e-6."""
LEADING = 0.03
"""Of a variance to the leading order in 1 / N, at sizes of 200 or more: the next order is some 5 / N."""
WIDE = 2e-3
"""Of chi at 10^6 units against infinite width: depth over width, times a thousand of what this is at 10^9."""


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("name", "sigma_w", "sigma_b", "weights"),
    [
        ("tanh", 2.0, 0.1, "gaussian"),
        ("sigmoid", 1.0, 0.5, "gaussian"),
        ("relu", 1.2, 0.5, "gaussian"),
        ("gelu", 1.0, 0.2, "gaussian"),
        ("gelu", 0.5, 0.0, "gaussian"),
        ("tanh", 2.0, 0.1, "uniform"),
        ("tanh", 2.0, 0.1, "orthogonal"),
    ],
)
def test_like_layers_have_the_plain_law(profile: Any, name: str, sigma_w: float, sigma_b: float, weights: str) -> None:
    plain = Dense(name, sigma_w, sigma_b, weights)
    listed = Dense((name,) * DEPTH, (sigma_w,) * DEPTH, (sigma_b,) * DEPTH, weights)
    np.testing.assert_allclose(profile(listed).mean, profile(plain, depth=DEPTH).mean, rtol=0, atol=PER_LAYER)
    sized = Dense(name, sigma_w, sigma_b, weights, widths=(50,) * (DEPTH + 1))
    expected = profile(plain, depth=DEPTH, width=50)
    for found in (profile(listed, width=50), profile(sized), profile(sized, depth=DEPTH, width=50)):
        np.testing.assert_allclose(found.mean, expected.mean, rtol=0, atol=GRID)
        np.testing.assert_allclose(found.std, expected.std, rtol=0, atol=GRID)


def test_linear_layers_are_a_sum_of_digammas() -> None:
    """Backward, the gradient of layer l meets the N_l units of its own layer; forward, so does the length above it."""
    sizes, scales = np.array([30, 7, 50, 4, 9]), np.array([0.5, 2.0, 1.3, 3.0])
    net = Dense("linear", scales, widths=tuple(sizes.tolist()))
    half = sizes[1:] / 2
    mean, var = digamma(half) - np.log(half), polygamma(1, half)
    grad = theory.log_grad_layers(net)
    steps = mean[:-1] + 2 * np.log(scales[1:])
    np.testing.assert_allclose(grad.mean, np.append(np.cumsum(steps[::-1])[::-1], 0) / 2, rtol=EXACT)
    np.testing.assert_allclose(grad.std, np.append(np.cumsum(var[:-1][::-1])[::-1], 0) ** 0.5 / 2, rtol=EXACT)
    q = theory.log_q_layers(net)
    np.testing.assert_allclose(q.mean, np.cumsum(mean + 2 * np.log(scales)), rtol=EXACT)
    np.testing.assert_allclose(q.std, np.cumsum(var) ** 0.5, rtol=EXACT)


def test_relu_nets_of_any_widths_as_hanin_and_nica() -> None:
    """ln|J u|^2 tends to N(-beta / 2, beta) with beta = 5 (sum of 1 / N_l), arXiv:1812.05994, theorem 1."""
    sizes = (784, 300, 900, 200, 500, 400)
    law = theory.log_grad_layers(Dense("relu", 2**0.5, widths=sizes))
    beta = 5 * np.cumsum(1 / np.array(sizes[1:-1])[::-1])[::-1]
    np.testing.assert_allclose(4 * law.std[:-1] ** 2, beta, rtol=LEADING)
    np.testing.assert_allclose(2 * law.mean[:-1], -beta / 2, rtol=LEADING)


def test_infinite_width_follows_the_layers_own_recursion() -> None:
    names, scales, biases = ("tanh", "relu", "sigmoid", "tanh"), (1.3, 0.7, 2.0, 1.1), (0.2, 0.0, 0.5, 0.1)
    q, log_q, log_chi = scales[0] ** 2 * 2.5 + biases[0] ** 2, [], []
    for layer, name in enumerate(names):
        log_q.append(np.log(q))
        if layer < 3:
            above = scales[layer + 1] ** 2
            log_chi.append(float(np.log(above * float(reference.mean_square(name, q, slope=True)))))
            q = above * float(reference.mean_square(name, q)) + biases[layer + 1] ** 2
    net = Dense(names, scales, biases)
    np.testing.assert_allclose(theory.log_q_layers(net, input_square=2.5).mean, log_q, atol=4 * PER_LAYER)
    np.testing.assert_allclose(
        theory.layers.log_chi_layers(net, input_square=2.5).mean, log_chi, rtol=0, atol=4 * PER_LAYER
    )


def test_wide_layers_tend_to_infinite_width() -> None:
    net = Dense(("tanh", "gelu", "tanh"), (1.5, 2.0, 1.0), 0.3, widths=(1000, 4000, 2000, 3000))
    for profile in PROFILES:
        finite, infinite = profile(net), profile(net, width=np.inf)
        np.testing.assert_allclose(finite.mean, infinite.mean, rtol=0, atol=WIDE)
        assert not infinite.std.any()
        plain = profile(Dense("tanh", 1.5), depth=3, width=np.inf)
        assert np.array_equal(plain.mean, profile(Dense("tanh", 1.5), depth=3).mean)


@pytest.mark.slow
def test_correlations_of_relu_and_linear_layers_in_closed_form() -> None:
    """ReLU's image of a correlation is Cho and Saul's arc-cosine kernel."""
    names, scales, biases, square, c = (
        ("relu", "linear", "relu", "relu"),
        (1.3, 0.7, 2.0, 1.1),
        (0.2, 0.1, 0.5, 0.0),
        2.5,
        -0.4,
    )
    q, overlap, expected = square, c * square, []
    for scale, bias, below in zip(scales, biases, (None, *names), strict=False):
        if below == "relu":
            cosine = overlap / q
            overlap = q / 2 * (np.sqrt(1 - cosine**2) + cosine * (np.pi - np.arccos(cosine))) / np.pi
            q = q / 2
        q, overlap = scale**2 * q + bias**2, scale**2 * overlap + bias**2
        expected.append(overlap / q)
    found = theory.layers.c_layers(Dense(names, scales, biases), c_0=c, input_square=square).mean
    np.testing.assert_allclose(found, expected, rtol=0, atol=PAIR)
    traced = theory.layers.c_layers(Dense(names, tuple(map(jnp.float32, scales)), biases), c_0=c, input_square=square)
    np.testing.assert_allclose(traced.mean, expected, rtol=0, atol=SINGLE)
    plain, like = Dense("tanh", 1.5, 0.2), Dense("tanh", 1.5, 0.2, widths=(7,) * 5)
    np.testing.assert_allclose(
        theory.layers.c_layers(like).mean, theory.layers.c_layers(plain, depth=4).mean, rtol=EXACT
    )


def test_inputs_of_layers_that_biases_rule_keep_their_size() -> None:
    """Of sigma_w = 1e-12 nothing is left in q beside a bias of 0.1; the gradient's factor and the input's size are."""
    found = theory.log_grad_weight_layers(Dense("tanh", (1.0, 1e-12, 1.0), 0.1)).mean
    first, second = (float(reference.mean_square("tanh", q)) for q in (1.01, 0.01))
    chi = float(reference.mean_square("tanh", 0.01, slope=True))
    np.testing.assert_allclose(found[1], np.log(chi * first / second) / 2, rtol=PAIR)


def test_fans_are_factors_of_the_scales() -> None:
    sizes = (30, 60, 20, 40)
    for fan, over in (("out", [60, 20, 40]), ("avg", [45, 40, 30])):
        scales = 1.5 * (np.array(sizes[:-1]) / over) ** 0.5
        for profile in PROFILES:
            found = profile(Dense("tanh", 1.5, 0.2, widths=sizes, fan=fan))
            expected = profile(Dense("tanh", scales, 0.2, widths=sizes))
            np.testing.assert_allclose(found.mean, expected.mean, rtol=EXACT)


def test_the_input_is_seen_by_the_first_layer_alone() -> None:
    plain, first = Dense("tanh", 1.5, 0.2), Dense("tanh", (3.0, 1.5, 1.5), 0.2)
    for profile in (theory.log_grad_layers, theory.layers.log_chi_layers, theory.log_q_layers):
        for width in (None, 40):
            found = profile(plain, depth=3, width=width, input_square=4.0)
            np.testing.assert_allclose(found.mean, profile(first, width=width).mean, rtol=EXACT)
    weights = theory.log_grad_weight_layers
    gap = weights(plain, depth=3, input_square=4.0).mean - weights(first).mean
    np.testing.assert_allclose(gap, [np.log(2), 0, 0], atol=PER_LAYER)


@pytest.mark.slow
@pytest.mark.parametrize("names", [("erf",) * 3, ("tanh", "relu", "tanh")], ids=["one", "two"])
def test_scales_by_layer_are_traced_and_differentiated(names: tuple[str, ...]) -> None:
    def bottom(scales: jax.Array) -> jax.Array:
        return theory.log_grad_layers(Dense(names, tuple(scales), 0.2), width=np.inf).mean[0]

    scales = np.array([1.5, 0.8, 1.2])
    with jax.enable_x64(True):
        slopes = jax.jit(jax.grad(bottom))(jnp.asarray(scales))
    step = 1e-4
    for layer in range(3):
        up, down = (bottom(scales + sign * step * np.eye(3)[layer]) for sign in (1, -1))  # type: ignore[arg-type]
        assert abs((up - down) / (2 * step) - float(slopes[layer])) < DIFFERENCE
    exact = lambda scale: theory.log_q_layers(Dense("relu", scale, widths=(9, 5, 7))).mean[-1]
    np.testing.assert_allclose(jax.grad(exact)(jnp.float32(2.0)), 2.0, rtol=SINGLE)


def test_what_does_not_fit_is_refused(refused: Callable[..., Any]) -> None:
    net = Dense("tanh", widths=(5, 6, 7))
    with refused("log_grad_layers", "depth", "Leave depth out"):
        theory.log_grad_layers(net, depth=3)
    with refused("log_grad_layers", "width", "Leave width out"):
        theory.log_grad_layers(net, width=6)
    with refused("log_q_layers", "depth", "Give depth="):
        theory.log_q_layers(Dense("tanh"))
    with refused("Dense", "widths"):
        Dense("tanh", (1.0, 2.0, 3.0), widths=(5, 6, 7))
    with refused("Dense", "widths"):
        Dense("tanh", widths=(5,))
    with refused("chi_1", "net", "like layers|one of the layers"):
        theory.chi_1(net)
    with refused("log_grad_layers", "widths", "independent weights"):
        theory.log_grad_layers(net.replace(weights="orthogonal"))
    with refused("log_grad_layers", "sigma_w", "Give a tuple"):
        theory.log_grad_layers(Dense("tanh", np.array([1.0, 2.0])), depth=2)
    with refused("log_grad_layers", "net", "Only its input"):
        theory.log_grad_layers(Residual("tanh"), depth=2, input_square=2.0)


def test_a_list_is_printed_and_replaced() -> None:
    net = Dense(("tanh", "relu"), (1.5, 2.0), widths=[5, 6, 7])
    assert repr(net) == "Dense(('tanh', 'relu'), sigma_w=(1.5, 2.0), widths=(5, 6, 7))"
    assert net.replace(sigma_w=1.0).widths == (5, 6, 7)
    assert jax.tree.leaves(net) == [1.5, 2.0, 0.0]
