"""Convolutions: the log-domain chain against plain autodiff of Flax's own modules, theory against measurement, and what is refused."""

import itertools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import surface
from tests.tolerances import EQUAL_FLOAT32, EXACT, SIGMAS, SPREAD
from vgtheory import Conv, Dense, Estimate, compare, measure, theory
from vgtheory.measure.blocks.convolution import draw_kernel
from vgtheory.measure.engine.draws import BIAS, normal, words_of
from vgtheory.measure.engine.networks import draw_cotangent, draw_input

POSITIONS = {"line": 7, "plane": (3, 4)}
SMALL = {"depth": 3, "width": 6, "num_nets": 5}
"""Of the tests that unroll a network or hold no law, so that they share a program."""


def plain(key: jax.Array, net: Conv, depth: int, width: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """h and dE/dh of every layer of a stack of Flax's own convolutions with the chain's first draw."""
    words = words_of(jax.random.fold_in(key, 0))
    module = nn.Conv(
        width,
        (net.kernel_size,) * len(shape),
        padding="CIRCULAR" if net.padding == "circular" else "SAME",
        precision="highest",
    )
    x_0, top = (
        draw(words, width, "float32", int(np.prod(shape))).reshape(*shape, width)
        for draw in (draw_input, draw_cotangent)
    )

    def energy(offsets: jax.Array) -> tuple[jax.Array, list[jax.Array]]:
        x, seen = x_0, []
        for layer in range(1, depth + 1):
            kernel = net.sigma_w * draw_kernel(words, net, layer, width, len(shape), "float32")
            bias = net.sigma_b * normal(words, BIAS, layer, (width,))
            seen.append(module.apply({"params": {"kernel": kernel, "bias": bias}}, x[None])[0] + offsets[layer - 1])
            x = net.activation.phi(seen[-1])
        return jnp.vdot(top, seen[-1]), seen

    grads, seen = jax.jit(jax.grad(energy, has_aux=True))(np.zeros((depth, *shape, width), np.float32))
    return np.stack(seen), np.asarray(grads)


@pytest.mark.parametrize(
    ("name", "padding", "place"),
    [
        ("tanh", "zero", "plane"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in itertools.product(["tanh", "relu", "sigmoid"], ["circular", "zero"], POSITIONS)
            if case != ("tanh", "zero", "plane")
        ),
    ],
)
def test_the_log_domain_is_plain_autodiff_of_flax(key: jax.Array, name: str, padding: str, place: str) -> None:
    """Every layer's and every position's norms, forward and backward; the layout of kernels is Flax's."""
    net, positions = Conv(name, 1.5, 0.3, padding=padding), POSITIONS[place]
    shape = positions if isinstance(positions, tuple) else (positions,)
    h, grads = plain(key, net, SMALL["depth"], SMALL["width"], shape)
    logs = measure.samples(key, net, **SMALL, positions=positions)
    level = np.log(np.mean(grads[-1] ** 2) * 6)
    with np.errstate(divide="ignore"):
        log_g = (np.log(np.sum(grads**2, axis=-1)) - level) / 2
        seen = {
            "log_q_positions": np.log(np.mean(h**2, axis=-1)),
            "log_q": np.log(np.mean(h**2, axis=tuple(range(1, h.ndim)))),
            "log_grad_positions": log_g,
            "log_grad": np.log(np.mean(np.exp(2 * log_g), axis=tuple(range(1, log_g.ndim)))) / 2,
        }
    for field, expected in seen.items():
        np.testing.assert_allclose(getattr(logs, field)[0], expected, rtol=EQUAL_FLOAT32, atol=EQUAL_FLOAT32)


def test_delta_orthogonal_kernels_turn_each_position_alike(key: jax.Array) -> None:
    kernel = np.array(draw_kernel(words_of(key), Conv("tanh", weights="delta_orthogonal"), 1, 8, 2, "float32"))
    np.testing.assert_allclose(kernel[1, 1] @ kernel[1, 1].T, np.eye(8), atol=EQUAL_FLOAT32)
    kernel[1, 1] = 0
    assert not kernel.any()


@pytest.mark.slow
def test_keeping_segments_changes_nothing(key: jax.Array) -> None:
    size: dict[str, Any] = {"depth": 9, "width": 6, "positions": 5, "num_nets": 2}
    one, other = (measure.samples(key, Conv("tanh", 1.4), **size, keep=keep) for keep in ("activations", "segments"))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=EQUAL_FLOAT32, atol=EQUAL_FLOAT32)


NETS = {
    "linear": Conv("linear", 1.05),
    "linear, delta": Conv("linear", 1.05, weights="delta_orthogonal", padding="zero"),
    "tanh": Conv("tanh", 1.5, 0.2),
    "tanh, zero": Conv("tanh", 1.5, 0.2, padding="zero"),
    "tanh, delta": Conv("tanh", 1.5, 0.2, weights="delta_orthogonal", padding="zero"),
}


def z_and_spread(samples: np.ndarray, law: Any) -> tuple[np.ndarray, np.ndarray]:
    spread = samples.std(axis=0, ddof=1)
    err = np.hypot(spread / len(samples) ** 0.5, 20 * np.finfo(np.float32).eps)
    return compare.z_score(Estimate(samples.mean(axis=0), err), law.mean), spread


