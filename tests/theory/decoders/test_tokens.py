"""Decoders token by token: uniform attention against whole overlap matrices, softmax attention against real stacks."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from tests.tolerances import PAIR
from vgtheory import Transformer, measure, theory
from vgtheory.theory.decoders import places, stack

DEPTH = 5


def arc_cosine(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E[phi phi'] and E[phi' phi'] of ReLU for every pair of rows."""
    root = np.sqrt(np.diag(gram))
    c = np.clip(gram / np.outer(root, root), -1.0, 1.0)
    np.fill_diagonal(c, 1.0)
    angle = np.arccos(c)
    return np.outer(root, root) * (np.sin(angle) + (np.pi - angle) * c) / (2 * np.pi), (np.pi - angle) / (2 * np.pi)


def normed(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The overlaps after a norm, and what it multiplies the gradients' by."""
    both = 1 / np.sqrt(np.outer(np.diag(gram), np.diag(gram)))
    return gram * both, both


def squashed(gram: np.ndarray, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """The overlaps behind erf of each unit, and what it multiplies the gradients' by: closed forms for all variances."""
    double = 2 * slope**2 * gram
    edge = np.outer(1 + np.diag(double), 1 + np.diag(double))
    return 2 / np.pi * np.arcsin(double / np.sqrt(edge)), slope**2 * 4 / np.pi / np.sqrt(edge - double**2)


def swings(mix: np.ndarray, n: np.ndarray, noise: float) -> np.ndarray:
    """Overlaps of the logits' gradients of two rows with the tokens' own, for uniform attention."""
    centred = np.einsum("tj,jk->tjk", mix, np.eye(len(mix))) - np.einsum("tj,tk->tjk", mix, mix)
    found = np.einsum("tja,skb,ab,jk->ts", centred, centred, n, n, optimize=True)
    return found + noise * np.diag(np.einsum("tja,tka,aa,jk->t", centred, centred, n, n, optimize=True))


def on_diagonal(gram: np.ndarray, factor: float) -> np.ndarray:
    return gram + (factor - 1) * np.diag(np.diag(gram))


def whole(net: Transformer, positions: int, c_0: float, is_last: bool = False) -> dict[str, np.ndarray]:
    """Forward and backward recursion of (positions, positions) matrices; all norms squared, per unit."""
    attention, perceptron, pre = (net.sigma_v * net.sigma_o) ** 2, net.sigma_2**2, net.place == "pre"
    drop = 1 / (1 - net.dropout)
    noise = drop - 1
    mix = np.tri(positions) / np.arange(1, positions + 1)[:, None]
    stream, kept = np.full((positions, positions), c_0) + (1 - c_0) * np.eye(positions), []
    none = lambda gram: (gram, np.ones_like(gram))
    before, after = (normed, none) if pre else (none, normed)
    before = (lambda gram: squashed(gram, net.norm_slope)) if net.norm == "derf" else before
    for _ in range(DEPTH):
        n, into = before(stream)
        seen = mix @ n @ mix.T + noise * np.diag(mix**2 @ np.diag(n))
        stream, out = after(stream + attention * on_diagonal(seen, drop))
        m, into_mlp = before(stream)
        length, slope = arc_cosine(net.sigma_1**2 * m)
        stream, out_mlp = after(stream + perceptron * on_diagonal(length, drop))
        kept.append((n, seen, into, out, m, into_mlp, length, slope, out_mlp, stream))
    grad, rows = np.diag(1.0 * (np.arange(positions) == positions - 1)) if is_last else np.eye(positions), []
    for n, seen, into, out, m, into_mlp, length, slope, out_mlp, stream in reversed(kept):
        row = {"log_q": np.log(np.diag(stream)), "grad": np.diag(grad)}
        grad = grad * out_mlp
        inside = on_diagonal(grad, drop)
        row |= {"mlp_out": net.mlp_ratio * np.sum(length * inside), "mlp_in": perceptron * np.sum(m * slope * inside)}
        grad = (grad + into_mlp * perceptron * net.sigma_1**2 * slope * inside) * out
        inside = on_diagonal(grad, drop)
        all_of = np.sum(seen * inside)
        row |= {"output": net.sigma_v**2 * all_of, "value": net.sigma_o**2 * all_of}
        row["query"] = row["key"] = net.sigma_qk**2 * attention * np.sum(n * inside * swings(mix, n, noise))
        below = mix.T @ inside @ mix + noise * np.diag(mix.T**2 @ np.diag(inside))
        grad = grad + into * attention * below
        rows.append(row)
    return {name: np.array([row[name] for row in reversed(rows)]) for name in rows[0]} | {"inputs": np.diag(grad)}


CLOSE = 3e-3
"""Of a log, from variances that count by their geometric mean in pairs."""


@pytest.mark.parametrize(
    "changes",
    [
        *({"place": "pre"}, {"place": "post"}, {"dropout": 0.3}),
        {"norm": "derf", "norm_slope": 1.5, "dropout": 0.1},
        pytest.param({"place": "post", "dropout": 0.2}, marks=pytest.mark.slow),
        pytest.param({"norm": "derf", "norm_slope": 0.7}, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(("positions", "c_0"), [(2, 0.0), (17, 0.4)])
def test_uniform_attention_is_exact(changes: dict[str, Any], positions: int, c_0: float) -> None:
    scales: dict[str, Any] = {"sigma_v": 0.8, "sigma_o": 1.2, "sigma_1": 1.4, "sigma_2": 0.9}
    net = Transformer("relu", 1.3, 1e-6, is_causal=True, **scales, **changes)
    within = CLOSE if net.norm == "derf" else PAIR * DEPTH
    known, size = whole(net, positions, c_0), {"depth": DEPTH, "positions": positions, "c_0": c_0}
    groups = theory.blocks.log_grad_groups(net, **size)
    for name, law in groups.items():
        expected = np.log(known[name] / known["mlp_out"][-1]) / 2
        np.testing.assert_allclose(law.mean, expected, atol=within)
    np.testing.assert_allclose(theory.decoders.log_q_tokens(net, **size).mean, known["log_q"], atol=within)
    law = theory.decoders.log_grad_tokens(net, **size).mean
    np.testing.assert_allclose(law, np.log(known["grad"]) / 2, atol=within)
    law = theory.decoders.log_influence(net, **size).mean
    np.testing.assert_allclose(law, np.log(whole(net, positions, c_0, True)["inputs"]) / 2, atol=within)
    if c_0 == 0.0:
        how: dict[str, Any] = {"depth": DEPTH, "positions": positions}
        expected = np.log(known["grad"].mean(axis=1)) / 2
        np.testing.assert_allclose(theory.log_grad_layers(net, **how).mean, expected, atol=within)
        expected = np.log(np.exp(known["log_q"]).mean(axis=1))
        np.testing.assert_allclose(theory.log_q_layers(net, **how).mean, expected, atol=within)


def test_a_few_positions_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    net, size = Transformer("gelu", is_causal=True, heads=4), {"depth": 4, "positions": 100, "width": 256}
    laws = [theory.decoders.log_q_tokens, theory.decoders.log_grad_tokens, theory.decoders.log_influence]
    few = [law(net, **size).mean for law in laws]
    every = places.places.__wrapped__
    monkeypatch.setattr(places, "EXACT", 100)
    monkeypatch.setattr(stack, "places", every)
    for law, seen in zip(laws, few, strict=True):
        known = law(net, **size).mean
        assert np.abs(seen - known).max() < 1e-3
        assert np.abs(seen - known).max() > 0


LIKELY, UNLIKELY = 4.0, 5.5
"""Standard errors: of the largest of some sixty, and of one that must be seen."""
TWINS = ["log_q_tokens", "log_grad_tokens", "log_influence"]
EDGES = [0, 1, 2, 4, 8, 16, 32, 64, 128]


def neighbours(values: np.ndarray) -> np.ndarray:
    """Means over positions that are as early as each other, shape (blocks, groups)."""
    edges = [each for each in EDGES if each < values.shape[-1]]
    sums = np.add.reduceat(np.atleast_2d(values), edges, axis=1)
    return sums / np.diff([*edges, values.shape[-1]])


def measured(net: Transformer, num_nets: int, **size: int) -> list[Any]:
    """What the laws speak of, in real stacks: by token, and by matrix relative to the last perceptron."""
    key = jax.random.key(11)
    tokens = [getattr(measure.decoders, name)(key, net, num_nets=num_nets, **size) for name in TWINS]
    logs = measure.samples(key, net, num_nets=num_nets, **size).log_grad_groups
    groups = {}
    for name, rows in logs.items():
        squares = np.exp(2 * (rows - logs["mlp_out"][:, -1:]))
        mean = squares.mean(axis=0)
        groups[name] = np.log(mean) / 2, squares.std(axis=0, ddof=1) / num_nets**0.5 / mean / 2
    return [*tokens, groups]


def departures(net: Transformer, seen: list[Any], size: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Of everything measured from the law of ``net``, in nats, and as many standard errors."""
    *tokens, groups = seen
    found = []
    for name, estimate in zip(TWINS, tokens, strict=True):
        off = estimate.value - getattr(theory.decoders, name)(net, **size).mean
        at_top = -1 if name == "log_grad_tokens" else None
        found.append((neighbours(off)[:at_top], neighbours(estimate.err)[:at_top]))
    for name, law in theory.blocks.log_grad_groups(net, **size).items():
        kept = slice(-1) if name == "mlp_out" else slice(None)
        found.append(((groups[name][0] - law.mean)[kept], groups[name][1][kept]))
    off, err = (np.concatenate([np.ravel(each[k]) for each in found]) for k in (0, 1))
    return off, off / err


def test_a_real_decoder_has_the_law_and_one_of_other_scales_has_not() -> None:
    net, size = Transformer("gelu", is_causal=True, heads=4), {"depth": 2, "width": 128, "positions": 40}
    seen = measured(net, 96, **size)
    assert np.abs(departures(net, seen, size)[1]).max() < LIKELY
    for name in ("sigma_w", "sigma_qk"):
        wrong = net.replace(**{name: 1.03 * getattr(net, name)})
        assert np.abs(departures(wrong, seen, size)[1]).max() > UNLIKELY


BUILT = [
    (Transformer("gelu", is_causal=True, heads=8), 12, {"depth": 12, "width": 512, "positions": 256}),
    (Transformer("relu", 1.2, 1.1, "post", is_causal=True, heads=8), 24, {"depth": 5, "width": 512, "positions": 64}),
    (
        Transformer("silu", is_causal=True, is_gated=True, norm="rms", is_rotary=True, heads=8, kv_heads=2),
        48,
        {"depth": 4, "width": 256, "positions": 64},
    ),
    (
        Transformer("gelu", 1.1, 0.9, "peri", is_causal=True, is_parallel=True, is_qk_normed=True, heads=4),
        48,
        {"depth": 4, "width": 256, "positions": 64},
    ),
    (
        Transformer("silu", norm="derf", norm_slope=0.8, is_causal=True, is_gated=True, is_rotary=True, dropout=0.1),
        48,
        {"depth": 4, "width": 256, "positions": 64},
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("net", "num_nets", "size"), BUILT)
def test_decoders_as_they_are_built_have_the_law(net: Transformer, num_nets: int, size: dict[str, int]) -> None:
    """All matrices and groups of tokens: 2 % in the median and 5 % at the worst, but for the measurement's error."""
    off, score = departures(net, measured(net, num_nets, **size), size)
    assert np.median(np.abs(off)) < 0.02
    assert (np.abs(off) < 0.05 + 3 * np.abs(off / score)).all()


def test_wrong_questions_are_refused(refused: Callable) -> None:
    size = {"depth": 2, "positions": 4}
    with refused("log_q_tokens", "net", "measure.samples"):
        theory.decoders.log_q_tokens(Transformer(), **size)
    with refused("log_grad_tokens", "sigma_qk", "measure.samples"):
        theory.decoders.log_grad_tokens(Transformer(is_causal=True, sigma_qk=2.0), **size)
    with refused("log_influence", "width", "measure.samples"):
        theory.decoders.log_influence(Transformer(is_causal=True), width=32, **size)
    with refused("log_grad_layers", "place", "measure.samples"):
        theory.log_grad_layers(Transformer(is_causal=True, norm="derf", place="peri"), **size)
    with refused("log_grad_layers", "dropout", "measure.samples"):
        theory.log_grad_layers(Transformer(is_causal=True, place="peri", dropout=0.1), **size)
