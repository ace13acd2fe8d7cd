"""Kinds of models that once got a wrong answer: dead rungs, faults that are stopped, starved branches, layers that are not seen."""

from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax import nnx
from flax.training.train_state import TrainState
from jax import lax

from vgtheory.diagnose import Diagnosis, diagnose

X = jax.random.normal(jax.random.key(0), (4, 16))
NOWHERE = -np.inf


@pytest.fixture(autouse=True)
def _as_users_write() -> Iterator[None]:
    with jax.numpy_rank_promotion("allow"):
        yield


def weights(i: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(10 + i), shape or (16, 16)) / np.sqrt(shape[-2] if shape else 16)


def residual(branch: Callable[..., Any], gain: Any, blocks: int = 3) -> Diagnosis:
    """A pre-norm residual network; ``gain`` is each branch's last parameter."""
    params = {"in": weights(0), "out": weights(1)}
    params |= {"blocks": [{"a": weights(2 + i), "b": weights(9 + i), "gain": gain} for i in range(blocks)]}

    def loss(params: Any, x: Any) -> Any:
        h = x @ params["in"]
        for block in params["blocks"]:
            h = h + branch(block, h)
        return ((h @ params["out"]) ** 2).mean()

    return diagnose(params, loss, X)


def normed(h: Any) -> Any:
    return (h - h.mean(-1, keepdims=True)) / jnp.sqrt(h.var(-1, keepdims=True) + 1e-6)


DEAD: dict[str, tuple[Callable[..., Any], Any]] = {
    "a norm's last scale": (lambda p, h: normed(jax.nn.gelu(h @ p["a"]) @ p["b"]) * p["gain"], jnp.zeros(16)),
    "ReZero": (lambda p, h: p["gain"] * (jnp.tanh(h @ p["a"]) @ p["b"]), jnp.zeros(())),
    "Fixup": (lambda p, h: jax.nn.relu(jax.nn.relu(h @ p["a"]) @ p["b"]) @ p["gain"], jnp.zeros((16, 16))),
    "adaLN-zero": (lambda p, h: (X[:, :2] @ p["gain"]) * (jnp.tanh(h @ p["a"]) @ p["b"]), jnp.zeros((2, 16))),
}


@pytest.mark.parametrize(
    "kind",
    ["ReZero", "adaLN-zero", *(pytest.param(k, marks=pytest.mark.slow) for k in ("a norm's last scale", "Fixup"))],
)
def test_a_branch_that_starts_at_zero_condemns_nothing_below(kind: str) -> None:
    found = residual(*DEAD[kind])
    assert found.verdict.word == "healthy"
    assert (found.chain[0], found.chain[-1]) == ("in", "out")
    assert "blocks/0/gain" in found.verdict.text
    assert "live after one step" in found.verdict.text
    dead = {name for name, log in found.weights.items() if log == NOWHERE}
    assert {f"blocks/{i}/a" for i in range(3)} <= dead
    assert np.isfinite([found.weights[f"blocks/{i}/gain"] for i in range(3)]).all()


def test_starved_branches_are_put_down_to_their_gain() -> None:
    found = residual(lambda p, h: p["gain"] * (jax.nn.gelu(h @ p["a"]) @ p["b"]), jnp.full(16, 1e-6))
    assert found.verdict.word == "starved"
    assert found.verdict.where == "blocks/0/a"
    assert "/gain, above it, takes the rest away" in found.verdict.text
    assert found.verdict.shares["scales"] < -10
    fine = residual(lambda p, h: p["gain"] * (jax.nn.gelu(h @ p["a"]) @ p["b"]), jnp.full(16, 0.1))
    assert fine.verdict.word == "healthy"


def test_a_zero_head_is_called_by_its_name() -> None:
    params = {"body": weights(0), "head": jnp.zeros((16, 3))}
    loss = lambda params, x: ((jnp.tanh(x @ params["body"]) @ params["head"] - 1.0) ** 2).mean()
    verdict = diagnose(params, loss, X).verdict
    assert (verdict.word, verdict.where) == ("zero", "body")
    assert "head is zero in all its entries" in verdict.text
    assert "dead" not in verdict.text


