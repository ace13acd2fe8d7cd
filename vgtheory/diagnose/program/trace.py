"""A model's loss as a program, with its layer calls, the chain of them, and its passes."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.errors import TraceContextError

from vgtheory.diagnose.program.calls import Graph, graph
from vgtheory.diagnose.program.flow import Flow, flow
from vgtheory.diagnose.program.listing import Op, Program, listed
from vgtheory.diagnose.program.models import Model
from vgtheory.diagnose.program.names import joint_name, layer_names
from vgtheory.diagnose.program.sites import Layers, hidden, layers_of
from vgtheory.diagnose.program.source import line_of
from vgtheory.expect import expect, expect_runs


class Trace(NamedTuple):
    """The loss as a program.

    Attributes
    ----------
    layers, flow
        Its operations, and what carries a gradient.
    leaves
        Names of the parameters, in the order of the first inputs.
    graph
        The layer calls, in order, and the paths between them.
    paths
        Names of the calls; ``@1``, ``@2`` ... mark later calls of the same layer.
    rows
        By layer's number and step, the number of the call.
    hidden
        Names of matrices among the parameters that are read where nothing can be looked into.
    result
        The pytree of outputs, with shapes for leaves.
    """

    layers: Layers
    flow: Flow
    leaves: list[str]
    graph: Graph
    paths: list[str]
    rows: dict[int, np.ndarray]
    hidden: list[str]
    result: Any

    @property
    def program(self) -> Program:
        """The operations."""
        return self.layers.program


def is_array(value: Any) -> bool:
    """Whether a value can be an input of a trace."""
    return isinstance(value, jax.Array | np.ndarray)


def split_arrays(batch: Any) -> tuple[list[Any], Callable[[list], Any]]:
    """Arrays of a batch, and a function that puts them back between its flags and words."""
    leaves, tree = jax.tree.flatten(batch)
    where = [i for i, leaf in enumerate(leaves) if is_array(leaf)]

    def join(arrays: list) -> Any:
        whole = list(leaves)
        for i, array in zip(where, arrays, strict=True):
            whole[i] = array
        return jax.tree.unflatten(tree, whole)

    return [leaves[i] for i in where], join


def _paths(found: Graph, origin: dict[int, frozenset[int]], layers: list[str]) -> list[str]:
    """Names of all calls: of the layer that owns the kernel."""
    used, paths = dict[str, int](), []
    for call in found.calls:
        uses = call.site.uses
        own = [layers[i] for i in sorted(origin[uses[0]])] if uses else []
        name = joint_name(own) if own else call.site.kind
        use = used.setdefault(name, 0)
        used[name] += 1
        paths.append(f"{name}@{use}" if use else name)
    return paths


def _rows(found: Graph) -> dict[int, np.ndarray]:
    """By layer's number and step, the number of the call."""
    places: dict[int, dict[tuple[int, ...], int]] = {}
    for k, call in enumerate(found.calls):
        places.setdefault(call.site.number, {})[call.where] = k
    rows = {}
    for number, each in places.items():
        shape = tuple(np.max(list(each), axis=0) + 1) if () not in each else ()
        rows[number] = np.full(shape, -1)
        for where, k in each.items():
            rows[number][where] = k
    return rows


@contextlib.contextmanager
def _expect_runs(where: str) -> Iterator[None]:
    """Turn an error of the user's loss into one sentence."""
    try:
        with expect_runs(where, "a loss that takes the model first and then the batch, loss(model, *batch)", "loss"):
            yield
    except ValueError as error:
        if not isinstance(error.__cause__, TraceContextError):
            raise
        what = "a loss that changes no nnx object from outside, such as captured Rngs or statistics"
        remedy = "Hand it in, as part of the model or of the batch."
        expect(False, where, what, remedy, loss=type(error.__cause__).__name__)


def _number(value: Any, where: str) -> Any:
    """The loss, of what a loss returned."""
    value = value[0] if isinstance(value, tuple) else value
    shape = getattr(value, "shape", None)
    got = type(value) if shape is None else f"{value.dtype}{list(shape)}"
    real = shape is not None and jnp.issubdtype(value.dtype, jnp.floating)
    remedy = "Reduce it: for example losses.mean()." if shape else ""
    expect(shape == () and real, where, "a loss that returns one real number", remedy, loss=got)
    return value


def _endless(program: Program, found: Flow) -> Iterator[Op]:
    """Loops of unknown length on the way of a gradient, which JAX does not differentiate backward."""
    for op in program.ops:
        if op.body is not None:
            yield from _endless(op.body, found)
        elif op.name == "while" and any(var in found.carrying for var in op.makes):
            yield op


def _expect_differentiable(program: Program, found: Flow, where: str) -> None:
    for op in _endless(program, found):
        remedy = "Use lax.scan, or lax.fori_loop with bounds that are Python numbers."
        expect(False, where, "loops of known length where a gradient passes", remedy, while_loop=line_of(op) or "one")


def traced(model: Model, batch: tuple, where: str = "diagnose", *, is_loss: bool = True) -> Trace:
    """Trace a loss and find its layers.

    Parameters
    ----------
    model
        The opened model, with a loss.
    batch
        Arguments of the loss after the model; arrays are inputs of the trace, all else is fixed.
    where
        Name of the public function, for error messages.
    is_loss
        Whether the loss is to return one number; else all that it returns is traced.
    """
    arrays, join = split_arrays(batch)

    def run(leaves: list, arrays: list) -> Any:
        value = model.loss(leaves, join(arrays))
        return _number(value, where) if is_loss else value

    with jax.default_matmul_precision("highest"), _expect_runs(where):
        jaxpr, result = jax.make_jaxpr(run, return_shape=True)(model.leaves, arrays)
    program = listed(jaxpr)
    found = flow(program, len(model.leaves), model.own)
    if is_loss:
        _expect_differentiable(program, found, where)
    layers = layers_of(program, found)
    calls = graph(layers, found)
    names = layer_names(model.names, model.leaves)
    unseen = [model.names[i] for i in hidden(layers, found)]
    paths = _paths(calls, found.origin, names)
    return Trace(layers, found, model.names, calls, paths, _rows(calls), unseen, result)


__all__ = ["Trace", "is_array", "split_arrays", "traced"]
