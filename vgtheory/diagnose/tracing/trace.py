"""A model's loss as a list of primitive operations, in which every layer call is marked.

``dep`` of a variable is explained in ``flow``.
"""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr, Var

from vgtheory.diagnose.tracing.calls import Call, Hooked
from vgtheory.diagnose.tracing.flow import STATE, Atom, carrying_of, dependence, is_float, leads_only_to, reads, uses_of
from vgtheory.diagnose.tracing.marks import flat, mark_p
from vgtheory.expect import expect

WEIGHTED = ("dense", "conv", "embed", "other")
"""Kinds that count as a layer of depth."""
_HEAVY = ("dot_general", "conv_general_dilated", "scan", "while", "custom_vjp_call", "remat2", "checkpoint")


class Site(NamedTuple):
    """One layer call in the trace.

    Attributes
    ----------
    path, layer, kind
        As in ``Call``.
    shape
        Shape of the output.
    fan_in
        Inputs per output; NaN for layers without a kernel.
    start, end
        Places of the marks before and after it in the list of operations.
    uses
        Parameters that it reads, as variables of the trace.
    """

    path: str
    layer: str
    kind: str
    shape: tuple[int, ...]
    fan_in: float
    start: int
    end: int
    uses: tuple[Any, ...]


class Trace(NamedTuple):
    """The loss as a list of operations.

    Attributes
    ----------
    jaxpr, consts
        The operations, and the constants they read.
    unseen
        Layers called where no mark can be kept (``while_loop``, a ``custom_vjp``).
    leaves
        Names of the parameters, in the order of the first inputs.
    sites
        The layer calls, in order.
    inside
        For every operation, the number of the call that it is part of, or -1.
    dep
        Dependence of each variable.
    carrying
        Variables through which some of the gradient flows.
    taps
        By place in the list, the variables alive there; together they carry all of the gradient.
    chain, plain
        Calls along the longest path, first to last; and for each but the last, whether all of its
        gradient comes from the next one.
    """

    jaxpr: Jaxpr
    consts: list[Any]
    unseen: list[str]
    leaves: list[str]
    sites: list[Site]
    inside: list[int]
    dep: dict[Atom, int]
    carrying: set[Atom]
    taps: dict[int, list[Var]]
    chain: list[int]
    plain: list[bool]


def _is_array(value: Any) -> bool:
    return isinstance(value, jax.Array | np.ndarray)


def _fan_in(call: Call) -> float:
    """Inputs per output of a layer, from its kernel's shape."""
    if call.kernel is None or call.kind not in ("dense", "conv"):
        return float("nan")
    if call.kind == "conv":
        return call.kernel.size / call.kernel.shape[-1]
    features = getattr(call.module, "features", None) or getattr(call.module, "out_features", None)
    width = int(np.prod(features)) if features is not None else call.kernel.shape[-1]
    return call.kernel.size / width if call.path.count(".attend") == 0 else float(call.kernel.shape[0])


def _marked(
    where: str, model: Hooked, calls: list[tuple[Call, Any]], static: Callable[[list], tuple]
) -> Callable[..., Any]:
    """The loss of parameters and data arrays, with a mark before and after every layer call."""

    def hook(call: Call, args: tuple, run: Callable[..., Any]) -> Any:
        first = next((i for i, arg in enumerate(args) if _is_array(arg)), None)
        if first is None:
            return run(*args)
        place = len(calls)
        calls.append((call, None))
        args = tuple(
            mark_p.bind(jnp.asarray(arg), call=place, end=False) if i == first else arg for i, arg in enumerate(args)
        )
        y = run(*args)
        if not (_is_array(y) and is_float(y)):
            return y
        calls[place] = (call._replace(module=None, kernel=None, bias=None), _fan_in(call))
        return mark_p.bind(y, call=place, end=True)

    def loss(params: Any, arrays: list) -> Any:
        value = model.apply(params, hook, *static(arrays))
        value = value[0] if isinstance(value, tuple) else value
        shape = getattr(value, "shape", None)
        got = type(value) if shape is None else f"{value.dtype}{list(shape)}"
        expect(shape == () and is_float(value), where, "a loss that returns one real number", loss=got)
        return value

    return loss


def split_arrays(batch: Any) -> tuple[list[Any], Callable[[list], Any]]:
    """Arrays of a batch, and a function that puts them back between its flags and words."""
    leaves, tree = jax.tree.flatten(batch)
    where = [i for i, leaf in enumerate(leaves) if _is_array(leaf)]

    def join(arrays: list) -> Any:
        whole = list(leaves)
        for i, array in zip(where, arrays, strict=True):
            whole[i] = array
        return jax.tree.unflatten(tree, whole)

    return [leaves[i] for i in where], join