def test_padded_steps_are_no_end_of_the_chain() -> None:
    params, lengths = {"w": weights(0), "u": weights(1), "head": weights(2, 16, 1)}, jnp.array([5, 5, 4, 3])

    def loss(params: Any, xs: Any) -> Any:
        def step(h: Any, given: Any) -> Any:
            x, t = given
            return jnp.where(t < lengths[:, None], jnp.tanh(h @ params["w"] + x @ params["u"]), h), None

        h, _ = lax.scan(step, jnp.zeros((4, 16)), (xs, jnp.arange(8)))
        return ((h @ params["head"]) ** 2).mean()

    found = diagnose(params, loss, jnp.stack([X] * 8))
    assert found.verdict.word != "zero"
    assert found.verdict.depth == 5
    assert found.chain[-1] == "head"
    assert [row.log_grad == NOWHERE for row in found.rows if row.layer.startswith("w")] == [False] * 5 + [True] * 3
    assert np.isfinite(list(found.weights.values())).all()


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float16])
def test_what_a_selection_stops_is_a_note(dtype: Any) -> None:
    params = [weights(i).astype(dtype) for i in range(2)]

    def loss(params: Any, x: Any, ok: Any) -> Any:
        h = jnp.where(ok, x @ params[0], 0)
        h = h * lax.rsqrt((h**2).mean(-1, keepdims=True) + 1e-3)
        return (jnp.where(ok, jnp.sqrt(jnp.abs(h)), 0) @ params[1]).astype(jnp.float32).std()

    ok = jnp.arange(4)[:, None] % 3 > 0
    batch = (X.astype(dtype), ok)
    found = diagnose(params, loss, *batch)
    wanted = jax.grad(loss)(params, *batch)
    assert all(np.isfinite(np.asarray(leaf, np.float32)).all() for leaf in wanted)
    assert found.verdict.word == "healthy"
    assert "a selection stops them" in found.verdict.text
    assert [row.kind for row in found.rows] == ["dense", "norm", "dense"]
    assert np.isfinite([row.log_grad for row in found.rows]).all()
    tolerance = float(10 * jnp.finfo(dtype).eps)
    for i, leaf in enumerate(wanted):
        np.testing.assert_allclose(
            found.weights[str(i)], np.log(np.linalg.norm(np.asarray(leaf, float))), atol=tolerance
        )


def test_the_size_of_all_gradients_is_judged() -> None:
    params = [weights(i) for i in range(3)]
    net = lambda params, x: ((jnp.tanh(jnp.tanh(x @ params[0]) @ params[1]) @ params[2]) ** 2).mean()
    assert diagnose(params, lambda params, x: 1e7 * net(params, x), X).verdict.word == "large"
    assert diagnose(params, lambda params, x: 1e-12 * net(params, x), X).verdict.word == "small"


def test_dropout_is_named_whatever_the_library() -> None:
    rngs = nnx.Rngs(0)
    layers = (nnx.Linear(16, 16, rngs=rngs), nnx.Dropout(0.5, rngs=rngs), nnx.Linear(16, 1, rngs=rngs))
    mean_square = lambda model, x: (model(x) ** 2).mean()
    linear, dropout = eqx.nn.Linear(16, 16, key=jax.random.key(0)), eqx.nn.Dropout(0.5)
    drawn = lambda model, x, key: (jax.vmap(model[2])(model[1](jax.vmap(model[0])(x), key=key)) ** 2).mean()
    linen = nn.Sequential([nn.Dense(16), nn.Dropout(0.5, deterministic=False), nn.Dense(1)])
    keys = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
    for found in (
        diagnose(nnx.Sequential(*layers), mean_square, X),
        diagnose(linen, mean_square, X, variables=linen.init(keys, X), rngs={"dropout": keys["dropout"]}),
        diagnose([linear, dropout, linear], drawn, X, jax.random.key(1)),
    ):
        assert [row.kind for row in found.rows] == ["dense", "dropout", "dense"]
        assert found.verdict.shares["dropout"] != 0
        assert found.verdict.shares["slopes"] == pytest.approx(0, abs=1e-6)


@jax.custom_vjp
def own(w: Any, x: Any) -> Any:
    return jnp.tanh(x @ w)


own.defvjp(lambda w, x: (own(w, x), (w, x)), lambda kept, g: jax.vjp(lambda w, x: jnp.tanh(x @ w), *kept)[1](g))


def by_sign(w: Any, x: Any) -> Any:
    return lax.cond(x.sum() > 0, lambda: jnp.tanh(x @ w), lambda: x @ w)


