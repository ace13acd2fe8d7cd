"""The diagnosed program with a part of it changed: a norm after layers, another activation."""

import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from vgtheory.diagnose.passes.runner import Runner
from vgtheory.diagnose.program.listing import Op, Program, bound, scan_parts
from vgtheory.diagnose.program.pointwise import Pointwise
from vgtheory.diagnose.program.sites import Site, only
from vgtheory.diagnose.program.trace import Trace, split_arrays
from vgtheory.diagnose.runs import Runs

SUBSTITUTES: Mapping[str, Callable[[Array], Array]] = {
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,
    "gelu": jax.nn.gelu,
}
_EPSILON = 1e-6
_FEWEST = 4
"""Fewest features that are normalised."""


class Edit(NamedTuple):
    """A new value of a variable, made from that of another."""

    source: int
    function: Callable[[Array], Array]


Edits = Mapping[int, Edit]


def _is_touched(program: Program, edits: Edits) -> bool:
    inner = (op.body for op in program.ops if op.body is not None)
    return any(var in edits for op in program.ops for var in op.makes) or any(_is_touched(b, edits) for b in inner)


def _run(program: Program, values: list[Any], edits: Edits) -> list[Any]:
    """Outputs of a program with its edits."""
    env = dict(zip(program.inputs, values, strict=True)) | program.consts
    read = lambda atom: env[atom] if isinstance(atom, int) else atom.val
    for op in program.ops:
        given = [read(atom) for atom in op.reads]
        is_open = op.body is not None and _is_touched(op.body, edits)
        env |= zip(op.makes, _scan(op, given, edits) if is_open else bound(op, given), strict=True)
        for var in op.makes:
            if var in edits:
                aval = program.avals[var]
                env[var] = edits[var].function(env[edits[var].source]).astype(aval.dtype)
    return [read(atom) for atom in program.outputs]


def _scan(op: Op, values: list[Any], edits: Edits) -> list[Any]:
    """Result of a scan with edits in its body."""
    body = op.body
    assert body is not None
    consts, carry, slices = scan_parts(op, values)
    types = [body.avals[var].dtype for var in scan_parts(op, body.inputs)[1]]
    carry = [jnp.asarray(each, dtype) for each, dtype in zip(carry, types, strict=True)]

    def step(carry: list[Any], slices: list[Any]) -> Any:
        outs = _run(body, [*consts, *carry, *slices], edits)
        return outs[: len(carry)], outs[len(carry) :]

    last, ys = lax.scan(step, carry, slices, op.eqn.params["length"], op.eqn.params["reverse"])
    return [*last, *ys]


def edited(runs: Runs, build: Callable[[Array], Edits], ends: Collection[str]) -> Runs:
    """The model with edits, ready to run; its last array is the number that ``build`` gets.

    Its passes see the layer calls ``ends`` alone, in large pieces, so that it compiles nearly as
    fast as a plain gradient.
    """
    program = runs.trace.program

    def loss(leaves: list, batch: tuple) -> Any:
        *arrays, number = split_arrays(batch)[0]
        return _run(program, [*leaves, *arrays], build(number))[0]

    again = Runs(runs.model._replace(loss=loss), (*runs.batch, jnp.zeros((), jnp.int32)))
    if not any(str(getattr(aval, "dtype", "")) == "float16" for aval in program.avals.values()):
        calls = dict(zip(again.trace.paths, again.trace.graph.calls, strict=True))
        seen = {calls[end].site.number for end in ends if end in calls}
        again.trace = again.trace._replace(layers=only(again.trace.layers, seen))
        again.compiled = Runner(again.trace, longest=None)
    return again


def _features(trace: Trace, site: Site) -> int:
    """Axis of a layer's output along which its units lie."""
    for program in _programs(trace.program):
        if site.out in {var for op in program.ops for var in op.makes}:
            (op,) = [
                op
                for op in program.ops[site.start : site.stop]
                if op.name in ("dot_general", "conv_general_dilated", "ragged_dot")
            ]
            if program.avals[op.makes[0]].shape != site.shape or op.name == "ragged_dot":
                return -1
            if op.name == "conv_general_dilated":
                return int(op.eqn.params["dimension_numbers"].out_spec[1])
            contracted, batched = op.eqn.params["dimension_numbers"]
            free = [len(program.avals[op.variables[i]].shape) - len(contracted[i]) - len(batched[i]) for i in (0, 1)]
            ends = len(batched[0]) + free[0] - 1
            return ends if op.reads[0] == site.uses[0] and free[0] else -1
    return -1


def _programs(program: Program) -> list[Program]:
    return [program, *(each for op in program.ops if op.body is not None for each in _programs(op.body))]


def norms(trace: Trace, sites: Collection[Site]) -> Edits:
    """A layer norm without parameters, over the units, after each of these layers."""
    edits = dict[int, Edit]()
    for site in sites:
        axis = _features(trace, site)
        if site.shape and site.shape[axis] >= _FEWEST:
            edits[site.out] = Edit(site.out, functools.partial(_normed, axis=axis))
    return edits


def _normed(y: Array, axis: int) -> Array:
    wide = y.astype(jnp.promote_types(y.dtype, jnp.float32))
    centred = wide - wide.mean(axis, keepdims=True)
    return centred * lax.rsqrt((centred**2).mean(axis, keepdims=True) + _EPSILON)


def substitutes(found: Collection[Pointwise], names: list[str], number: Array) -> Edits:
    """The activation of this number among the names, in place of each that was found."""

    def chosen(x: Array) -> Array:
        return lax.select_n(number, *(SUBSTITUTES[name](x) for name in names))

    return {each.out: Edit(each.source, chosen) for each in found}


__all__ = ["SUBSTITUTES", "Edit", "Edits", "edited", "norms", "substitutes"]
