"""Where values stop being finite: the first operation, on the way to the loss or back."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.diagnose.passes.engine import Engine, Flags
from vgtheory.diagnose.passes.exponents import Scaled
from vgtheory.diagnose.program.listing import Op, bound, is_inexact, scan_parts
from vgtheory.diagnose.program.sites import Layers
from vgtheory.diagnose.program.source import line_of
from vgtheory.diagnose.program.trace import Trace


class Fault(NamedTuple):
    """First operation whose result is not finite though all that it reads is.

    Attributes
    ----------
    operation
        Name of the primitive, as ``"sqrt"``.
    line
        Line of the user's code, as ``"model.py:42"``; empty if unknown.
    share
        Share of entries of the result that are not finite; NaN for a gradient.
    """

    operation: str
    line: str
    share: float


class Faults(NamedTuple):
    """Places where a pass is not finite.

    Attributes
    ----------
    outputs
        Share of entries that are NaN or infinite, by call.
    leaves
        The same, by parameter.
    arrays
        The same, of the largest share among the data.
    forward, backward
        The first operation on the way to the loss, and on the way back; None if there is none.
    """

    outputs: np.ndarray
    leaves: list[float]
    arrays: float
    forward: Fault | None
    backward: Fault | None


def _share(x: Any) -> Array:
    x = jnp.asarray(x)
    return jnp.mean(~jnp.isfinite(x)) if is_inexact(x) else jnp.zeros(())


def _nans(x: Any) -> Array:
    x = jnp.asarray(x)
    return jnp.mean(jnp.isnan(x)) if is_inexact(x) else jnp.zeros(())


def bare(layers: Layers) -> Layers:
    """The same program without layers, so that every operation stands alone."""
    return Layers(layers.program, [], {place: bare(each) for place, each in layers.within.items()})


def _numbered(layers: Layers) -> Iterator[tuple[Layers, int]]:
    """All operations of a program and its bodies, in order."""
    for place in range(len(layers.program.ops)):
        if place in layers.within:
            yield from _numbered(layers.within[place])
        yield layers, place


def _forward(layers: Layers, env: dict[int, Any], numbers: dict, sites: dict[int, Any]) -> dict[int, tuple]:
    """Shares that are not finite, and that are NaN, of what every operation reads and makes; and of layers' outputs."""
    found, program = dict[int, tuple](), layers.program
    env |= program.consts
    for place, op in enumerate(program.ops):
        values = [env[atom] if isinstance(atom, int) else atom.val for atom in op.reads]
        if place in layers.within:
            outs = _scan(layers.within[place], op, values, numbers, found, sites)
        else:
            outs = bound(op, values)
        env |= zip(op.makes, outs, strict=True)
        worst = lambda share, each: jnp.max(jnp.stack(list(map(share, each)))) if each else jnp.zeros(())
        shares = [worst(share, each) for share in (_share, _nans) for each in (values, outs)]
        found[numbers[id(layers), place]] = tuple(shares)
    for site in layers.sites:
        sites[site.number] = _share(env[site.out])
    return found


def _scan(body: Layers, op: Op, values: list[Any], numbers: dict, found: dict, sites: dict) -> list[Any]:
    consts, carry, slices = scan_parts(op, values)
    avals = [body.program.avals[var] for var in scan_parts(op, body.program.inputs)[1]]
    carry = [jnp.asarray(each, aval.dtype) for each, aval in zip(carry, avals, strict=True)]

    def step(carry: list[Any], slices: list[Any]) -> Any:
        env = dict(zip(body.program.inputs, [*consts, *carry, *slices], strict=True))
        inner: dict[int, Any] = {}
        shares = _forward(body, env, numbers, inner)
        outs = [env[atom] if isinstance(atom, int) else atom.val for atom in body.program.outputs]
        return outs[: len(carry)], (outs[len(carry) :], shares, inner)

    params = op.eqn.params
    last, (ys, shares, inner) = lax.scan(step, carry, slices, params["length"], params["reverse"])
    found |= shares
    sites |= inner
    return [*last, *ys]


def _backward(trace: Trace, layers: Layers, leaves: list, arrays: list) -> tuple[dict[int, Flags], list[Any]]:
    """Flags of every operation on the way back, by its place among the operations; and of the leaves."""
    engine = Engine(layers, trace.flow, longest=1, is_watched=True)
    env, tape = dict(zip(trace.program.inputs, [*leaves, *arrays], strict=True)), list[Any]()
    engine.forward(layers, env, tape)
    end = trace.program.outputs[0]
    cotangents = {end: Scaled(jnp.ones((), env[end].dtype), jnp.zeros((), jnp.int32))}  # type: ignore[index]
    flags = engine.backward(layers, tape, cotangents)  # type: ignore[arg-type]
    return flags, [_share(cotangents[v].unit) if v in cotangents else 0.0 for v in trace.program.inputs[: len(leaves)]]