def _taps(jaxpr: Jaxpr, inside: list[int], dep: dict[Atom, int], carrying: set[Atom]) -> dict[int, list[Var]]:
    """Cheap places to renormalise at; all variables alive at any place are a cut."""
    states = lambda variables: (var for var in variables if var in carrying and dep[var] == STATE)
    last = {var: i for i, eqn in enumerate(jaxpr.eqns) for var in states(reads(eqn))}
    taps, alive, credit, heavy = {}, dict[Any, None](), 0.0, 0
    for i, eqn in enumerate(jaxpr.eqns):
        alive |= dict.fromkeys(var for var in states(eqn.outvars) if last.get(var, -1) > i)
        for var in {var for var in states(reads(eqn)) if last[var] <= i}:
            alive.pop(var, None)
        made = sum(var.aval.size for var in states(eqn.outvars))
        credit += made if eqn.primitive.name in _HEAVY else made / 8
        heavy += eqn.primitive.name in _HEAVY
        # A tap is worth its cost once enough was multiplied since the last one.
        cheap = sum(var.aval.size for var in alive) <= credit and len(alive) <= 1 + 2 * heavy
        if alive and cheap and inside[i] < 0 and all(map(is_float, alive)):
            taps[i], credit, heavy = list(alive), 0.0, 0
    return taps


def necks(trace: Trace) -> set[str]:
    """Paths of the calls whose output carries all of the gradient of everything below."""
    jaxpr, dep, carrying = trace.jaxpr, trace.dep, trace.carrying
    states = lambda variables: [var for var in variables if var in carrying and dep[var] == STATE]
    last = {var: i for i, eqn in enumerate(jaxpr.eqns) for var in states(reads(eqn))}
    ends = {site.end: site.path for site in trace.sites}
    alive: set[Var] = set()
    found = set()
    for i, eqn in enumerate(jaxpr.eqns):
        alive = {var for var in alive | set(states(eqn.outvars)) if last.get(var, -1) > i}
        if i in ends and alive == set(eqn.outvars):
            found.add(ends[i])
    return found


def _longest(jaxpr: Jaxpr, sites: list[Site], marks: dict[int, tuple[int, bool]], dep: dict[Atom, int]) -> list[int]:
    """Calls along the path with most layers, first to last."""
    best: dict[Atom, tuple[int, int]] = {}
    below: dict[int, int] = {}
    for i, eqn in enumerate(jaxpr.eqns):
        found = max((best.get(var, (0, -1)) for var in reads(eqn) if dep.get(var)), default=(0, -1))
        if i in marks and not marks[i][1]:
            below[marks[i][0]] = found[1]
        elif i in marks:
            found = (found[0] + (sites[marks[i][0]].kind in WEIGHTED), marks[i][0])
        best |= dict.fromkeys(eqn.outvars, found)
    last = best.get(jaxpr.outvars[0], (0, -1))[1]
    chain: list[int] = []
    while last >= 0:
        chain.append(last)
        last = below[last]
    return chain[::-1]


def traced(model: Hooked, batch: tuple, where: str = "diagnose") -> Trace:
    """Trace a hooked loss and find what its gradient flows through.

    Parameters
    ----------
    model
        From ``hooked``, with a loss.
    batch
        Arguments of the loss after the model; arrays are inputs of the trace, all else is fixed.
    where
        Name of the public function, for error messages.

    Returns
    -------
    Trace
        Its inputs are the parameters' leaves and then the arrays of the batch.
    """
    calls: list[tuple[Call, Any]] = []
    arrays, join = split_arrays(batch)
    closed = flat(jax.make_jaxpr(_marked(where, model, calls, join))(model.params, arrays))
    jaxpr = closed.jaxpr
    marks = {i: (eqn.params["call"], eqn.params["end"]) for i, eqn in enumerate(jaxpr.eqns) if eqn.primitive is mark_p}
    places: dict[tuple[int, bool], int] = {mark: i for i, mark in marks.items()}
    whole = [n for n in range(len(calls)) if (n, True) in places and (n, False) in places]
    renumbered = {n: k for k, n in enumerate(whole)}
    marks = {i: (renumbered[n], end) for i, (n, end) in marks.items() if n in renumbered}
    named = jax.tree_util.tree_leaves_with_path(model.params)
    leaves = [jax.tree_util.keystr(path, simple=True, separator="/").removesuffix("/value") for path, _ in named]
    dep = dependence(jaxpr, len(leaves))
    carrying = carrying_of(jaxpr, dep)
    sites, inside, used = list[Site](), [-1] * len(jaxpr.eqns), dict[str, int]()
    for k, n in enumerate(whole):
        (call, fan_in), start, end = calls[n], places[n, False], places[n, True]
        use = used.setdefault(call.layer, 0)
        used[call.layer] += 1
        inside[start + 1 : end] = [k] * (end - start - 1)
        uses = uses_of(jaxpr, start, end, dep, carrying)
        path, shape = f"{call.layer}@{use}" if use else call.layer, jaxpr.eqns[end].outvars[0].aval.shape
        sites.append(Site(path, call.layer, call.kind, shape, fan_in, start, end, uses))
    chain = _longest(jaxpr, sites, marks, dep)
    readers: dict[Var, list[int]] = {}
    for i, eqn in enumerate(jaxpr.eqns):
        for var in reads(eqn):
            readers.setdefault(var, []).append(i)
    pairs = itertools.pairwise(chain)
    plain = [leads_only_to(readers, jaxpr, jaxpr.eqns[sites[a].end].outvars[0], sites[b].start, dep) for a, b in pairs]
    taps = _taps(jaxpr, inside, dep, carrying)
    unseen = [layer for layer in dict.fromkeys(call.layer for call, _ in calls) if layer not in used]
    return Trace(jaxpr, closed.consts, unseen, leaves, sites, inside, dep, carrying, taps, chain, plain)
