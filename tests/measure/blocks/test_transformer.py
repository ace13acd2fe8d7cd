"""Measured transformer blocks: plain autodiff, and the exact law where attention is uniform."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.tolerances import EQUAL_FLOAT64, SIGMAS
from vgtheory import Transformer, measure, theory
from vgtheory.measure.attention import block
from vgtheory.measure.engine.draws import COTANGENT, INPUT, normal, words_of

SIZES = {"depth": 10, "positions": 4}


@pytest.mark.slow
@pytest.mark.parametrize("place", ["pre", "post"])
def test_the_gradients_are_plain_autodiff_s(key: jax.Array, place: str) -> None:
    net, depth, width, positions = Transformer("tanh", 1.2, 1.5, place, heads=2, mlp_ratio=3), 2, 8, 5
    how: dict[str, Any] = {"depth": depth, "width": width, "positions": positions, "dtype": "float64"}
    logs = measure.samples(key, net, num_nets=1, **how)
    with jax.enable_x64(True):
        words = words_of(jax.random.fold_in(key, 0))
        given = jax.tree.map(lambda leaf: jnp.asarray(leaf, "float64"), net)
        weights = [block.drawn(words, given, jnp.int32(l), width, "float64") for l in range(depth)]
        x = normal(words, INPUT, 0, (positions + 1, width), "float64")[1:]
        x = x / jnp.sqrt(jnp.mean(x**2, axis=1, keepdims=True))
        top = normal(words, COTANGENT, 0, (positions, width), "float64")

        def energy(weights: Any, offsets: Any) -> Any:
            h = x
            for each, offset in zip(weights, offsets, strict=True):
                n = block.layer_norm(h) if place == "pre" else h
                heads = lambda name, n=n, each=each: jnp.moveaxis((n @ each[name]).reshape(positions, 2, -1), 1, 0)
                share = jax.nn.softmax(heads("query") @ jnp.swapaxes(heads("key"), 1, 2) / (width // 2) ** 0.5)
                h = h + jnp.moveaxis(share @ heads("value"), 0, 1).reshape(positions, width) @ each["output"]
                h = h if place == "pre" else block.layer_norm(h)
                n = block.layer_norm(h) if place == "pre" else h
                h = h + jnp.tanh(n @ each["mlp_in"]) @ each["mlp_out"]
                h = (h if place == "pre" else block.layer_norm(h)) + offset
            return jnp.vdot(top, h)

        grads, stream = jax.jit(jax.grad(energy, (0, 1)))(weights, [np.zeros(x.shape) for _ in range(depth)])
    size = lambda leaf: np.log(np.linalg.norm(leaf) / np.linalg.norm(top))
    below, groups = [size(each) for each in stream], {name: [size(each[name]) for each in grads] for name in net.groups}
    np.testing.assert_allclose(logs.log_grad[0], below, atol=EQUAL_FLOAT64)
    for name in net.groups:
        np.testing.assert_allclose(logs.log_grad_groups[name][0], groups[name], atol=EQUAL_FLOAT64)


def of_mean_square(logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half the log of the mean square over networks, which is what the law speaks of, and its error."""
    squares = np.exp(2 * (logs - logs.mean(axis=0)))
    mean, err = squares.mean(axis=0), squares.std(axis=0, ddof=1) / len(logs) ** 0.5
    return logs.mean(axis=0) + np.log(mean) / 2, err / mean / 2


def departures(net: Transformer, logs: Any) -> np.ndarray:
    """Of everything measured, in standard errors, from the law of ``net``."""
    groups = theory.blocks.log_grad_groups(net, **SIZES)
    top = logs.log_grad_groups["mlp_out"][:, -1:]
    pairs = [(logs.log_grad[:, :-1], theory.log_grad_layers(net, **SIZES).mean[:-1])]
    if net.place == "pre":
        pairs.append((logs.log_q / 2, theory.log_q_layers(net, **SIZES).mean / 2))
    for name, law in groups.items():
        kept = slice(-1) if name == "mlp_out" else slice(None)
        pairs.append(((logs.log_grad_groups[name] - top)[:, kept], law.mean[kept]))
    seen = [(*of_mean_square(each), law) for each, law in pairs]
    return np.concatenate([(mean - law) / err for mean, err, law in seen])


@pytest.mark.parametrize("place", ["pre", pytest.param("post", marks=pytest.mark.slow)])
def test_wide_blocks_with_uniform_attention_obey_the_law(key: jax.Array, place: str) -> None:
    net = Transformer("relu", 1.3, 1e-3, place, heads=4)
    logs = measure.samples(key, net, width=256, num_nets=16, **SIZES)
    assert np.abs(departures(net, logs)).max() < SIGMAS
    off = net.replace(sigma_w=1.03 * net.sigma_w)
    assert np.abs(departures(off, logs)).max() > SIGMAS


@pytest.mark.slow
def test_deep_norm_s_scales_obey_the_law(key: jax.Array) -> None:
    net, size = Transformer.deep_norm(depth=10, heads=2), {"depth": 10, "positions": 8, "width": 256}
    mean, err = of_mean_square(measure.samples(key, net, num_nets=12, **size).log_grad)
    law = theory.log_grad_layers(net, **size).mean
    assert np.all(np.abs(mean - law)[:-1] < SIGMAS * err[:-1] + 2e-3)
    plain = theory.log_grad_layers(Transformer("gelu", place="post", heads=2), **size).mean
    assert abs(mean - plain)[0] > SIGMAS * err[0] + 2e-3


def test_wrong_questions_are_refused(refused: Callable, key: jax.Array) -> None:
    with refused("samples", "width", ""):
        measure.samples(key, Transformer(heads=3), width=8, num_nets=2, **SIZES)
    with refused("samples", "net"):
        measure.samples(key, "gelu", width=8, num_nets=2, **SIZES)
    with refused("samples", "c_0"):
        measure.samples(key, Transformer(), width=8, num_nets=2, c_0=2.0, **SIZES)
