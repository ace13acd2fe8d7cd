"""Measured recurrent cells: Flax's formulas, plain autodiff, the exact law at large width, and real weights' own law."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from tests.tolerances import EQUAL_FLOAT32, EQUAL_FLOAT64, SAME_LAW, SIGMAS
from vgtheory import GRU, LSTM, MGU, Leaky, MinimalRNN, Skip, measure, theory
from vgtheory.measure.cells import steppers
from vgtheory.measure.engine.draws import words_of

CELLS = {
    "leaky": Leaky("tanh", 1.5, 0.0, 0.8, 0.4),
    "skip": Skip("tanh", 1.0, 0.8, 0.1, 0.3, 3),
    "gru": GRU(1.2, 0.8, 0.9, 1.0),
    "mgu": MGU(1.2, 0.8, 0.9, 1.5),
    "minimal": MinimalRNN(1.2, 0.8, 0.9, 1.5),
    "lstm": LSTM(1.2, 0.8, 0.9, 1.5),
}
OFF = {
    "leaky": Leaky("tanh", 1.5, 0.0, 0.8, 0.4 * 1.03),
    "skip": Skip("tanh", 1.03, 0.8 * 1.03, 0.1, 0.3, 3),
    "gru": GRU(1.2, 0.8, 0.9, 1.0 * 1.03),
    "mgu": MGU(1.2, 0.8, 0.9, 1.5 * 1.03),
    "minimal": MinimalRNN(1.2, 0.8, 0.9, 1.5 * 1.03),
    "lstm": LSTM(1.2, 0.8, 0.9, 1.5 * 1.03),
}


@pytest.mark.parametrize("name", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("gru", "mgu")), "lstm"])
def test_the_formulas_are_flax_s(name: str) -> None:
    cell, width = CELLS[name], 12
    rng = np.random.default_rng(9)
    draws = rng.standard_normal((9, width, width)).astype(np.float32)
    recurrent, inputs, x = (
        list(draws[:4] / np.float32(width**0.5)),
        list(draws[4:8] / np.float32(width**0.5)),
        draws[8, 0],
    )
    state = (draws[8, 1], draws[8, 2]) if name == "lstm" else draws[8, 1]

    @jax.jit
    def both(recurrent: Any, inputs: Any, state: Any, x: Any) -> tuple[Any, Any]:
        module, variables = steppers.flax_cell(cell, recurrent, inputs)
        theirs = module.apply(variables, state, x)[0]
        return theirs, steppers._moved(cell, state, lambda k, h: h @ recurrent[k], lambda k: x @ inputs[k], x)

    theirs, ours = both(recurrent, inputs, state, x)
    for one, other in zip(jax.tree.leaves(theirs), jax.tree.leaves(ours), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


SLOW = pytest.mark.slow


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sampler"),
    [
        ("lstm", "cells"),
        *(pytest.param(name, "cells", marks=SLOW) for name in ("leaky", "skip", "gru", "mgu", "minimal")),
        *(pytest.param(name, "untied", marks=SLOW) for name in CELLS),
    ],
)
def test_the_gradient_is_plain_autodiff_s(key: jax.Array, name: str, sampler: str) -> None:
    cell, width, steps, burn_in = CELLS[name], 6, 3, 1
    logs = measure.cells.cell_logs(
        key, cell, width=width, steps=steps, num_nets=1, burn_in=burn_in, sampler=sampler, dtype="float64"
    )
    with jax.enable_x64(True):
        given = jax.tree.map(lambda leaf: jnp.asarray(leaf, "float64"), cell)
        words = words_of(jax.random.fold_in(key, 0))
        step = jax.jit(steppers.stepper(given, words, width, "float64", sampler))
        state = steppers.start_of(given, words, width, "float64")
        for t in range(burn_in):
            state = step(state, jnp.int32(t))

        def end(state: Any) -> Any:
            for t in range(burn_in, burn_in + steps):
                state = step(state, jnp.int32(t))
            return state

        from vgtheory.measure.cells.untied import _start

        top = _start(given, words, width, "float64")
        below = jax.jit(lambda state, top: jax.vjp(end, state)[1](top)[0])(state, top)
        size = lambda tree: float(jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree))))
        assert logs.log_grad[0, -1] == pytest.approx(np.log(size(below) / size(top)), abs=EQUAL_FLOAT64)


@pytest.mark.parametrize("is_orthogonal", [False, True])
@pytest.mark.parametrize("power", [-83, 66])
def test_states_of_any_size_are_multiplied_alike(key: jax.Array, power: int, is_orthogonal: bool) -> None:
    """A state of 1e-25 or of 1e20, whose square float32 does not hold, and a gradient of either size."""
    x, z, eta, above = jax.random.normal(key, (4, 16))
    pulled = jax.jit(lambda *given: steppers._fresh_backward(is_orthogonal, given[:3], given[3])[0])
    through = jax.jit(lambda x: steppers._fresh(x, z, eta, is_orthogonal))
    by = np.float32(2.0**power)
    np.testing.assert_array_equal(through(x * by), through(x) * by)
    np.testing.assert_array_equal(pulled(x * by, z, eta, above), pulled(x, z, eta, above))
    np.testing.assert_array_equal(pulled(x, z, eta, above * by), pulled(x, z, eta, above) * by)


def test_an_orthogonal_matrix_that_multiplied_zero_keeps_lengths(key: jax.Array) -> None:
    z, eta, above = jax.random.normal(key, (3, 16))
    down = steppers._fresh_backward(True, (jnp.zeros(16), z, eta), above)[0]
    assert float(jnp.linalg.norm(down)) == pytest.approx(float(jnp.linalg.norm(above)), rel=EQUAL_FLOAT32)


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
@pytest.mark.parametrize("sampler", ["untied", "matrix_free"])
def test_a_state_may_fade_to_the_end_of_its_format(key: jax.Array, sampler: str, weights: str) -> None:
    """The step that is differentiated begins at a state near 1e-25; its gradient does not depend on that size."""
    how = {"width": 16, "steps": 1, "burn_in": 1, "num_nets": 4, "sampler": sampler}
    logs_of = lambda scale: measure.cells.cell_logs(key, Leaky("linear", scale, weights=weights), **how).log_grad
    power = -80
    np.testing.assert_allclose(logs_of(2.0**power)[:, 1], logs_of(1.0)[:, 1] + power * np.log(2), rtol=EQUAL_FLOAT32)


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name == "lstm" else SLOW) for name in CELLS])
def test_wide_cells_with_weights_of_their_own_obey_the_law(key: jax.Array, name: str) -> None:
    """At 30,000 units infinite width is right to a hundredth of the error."""
    how = {"width": 30_000, "steps": 25, "num_nets": 6, "burn_in": 40, "sampler": "matrix_free"}
    logs = measure.cells.cell_logs(key, CELLS[name], **how)
    err = logs.log_grad.std(axis=0, ddof=1) / 6**0.5
    mean, predicted = logs.log_grad.mean(axis=0), theory.cells.log_grad_steps(CELLS[name], steps=25)
    t_of = lambda law: np.abs(mean - law)[[5, 12, 25]] / np.maximum(err[[5, 12, 25]], 1e-4)
    assert (
        np.max(t_of(predicted)) < 7
    )  # Student's t of 5 degrees of freedom: five standard errors of a normal number are more
    assert np.max(t_of(theory.cells.log_grad_steps(OFF[name], steps=25))) > 7
    squares = logs.q_state
    assert abs(squares.mean() - theory.cells.q_state(CELLS[name])) < 7 * squares.std(ddof=1) / 6**0.5


DROPPED = {"dropout": 0.3, "recurrent_dropout": 0.4}


@pytest.mark.parametrize("kind", [Leaky, LSTM, MinimalRNN])
def test_one_mask_holds_for_a_sequence(key: jax.Array, kind: type) -> None:
    """A unit that is dropped changes no other at any step."""
    (cell,) = (each.replace(**DROPPED) for each in CELLS.values() if isinstance(each, kind))
    words, width = words_of(key), 12
    inside, within = steppers._masks(cell, words, width, "float32")
    for mask, p in ((inside, 0.3), (within, 0.4)):
        np.testing.assert_allclose(np.unique(mask), [0.0, 1 / (1 - p)], rtol=1e-6)
    step = jax.jit(steppers.stepper(cell, words, width, "float32", "cells"))
    out = lambda state: state[1] if kind is LSTM else state
    lone = jax.tree.map(jnp.zeros_like, steppers.start_of(cell, words, width, "float32"))
    for unit in range(width):
        one = (lone[0], lone[1].at[unit].set(1.0)) if kind is LSTM else lone.at[unit].set(1.0)
        carried = (1 - cell.leak) * one if kind is Leaky else 0.0
        others = np.arange(width) != unit if kind is MinimalRNN else slice(None)
        for t in (3, 7):
            change = (out(step(one, jnp.int32(t))) - out(step(lone, jnp.int32(t))) - carried)[others]
            assert bool(np.max(np.abs(change)) > 1e-5) == bool(within[unit] > 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_wide_cells_with_dropout_obey_the_law(key: jax.Array, name: str) -> None:
    """A chance of 0.35 in place of 0.4 must be seen."""
    cell, at = CELLS[name].replace(**DROPPED), [4, 9, 16]
    how = {"width": 30_000, "steps": 16, "num_nets": 6, "burn_in": 30, "sampler": "matrix_free"}
    logs = measure.cells.cell_logs(key, cell, **how)
    err, mean = logs.log_grad.std(axis=0, ddof=1)[at] / 6**0.5, logs.log_grad.mean(axis=0)[at]
    t_of = lambda net: np.max(np.abs(mean - theory.cells.log_grad_steps(net, steps=16)[at]) / err)
    assert t_of(cell) < 7 < t_of(cell.replace(recurrent_dropout=0.35))
    squares = logs.q_state
    assert abs(squares.mean() - theory.cells.q_state(cell)) < 7 * squares.std(ddof=1) / 6**0.5


# By default cells without matrices are held to the law itself, above.
@pytest.mark.slow
@pytest.mark.parametrize("name", ["leaky", "lstm"])
def test_without_matrices_the_law_is_the_same_at_any_width(key: jax.Array, name: str) -> None:
    how = {"width": 12, "steps": 8, "num_nets": 600, "burn_in": 8}
    first, second = jax.random.split(key)
    real = measure.cells.cell_logs(first, CELLS[name], sampler="untied", **how)
    free = measure.cells.cell_logs(second, CELLS[name], sampler="matrix_free", **how)
    assert stats.ks_2samp(real.log_grad[:, -1], free.log_grad[:, -1]).pvalue > SAME_LAW
    assert stats.ks_2samp(real.q_state, free.q_state).pvalue > SAME_LAW


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param(GRU(1.0, None, 1.0, 1.0), marks=SLOW),
        pytest.param(MinimalRNN(4.0, 0.5, 1.0, 2.0), marks=SLOW),
        LSTM(1.0, None, 0.5, 1.0),
        pytest.param(LSTM(1.0, None, 0.5, 1.0, dropout=0.2, recurrent_dropout=0.4), marks=SLOW),
        pytest.param(GRU(1.0, None, 1.0, 1.0, dropout=0.2, recurrent_dropout=0.4), marks=SLOW),
        pytest.param(MinimalRNN(4.0, 0.5, 1.0, 2.0, dropout=0.2, recurrent_dropout=0.2), marks=SLOW),
    ],
)
def test_real_weights_obey_the_path_solution_and_not_the_other(key: jax.Array, cell: Any) -> None:
    num_nets = 32 if isinstance(cell, MinimalRNN) else 8  # of which the two laws are less apart
    seen = measure.cells.log_grad_steps(key, cell, width=384, steps=30, num_nets=num_nets, burn_in=80)
    law = theory.cells.tied_grad_steps(cell, steps=30, burn_in=80)
    z = (seen.value - law.value)[1:] / np.hypot(seen.err, law.err)[1:]
    assert np.max(np.abs(z)) < SIGMAS
    own = theory.cells.log_grad_steps(cell, steps=30)
    assert abs(seen.value - own)[-1] > SIGMAS * seen.err[-1]


def _mean_square_through_turns(leak: float, sigma_w: float, steps: int, width: int) -> float:
    """E |((1 - a) + a sigma_w Q)^t v|^2 / |v|^2 for one orthogonal Q: E Tr Q^k is 1 at an even k > 0 and 0 at an odd one."""
    k = np.arange(steps + 1)
    terms = special.binom(steps, k) * (1 - leak) ** (steps - k) * (leak * sigma_w) ** k
    apart = np.abs(k[:, None] - k)
    traces = np.where(apart == 0, 1.0, np.where(apart % 2 == 0, 1 / width, 0.0))
    return float(terms @ traces @ terms)


def test_a_product_with_an_orthogonal_matrix_keeps_lengths_and_angles(key: jax.Array) -> None:
    """Without the matrix: what is sent forward and back belongs to one matrix, and neither length changes."""

    @jax.jit
    def both(rows: jax.Array) -> list[jax.Array]:
        x, z, eta, down = rows
        out, vjp = jax.vjp(lambda x: steppers._fresh(x, z, eta, True), x)
        return [x, down, out, vjp(down)[0]]

    x, down, out, below = (np.asarray(each) for each in both(jax.random.normal(key, (4, 5))))
    np.testing.assert_allclose(np.linalg.norm(out), np.linalg.norm(x), rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(below), np.linalg.norm(down), rtol=1e-6)
    np.testing.assert_allclose(out @ down, x @ below, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["untied", "cells", "matrix_free"])
def test_orthogonal_weights_keep_every_length(key: jax.Array, sampler: str) -> None:
    cell = Leaky("linear", 1.2, weights="orthogonal")
    logs = measure.cells.cell_logs(key, cell, width=6, steps=9, num_nets=2, burn_in=1, sampler=sampler).log_grad
    np.testing.assert_allclose(logs, np.log(1.2) * np.arange(10) + np.zeros((2, 1)), atol=1e-5)


@pytest.mark.slow
def test_one_orthogonal_matrix_has_its_exact_mean_square_at_any_width(key: jax.Array) -> None:
    """Leaky linear units, of which Gaussian weights have another mean square at this width."""
    cell, width, steps = Leaky("linear", 1.2, leak=0.5, weights="orthogonal"), 6, 6
    logs = measure.cells.cell_logs(key, cell, width=width, steps=steps, num_nets=4000, burn_in=1).log_grad[:, -1]
    # The gradient is normalised at the top, so that its squared factor is the mean over directions.
    squares = np.exp(2 * logs)
    err = squares.std(ddof=1) / 4000**0.5
    assert abs(squares.mean() - _mean_square_through_turns(0.5, 1.2, steps, width)) < SIGMAS * err
    assert abs(squares.mean() - _mean_square_through_turns(0.5, 1.2 * 1.03, steps, width)) > SIGMAS * err


ORTHOGONAL = [cell.replace(weights="orthogonal") for cell in CELLS.values()]


@pytest.mark.slow
@pytest.mark.parametrize("cell", ORTHOGONAL, ids=lambda cell: type(cell).__name__)
def test_wide_cells_with_orthogonal_weights_obey_the_law_of_gaussian_ones(key: jax.Array, cell: Any) -> None:
    how = {"width": 30_000, "steps": 25, "num_nets": 6, "burn_in": 40, "sampler": "matrix_free"}
    logs = measure.cells.cell_logs(key, cell, **how)
    err, mean = logs.log_grad.std(axis=0, ddof=1) / 6**0.5, logs.log_grad.mean(axis=0)
    gap = np.abs(mean - theory.cells.log_grad_steps(cell, steps=25))[[5, 12, 25]]
    assert np.max(gap / np.maximum(err[[5, 12, 25]], 1e-4)) < 7


@pytest.mark.slow
def test_without_matrices_orthogonal_weights_have_the_same_law_at_any_width(key: jax.Array) -> None:
    cell = Leaky("linear", 1.2, sigma_in=0.5, leak=0.7, weights="orthogonal")
    how = {"width": 4, "steps": 6, "num_nets": 800, "burn_in": 4}
    first, second = jax.random.split(key)
    real = measure.cells.cell_logs(first, cell, sampler="untied", **how)
    free = measure.cells.cell_logs(second, cell, sampler="matrix_free", **how)
    other = measure.cells.cell_logs(second, cell.replace(weights="gaussian"), sampler="matrix_free", **how)
    assert stats.ks_2samp(real.log_grad[:, -1], free.log_grad[:, -1]).pvalue > SAME_LAW
    assert stats.ks_2samp(real.q_state, free.q_state).pvalue > SAME_LAW
    assert stats.ks_2samp(real.log_grad[:, -1], other.log_grad[:, -1]).pvalue < SAME_LAW


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["orthogonal", "uniform"])
@pytest.mark.parametrize("cell", [GRU(1.0, None, 1.0, 1.0), MGU(1.0, None, 1.0, 1.0), LSTM(1.0, None, 0.5, 1.0)])
def test_real_weights_of_other_kinds_obey_the_path_solution(key: jax.Array, cell: Any, kind: str) -> None:
    other = cell.replace(weights=kind)
    seen = measure.cells.log_grad_steps(key, other, width=384, steps=30, num_nets=8, burn_in=80)
    law = theory.cells.tied_grad_steps(other, steps=30, burn_in=80)
    z = (seen.value - law.value)[1:] / np.hypot(seen.err, law.err)[1:]
    assert np.max(np.abs(z)) < SIGMAS


def test_wrong_questions_are_refused(refused: Callable, key: jax.Array) -> None:
    sizes = {"width": 8, "steps": 3, "num_nets": 2}
    with refused("cell_logs", "weights", "Measure it"):
        measure.cells.cell_logs(key, GRU(weights="sparse"), sampler="matrix_free", **sizes)
    with refused("cell_logs", "cell"):
        measure.cells.cell_logs(key, "gru", **sizes)
    with refused("cell_logs", "sampler", "Did you mean 'untied'"):
        measure.cells.cell_logs(key, GRU(), sampler="untide", **sizes)
    with refused("cell_logs", "sigma_w", "Call it once for each"):
        measure.cells.cell_logs(key, GRU(sigma_w=np.ones(2)), **sizes)
    with refused("cell_logs", "burn_in"):
        measure.cells.cell_logs(key, GRU(), burn_in=-1, **sizes)
