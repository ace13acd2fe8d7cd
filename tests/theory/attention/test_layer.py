"""Softmax attention: moments against quadrature over all logits, layers and stacks against real ones."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vgtheory import Transformer, measure, theory
from vgtheory.theory.attention.pairs import pair
from vgtheory.theory.attention.rows import row


def grid(count: int, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of a product rule for independent normal variables, shape (points, count), and their weights."""
    z, w = np.polynomial.hermite_e.hermegauss(nodes)
    points = np.stack(np.meshgrid(*[z] * count, indexing="ij"), -1).reshape(-1, count)
    weights = np.prod(np.stack(np.meshgrid(*[w / w.sum()] * count, indexing="ij"), -1).reshape(-1, count), axis=1)
    return points, weights


def softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.3])
def test_moments_of_a_row_are_those_of_all_its_logits(tau: float) -> None:
    z, weights = grid(3, 48)
    shares = softmax(tau * z)
    square = (shares**2).sum(1)
    mean = (shares * z).sum(1)
    known = (
        square,
        mean**2,
        (shares**2 * (1 - 2 * shares + square[:, None])).sum(1),
        1 - 4 * (shares**3).sum(1) + 3 * square**2,
        (shares**2 * (z - mean[:, None]) ** 2).sum(1),
    )
    found = row(np.asarray(tau), np.asarray(3.0))
    np.testing.assert_allclose(found[:5], [each @ weights for each in known], rtol=1e-9)
    assert found.far == pytest.approx((shares**2 * z**2).sum(1) @ weights / (square @ weights), rel=1e-9)


def test_the_swing_is_that_of_values_and_the_lean_that_of_their_covariance() -> None:
    """E over normal values y of what ``swing`` and ``lean`` stand for, by quadrature over y at fixed shares."""
    shares = np.array([0.6, 0.3, 0.1])
    y, weights = grid(3, 12)
    centred = shares * (y - (y @ shares)[:, None])
    square, cube = (shares**2).sum(), (shares**3).sum()
    assert weights @ (centred**2).sum(1) == pytest.approx((shares**2 * (1 - 2 * shares + square)).sum(), rel=1e-12)
    assert weights @ (centred * y).sum(1) ** 2 == pytest.approx(1 - 4 * cube + 3 * square**2, rel=1e-12)


@pytest.mark.parametrize(("tau", "other", "correlation"), [(0.7, 0.7, 0.3), (1.2, 0.5, 0.9), (1.0, 1.0, 0.0)])
def test_moments_of_two_rows_are_those_of_all_their_logits(tau: float, other: float, correlation: float) -> None:
    z, weights = grid(4, 26)
    first = z[:, :2]
    second = correlation * first + np.sqrt(1 - correlation**2) * z[:, 2:]
    a, b = softmax(tau * first), softmax(other * second)
    both = (a * b).sum(1)
    known = both, (a * b * (1 - a - b + both[:, None])).sum(1)
    found = pair(*(np.asarray(each) for each in (tau, other, correlation, 2.0)))
    np.testing.assert_allclose(found, [each @ weights for each in known], rtol=1e-7)


@pytest.mark.parametrize(("variance", "positions"), [(1.0, 64), (9.0, 1000), (36.0, 64)])
def test_drawn_softmaxes_have_the_participation(variance: float, positions: int) -> None:
    """From where a head sees all tokens to where it is frozen to a few, 2 ln T < tau^2."""
    seen = measure.attention.participation(jax.random.key(3), variance, positions=positions, num_draws=16000)
    law = theory.attention.participation(variance, positions=positions)
    assert abs(seen.value - law) < 4.5 * seen.err
    assert abs(seen.value - theory.attention.participation(variance * 0.9, positions=positions)) > 4.5 * seen.err


SETTINGS: list[dict[str, Any]] = [
    {"sigma_qk": 1.0},
    {"sigma_qk": 1.2, "c": 0.4, "c_cotangent": 0.3},
    {"sigma_qk": 0.8, "c": 0.4, "c_cotangent": 0.3, "dropout": 0.3, "is_normed": False},
    {"sigma_qk": 1.4, "c": 1 / 3, "c_cotangent": 2 / 3, "dropout": 1 / 3, "is_normed": False},
]