@pytest.mark.parametrize("layer", [own, by_sign])
def test_what_is_not_seen_is_not_declared_safe(layer: Callable[..., Any]) -> None:
    def loss(params: Any, x: Any, act: Any = jnp.tanh) -> Any:
        for w in params:
            x = act(layer(w, x))
        return (x**2).mean()

    found = diagnose([weights(i) for i in range(3)], loss, X)
    assert found.unseen == ("0", "1", "2")
    assert "as far as the parameters tell" in found.verdict.text
    deep = diagnose([weights(i) / 2 for i in range(8)], lambda p, x: loss(p, x, jax.nn.sigmoid), X)
    assert deep.verdict.word == "vanishes"
    mixed = diagnose([weights(0), weights(1), weights(2)], lambda p, x: loss([p[1]], x @ p[0] @ p[2]), X)
    assert mixed.unseen == ("1",)
    assert "as far as" in mixed.verdict.text


def test_a_reparametrised_kernel_and_a_stopped_loop_hide_nothing() -> None:
    params = {"a": weights(0), "b": weights(1)}

    def loss(params: Any, x: Any) -> Any:
        count = lambda state: (state[0] + 1, jnp.tanh(state[1] @ params["a"]))
        z = lax.stop_gradient(lax.while_loop(lambda state: state[0] < 3, count, (0, x))[1])
        return ((jnp.tanh(z @ (params["a"] / jnp.linalg.norm(params["a"], 2))) @ params["b"]) ** 2).mean()

    found = diagnose(params, loss, X)
    assert not found.unseen
    assert [row.layer for row in found.rows] == ["a", "b"]


def here(params: Any, x: Any) -> Any:
    return jnp.sqrt(x @ params["a"])


FAULTS: dict[str, tuple[Callable[..., Any], str, str]] = {
    "forward": (lambda p, x: (here(p, x) @ p["b"]).mean(), "b", "sqrt at test_faults.py"),
    "in a scan": (
        lambda p, x: lax.scan(lambda h, _: (jnp.sqrt(h @ p["a"]), None), jnp.abs(x), None, 4)[0].mean(),
        "a@1",
        "sqrt at test_faults.py",
    ),
    "back": (lambda p, x: jnp.sqrt((0.0 * x) @ p["a"] @ p["b"]).sum(), "b", "sqrt at test_faults.py"),
    "a row that is masked": (
        lambda p, x: (jax.nn.softmax(jnp.where(jnp.arange(4)[:, None] > 0, x @ p["a"], -jnp.inf)) @ p["b"]).mean(),
        "b",
        "sub at test_faults.py",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_first_operation_that_fails_is_named_with_its_line(name: str) -> None:
    loss, where, operation = FAULTS[name]
    verdict = diagnose({"a": weights(0), "b": weights(1)}, loss, X).verdict
    assert (verdict.word, verdict.where) == ("not finite", where)
    line = (here if name == "forward" else loss).__code__.co_firstlineno
    lines = {int(part.split(" ")[0].rstrip(".")) for part in verdict.text.split("test_faults.py:")[1:]}
    assert operation in verdict.text
    assert lines <= set(range(line, line + 3))


def test_a_batch_that_is_not_finite_is_named() -> None:
    verdict = diagnose([weights(0)], lambda p, x: (x @ p[0]).mean(), X.at[0, 0].set(jnp.nan)).verdict
    assert (verdict.word, verdict.where) == ("not finite", "batch")


def test_mistaken_arguments_get_one_sentence(refused: Callable[..., Any]) -> None:
    rngs, x, params = nnx.Rngs(0), jnp.ones((2, 16)), {"w": weights(0)}
    model, module = nnx.Linear(16, 1, rngs=rngs), nn.Dense(1)
    variables = module.init(jax.random.key(0), x)
    mean = lambda model, x: model(x).mean()
    with pytest.raises(ValueError, match=r"^diagnose: expected a loss that takes the model first"):
        diagnose(model, lambda x, model: model(x).mean(), x)
    with pytest.raises(ValueError, match=r"^diagnose: expected a loss that takes the model first"):
        diagnose(params, lambda x, params: (x @ params["w"]).mean(), x)
    with pytest.raises(ValueError, match=r"^diagnose: expected a loss that takes the model first"):
        diagnose(eqx.nn.Linear(16, 1, key=jax.random.key(0)), lambda x, model: jax.vmap(model)(x).mean(), x)
    dropout = nnx.Dropout(0.5, rngs=rngs)
    with refused("diagnose", "loss", "part of the model"):
        diagnose(model, lambda model, x: model(dropout(x)).mean(), x)
    with refused("diagnose", "loss", "losses.mean()"):
        diagnose(model, lambda model, x: model(x)[:, 0], x)
    with refused("diagnose", "model", "state.params"):
        state = TrainState.create(apply_fn=module.apply, params=variables["params"], tx=optax.sgd(0.1))
        diagnose(state, mean, x)
    with refused("diagnose", "variables", "'params': params"):
        diagnose(module, mean, x, variables=variables["params"])
