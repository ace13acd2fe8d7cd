"""Conditions, loops, derivatives of one's own, compiled and rematerialised parts: gradients are jax.grad's, or one sentence refuses."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.diagnose.plain import leaf_logs
from tests.tolerances import EQUAL_FLOAT32
from vgtheory.diagnose import diagnose, infinite_width

WIDTH = 64
PARAMS = {
    name: jax.random.normal(jax.random.key(i), (WIDTH, num)) / WIDTH**0.5
    for i, (name, num) in enumerate({"a": WIDTH, "b": WIDTH, "c": 1}.items())
}
STACKED = PARAMS | {"b": jnp.stack([PARAMS["a"].T, PARAMS["b"]])}
X = jax.random.normal(jax.random.key(9), (4, WIDTH))
Middle = Callable[[Any, jax.Array], jax.Array]

reverse = jax.custom_vjp(jnp.tanh)
reverse.defvjp(lambda x: (jnp.tanh(x), x), lambda x, above: (above * (1 - jnp.tanh(x) ** 2),))
forward = jax.custom_jvp(jnp.tanh)
forward.defjvp(lambda x, dx: (jnp.tanh(x[0]), dx[0] * (1 - jnp.tanh(x[0]) ** 2)))
product = jax.custom_vjp(jnp.matmul)
product.defvjp(lambda x, w: (x @ w, (x, w)), lambda kept, above: (above @ kept[1].T, kept[0].T @ above))


def loss_of(middle: Middle) -> Callable[[Any, jax.Array], jax.Array]:
    """A network with something in its middle."""
    return lambda p, x: jnp.mean((middle(p, jnp.tanh(x @ p["a"])) @ p["c"]) ** 2)


def stepwise(p: Any, h: jax.Array) -> jax.Array:
    return lax.scan(lambda h, w: (jnp.tanh(h @ w), None), h, p["b"])[0]


PLAIN: Middle = lambda p, h: jnp.tanh(h @ p["b"])
SEEN: dict[str, Middle] = {
    "cond": lambda p, h: lax.cond(jnp.sum(h**2) > 0, jnp.tanh, jnp.sin, h @ p["b"]),
    "custom_vjp": lambda p, h: reverse(h @ p["b"]),
    "custom_jvp": lambda p, h: forward(h @ p["b"]),
    "checkpoint": jax.checkpoint(PLAIN),
    "jit in jit": jax.jit(lambda p, h: jax.jit(jnp.tanh)(h @ p["b"])),
    "switch": lambda p, h: lax.switch(jnp.int32(1), [jnp.sin, jnp.tanh], h @ p["b"]),
    "loop without a gradient": lambda p, h: PLAIN(p, h) + lax.while_loop(lambda s: s < 3, lambda s: s + 1, 0) - 3,
}
HIDDEN: dict[str, Middle] = {
    "layer in a cond": lambda p, h: lax.cond(
        jnp.sum(h**2) > 0, lambda h: jnp.tanh(h @ p["b"]), lambda h: h @ p["b"], h
    ),
    "product with its own derivative": lambda p, h: jnp.tanh(product(h, p["b"])),
}
LOOPS: dict[str, tuple[Any, Middle, int]] = {
    "fori_loop": (PARAMS, lambda p, h: lax.fori_loop(0, 3, lambda _, h: PLAIN(p, h), h), 3),
    "scan over layers": (STACKED, stepwise, 2),
    "scan over rematerialised layers": (STACKED, jax.checkpoint(stepwise), 2),
}
EACH: dict[str, tuple[Any, Middle, list[str], tuple[str, ...]]] = {
    **{name: (PARAMS, middle, ["a", "b", "c"], ()) for name, middle in SEEN.items()},
    **{name: (PARAMS, middle, ["a", "c"], ("b",)) for name, middle in HIDDEN.items()},
    **{name: (params, middle, ["a", *["b"] * num, "c"], ()) for name, (params, middle, num) in LOOPS.items()},
}


@pytest.mark.parametrize("name", EACH)
def test_gradients_are_those_of_plain_autodiff(name: str) -> None:
    params, middle, layers, unseen = EACH[name]
    found = diagnose(params, loss_of(middle), X)
    for leaf, log in leaf_logs(params, loss_of(middle), (X,)).items():
        assert abs(found.weights[leaf] - log) < EQUAL_FLOAT32
    assert [row.layer.partition("@")[0] for row in found.rows] == layers
    assert found.unseen == unseen


def test_a_loop_of_unknown_length_is_refused_in_one_sentence() -> None:
    step = lambda p: lambda state: (state[0] + 1, PLAIN(p, state[1]))
    middle = lambda p, h: lax.while_loop(lambda state: state[0] < 3, step(p), (0, h))[1]
    with pytest.raises(
        ValueError, match=r"^diagnose: expected loops of known length .* Use lax.scan, or lax.fori_loop"
    ):
        diagnose(PARAMS, loss_of(middle), X)
    with pytest.raises(ValueError, match=r"^layers: expected loops of known length"):
        infinite_width(PARAMS, 256, loss=loss_of(middle)).layers(jax.random.key(0), X, num_draws=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", SEEN)
def test_the_twin_is_that_of_the_plain_network(name: str) -> None:
    key = jax.random.key(1)
    plain, twin = (infinite_width(PARAMS, 256, loss=loss_of(middle)) for middle in (PLAIN, SEEN[name]))
    wanted, laws = (each.layers(key, X, num_draws=2) for each in (plain, twin))
    assert list(laws) == list(wanted) == ["a", "b", "c"]
    for layer, law in laws.items():
        both = [[each.value for each in one] for one in (law, wanted[layer])]
        np.testing.assert_allclose(*both, atol=EQUAL_FLOAT32)


@pytest.mark.slow
@pytest.mark.parametrize("name", HIDDEN)
def test_the_twin_draws_what_it_cannot_look_into(name: str) -> None:
    twin = infinite_width(PARAMS, 256, loss=loss_of(HIDDEN[name]))
    assert twin.plan(X).drawn == {"b": "read where nothing can be looked into"}
    assert np.isfinite(twin.weights(jax.random.key(1), X, num_draws=2)["b"].value)