def scores(setting: dict[str, Any], assumed: float, num_nets: int, **size: int) -> np.ndarray:
    """Deviations of the law with ``sigma_qk`` times ``assumed`` from real layers, in standard errors."""
    seen = measure.attention.softmax_attention(jax.random.key(5), num_nets=num_nets, **setting, **size)
    law = theory.attention.softmax_attention(**(setting | {"sigma_qk": setting["sigma_qk"] * assumed}), **size)
    rows = [(getattr(seen, name), getattr(law, name)) for name in (*law._fields, "gradient")]
    return np.array([(estimate.value - mean) / estimate.err for estimate, mean in rows])


@pytest.mark.optimised
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_real_layer_has_the_law_and_one_of_other_logits_has_not(setting: dict[str, Any]) -> None:
    size = {"positions": 96, "head_width": 32, "width": 96}
    right = scores(setting, 1.0, 512, **size)
    assert np.abs(right).max() < 4.5, right
    assert np.abs(scores(setting, 1.03, 512, **size)).max() > 6


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_wide_layer_has_the_law(setting: dict[str, Any]) -> None:
    right = scores(setting, 1.0, 512, positions=384, head_width=64, width=512)
    assert np.abs(right).max() < 4.5, right


def stacks(net: Transformer, num_nets: int, **size: int) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Half the log of the mean square over real networks, its error, and the law, by group."""
    logs = measure.samples(jax.random.key(7), net, num_nets=num_nets, **size).log_grad_groups
    law = theory.blocks.log_grad_groups(net, **size)
    found = {}
    for name, rows in logs.items():
        squares = np.exp(2 * (rows - logs["mlp_out"][:, -1:]))
        mean = squares.mean(0)
        found[name] = np.log(mean) / 2, squares.std(0, ddof=1) / num_nets**0.5 / mean / 2, law[name].mean
    return found


@pytest.mark.parametrize(
    ("net", "num_nets", "size"),
    [
        (Transformer("gelu", heads=4), 128, {"depth": 3, "width": 128, "positions": 64}),
        pytest.param(
            Transformer("gelu", heads=8),
            24,
            {"depth": 12, "width": 512, "positions": 256},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            Transformer("relu", 1.2, 1.1, place="post", heads=4),
            192,
            {"depth": 6, "width": 256, "positions": 64},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_every_group_of_a_real_stack_has_the_law(net: Transformer, num_nets: int, size: dict[str, int]) -> None:
    for name, (seen, err, law) in stacks(net, num_nets, **size).items():
        assert np.all(np.abs(seen - law) < np.maximum(0.05, 3 * err)), name
        assert np.median(np.abs(seen - law)) < 0.02 + np.median(err), name


def test_infinite_width_is_missed_by_real_stacks() -> None:
    """The terms of order T / N are there to be seen: without them queries are off by a quarter."""
    net, size = Transformer("gelu", heads=4), {"depth": 3, "width": 128, "positions": 64}
    seen = stacks(net, 128, **size)["query"][0]
    wide = theory.blocks.log_grad_groups(net, depth=3, positions=64)["query"].mean
    assert (np.abs(seen - wide) > 0.05).all()


@pytest.mark.slow
def test_the_law_can_be_compiled_mapped_and_differentiated() -> None:
    rate = lambda sigma: theory.log_grad_layers(
        Transformer("gelu", sigma_qk=sigma), depth=4, positions=32, width=64
    ).mean[0]
    mapped = jax.jit(jax.vmap(jax.value_and_grad(rate)))(jnp.asarray([0.0, 0.5, 1.0]))
    for k, sigma in enumerate((0.0, 0.5, 1.0)):
        assert float(mapped[0][k]) == pytest.approx(float(rate(sigma)), rel=1e-4)
        slope = (rate(sigma + 1e-3) - rate(abs(sigma - 1e-3))) / 2e-3
        assert float(mapped[1][k]) == pytest.approx(float(slope), rel=1e-2, abs=1e-6)


def test_wrong_questions_are_refused(refused: Callable) -> None:
    with refused("log_grad_layers", "width", "measure.samples"):
        theory.log_grad_layers(Transformer(), depth=2, positions=4, width=32)
    with refused("log_grad_layers", "sigma_qk", "measure.samples"):
        theory.log_grad_layers(Transformer(sigma_qk=3.0), depth=2, positions=4)
    with refused("softmax_attention", "sigma_qk"):
        theory.attention.softmax_attention(3.0, positions=8)
    with refused("softmax_attention", "head_width"):
        theory.attention.softmax_attention(1.0, positions=8, head_width=2)
    with refused("participation", "logit_variance"):
        theory.attention.participation(-1.0, positions=8)
