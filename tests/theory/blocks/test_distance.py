"""How alike tokens become: against a stack written in NumPy, against real stacks, and where it is known."""

from collections.abc import Callable

import jax
import numpy as np
import pytest
from scipy.special import ndtr, softmax

from vgtheory import Transformer, measure, theory

SIZE = {"depth": 6, "width": 128, "positions": 16}


def _normed(x: np.ndarray) -> np.ndarray:
    x = x - x.mean(1, keepdims=True)
    return x / np.sqrt((x**2).mean(1, keepdims=True))


def _in_numpy(rng: np.random.Generator, place: str, sigma_qk: float, heads: int) -> np.ndarray:
    """Mean of 1 less the cosine over pairs of tokens, before each block of one network."""
    width, count = SIZE["width"], SIZE["positions"]
    draw = lambda fan_in, fan_out, sigma=1.0: sigma * rng.standard_normal((fan_in, fan_out)) / fan_in**0.5
    x = rng.standard_normal((count, width))
    x /= np.sqrt((x**2).mean(1, keepdims=True))
    before, after = (_normed, lambda x: x) if place == "pre" else (lambda x: x, _normed)
    found = []
    for _ in range(SIZE["depth"]):
        n = before(x)
        unit = n / np.linalg.norm(n, axis=1, keepdims=True)
        cosine = unit @ unit.T
        found.append(1 - (cosine.sum() - count) / (count * (count - 1)))
        query, key, value = (
            (n @ draw(width, width, sigma)).reshape(count, heads, -1) for sigma in (sigma_qk, sigma_qk, 1.0)
        )
        logits = np.einsum("ihd,jhd->hij", query, key) / (width // heads) ** 0.5
        seen = np.einsum("hij,jhd->ihd", softmax(logits, axis=-1), value).reshape(count, width)
        x = after(x + seen @ draw(width, width))
        hidden = before(x) @ draw(width, 4 * width)
        x = after(x + (hidden * ndtr(hidden)) @ draw(4 * width, width))
    return np.array(found)


@pytest.mark.parametrize("place", ["pre", "post"])
def test_networks_in_numpy_have_the_measured_distance(key: jax.Array, place: str) -> None:
    net, rng = Transformer("gelu", 1.0, 1.0, place, heads=4), np.random.default_rng(3)
    rows = np.array([_in_numpy(rng, place, 1.0, 4) for _ in range(48)])
    seen = measure.blocks.cosine_distance(key, net, num_nets=192, **SIZE)
    err = np.hypot(rows.std(axis=0, ddof=1) / len(rows) ** 0.5, seen.err)
    assert (np.abs(rows.mean(axis=0) - seen.value) < 4 * err + 1e-6).all()


@pytest.mark.parametrize(
    ("net", "within"),
    [
        (Transformer("gelu", 1.0, 1.0, "pre", heads=4), 0.02),
        (Transformer("gelu", 1.0, 1.4, "post", heads=4), 0.05),
        (Transformer("relu", 1.2, 0.5, "peri", heads=2), 0.03),
        (Transformer("gelu", heads=4, norm="dyt"), 0.02),
        (Transformer("silu", heads=4, norm="rms", is_gated=True, is_rotary=True), 0.02),
        (Transformer("gelu", heads=4, is_parallel=True, dropout=0.1), 0.02),
    ],
)
def test_real_stacks_have_the_law(key: jax.Array, net: Transformer, within: float) -> None:
    law = theory.blocks.cosine_distance(net, **SIZE)
    seen = measure.blocks.cosine_distance(key, net, num_nets=128, **SIZE)
    assert (np.abs(seen.value - law.mean) < within * law.mean + 3 * seen.err).all()
    other = theory.blocks.cosine_distance(net, c_0=0.15, **SIZE).mean
    assert (np.abs(seen.value - other) > within * other + 3 * seen.err)[2:].any()


def test_a_causal_mask_is_measured_and_not_predicted(key: jax.Array, refused: Callable) -> None:
    net = Transformer("gelu", heads=4, is_causal=True)
    assert (measure.blocks.cosine_distance(key, net, num_nets=2, **SIZE).value > 0.1).all()
    with refused("cosine_distance", "net", "measure.blocks.cosine_distance"):
        theory.blocks.cosine_distance(net, **SIZE)


def test_equal_tokens_stay_equal_and_independent_ones_start_at_one() -> None:
    net = Transformer("gelu", place="post")
    assert (theory.blocks.cosine_distance(net, depth=3, positions=4, c_0=1.0).mean == 0).all()
    assert theory.blocks.cosine_distance(net, depth=1, positions=4).mean.tolist() == [1.0]


def test_a_linear_network_of_uniform_attention_is_known_by_hand() -> None:
    """Attention adds the mean: q and q c both grow by that mean's square; the perceptron doubles both."""
    net, count, c = Transformer("linear", 1.0, 0.0, "post"), 5, 0.2
    found = theory.blocks.cosine_distance(net, depth=4, positions=count, c_0=c).mean
    for each in found:
        assert each == pytest.approx(1 - c, rel=1e-7)
        mean = c + (1 - c) / count
        c = (c + mean) / (1 + mean)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_small_distances_are_not_made_of_rounding(key: jax.Array, dtype: str) -> None:
    net, size = Transformer("gelu", place="post", heads=4), SIZE | {"depth": 20}
    seen = measure.blocks.cosine_distance(key, net, num_nets=16, dtype=dtype, **size)
    law = theory.blocks.cosine_distance(net, **size).mean
    assert law[-1] < 1e-4
    np.testing.assert_allclose(seen.value, law, rtol=0.5)
    sure = measure.blocks.cosine_distance(key, net, num_nets=16, dtype="float64", **size)
    if dtype == "float32":
        np.testing.assert_allclose(seen.value[:1], sure.value[:1], rtol=0.02)
