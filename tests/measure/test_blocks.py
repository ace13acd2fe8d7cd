"""Residual and normalised chains: plain autodiff, theory and measurement within five standard errors, and 3 % off that fails."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.tolerances import EQUAL_FLOAT64
from vgtheory import Normed, Residual, measure
from vgtheory.blocks import alpha_of
from vgtheory.measure import blocks
from vgtheory.measure.draws import words_of
from vgtheory.measure.networks import draw_cotangent, draw_input

SMALL = {
    "plain": Residual("tanh", 1.3, 0.2, 0.7, 2),
    "homogeneous": Residual("relu", 1.3, 0.2, "1/sqrt(L)"),
    "pre": Residual("gelu", 1.3, 0.2, norm="layer"),
    "post": Residual("tanh", 1.3, 0.2, norm="rms", place="post"),
    "batch": Residual("tanh", 1.3, 0.2, norm="batch", batch=5),
    "before": Normed("relu", "batch", 1.3, 0.2, batch=5),
    "after": Normed("sigmoid", "layer", 1.3, 0.2, place="after"),
}


@pytest.mark.parametrize("name", SMALL)
def test_logs_are_those_of_plain_autodiff(key: jax.Array, name: str) -> None:
    net, depth, width = SMALL[name], 4, 6
    rows = net.batch or 3
    many = {"num_inputs": None if net.batch else rows}
    logs = measure.block_logs(key, net, depth=depth, width=width, num_nets=1, dtype="float64", **many)
    with jax.enable_x64(True):
        words = words_of(jax.random.fold_in(key, 0))
        vectors = (words, width, "float64", rows)
        start, top = draw_input(*vectors), draw_cotangent(*vectors)
        alphas = jnp.full((depth, rows), alpha_of(net, depth) if isinstance(net, Residual) else 0.0, "float64")

        def streams(offsets: Any, alphas: Any) -> list[Any]:
            h, seen = start, []
            for l in range(depth):
                one = (net, words, jnp.int32(l + 1))
                if isinstance(net, Normed):
                    h = blocks._layer(*one, h)
                else:
                    h = blocks._block(*one, (h, jnp.zeros(rows, "float64")), alphas[l], False)
                h = h + offsets[l]
                seen.append(h)
            return seen

        zeros = jnp.zeros((depth, rows, width), "float64")
        energy = lambda offsets, alphas: jnp.vdot(top, streams(offsets, alphas)[-1])
        by_h, by_alpha = jax.grad(energy, argnums=(0, 1))(zeros, alphas)
        seen = jnp.stack(streams(zeros, alphas))
    over = (1, 2) if net.batch else 2
    sizes, q = np.sqrt(np.sum(np.asarray(by_h) ** 2, axis=over)), np.mean(np.asarray(seen) ** 2, axis=over)
    turned = (lambda x: x) if net.batch else np.transpose
    np.testing.assert_allclose(logs.log_grad[0], turned(np.log(sizes / sizes[-1])), atol=EQUAL_FLOAT64)
    np.testing.assert_allclose(logs.log_q[0], turned(np.log(q)), atol=EQUAL_FLOAT64)
    if isinstance(net, Residual):
        slopes = np.asarray(by_alpha).sum(axis=1) if net.batch else np.asarray(by_alpha)
        np.testing.assert_allclose(logs.log_grad_alpha[0], turned(np.log(abs(slopes) / sizes[-1])), atol=1e-9)


def z_of(samples: np.ndarray, law: np.ndarray) -> np.ndarray:
    """Standard errors between a sample mean and a law, at each layer."""
    return (samples.mean(axis=0) - law) / (samples.std(axis=0, ddof=1) / samples.shape[0] ** 0.5 + 1e-5)