def _first(born: list[tuple[tuple, Op, float]]) -> Fault | None:
    if not born:
        return None
    _, op, share = min(born, key=lambda each: each[0])
    return Fault(op.name, line_of(op), share)


def faults(trace: Trace, leaves: list, arrays: list) -> Faults:
    """Places where a pass is not finite; compiles two programs."""
    layers = trace.layers
    order = list(_numbered(layers))
    numbers = {(id(each), place): n for n, (each, place) in enumerate(order)}

    def forward(leaves: list, arrays: list) -> Any:
        sites: dict[int, Any] = {}
        env = dict(zip(trace.program.inputs, [*leaves, *arrays], strict=True))
        shares = _forward(layers, env, numbers, sites)
        of_arrays = jnp.max(jnp.stack([jnp.zeros(()), *map(_share, arrays)]))
        return shares, sites, [_share(leaf) for leaf in leaves], of_arrays

    shares, sites, of_leaves, of_arrays = jax.device_get(jax.jit(forward)(leaves, arrays))
    outputs = np.zeros(len(trace.paths))
    for number, rows in trace.rows.items():
        outputs[rows] = sites[number]
    ahead = _first_ahead(layers, order, numbers, shares)
    back = None if ahead or of_arrays > 0 else _first_back(trace, leaves, arrays)
    return Faults(outputs, [float(each) for each in of_leaves], float(of_arrays), ahead, back)


def _first_ahead(layers: Layers, order: list, numbers: dict, shares: dict) -> Fault | None:
    """The first operation that makes what is not finite; or else NaN of what is infinite, such as a mask."""
    wanted = _reaching(layers, numbers, shares)
    for side in (0, 2):
        born = []
        for n, (each, place) in enumerate(order):
            read, made = (np.atleast_1d(share).reshape(-1) for share in shares[n][side : side + 2])
            new = (made > 0) & (read == 0)
            if n in wanted and place not in each.within and new.any():
                first = int(np.argmax(new))
                born.append(((first, n), each.program.ops[place], float(made[first])))
        if born:
            return _first(born)
    return None


def _reaching(layers: Layers, numbers: dict, shares: dict) -> set[int]:
    """Numbers of the operations whose bad results reach a bad output of their program."""
    wanted = {atom for atom in layers.program.outputs if isinstance(atom, int)}
    found = set[int]()
    for place in range(len(layers.program.ops) - 1, -1, -1):
        op, n = layers.program.ops[place], numbers[id(layers), place]
        if any(var in wanted for var in op.makes) and np.any(np.asarray(shares[n][1]) > 0):
            found.add(n)
            wanted.update(op.variables)
            if place in layers.within:
                found |= _reaching(layers.within[place], numbers, shares)
    return found


def _first_back(trace: Trace, leaves: list, arrays: list) -> Fault | None:
    """The first operation on the way back whose cotangents become bad and reach a parameter."""
    layers = bare(trace.layers)
    run = jax.jit(lambda leaves, arrays: _backward(trace, layers, leaves, arrays))
    flags, of_leaves = jax.device_get(run(leaves, arrays))
    bad = {var for var, share in zip(trace.program.inputs, of_leaves, strict=False) if share > 0}
    born: list[tuple[tuple, Op, float]] = []
    _spread(layers, bad, flags, born)
    return _first(born)


def _spread(layers: Layers, bad: set[int], flags: dict[int, Flags], born: list) -> None:
    """Follow bad cotangents from what they reach up to where they begin."""
    wanted = set(bad)
    for place, op in enumerate(layers.program.ops):
        if not any(var in wanted for var in op.variables):
            continue
        if place in layers.within:
            body = layers.within[place]
            _spread(body, set(body.program.inputs), flags, born)
            wanted.update(op.makes)
            continue
        key = min(op.makes, default=-1)
        if key not in flags or not np.any(flags[key].below):
            continue
        above, below = (np.atleast_1d(each).reshape(-1) for each in flags[key])
        if np.any(below & ~above):
            # On the way back the last step comes first.
            last = len(below) - 1 - int(np.argmax((below & ~above)[::-1]))
            born.append(((-last, -place), op, float("nan")))
        if np.any(above):
            wanted.update(op.makes)


__all__ = ["Fault", "Faults", "bare", "faults"]
