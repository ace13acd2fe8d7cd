"""Stochastic depth: every choice of branches counted out, closed form, and what noise does to a residual chain and a convolution."""

import itertools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from tests.tolerances import EXACT, PER_LAYER, SIGMAS
from vgtheory import Conv, Residual, theory

P, DEPTH = 0.3, 5
COUNTED = 1e-9
"""Of logs from some tens of profiles, and of a standard deviation from a difference of squares."""


def counted_out(net: Residual) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Mean and standard deviation over all choices of branches, from the chain of those that stay."""
    factor = net.alpha / (1 - net.drop_path)
    alone = net.replace(drop_path=0.0, alpha=factor)
    q = [0.0, *theory.log_q_layers(alone, depth=DEPTH).mean]
    logs: dict[str, list[list[float]]] = {"q": [], "grad": []}
    weights = []
    for kept in itertools.product((0, 1), repeat=DEPTH):
        count = np.cumsum((0, *kept))
        weights.append(np.prod([P if not each else 1 - P for each in kept]))
        logs["q"].append([q[k] for k in count[1:]])
        logs["grad"].append([chi_sum(alone, count[layer], count[-1]) for layer in range(1, DEPTH + 1)])
    share = np.array(weights)[:, None]
    found = {}
    for name, rows in logs.items():
        mean = (share * np.array(rows)).sum(axis=0)
        found[name] = mean, ((share * (np.array(rows) - mean) ** 2).sum(axis=0)) ** 0.5
    return found


def chi_sum(net: Residual, first: int, last: int) -> float:
    """Log of the gradient's norm behind ``first`` blocks over that behind ``last``."""
    if last == first:
        return 0.0
    profile = theory.log_grad_layers(net, depth=last).mean
    return profile[first - 1] if first > 0 else profile[0] + first_block(net)


def first_block(net: Residual) -> float:
    """Half the log of the first block's factor, at a stream of unit mean square, by quadrature."""
    z, w = np.polynomial.hermite_e.hermegauss(200)
    slopes = np.asarray(net.activation.dphi(jnp.asarray(z)), float)
    return 0.5 * np.log1p(net.alpha**2 * net.sigma_w**2 * (w @ slopes**2) / w.sum())


@pytest.mark.optimised
@pytest.mark.parametrize("norm", [None, "layer"])
def test_every_choice_of_branches(norm: str | None) -> None:
    net = Residual("tanh", 1.5, 0.3, alpha=0.7, drop_path=P, norm=norm)
    expected = counted_out(net)
    for name, law in (("q", theory.log_q_layers), ("grad", theory.log_grad_layers)):
        found = law(net, depth=DEPTH)
        np.testing.assert_allclose(found.mean, expected[name][0], atol=COUNTED)
        np.testing.assert_allclose(found.std, expected[name][1], atol=COUNTED)


def test_homogeneous_blocks_in_closed_form() -> None:
    """Each block multiplies both squares by 1 + alpha^2 sigma_w^2 / 2 / (1 - p)^2 with probability 1 - p."""
    net, depth = Residual("relu", 1.0, alpha=0.8, drop_path=P), 400
    gain = np.log1p(0.8**2 / 2 / (1 - P) ** 2)
    below = np.arange(depth - 1, -1, -1)
    grad, q = theory.log_grad_layers(net, depth=depth), theory.log_q_layers(net, depth=depth)
    np.testing.assert_allclose(grad.mean, below * (1 - P) * gain / 2, rtol=EXACT * depth)
    np.testing.assert_allclose(grad.std, np.sqrt(below * P * (1 - P)) * gain / 2, rtol=COUNTED, atol=COUNTED)
    np.testing.assert_allclose(q.mean, (below[::-1] + 1) * (1 - P) * gain, rtol=EXACT * depth)


def test_units_dropped_in_a_branch_are_a_larger_scale() -> None:
    net = Residual("tanh", 1.2, 0.3, alpha=0.5, branch_layers=2, dropout=0.2, sigma_noise=0.4)
    plain = Residual("tanh", 1.2 / 0.8**0.5, 0.5, alpha=0.5, branch_layers=2)
    conv, uniform = Conv("tanh", 1.2, 0.3, dropout=0.2, sigma_noise=0.4), Conv("tanh", 1.2 / 0.8**0.5, 0.5)
    for law in (theory.log_grad_layers, theory.log_q_layers):
        np.testing.assert_allclose(law(net, depth=DEPTH).mean, law(plain, depth=DEPTH).mean, atol=DEPTH * PER_LAYER)
        fields = [law(each, depth=DEPTH, positions=6).mean for each in (conv, uniform)]
        np.testing.assert_allclose(*fields, atol=10 * DEPTH * PER_LAYER)


def _gradient_of_a_batch(net: Residual, units: int, seed: int) -> tuple[float, float]:
    """Mean square of a gradient below the second block, sampled unit by unit, and its standard error."""
    rng, batch = np.random.default_rng(seed), net.batch
    c = -1 / (batch - 1)
    overlap = (np.sqrt(1 - c**2) + (np.pi - np.arccos(c)) * c) / (2 * np.pi)
    added = net.sigma_w**2 * (0.5 / (1 - net.dropout) - overlap) + net.sigma_noise**2
    h = np.sqrt(1 + net.alpha**2 * added) * rng.standard_normal((units, batch))
    centred = h - h.mean(axis=1, keepdims=True)
    std = np.sqrt((centred**2).mean(axis=1, keepdims=True))
    y = centred / std
    mask = (rng.random(h.shape) > net.dropout) / (1 - net.dropout)
    back = net.sigma_w * rng.standard_normal(h.shape) * mask * (y > 0)
    back = (back - back.mean(axis=1, keepdims=True) - y * (back * y).mean(axis=1, keepdims=True)) / std
    squares = ((rng.standard_normal(h.shape) + net.alpha * back) ** 2).mean(axis=1)
    return float(squares.mean()), float(squares.std() / units**0.5)


def test_noise_in_front_of_batch_norm_unit_by_unit() -> None:
    net = Residual("relu", 1.7, alpha=1.2, norm="batch", batch=7, dropout=0.5, sigma_noise=0.6)
    seen, err = _gradient_of_a_batch(net, 400_000, 3)
    law = lambda net: np.exp(2 * theory.log_grad_layers(net, depth=2).mean[0])
    assert abs(seen - law(net)) < SIGMAS * err
    for change in ({"dropout": 0.4}, {"sigma_noise": 0.45}, {"sigma_w": 1.5}):
        assert abs(seen - law(net.replace(**change))) > SIGMAS * err, change


def test_wrong_questions_are_named(refused: Callable[..., Any]) -> None:
    with refused("Residual", "drop_path"):
        Residual("relu", drop_path=1.0)
    with refused("Residual", "drop_path", "unlike"):
        Residual("relu", norm="batch", batch=8, drop_path=0.1)
    with refused("log_grad_layers", "width"):
        theory.log_grad_layers(Conv("linear", dropconnect=0.1), depth=3, width=16, positions=8)
    with refused("log_q_layers", "width"):
        theory.log_q_layers(Conv("linear", dropout=0.1, sigma_noise=0.1), depth=3, width=16, positions=8)
    with refused("log_grad_alpha_layers", "net"):
        theory.blocks.log_grad_alpha_layers(Residual("relu", drop_path=0.1), depth=3)
