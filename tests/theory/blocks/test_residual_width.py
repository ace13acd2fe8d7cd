"""The spread of residual chains at finite width: like blocks, choices of branches counted out, and networks in NumPy."""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from tests.tolerances import EXACT, SIGMAS
from vgtheory import Residual, theory

DEPTH, WIDTH = 6, 48
LAWS = theory.log_grad_layers, theory.log_q_layers
SCALES, BIASES, ALPHAS = (1.5, 0.8, 2.0, 1.1, 0.4, 1.6), (0.3, 0.0, 0.5, 0.1, 0.8, 0.2), (0.9, 0.2, 1.3, 0.5, 0.0, 1.0)
COUNTED = 1e-9
"""Of a standard deviation from a difference of squares."""
SHALLOW = 0.05
"""Of the spread, and of the mean in units of it, at an eighth as many blocks as units: order 1/N of the next order."""


@pytest.mark.parametrize("net", [Residual("relu", 1.4), Residual("linear", 0.8), Residual("relu", 1.2, dropout=0.3)])
def test_listed_blocks_that_are_alike_and_biases_that_vanish(net: Residual) -> None:
    listed = net.replace(sigma_w=(net.sigma_w,) * DEPTH, alpha=(net.alpha,) * DEPTH)
    for law in LAWS:
        plain, by_block = law(net, depth=DEPTH, width=WIDTH), law(listed, width=WIDTH)
        np.testing.assert_allclose(by_block, plain, rtol=0, atol=DEPTH * EXACT)
        if net.activation.name != "linear":
            faint = law(net.replace(sigma_b=1e-8), depth=DEPTH, width=WIDTH)
            np.testing.assert_allclose(faint, plain, rtol=0, atol=DEPTH * EXACT)


@pytest.mark.parametrize("name", ["linear", "relu", "abs"])
def test_one_block_in_closed_form(name: str) -> None:
    """With b the square of alpha sigma_w as one input sees it, e = E phi'^2 and f = E phi'^4 E m^4 / (E m^2)^2."""
    p, b, e = 0.3, 1.2**2 / 0.7, 0.5 if name == "relu" else 1.0
    f, c = e / 0.7, 1 + b * e
    net = Residual(name, 1.2, dropout=p)
    grad, q = (law(net, depth=2, width=WIDTH).std[0] for law in LAWS)
    # With dropout alone, and ReLU's own choice of units, the mean of phi^2 scatters as 3 (f - e^2).
    own = 4 * b * e + 2 * b**2 * e**2 + 3 * b**2 * (f - e**2)
    assert (2 * grad) ** 2 * WIDTH * c**2 == pytest.approx(4 * b * e + b**2 * (3 * f - e**2), rel=EXACT)
    assert q**2 * WIDTH * c**2 == pytest.approx(own, rel=EXACT)


@pytest.mark.parametrize("net", [Residual("relu", 1.2, dropout=0.2), Residual("linear", 0.9, alpha=0.6)])
def test_every_choice_of_branches_at_finite_width(net: Residual) -> None:
    p = 0.3
    alone = net.replace(alpha=net.alpha / (1 - p))
    grad, q = (law(alone, depth=DEPTH, width=WIDTH) for law in LAWS)
    counts = np.array([sum(kept) for kept in itertools.product((0, 1), repeat=DEPTH - 1)])
    share = (1 - p) ** counts * p ** (DEPTH - 1 - counts)
    mixed = net.replace(drop_path=p)
    found = theory.log_grad_layers(mixed, depth=DEPTH, width=WIDTH)
    for law, mean, std, at in (
        (found, grad.mean[::-1], grad.std[::-1], 0),
        (
            theory.log_q_layers(mixed, depth=DEPTH, width=WIDTH),
            np.append(0.0, q.mean),
            np.append(0.0, q.std),
            DEPTH - 2,
        ),
    ):
        expected = share @ mean[counts]
        assert law.mean[at] == pytest.approx(expected, rel=EXACT)
        assert law.std[at] == pytest.approx(
            (share @ (std[counts] ** 2 + (mean[counts] - expected) ** 2)) ** 0.5, rel=COUNTED
        )
    assert found.std[-1] == 0
    many = [law(mixed, depth=DEPTH, width=10**9) for law in LAWS]
    for wide, law in zip(many, LAWS, strict=True):
        np.testing.assert_allclose(wide, law(mixed, depth=DEPTH), rtol=0, atol=1e-6)


def in_numpy(net: Any, num_nets: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Log gradient and log q of every block of real networks of ReLU, shape (num_nets, depth)."""
    h = rng.standard_normal((num_nets, WIDTH))
    h /= np.sqrt(np.mean(h**2, axis=1, keepdims=True))
    log_q, branches = [], []
    for scale, bias, alpha in zip(SCALES, BIASES, ALPHAS, strict=True):
        matrices = rng.standard_normal((num_nets, WIDTH, WIDTH)) * (alpha * scale / WIDTH**0.5)
        masks = (rng.random(h.shape) >= net.dropout) / (1 - net.dropout)
        masks = masks * (rng.random((num_nets, 1)) >= net.drop_path) / (1 - net.drop_path)
        branches.append((matrices, masks * (h > 0)))
        added = np.einsum("nij,nj->ni", matrices, masks * np.maximum(h, 0))
        h = h + added + alpha * bias * rng.standard_normal(h.shape)
        log_q.append(np.log(np.mean(h**2, axis=1)))
    g = rng.standard_normal(h.shape)
    log_grad = [np.log(np.linalg.norm(g, axis=1))]
    for matrices, slopes in branches[:0:-1]:
        g = g + slopes * np.einsum("nij,ni->nj", matrices, g)
        log_grad.append(np.log(np.linalg.norm(g, axis=1)))
    grad = np.stack(log_grad[::-1], axis=1)
    return grad - grad[:, -1:], np.stack(log_q, axis=1)


def test_networks_in_numpy_have_this_mean_and_spread() -> None:
    """All of it together; without the part of dropout that is not its scale the spread is too small."""
    num_nets, p = 1200, 0.5
    net = Residual("relu", SCALES, BIASES, alpha=ALPHAS, dropout=p)
    rng = np.random.default_rng(3)
    scaled = net.replace(sigma_w=tuple(scale / (1 - p) ** 0.5 for scale in SCALES), dropout=0.0)
    for found, law, at in zip(in_numpy(net, num_nets, rng), LAWS, (0, -1), strict=True):
        mean, std = found.mean(axis=0), found.std(axis=0)
        seen = std > 0
        sampling = np.sqrt(((found - mean)[:, seen] ** 4).mean(axis=0) / std[seen] ** 4 - 1) / 2 / num_nets**0.5
        predicted = law(net, width=WIDTH)
        assert (abs(mean - predicted.mean)[seen] < (SIGMAS / num_nets**0.5 + SHALLOW) * std[seen]).all()
        assert (abs(std[seen] / predicted.std[seen] - 1) < SIGMAS * sampling + SHALLOW).all()
        assert abs(std[at] / law(scaled, width=WIDTH).std[at] - 1) > SIGMAS * sampling.max() + SHALLOW


def test_traced_numbers_are_refused_by_name(refused: Callable[..., Any]) -> None:
    for field in ("sigma_w", "sigma_b", "alpha"):
        ask = lambda value, field=field: theory.log_q_layers(
            Residual("relu", dropout=0.1).replace(**{field: value}), depth=3, width=64
        )
        with refused("log_q_layers", field):
            jax.jit(ask)(0.5)
