"""A user's model as a list of parameters and a loss of them, whatever library it is from."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import nnx

from vgtheory.diagnose.program.names import leaf_names
from vgtheory.expect import expect


class Model(NamedTuple):
    """A model's parameters, and its loss.

    Attributes
    ----------
    leaves
        The parameters: arrays of real or complex numbers.
    names
        Their names.
    loss
        ``loss(leaves, batch)``; keywords are passed on.
    with_leaves
        ``with_leaves(leaves)`` is the model (for Linen, its variables) with other parameters.
    own
        ``id`` of its other arrays: statistics, caches, integers.
    """

    leaves: list[Any]
    names: list[str]
    loss: Callable[..., Any]
    with_leaves: Callable[[list], Any]
    own: frozenset[int]


def _is_parameter(leaf: Any) -> bool:
    if isinstance(leaf, np.ndarray | jax.Array):
        return jnp.issubdtype(leaf.dtype, jnp.inexact)
    return isinstance(leaf, float)


def _settings(params: Any) -> set[int]:
    """Places of the plain numbers in Equinox modules, such as a dropout's rate: they are no parameters."""
    is_module = lambda node: any(kind.__module__.startswith("equinox.") for kind in type(node).__mro__)
    found, place = set[int](), 0
    for node in jax.tree.leaves(params, is_leaf=is_module):
        leaves = jax.tree.leaves(node)
        inside = range(place, place + len(leaves)) if is_module(node) else ()
        found.update(i for i, leaf in zip(inside, leaves, strict=False) if isinstance(leaf, float))
        place += len(leaves)
    return found


def expect_model(where: str, model: Any, variables: Any, loss: Any) -> None:
    """Raise unless the model comes with all that ``opened`` needs."""
    remedy = "It takes the model first: loss(model, *batch)."
    expect(callable(loss), where, "a loss that can be called", remedy, loss=type(loss))
    if isinstance(model, nn.Module):
        ok, remedy = (
            hasattr(variables, "keys") and "params" in variables,
            "Pass variables=model.init(key, x), or {'params': params}.",
        )
        expect(ok, where, "the module's variables, with 'params' among them", remedy, variables=type(variables))
        return
    is_state = all(hasattr(model, name) for name in ("params", "opt_state", "apply_fn"))
    expect(not is_state, where, "a model or its parameters", "Pass state.params.", model=type(model))
    if not isinstance(model, nnx.Module):
        kinds = "an nnx model, a Linen module with variables=..., or a pytree with arrays of real numbers in it"
        expect(any(map(_is_parameter, jax.tree.leaves(model))), where, kinds, model=type(model))


def opened(model: Any, variables: Any, loss: Callable[..., Any], rngs: Any = None, where: str = "diagnose") -> Model:
    """Parameters and loss of a model.

    Parameters
    ----------
    model
        A ``flax.nnx`` model; a ``flax.linen`` module, with its ``variables``; or any pytree with
        parameters in it (an Equinox module, a dictionary).
    variables, loss, rngs
        As in ``diagnose``.
    where
        Name of the public function, for error messages.
    """
    expect_model(where, model, variables, loss)
    build: Callable[[Any], Any]
    if isinstance(model, nnx.Module):
        graph, params, rest = cast(Any, nnx.split)(model, nnx.Param, ...)
        build = lambda params: nnx.merge(graph, params, rest, copy=True)
        give = build
    elif isinstance(model, nn.Module):
        params, rest = variables["params"], {name: value for name, value in variables.items() if name != "params"}
        build = lambda params: model.bind({"params": params, **rest}, rngs=rngs, mutable=list(rest))
        give = lambda params: {"params": params, **rest}
    else:
        params, build, rest = model, lambda params: params, None
        give = build
    every, tree = jax.tree.flatten(params)
    settings = _settings(params)
    places = [i for i, leaf in enumerate(every) if _is_parameter(leaf) and i not in settings]
    names = leaf_names(params)

    def whole(leaves: list) -> Any:
        filled = list(every)
        for i, leaf in zip(places, leaves, strict=True):
            filled[i] = leaf
        return jax.tree.unflatten(tree, filled)

    def run(leaves: list, batch: tuple, **kwargs: Any) -> Any:
        return loss(build(whole(leaves)), *batch, **kwargs)

    return Model(
        [jnp.asarray(every[i]) for i in places],
        [names[i] for i in places],
        run,
        lambda leaves: give(whole(leaves)),
        frozenset(id(leaf) for leaf in [*jax.tree.leaves(rest), *every]),
    )
