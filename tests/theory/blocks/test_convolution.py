"""Convolutions at infinite width, and linear ones at finite width, against computations that share nothing with them."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from tests import reference
from tests.tolerances import CURVE, EXACT, SIGMAS
from vgtheory import Conv, Dense, Recurrent, Transformer, theory
from vgtheory.theory.blocks import fourier


def windows(shape: tuple[int, ...], kernel_size: int, padding: str) -> np.ndarray:
    """The average over a window as a matrix between positions, written out."""
    half, places = kernel_size // 2, list(np.ndindex(*shape))
    matrix = np.zeros((len(places), len(places)))
    for row, place in enumerate(places):
        for shift in np.ndindex(*(kernel_size,) * len(shape)):
            there = np.array(place) + np.array(shift) - half
            inside = bool(np.all((there >= 0) & (there < np.array(shape))))
            if padding == "circular" or inside:
                matrix[row, places.index(tuple(there % np.array(shape)))] += kernel_size ** -len(shape)
    return matrix


@pytest.mark.parametrize(
    ("padding", "positions", "kernel_size"),
    [
        ("circular", 5, 3),
        ("zero", (2, 3), 3),
        # Each is a program of its own: these vary the shape of what the two above show.
        pytest.param("zero", 5, 3, marks=pytest.mark.slow),
        pytest.param("circular", 4, 5, marks=pytest.mark.slow),
        pytest.param("zero", 4, 5, marks=pytest.mark.slow),
        pytest.param("circular", (2, 3), 3, marks=pytest.mark.slow),
    ],
)
def test_fields_are_the_recursion_at_thirty_digits(padding: str, positions: Any, kernel_size: int) -> None:
    net, depth = Conv("tanh", 1.3, 0.2, kernel_size, padding=padding), 3
    shape = positions if isinstance(positions, tuple) else (positions,)
    average, square, rows = windows(shape, kernel_size, padding), np.ones(int(np.prod(shape))), []
    for _ in range(depth):
        q = 1.3**2 * average @ square + 0.2**2
        square, slope = (np.array([float(reference.mean_square("tanh", x, slope=k)) for x in q]) for k in (False, True))
        rows.append((q, slope))
    grads = [np.ones_like(square)]
    for _, slope in rows[-2::-1]:
        grads.append(1.3**2 * slope * (average.T @ grads[-1]))
    log_q, log_g = np.log([q for q, _ in rows]), np.log(grads[::-1])
    seen = theory.blocks.log_q_positions(net, depth=depth, positions=positions).mean.reshape(depth, -1)
    np.testing.assert_allclose(seen, log_q, atol=depth * CURVE)
    seen = theory.blocks.log_grad_positions(net, depth=depth, positions=positions).mean.reshape(depth, -1)
    np.testing.assert_allclose(seen, log_g / 2, atol=depth * CURVE)
    whole = theory.log_grad_layers(net, depth=depth, positions=positions).mean
    np.testing.assert_allclose(whole, np.log(np.exp(log_g).mean(axis=1)) / 2, atol=depth * CURVE)
    whole = theory.log_q_layers(net, depth=depth, positions=positions).mean
    np.testing.assert_allclose(whole, np.log(np.exp(log_q).mean(axis=1)), atol=depth * CURVE)


@pytest.mark.parametrize(
    "net",
    [
        pytest.param(Conv("gelu", 1.4, 0.1), marks=pytest.mark.slow),
        Conv("gelu", 1.4, 0.1, 3, "delta_orthogonal", "zero"),
    ],
)
def test_without_a_border_it_is_the_dense_law(net: Conv) -> None:
    dense = Dense("gelu", 1.4, 0.1)
    for quantity in (theory.log_grad_layers, theory.log_q_layers):
        convolved = quantity(net, depth=30, positions=(4, 5))
        np.testing.assert_allclose(convolved.mean, quantity(dense, depth=30).mean, atol=30 * CURVE)
        np.testing.assert_array_equal(convolved.std, 0)
    for quantity in (theory.chi_1, theory.q_star):
        assert quantity(net) == quantity(dense)


@pytest.mark.parametrize(
    ("positions", "kernel_size"),
    [(3, 7), ((4, 6), 3), *(pytest.param(*each, marks=pytest.mark.slow) for each in ((1, 3), (6, 3), (6, 5)))],
)
def test_padding_costs_the_largest_eigenvalue(positions: Any, kernel_size: int) -> None:
    net = Conv("relu", 2**0.5, 0.0, kernel_size, padding="zero")
    shape = positions if isinstance(positions, tuple) else (positions,)
    largest = np.linalg.eigvalsh(windows(shape, kernel_size, "zero"))[-1]
    factor = theory.blocks.padding_factor(net, positions)
    assert factor == pytest.approx(largest, rel=EXACT)
    log_grad = theory.log_grad_layers(net, depth=600, positions=positions).mean
    assert 2 * (log_grad[0] - log_grad[1]) == pytest.approx(np.log(factor), rel=EXACT**0.5)
    assert theory.blocks.padding_factor(Conv("relu", 2**0.5, 0.0, kernel_size), positions) == 1.0
    assert theory.blocks.padding_factor(Conv("tanh", weights="delta_orthogonal", padding="zero"), positions) == 1.0


def test_two_thousand_layers_neither_under_nor_overflow() -> None:
    for sigma_w, sign in ((0.5, -1), (4.0, 1)):
        net = Conv("relu", sigma_w, padding="zero")
        log_q = theory.log_q_layers(net, depth=2_000, positions=(3, 4)).mean
        log_grad = theory.log_grad_layers(net, depth=2_000, positions=(3, 4)).mean
        assert np.isfinite(log_q).all()
        assert np.isfinite(log_grad).all()
        assert sign * log_q[-1] > 1000
        assert sign * log_grad[0] > 1000


@pytest.mark.slow
def test_correlations_between_positions_settle_mode_by_mode() -> None:
    """The whole covariance between positions, its map linearised by a small difference, decays as the scales say."""
    net, num, step = Conv("tanh", 1.5, 0.3), 5, 1e-4
    c = float(theory.c_star(net))
    average = windows((num,), 3, "circular")
    pairs = lambda shifted: np.array([float(theory.c_map(each, net)) for each in shifted])
    scales = theory.blocks.xi_c_modes(net, num)
    for mode in range(num):
        # Along the pairs (a, a + 1): their correlation, off its fixed point by a wave; averaged along the common shift.
        wave = np.cos(2 * np.pi * mode * np.arange(num) / num)
        after = average @ (pairs(c + step * wave) - pairs(c - step * wave)) / (2 * step)
        factor = after @ wave / (wave @ wave)
        assert scales[mode] == pytest.approx(-1 / np.log(abs(factor)), rel=1e3 * EXACT**0.5)
    assert scales[0] == pytest.approx(float(theory.xi_c(net)), rel=EXACT)
    delta = theory.blocks.xi_c_modes(Conv("tanh", 1.5, 0.3, 3, "delta_orthogonal", "zero"), (2, 3))
    np.testing.assert_allclose(delta, scales[0], rtol=EXACT)


def test_modes_are_the_eigenvalues_of_the_circular_average() -> None:
    for shape in ((6,), (3, 4)):
        values = np.sort(fourier.transfer(3, shape).ravel())
        np.testing.assert_allclose(values, np.sort(np.linalg.eigvalsh(windows(shape, 3, "circular"))), atol=EXACT)


def sampled(positions: int, kernel_size: int, width: int, depth: int, fixed: bool) -> np.ndarray:
    """ln tr G over layers, from the exact chain of Gram matrices between positions, no kernel being drawn."""
    rng = np.random.default_rng(5)
    field = rng.normal(size=(20_000, positions, width))
    if fixed:
        field /= np.sqrt(np.mean(field**2, axis=2, keepdims=True))
    gram = field @ field.transpose(0, 2, 1) / width
    rows = [np.trace(gram, axis1=1, axis2=2)]
    for _ in range(depth):
        half = kernel_size // 2
        mean = np.mean([np.roll(gram, (shift, shift), (1, 2)) for shift in range(-half, half + 1)], axis=0)
        values, vectors = np.linalg.eigh(mean)
        field = vectors * np.sqrt(np.maximum(values, 0))[:, None] @ rng.normal(size=(len(mean), positions, width))
        gram = field @ field.transpose(0, 2, 1) / width
        rows.append(np.trace(gram, axis1=1, axis2=2))
    return np.array(rows)


@pytest.mark.parametrize(("kernel_size", "fixed"), [(3, True), (3, False), (1, False)])
def test_second_moments_of_linear_ones_are_exact(kernel_size: int, fixed: bool) -> None:
    """Even at five channels, where 1/N is no small number."""
    traces = sampled(4, kernel_size, 5, 3, fixed)
    ratio = traces if fixed else traces / traces[0]
    second = np.mean((ratio / 4 if fixed else ratio) ** 2, axis=1)
    err = np.std((ratio / 4 if fixed else ratio) ** 2, axis=1) / traces.shape[1] ** 0.5
    with jax.enable_x64(True):
        law = np.exp(fourier.log_growth_variance(kernel_size, (4,), 5, 3, np, fixed))
    assert (np.abs(second - law)[1:] < SIGMAS * err[1:]).all()
    assert law[-1] > 1 + 10 * err[-1]


def test_spread_ends_where_the_log_is_no_longer_normal() -> None:
    law = theory.log_grad_layers(Conv("linear"), depth=200, width=16, positions=8)
    assert np.isinf(law.std[0])
    assert 0 < law.std[-2] < law.std[-3]
    kept = theory.log_grad_layers(
        Conv("linear", 1.0, 0.0, 3, "delta_orthogonal", "zero"), depth=200, width=16, positions=8
    )
    np.testing.assert_array_equal(kept.std, 0)
    np.testing.assert_allclose(kept.mean, 0, atol=200 * CURVE)


def test_wrong_questions(refused: Any) -> None:
    with refused("log_q_positions", "net"):
        theory.blocks.log_q_positions(Dense("tanh"), depth=2, positions=3)
    with refused("log_grad_layers", "positions"):
        theory.log_grad_layers(Dense("tanh"), depth=2, positions=3)
    with refused("log_grad_layers", "positions"):
        theory.log_grad_layers(Conv("tanh"), depth=2)
    with refused("log_bound_layers", "net"):
        theory.layers.log_bound_layers(Conv("tanh"), depth=2)
    with refused("log_grad_weight_layers", "net"):
        theory.log_grad_weight_layers(Conv("tanh"), depth=2)
    for net in (Conv("tanh"), Conv("linear", padding="zero"), Conv("relu", weights="delta_orthogonal")):
        with refused("log_grad_layers", "width"):
            theory.log_grad_layers(net, depth=2, width=8, positions=4)
    with refused("log_q_layers", "width"):
        theory.log_q_layers(Conv("linear", 1.0, 0.1), depth=2, width=8, positions=4)
    with refused("padding_factor", "activation"):
        theory.blocks.padding_factor(Conv("tanh", padding="zero"), 4)
    with refused("padding_factor", "net"):
        theory.blocks.padding_factor(Recurrent("tanh", 1.0), 4)
    with refused("xi_c_modes", "padding"):
        theory.blocks.xi_c_modes(Conv("tanh", padding="zero"), 4)
    with refused("Conv", "kernel_size"):
        Conv("tanh", kernel_size=4)
    with refused("Conv", "padding", remedy="Did you mean 'circular'"):
        Conv("tanh", padding="circle")
    with refused("Conv", "weights"):
        Conv("tanh", weights="orthogonal")


@pytest.mark.parametrize(
    "ask",
    [
        lambda: theory.log_grad_layers(Conv("linear"), depth=3),
        lambda: theory.log_q_layers(Conv("relu"), depth=3, width=8),
        lambda: theory.log_grad_layers(Transformer(), depth=3),
        lambda: theory.blocks.padding_factor(Conv("relu"), None),
        lambda: theory.blocks.log_grad_positions(Conv("relu"), depth=3, positions=None),
    ],
)
def test_a_field_without_positions_is_told_what_it_lacks(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"^\w+: expected a number of positions, got positions=None\. A Conv has "):
        ask()


def test_a_frobenius_norm_without_a_width_is_told_what_it_lacks() -> None:
    with pytest.raises(ValueError, match=r"^bound_excess: expected a width, got width=None\. "):
        theory.layers.bound_excess(Dense("relu"), norm="frobenius")
