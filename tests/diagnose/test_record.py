"""Norms are kept at the steps asked for, in the log domain, through scan and in whatever optimiser."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from tests.tolerances import FLOAT32_CHAIN
from vgtheory.diagnose import NormHistory, diagnose, norm_history, record_norms


def test_rows_are_the_norms_of_the_gradients_at_their_steps() -> None:
    params = {"a": {"kernel": jnp.full((3, 2), 2.0), "bias": jnp.ones(2)}, "b": {"kernel": jnp.ones((2, 2))}}
    optimiser = optax.chain(optax.clip_by_global_norm(1e30), record_norms([0, 3, 4, 90]), optax.sgd(0.25))
    loss = lambda params: sum((each**2).sum() / 2 for each in jax.tree.leaves(params))

    def update(carry: Any, _: None) -> tuple[Any, None]:
        params, state = carry
        updates, state = optimiser.update(jax.grad(loss)(params), state, params)
        return (optax.apply_updates(params, updates), state), None

    (_, state), _ = jax.jit(lambda carry: jax.lax.scan(update, carry, length=6))((params, optimiser.init(params)))
    history = norm_history(state, {"b": 1.5})
    assert history.layers == ("a", "b")
    assert history.steps.tolist() == [0, 3, 4]
    want = np.log([26**0.5, 2.0])[None] + np.log(0.75) * np.array([0, 3, 4])[:, None]
    np.testing.assert_allclose(history.log_norms, want, atol=FLOAT32_CHAIN)
    np.testing.assert_array_equal(history.predicted, [np.nan, 1.5])
    # A bowl: its minimum makes all layers' gradients small alike.
    np.testing.assert_allclose(history.tilt("a", "b"), np.log(26**0.5 / 2), atol=FLOAT32_CHAIN)
    np.testing.assert_allclose(history.size, np.log(30) / 2 + np.log(0.75) * history.steps, atol=FLOAT32_CHAIN)


def test_the_tilt_is_that_of_layers_there_are(refused: Callable[..., Any]) -> None:
    history = norm_history(record_norms([0]).init({"a": jnp.ones(2), "b": jnp.ones(2)}))
    with refused("tilt", "layer"):
        history.tilt("a", "c")


def test_norms_that_float32_cannot_square() -> None:
    params = {"tiny": jnp.full(4, 1e-30), "huge": jnp.full(4, 1e30), "none": jnp.zeros(4), "count": jnp.arange(3)}
    transform = record_norms([0], by="parameter")
    updates, state = transform.update(params, transform.init(params))
    assert updates is params
    history = norm_history(state)
    assert history.layers == ("huge", "none", "tiny")
    want = [np.log(2e30), -np.inf, np.log(2e-30)]
    np.testing.assert_allclose(history.log_norms[0], want, rtol=FLOAT32_CHAIN)


def test_in_an_nnx_optimizer_the_layers_go_by_the_names_of_a_diagnosis() -> None:
    model = nnx.Sequential(nnx.Linear(4, 4, rngs=nnx.Rngs(0)), nnx.tanh, nnx.Linear(4, 1, rngs=nnx.Rngs(1)))
    optimizer = nnx.Optimizer(model, optax.chain(record_norms(), optax.adam(1e-3)), wrt=nnx.Param)
    loss = lambda model, x: (model(x) ** 2).mean()
    x = jnp.ones((2, 4))
    found = diagnose(model, loss, x)

    @nnx.jit
    def step(model: Any, optimizer: Any) -> None:
        optimizer.update(model, nnx.grad(loss)(model, x))

    for _ in range(3):
        step(model, optimizer)
    history = norm_history(optimizer, {row.layer: row.log_grad_weight for row in found.rows})
    assert history.steps.tolist() == [0, 1, 2]
    assert history.layers == ("layers/0", "layers/2")
    np.testing.assert_allclose(history.log_norms[0], history.predicted, atol=FLOAT32_CHAIN)
    assert (history.log_norms[1] != history.log_norms[0]).all()


@pytest.mark.parametrize("steps", [[2, 1], [-1], [0.5], []])
def test_refuses_steps(steps: list, refused: Callable[..., Any]) -> None:
    with refused("record_norms", "steps"):
        record_norms(steps)


def test_refuses(refused: Callable[..., Any]) -> None:
    with refused("record_norms", "by"):
        record_norms(by="block")
    with refused("norm_history", "state"):
        norm_history(optax.sgd(0.1).init(jnp.ones(2)))
    with refused("norm_history", "layer"):
        norm_history(record_norms().init({"a": jnp.ones(2)}), {"b": 1.0})


def test_a_history_draws_its_norms_and_the_predicted_start() -> None:
    history = NormHistory(
        ("a", "b"), np.array([0, 10]), np.array([[0.1, 0.2], [-np.inf, 0.3]]), np.array([0.5, np.nan])
    )
    (axes,) = history.plot().axes
    assert [line.get_linestyle() for line in axes.lines] == ["-", "--", "-"]
    np.testing.assert_allclose(axes.lines[1].get_ydata(), 0.5 / np.log(10))
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [0.1 / np.log(10), np.nan])
