"""Transformer blocks with uniform attention against the recursion of whole overlap matrices, with ReLU's kernels in closed form."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.tolerances import PAIR
from vgtheory import Transformer, theory

DEPTH = 5


def arc_cosine(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E[phi phi'] and E[phi' phi'] of ReLU for every pair of rows."""
    root = np.sqrt(np.diag(gram))
    c = np.clip(gram / np.outer(root, root), -1.0, 1.0)
    angle = np.arccos(c)
    length = np.outer(root, root) * (np.sin(angle) + (np.pi - angle) * c) / (2 * np.pi)
    return length, (np.pi - angle) / (2 * np.pi)


def normed(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The overlaps after a layer norm, and what it multiplies the gradients' by."""
    root = np.sqrt(np.diag(gram))
    return gram / np.outer(root, root), 1 / np.outer(root, root)


def whole(net: Transformer, positions: int, c_0: float) -> dict[str, np.ndarray]:
    """Forward and backward recursion of (positions, positions) matrices; all norms squared, per unit."""
    weight, pre = net.sigma_w**2, net.place == "pre"
    mix = np.full((positions, positions), 1 / positions)
    stream, kept = np.full((positions, positions), c_0) + (1 - c_0) * np.eye(positions), []
    none = lambda gram: (gram, np.ones_like(gram))
    before, after = (normed, none) if pre else (none, normed)
    for _ in range(DEPTH):
        n, into = before(stream)
        stream, out = after(stream + weight**2 * mix @ n @ mix)
        m, into_mlp = before(stream)
        length, slope = arc_cosine(weight * m)
        stream, out_mlp = after(stream + weight * length)
        kept.append((n, into, out, m, into_mlp, length, slope, out_mlp, stream))
    grad, rows = np.eye(positions), []
    for n, into, out, m, into_mlp, length, slope, out_mlp, stream in reversed(kept):
        row = {"log_q": np.log(stream[0, 0]), "grad": np.log(np.trace(grad)) / 2}
        grad = grad * out_mlp
        row |= {"mlp_out": net.mlp_ratio * np.sum(length * grad), "mlp_in": np.sum(m * weight * slope * grad)}
        grad = (grad + into_mlp * weight**2 * slope * grad) * out
        row |= {"output": np.sum(weight * (mix @ n @ mix) * grad), "value": np.sum(n * weight * (mix @ grad @ mix))}
        centre = np.eye(positions) - mix
        logits = weight**2 / positions**2 * np.trace(centre @ n @ centre @ n)
        row |= {"query": net.sigma_qk**2 * logits * np.sum(n * grad)}
        grad = grad + into * weight**2 * (mix @ grad @ mix)
        rows.append(row)
    return {name: np.array([row[name] for row in reversed(rows)]) for name in rows[0]}


@pytest.mark.parametrize("place", ["pre", "post"])
@pytest.mark.parametrize(
    ("positions", "c_0"), [*(pytest.param(*case, marks=pytest.mark.slow) for case in ((1, 0.0), (6, 0.0))), (17, 0.4)]
)
def test_two_numbers_stand_for_the_whole_matrices(place: str, positions: int, c_0: float) -> None:
    net = Transformer("relu", 1.3, 1e-3, place)  # attention is uniform
    known = whole(net, positions, c_0)
    groups = theory.blocks.log_grad_groups(net, depth=DEPTH, positions=positions, c_0=c_0)
    top = np.log(known["mlp_out"][-1])
    for name, law in groups.items():
        with np.errstate(divide="ignore"):
            expected = (np.log(known["query" if name == "key" else name]) - top) / 2
        np.testing.assert_allclose(law.mean, expected, atol=PAIR * DEPTH)
    if c_0 == 0.0:
        how: dict[str, Any] = {"depth": DEPTH, "positions": positions}
        expected = known["grad"] - known["grad"][-1]
        np.testing.assert_allclose(theory.log_grad_layers(net, **how).mean, expected, atol=PAIR * DEPTH)
        np.testing.assert_allclose(theory.log_q_layers(net, **how).mean, known["log_q"], atol=PAIR * DEPTH)


def test_a_deep_stack_does_not_overflow_and_a_prefix_is_a_prefix() -> None:
    """Post-norm: the gradient settles to a rate; pre-norm: it grows like a power of depth."""
    rates = np.diff(theory.log_grad_layers(Transformer("relu", place="post"), depth=1500, positions=8).mean)
    assert rates[100] == pytest.approx(rates[1000], rel=1e-6)
    profile = theory.log_grad_layers(Transformer("relu"), depth=1500, positions=8).mean
    assert np.isfinite(profile).all()
    short = theory.log_q_layers(Transformer("relu"), depth=10, positions=8).mean
    np.testing.assert_allclose(short, theory.log_q_layers(Transformer("relu"), depth=20, positions=8).mean[:10])


def test_wrong_questions_are_refused(refused: Callable) -> None:
    net = Transformer()
    with refused("log_grad_layers", "positions"):
        theory.log_grad_layers(net, depth=3)
    with refused("log_q_layers", "width"):
        theory.log_q_layers(net, depth=3, width=60, positions=4)
    with refused("log_grad_groups", "c_0"):
        theory.blocks.log_grad_groups(net, depth=3, positions=4, c_0=-0.1)
    with refused("log_grad_groups", "sigma_w"):
        theory.blocks.log_grad_groups(Transformer(sigma_w=0.0), depth=3, positions=4)
    with refused("Transformer", "place", "Did you mean 'post'"):
        Transformer(place="pots")
    with refused("Transformer", "heads"):
        Transformer(heads=0)
