"""Precision follows the numbers: no call leaves a trace in the next one, and half-precision numbers are lifted."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from tests.theory.examples import EXAMPLES, TRACEABLE, Example
from tests.tolerances import SINGLE
from vgtheory import Activation, theory
from vgtheory.activation import as_activation
from vgtheory.theory.precision import tables

CACHED = {"chi_1"}
"""Of those that read the tables kept between calls, a cheap one; ``test_kept_tables`` has the mechanism itself."""
LIFTED = {
    *("chain_decay", "chain_flow", "chi_1", "chi_step", "depth_limit", "heavy_edge", "log_eigen_powers"),
    *("log_escape_time", "log_growth", "log_layer_times", "log_power_norms", "log_scalar_steps", "lyapunov_exponent"),
    *("memory_steps", "phase", "q_star", "stable_step"),
}
HALVES: dict[str, Callable[[Any], Any]] = {
    "float16": lambda value: np.asarray(value, np.float16)[()],
    "bfloat16": lambda value: np.asarray(value, ml_dtypes.bfloat16)[()],
    "jax float16": lambda value: jnp.asarray(value, jnp.float16),
    "jax bfloat16": lambda value: jnp.asarray(value, jnp.bfloat16),
}
INDEPENDENT = {"overshoot", "log_grad_groups"}
"""Their activation is told by its name, or stands among them as a default: they keep the table's own."""


def chosen(examples: dict[str, Example], quick: set[str]) -> list[Any]:
    return [pytest.param(name, marks=() if name in quick else pytest.mark.slow) for name in examples]


def is_float(leaf: Any) -> bool:
    return isinstance(leaf, float) or (isinstance(leaf, np.ndarray) and leaf.dtype == np.float64)


def cast(arguments: Any, to: Callable[[Any], Any]) -> Any:
    return jax.tree.map(lambda leaf: to(leaf) if is_float(leaf) else leaf, arguments)


def with_a_new_activation(value: Any, suffix: str) -> Any:
    """The same argument with an activation that no cache knows."""
    renamed = lambda each: dataclasses.replace(each, name=each.name + suffix)
    if isinstance(value, str) and value == "tanh":
        return renamed(as_activation(value))
    if isinstance(getattr(value, "activation", None), Activation):
        return dataclasses.replace(value, activation=renamed(value.activation))
    return value


def agree(got: Any, expected: Any, tolerance: float) -> None:
    pairs = zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True)
    for one, other in pairs:
        if isinstance(other, str):
            assert one == other
        else:
            np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "order", [pytest.param("jit, plain, new shape", marks=pytest.mark.slow), "plain, jit, x64, plain"]
)
@pytest.mark.parametrize("name", chosen(TRACEABLE, CACHED))
def test_orders_of_calls(name: str, order: str) -> None:
    function, args, kwargs = TRACEABLE[name]
    if name not in INDEPENDENT:
        args = tuple(with_a_new_activation(each, f", {name}, {order}") for each in args)
    leaves, tree = jax.tree.flatten((args, kwargs))
    places = [i for i, leaf in enumerate(leaves) if is_float(leaf)]

    def compiled(*values: Any) -> Any:
        full = list(leaves)
        for place, value in zip(places, values, strict=True):
            full[place] = value
        again, named = jax.tree.unflatten(tree, full)
        return function(*again, **named)

    numbers = [jnp.asarray(leaves[place]) for place in places]
    found = {}
    for step in order.split(", "):
        if step == "jit":
            found[step] = jax.jit(compiled)(*numbers)
        elif step == "new shape":
            pairs = jax.jit(jax.vmap(compiled))(*(jnp.stack([number, number]) for number in numbers))
            found[step] = jax.tree.map(lambda leaf: leaf[1], pairs)
        elif step == "x64":
            with jax.enable_x64(True):
                found[step] = jax.jit(compiled)(*(jnp.asarray(leaves[place]) for place in places))
        else:
            found.setdefault("first", found.get("plain"))
            found[step] = function(*args, **kwargs)
    assert not jax.config.jax_enable_x64
    for got in found.values():
        if got is not None:
            agree(got, found["plain"], 10 * SINGLE)


@pytest.mark.parametrize("first", ["single", "double"])
def test_kept_tables(first: str) -> None:
    table = tables(lambda count: (np.linspace(0.0, 1.0, count), jnp.arange(count, dtype=np.int32)))
    inner = jax.jit(lambda x, table: x + table[0].sum() + table[1].sum())
    outer = jax.jit(lambda x: inner(x, table(8)))

    def single() -> Any:
        return outer(jnp.float32(1.0))

    def double() -> Any:
        with jax.enable_x64(True):
            return inner(jnp.asarray(1.0), table(8))

    calls = (single, double, single, double) if first == "single" else (double, single, double, single)
    assert [float(call()) for call in calls] == [33.0] * 4
    assert {str(call().dtype) for call in calls} == {"float32", "float64"}


@pytest.mark.parametrize("kind", HALVES)
@pytest.mark.parametrize("name", chosen(EXAMPLES, LIFTED))
def test_half_precision_numbers_are_lifted(name: str, kind: str) -> None:
    function, args, kwargs = EXAMPLES[name]
    half = HALVES[kind]
    args, kwargs = cast((args, kwargs), half)
    rounded = lambda leaf: np.asarray(leaf).astype(np.float64)[()]
    is_half = lambda leaf: getattr(leaf, "dtype", None) in (jnp.float16, jnp.bfloat16)
    plain = jax.tree.map(lambda leaf: rounded(leaf) if is_half(leaf) else leaf, (args, kwargs))
    got, expected = function(*args, **kwargs), function(*plain[0], **plain[1])
    agree(got, expected, 0.0 if not kind.startswith("jax") else 10 * SINGLE)
    for leaf in jax.tree.leaves(got):
        dtype = getattr(leaf, "dtype", np.dtype(float))
        assert not jnp.issubdtype(dtype, jnp.floating) or dtype.itemsize >= 4


def test_half_precision_keeps_its_side_of_criticality() -> None:
    net = EXAMPLES["phase"][1][0]
    for half in HALVES.values():
        assert theory.phase(dataclasses.replace(net, sigma_w=half(1.5), sigma_b=0.0)) == 1
        assert float(theory.q_star(dataclasses.replace(net, sigma_w=half(1.5), sigma_b=0.0))) == pytest.approx(
            0.79335, rel=SINGLE
        )


def test_numpy_float32_is_taken_as_float64() -> None:
    net = dataclasses.replace(EXAMPLES["chi_1"][1][0], sigma_w=np.float32(1.5), sigma_b=np.float32(0.25))
    exact = theory.chi_1(dataclasses.replace(net, sigma_w=1.5, sigma_b=0.25))
    assert theory.chi_1(net) == exact
    assert theory.chi_1(net).dtype == np.float64
