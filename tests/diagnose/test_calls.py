"""The hooks see every layer call, once each, and change nothing."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

from tests.diagnose.hooks import Call, hooked
from tests.tolerances import UNROLLED


class Tied(nn.Module):
    """One layer used twice, batch statistics, a head that is the embedding."""

    @nn.compact
    def __call__(self, ids: Any, train: bool = True) -> Any:
        embed = nn.Embed(7, 4)
        x = nn.BatchNorm(use_running_average=not train)(embed(ids))
        shared = nn.Dense(4, name="shared")
        return embed.attend(jnp.tanh(shared(jnp.tanh(shared(x)))))


class Stack(nn.Module):
    """Blocks under Flax's scan, one under jit."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        class Block(nn.Module):
            @nn.compact
            def __call__(self, x: Any, _: Any) -> tuple[Any, None]:
                return x + nn.Dense(8)(nn.LayerNorm()(x)), None

        scanned = nn.scan(Block, variable_axes={"params": 0}, split_rngs={"params": True}, length=3)
        return nn.jit(nn.Dense)(8)(scanned()(x, None)[0])


class Own(nnx.Module):
    """A layer of the user's own."""

    def __init__(self) -> None:
        self.w = nnx.Param(jnp.full((8, 8), 0.1))

    def __call__(self, x: Any) -> Any:
        return x @ self.w


X = jnp.linspace(-1.0, 1.0, 2 * 5 * 8).reshape(2, 5, 8)
IDS = jnp.arange(5)


def linen(model: Any, x: Any = X) -> Callable[[], tuple[Any, Any, Any]]:
    return lambda: (model, jax.jit(model.init)(jax.random.key(0), x), x)


def of_nnx(build: Callable[[nnx.Rngs], Any], x: Any = X) -> Callable[[], tuple[Any, None, Any]]:
    return lambda: (build(nnx.Rngs(0)), None, x)


STEPS = [f"@{use}" if use else "" for use in range(5)]
CASES = {
    "linen lstm": (
        linen(nn.RNN(nn.OptimizedLSTMCell(4))),
        [f"cell/{a}{g}{n}" for n in STEPS for g in "ifgo" for a in "ih"],
    ),
    "linen backwards": (
        linen(nn.RNN(nn.SimpleCell(4), reverse=True, keep_order=True)),
        [f"cell/{a}{n}" for n in STEPS for a in "ih"],
    ),
    "linen attention": (linen(nn.MultiHeadDotProductAttention(2)), ["query", "key", "value", "out"]),
    "linen conv": (linen(nn.Conv(4, (3,))), ["conv"]),
    "linen tied": (linen(Tied(), IDS), ["Embed_0", "BatchNorm_0", "shared", "shared@1", "Embed_0.attend"]),
    "linen scan": (
        linen(Stack()),
        [*(f"ScanBlock_0/{name}_0{n}" for n in STEPS[:3] for name in ("LayerNorm", "Dense")), "JitDense_0"],
    ),
    "nnx lstm": (
        of_nnx(lambda rngs: nnx.RNN(nnx.OptimizedLSTMCell(8, 4, rngs=rngs))),
        [f"cell/dense_{a}{n}" for n in STEPS for a in "ih"],
    ),
    "nnx attention": (
        of_nnx(lambda rngs: nnx.MultiHeadAttention(2, 8, rngs=rngs, decode=False)),
        ["query", "key", "value", "out"],
    ),
    "nnx sequential": (
        of_nnx(lambda rngs: nnx.Sequential(nnx.Linear(8, 8, rngs=rngs), nnx.tanh, nnx.BatchNorm(8, rngs=rngs), Own())),
        ["layers/0", "layers/2", "layers/3"],
    ),
}


COVERED = ("linen lstm", "linen scan", "linen conv", "linen attention", "nnx attention")
"""Slow: another cell, and layers, under the same scan, a layer like Dense, and attention, of which the tests of whole models have some."""


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow if case in COVERED else ()) for case in CASES]
)
def test_every_call_is_seen_and_nothing_is_changed(case: str) -> None:
    build, paths = CASES[case]
    model, variables, x = build()
    params, apply, unseen = hooked(model, variables)
    seen: list[Call] = []

    def hook(call: Call, args: tuple, run: Callable[..., Any]) -> Any:
        seen.append(call)
        return run(*args)

    got, grads = jax.jit(jax.value_and_grad(lambda params: (apply(params, hook, x) ** 2).sum()))(params)
    assert [call.path for call in seen] == paths
    assert not unseen
    for call in seen:
        layers = list(dict.fromkeys(each.layer for each in seen))
        assert call.place == layers.index(call.layer)
        assert call.kernel is not None or isinstance(model, nnx.Sequential)

    def plain(params: Any) -> Any:
        if variables is None:
            graph, _, rest = nnx.split(model, nnx.Param, ...)
            return (nnx.merge(graph, params, rest, copy=True)(x) ** 2).sum()
        rest = {name: value for name, value in variables.items() if name != "params"}
        return (model.apply({"params": params, **rest}, x, mutable=list(rest))[0] ** 2).sum()

    want, want_grads = jax.jit(jax.value_and_grad(plain))(params)
    np.testing.assert_allclose(got, want, rtol=UNROLLED)
    for grad, other in zip(jax.tree.leaves(grads), jax.tree.leaves(want_grads), strict=True):
        np.testing.assert_allclose(grad, other, rtol=UNROLLED, atol=UNROLLED * float(jnp.abs(other).max()))


def test_a_hook_may_change_a_layer_and_the_model_stays_as_it_was() -> None:
    model = nnx.Sequential(nnx.Linear(8, 8, rngs=nnx.Rngs(0)), nnx.Linear(8, 8, rngs=nnx.Rngs(1)))
    before = model(X)
    params, apply, _ = hooked(model)
    only_first = apply(params, lambda call, args, run: run(*args) if call.place == 0 else args[0], X)
    assert (only_first == model.layers[0](X)).all()
    assert type(model.layers[0]) is nnx.Linear
    assert not hasattr(model.layers[0], "vg_call")
    assert (model(X) == before).all()


def test_a_compiled_loss_that_was_already_called_is_seen() -> None:
    model = nnx.Linear(8, 8, rngs=nnx.Rngs(0))
    loss = nnx.jit(lambda model, x: model(x).mean())
    loss(model, X)
    params, apply, _ = hooked(model, loss=loss)
    assert apply(params, lambda call, args, run: jnp.zeros_like(run(*args)), X) == 0


def test_calls_in_another_trace_run_as_written_and_are_listed() -> None:
    class Rematerialised(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            return nn.remat(nn.Dense)(8)(nn.Dense(8)(x))

    model, variables, _ = linen(Rematerialised())()
    params, apply, unseen = hooked(model, variables)
    y = apply(params, lambda call, args, run: run(*args), X)
    assert (y == model.apply(variables, X)).all()
    assert unseen == ["CheckpointDense_0"]


def test_dropout_follows_the_keys_given() -> None:
    model = nn.Sequential([nn.Dense(8), nn.Dropout(0.5, deterministic=False)])
    rngs = {"dropout": jax.random.key(3)}
    variables = jax.jit(model.init)({"params": jax.random.key(0), **rngs}, X)
    params, apply, _ = hooked(model, variables, rngs=rngs)
    seen = jax.jit(lambda params: apply(params, lambda call, args, run: run(*args), X))(params)
    assert (seen == jax.jit(lambda variables: model.apply(variables, X, rngs=rngs))(variables)).all()
