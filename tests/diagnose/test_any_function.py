"""In any JAX function, every parameter's gradient is jax.grad's, and every row that of zeros added to the layer's output."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.diagnose.plain import leaf_logs, row_logs
from tests.tolerances import EQUAL_FLOAT32
from vgtheory.diagnose import diagnose

KEY = jax.random.key(0)
X = jax.random.normal(KEY, (4, 16))
Built = tuple[Any, Callable[..., Any], tuple]


def weights(i: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(10 + i), shape) / np.sqrt(shape[-2])


def mean_square(h: Any) -> Any:
    return (jnp.abs(h.astype(jnp.promote_types(h.dtype, jnp.float32))) ** 2).mean()


def equinox_transformer() -> Built:
    class Block(eqx.Module):
        norm: eqx.nn.LayerNorm
        attention: eqx.nn.MultiheadAttention
        dense: eqx.nn.Linear
        dropout: eqx.nn.Dropout

        def __call__(self, x: Any, key: Any) -> Any:
            x = x + self.dropout(jax.nn.gelu(jax.vmap(self.dense)(x)), key=key)
            y = jax.vmap(self.norm)(x)
            return x + self.attention(y, y, y)

    attention, dense = eqx.nn.MultiheadAttention(2, 8, key=KEY), eqx.nn.Linear(8, 8, key=KEY)
    block = Block(eqx.nn.LayerNorm(8), attention, dense, eqx.nn.Dropout(0.3))
    return block, lambda block, x, key: mean_square(block(x, key)), (X.reshape(8, 8), KEY)


def equinox_recurrent() -> Built:
    class Reader(eqx.Module):
        cell: eqx.nn.GRUCell
        head: eqx.nn.Linear

        def __call__(self, xs: Any) -> Any:
            return self.head(lax.scan(lambda h, x: (self.cell(x, h), None), jnp.zeros(8), xs)[0])

    reader = Reader(eqx.nn.GRUCell(4, 8, key=KEY), eqx.nn.Linear(8, 1, key=KEY))
    return reader, lambda reader, xs: mean_square(jax.vmap(reader)(xs)), (X.reshape(2, 8, 4),)


def haiku_lstm() -> Built:
    def net(x: Any) -> Any:
        cell = hk.LSTM(8)
        return hk.nets.MLP([8, 1])(hk.dynamic_unroll(cell, x, cell.initial_state(2))[0][-1])

    run, xs = hk.without_apply_rng(hk.transform(net)), X.reshape(8, 2, 4)
    return run.init(KEY, xs), lambda params, xs: mean_square(run.apply(params, xs)), (xs,)


def list_of_pairs(dtype: Any = jnp.float32, depth: int = 4, act: Any = jnp.tanh) -> Built:
    def loss(layers: Any, x: Any) -> Any:
        x = x.astype(dtype)
        for w, b in layers:
            x = act(x @ w + b)
        return mean_square(x), {"last": x}

    layers = [(weights(i, 16, 16).astype(dtype), jnp.zeros(16, dtype)) for i in range(depth)]
    return layers, loss, (X,)


def einsums() -> Built:
    params = {name: weights(i, 16, 2, 8) / 3 for i, name in enumerate("qkv")} | {"o": weights(3, 2, 8, 16)}

    def loss(params: Any, x: Any) -> Any:
        q, k, v = (jnp.einsum("td,dhe->hte", x, params[name]) for name in "qkv")
        mixed = jnp.einsum("hts,hse->hte", jax.nn.softmax(jnp.einsum("hte,hse->hts", q, k)), v)
        return mean_square(jnp.einsum("hte,hed->td", mixed, params["o"]))

    return params, loss, (X,)


def convolutions() -> Built:
    kernels = {"depthwise": weights(0, 3, 1, 16), "grouped": weights(1, 3, 4, 16), "up": weights(2, 3, 16, 8)}

    def loss(params: Any, x: Any) -> Any:
        spec: Any = {"padding": "SAME", "dimension_numbers": ("NHC", "HIO", "NHC")}
        x = lax.conv_general_dilated(x, params["depthwise"], (1,), feature_group_count=16, **spec)
        x = lax.conv_general_dilated(jax.nn.relu(x), params["grouped"], (1,), feature_group_count=4, **spec)
        return mean_square(lax.conv_transpose(jax.nn.relu(x), params["up"], (2,), **spec))

    return kernels, loss, (X.reshape(1, 4, 16),)


def tied() -> Built:
    params = {"table": weights(0, 10, 16), "w": weights(1, 16, 16)}
    return params, lambda p, ids: mean_square(jnp.tanh(p["table"][ids] @ p["w"]) @ p["table"].T), (jnp.arange(6),)


def complex_recurrence(is_parallel: bool = False) -> Built:
    params = {"nu": X[0, :8], "theta": X[1, :8], "b": weights(0, 4, 8) * (1 + 1j), "c": weights(1, 8, 3) * (1 - 1j)}

    def loss(params: Any, xs: Any) -> Any:
        pole, u = jnp.exp(-jnp.exp(params["nu"]) + 1j * jnp.exp(params["theta"])), xs.astype(complex) @ params["b"]
        if is_parallel:
            join = lambda one, two: (one[0] * two[0], two[0] * one[1] + two[1])
            h = lax.associative_scan(join, (jnp.broadcast_to(pole, u.shape), u))[1]
        else:
            h = lax.scan(lambda h, u: (pole * h + u,) * 2, jnp.zeros(8, complex), u)[1]
        return mean_square((h @ params["c"]).real)

    return params, loss, (X[0].reshape(4, 4),)


def nested_scans() -> Built:
    params = {"layers": weights(0, 2, 16, 16), "w": weights(1, 16, 16)}

    def outer(params: Any, h: Any, x: Any) -> Any:
        layer = jax.checkpoint(lambda h, w: (jnp.tanh(h @ w + x), h.mean()))
        h, means = lax.scan(layer, h, params["layers"])
        return jnp.tanh(h @ params["w"]), means

    def loss(params: Any, xs: Any) -> Any:
        h, means = lax.scan(lambda h, x: outer(params, h, x), jnp.zeros(16), xs, reverse=True)
        return mean_square(h) + means.sum()

    return params, loss, (X,)


def loop_with_counters() -> Built:
    params = {"w": weights(0, 3, 16, 16)}

    def step(params: Any, i: Any, state: Any) -> Any:
        h, key, total = state
        key, own = jax.random.split(key)
        h = jnp.tanh(h @ params["w"][i % 3] + 0.1 * jax.random.normal(own, h.shape))
        return h, key, total + h.sum()

    def loss(params: Any, x: Any) -> Any:
        h, _, total = lax.fori_loop(0, 4, functools.partial(step, params), (x, KEY, 0.0))
        return mean_square(h) + total

    return params, loss, (X,)


def experts() -> Built:
    params = {"router": weights(0, 16, 4), "up": weights(1, 4, 16, 8), "down": weights(2, 4, 8, 16)}

    def loss(params: Any, x: Any) -> Any:
        gate, chosen = lax.top_k(jax.nn.softmax(x @ params["router"]), 1)
        h = jax.nn.relu(jnp.einsum("bd,bde->be", x, params["up"][chosen[:, 0]]))
        return mean_square(x + gate * jnp.einsum("be,bed->bd", h, params["down"][chosen[:, 0]]))

    return params, loss, (X,)


def odd_leaves() -> Built:
    params = {"w": weights(0, 16, 16), "n": jnp.arange(3), "key": KEY, "name": "mine", "none": None, "gain": 0.5}
    params |= {"act": jnp.tanh, "v": np.asarray(weights(1, 16, 1))}

    def loss(params: Any, x: Any) -> Any:
        noise = jax.random.normal(params["key"], (16,)) + params["n"].sum()
        return mean_square(params["act"](params["gain"] * (x @ params["w"]) + noise) @ params["v"])

    return params, loss, (X,)


def captured() -> Built:
    layer = jax.jit(lambda w, x: jnp.tanh(x @ w))
    params, mask = [weights(i, 16, 16) for i in range(3)], (X[:1] > 0).astype(float)
    loss = jax.jit(lambda params: mean_square(layer(params[2], layer(params[1] * mask, layer(params[0], X)))))
    loss(params)  # JAX keeps the trace
    return params, loss, ()


def heads_of_one_trunk() -> Built:
    params = {"trunk": weights(0, 16, 16), "a": weights(1, 2, 16, 3), "b": weights(2, 16, 5)}

    def loss(params: Any, x: Any) -> Any:
        h = jnp.tanh(x @ params["trunk"])
        return mean_square(jax.vmap(lambda w: h @ w)(params["a"])) + jnp.abs(h @ params["b"]).mean()

    return params, loss, (X,)


def inner_update() -> Built:
    run = lambda params, x: mean_square(jnp.tanh(x @ params[0]) @ params[1])

    def loss(params: Any, x: Any) -> Any:
        return run(jax.tree.map(lambda w, g: w - 0.1 * g, params, jax.grad(run)(params, x)), x + 1)

    return [weights(0, 16, 16), weights(1, 16, 16)], loss, (X,)


CASES: dict[str, tuple[Callable[[], Built], list[str]]] = {
    "Equinox transformer": (
        equinox_transformer,
        ["dense", "dropout", "norm", *(f"attention/{each}_proj" for each in ("query", "key", "value", "output"))],
    ),
    "Haiku LSTM": (haiku_lstm, [*("lstm/linear" for _ in range(8)), "mlp/~/linear_0", "mlp/~/linear_1"]),
    "list of pairs": (list_of_pairs, ["0", "1", "2", "3"]),
    "bfloat16": (lambda: list_of_pairs(jnp.bfloat16), ["0", "1", "2", "3"]),
    "convolutions": (convolutions, ["depthwise", "grouped", "up"]),
    "tied": (tied, ["table", "w", "table"]),
    "complex": (complex_recurrence, ["b", *["nu+theta"] * 4, "c"]),
    "nested scans": (nested_scans, ["layers", "layers", "w"] * 4),
    "counters": (loop_with_counters, ["w"] * 4),
    "experts": (experts, ["router", "up", "down"]),
    "odd leaves": (odd_leaves, ["w", "gain", "v"]),
    "captured": (captured, ["0", "1", "2"]),
    "heads of one trunk": (heads_of_one_trunk, ["trunk", "a", "b"]),
}
# Their parts are in the other cases: attention in Equinox's, a recurrence in Haiku's, complex numbers in the scan, two layers in the
# pairs.
LONG: dict[str, tuple[Callable[[], Built], list[str]]] = {
    "einsums": (einsums, ["q", "k", "v", "o"]),
    "Equinox GRU": (equinox_recurrent, [*["cell/weight_ih", "cell/weight_hh"] * 8, "head"]),
    "complex, in parallel": (lambda: complex_recurrence(True), ["b", *["nu+theta"] * 3, "c"]),
    "inner update": (inner_update, []),
    "float16": (lambda: list_of_pairs(jnp.float16), ["0", "1", "2", "3"]),
}


@pytest.fixture(autouse=True)
def _as_users_write() -> Iterator[None]:
    with jax.numpy_rank_promotion("allow"):
        yield


@pytest.mark.parametrize("name", [*CASES, *(pytest.param(name, marks=pytest.mark.slow) for name in LONG)])
def test_gradients_are_those_of_plain_autodiff(name: str) -> None:
    build, layers = (CASES | LONG)[name]
    model, loss, batch = build()
    found = diagnose(model, loss, *batch)
    wanted = leaf_logs(model, loss, batch)
    assert list(found.weights) == list(wanted)
    top = max(wanted.values())
    for leaf, log in wanted.items():
        # Keys' biases have no gradient but rounding: a millionth of the largest.
        if log > top - 14:
            np.testing.assert_allclose(found.weights[leaf], log, atol=EQUAL_FLOAT32, err_msg=leaf)
    grads = [row.log_grad for row in found.rows]
    np.testing.assert_allclose(grads, row_logs(found), atol=EQUAL_FLOAT32)
    assert not layers or [row.layer.split("@")[0] for row in found.rows] == layers
    assert not found.unseen


@pytest.mark.parametrize("dtype", [jnp.bfloat16, pytest.param(jnp.float16, marks=pytest.mark.slow)])
def test_half_precision_is_rounded_as_in_jax(dtype: Any) -> None:
    params = {"a": weights(0, 16, 16), "b": weights(1, 16, 16)}

    def loss(params: Any, x: Any) -> Any:
        h = jnp.tanh(x @ params["a"]).astype(dtype)
        return mean_square((h * h[:, ::-1]).astype(jnp.float32) @ params["b"])

    found = diagnose(params, loss, X)
    for leaf, log in leaf_logs(params, loss, (X,)).items():
        np.testing.assert_allclose(found.weights[leaf], log, atol=1e-6, err_msg=leaf)


def test_gradients_beyond_float16_are_told() -> None:
    layers, loss, batch = list_of_pairs(jnp.float16, 30, jax.nn.sigmoid)
    found = diagnose(layers, loss, *batch)
    assert np.isneginf(leaf_logs(layers, loss, batch)["0/0"])
    wide = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), layers)
    exact = leaf_logs(wide, list_of_pairs(jnp.float32, 30, jax.nn.sigmoid)[1], batch)
    assert found.verdict.word == "vanishes"
    for leaf in ("0/0", "15/0"):
        assert abs(found.weights[leaf] - exact[leaf]) < 0.02  # 30 layers of roundings of 5e-4


def test_thousands_of_steps_compile_as_one() -> None:
    loss = lambda w, xs: mean_square(lax.scan(lambda h, x: (jnp.tanh(h @ w + x), None), xs[0], xs)[0])
    w, xs = weights(0, 16, 16) / 2, jnp.ones((3000, 2, 16))
    found = diagnose(w, loss, xs)
    assert found.verdict.depth == 2999
    assert found.rows[0].log_grad < 1000 * np.log(0.6)
    (log,) = leaf_logs(w, loss, (xs,)).values()
    np.testing.assert_allclose(found.weights["parameter"], log, atol=EQUAL_FLOAT32)


def test_data_made_in_the_loss_is_data() -> None:
    params = {"a": weights(0, 1, 16), "b": weights(1, 16, 16), "c": weights(2, 16, 1)}
    latent = X[:, :1]
    net = lambda params, z: jnp.tanh(jnp.tanh(z @ params["a"]) @ params["b"]) @ params["c"]
    made = diagnose(params, lambda p, y: mean_square(net(p, jnp.linspace(0.0, 1.0, 4)[:, None]) - y), latent)
    beside = diagnose(params, lambda p, y: mean_square(net(p, latent) - y), X[:, 1:2])
    assert [row.layer for row in made.rows] == [row.layer for row in beside.rows] == ["a", "b", "c"]