@pytest.mark.optimised
@pytest.mark.parametrize("place", ["line", pytest.param("plane", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "name",
    [
        # Wide orthogonal kernels take a QR decomposition of each layer of each network; positions are tested one by one below.
        pytest.param(name, marks=() if name == "linear" else pytest.mark.slow)
        for name in NETS
    ],
)
def test_profiles_agree_and_three_percent_off_fails(key: jax.Array, name: str, place: str) -> None:
    """Wide and shallow where theory is that of infinite width, so that its bias of order depth / width is below sampling error."""
    net, straight = NETS[name], name.startswith("linear")
    size: dict[str, Any] = {"depth": 24 if straight else 7, "positions": POSITIONS[place]}
    width, num_nets = (48, 200) if straight else (192, 24)
    logs = measure.samples(key, net, **size, width=width, num_nets=num_nets)
    known = {"width": width} if straight else {}
    wrong = Conv(net.activation, 1.03 * net.sigma_w, net.sigma_b, 3, net.weights, net.padding)
    for quantity, samples in (("log_grad_layers", logs.log_grad), ("log_q_layers", logs.log_q)):
        law = surface.public(theory)[quantity](net, **size, **known)
        off = surface.public(theory)[quantity](wrong, **size, **known)
        z, spread = z_and_spread(samples, law)
        assert np.abs(z).max() < SIGMAS, quantity
        assert np.abs(z_and_spread(samples, off)[0]).max() > SIGMAS, quantity
        if straight and net.weights == "gaussian":
            last = 0 if quantity == "log_grad_layers" else -1
            assert abs(np.log(spread[last] / law.std[last])) < SPREAD


@pytest.mark.parametrize("place", ["line", pytest.param("plane", marks=pytest.mark.slow)])
def test_positions_agree_and_three_percent_off_fails(key: jax.Array, place: str) -> None:
    net, wrong = (Conv("tanh", off * 1.5, 0.2, padding="zero") for off in (1, 1.03))
    size: dict[str, Any] = {"depth": 5, "positions": POSITIONS[place]}
    logs = measure.samples(key, net, **size, width=192, num_nets=24)
    for quantity, samples in (
        ("log_grad_positions", logs.log_grad_positions),
        ("log_q_positions", logs.log_q_positions),
    ):
        assert np.abs(z_and_spread(samples, surface.public(theory)[quantity](net, **size))[0]).max() < SIGMAS
        assert np.abs(z_and_spread(samples, surface.public(theory)[quantity](wrong, **size))[0]).max() > SIGMAS


@pytest.mark.slow
def test_estimates_are_the_mean_over_networks(key: jax.Array) -> None:
    net, size = Conv("tanh", 1.4, padding="zero"), {**SMALL, "positions": (3, 4)}
    logs = measure.samples(key, net, **size)
    for quantity, samples in (
        ("log_grad_layers", logs.log_grad),
        ("log_q_layers", logs.log_q),
        ("log_grad_positions", logs.log_grad_positions),
        ("log_q_positions", logs.log_q_positions),
    ):
        estimate = surface.public(measure)[quantity](key, net, **size)
        np.testing.assert_allclose(estimate.value, samples.mean(axis=0), rtol=EXACT, atol=EXACT)
        assert (estimate.err >= samples.std(axis=0, ddof=1) / 5**0.5).all()


# The eigenvalue is that of theory's own tests, and positions with zero padding are compared above.
@pytest.mark.slow
def test_zero_padding_costs_what_the_largest_eigenvalue_says(key: jax.Array) -> None:
    """The mean square over networks of a linear stack is that of infinite width at any number of channels."""
    net = Conv("linear", padding="zero")
    logs = measure.samples(key, net, depth=12, width=48, positions=5, num_nets=400).log_grad
    square = np.exp(2 * logs)
    predicted, err = (
        np.exp(2 * theory.log_grad_layers(net, depth=12, positions=5).mean),
        square.std(axis=0) / 400**0.5,
    )
    assert (np.abs(square.mean(axis=0) - predicted)[:-1] < SIGMAS * err[:-1]).all()
    ratio = square[:, 0] / square[:, 6]
    rate, err_rate = np.log(ratio.mean()) / 6, ratio.std() / ratio.mean() / 400**0.5 / 6
    assert abs(rate - np.log(theory.blocks.padding_factor(net, 5))) < SIGMAS * err_rate < 0.2 * abs(rate)


def test_wrong_questions(key: jax.Array, refused: Any) -> None:
    size: dict[str, Any] = {"depth": 2, "width": 4, "num_nets": 1}
    with pytest.raises(TypeError, match=r"samples\(\) got an unexpected keyword argument 'positions'"):
        measure.samples(key, Dense("tanh"), **size, positions=3)
    for positions in (0, 2.0, (1, 2, 3), None, (3, True)):
        with refused("samples", "positions"):
            measure.samples(key, Conv("tanh"), **size, positions=positions)
    with pytest.raises(TypeError, match=r"samples\(\) missing a required argument: 'positions'"):
        measure.samples(key, Conv("tanh"), **size)
    with refused("samples", "net"):
        measure.samples(key, "conv", **size, positions=3)
