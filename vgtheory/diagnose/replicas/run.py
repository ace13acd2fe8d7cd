"""One run of a model in a replica, with its layers replaced as planned."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from vgtheory.diagnose.passes.engine import Engine, Where
from vgtheory.diagnose.passes.sizes import Raw, measured
from vgtheory.diagnose.program.flow import PARAM
from vgtheory.diagnose.program.listing import Op, bound
from vgtheory.diagnose.program.sites import every_site
from vgtheory.diagnose.program.trace import Trace
from vgtheory.diagnose.replicas.choice import NARROW, Wide
from vgtheory.diagnose.replicas.particles import REPLICAS, Linear, fresh, redrawn, rescaled, shared, shuffled
from vgtheory.diagnose.replicas.plan import Design
from vgtheory.diagnose.replicas.products import Layout

Source = Callable[[Wide, Where], Array]
"""Weights of a layer at a step, or a key for them."""


def _source(key: Array, design: Design, tied: bool) -> Source:
    """Weights that several calls share, and keys for all others."""
    replicas, common = design.plan.replicas, dict[int, Array]()
    for wide in design.choice.wide.values():
        if _is_shared(wide, design, tied) and not wide.weights.levels and wide.key not in common:
            common[wide.key] = jax.random.normal(jax.random.fold_in(key, wide.key), _shape(wide, replicas))

    def source(wide: Wide, where: Where) -> Array:
        if wide.key in common:
            return common[wide.key]
        own = jax.random.fold_in(key, wide.key)
        if not tied:
            own = jax.random.fold_in(own, wide.number)
        for level in sorted(wide.weights.levels) if tied else range(len(where)):
            own = jax.random.fold_in(own, where[level])
        return jax.random.normal(own, _shape(wide, replicas)) if _is_shared(wide, design, tied) else own

    return source


def _is_shared(wide: Wide, design: Design, tied: bool) -> bool:
    """Whether several calls share weights that are drawn as Gaussians."""
    return tied and wide.again and wide.number not in design.shuffled


def _shape(wide: Wide, replicas: int) -> tuple[int, ...]:
    """Shape of the weights between the units of all replicas."""
    how: Layout = wide.layout
    kernel: Any = wide.op.eqn.invars[how.side].aval
    taps = tuple(size for axis, size in enumerate(kernel.shape) if axis not in (*how.contracted, *how.free))
    lead = taps if how.conv is not None else (math.prod(taps),) if how.batch else ()
    return (*lead, replicas * how.num_in, replicas * how.num_out)


def _rms(matrix: Array, wide: Wide) -> Array:
    """Root mean square of weights, by tap, and by matrix where several are side by side."""
    blocks = wide.blocks or (wide.layout.num_out,)
    edges = np.cumsum(blocks)[:-1]
    parts = [jnp.sqrt(jnp.mean(part**2, axis=(-2, -1))) for part in jnp.split(matrix, edges, axis=-1)]
    if len(parts) > 1:
        spread = [jnp.broadcast_to(part[..., None], (*part.shape, n)) for part, n in zip(parts, blocks, strict=True)]
        parts = [jnp.concatenate(spread, axis=-1)]
    # Equal in all replicas, even where the same parameter is drawn anew for another use.
    return lax.pmean(parts[0], REPLICAS)


def _wide(
    wide: Wide, source: Source, is_shuffled: bool, op: Op, values: list[Any], where: Where, slot: Array
) -> list[Any]:
    """A product with weights of infinite width; any other operation as it is."""
    if op is not wide.op:
        return bound(op, values)
    how: Layout = wide.layout
    made: Any = op.eqn.outvars[0].aval
    kernel = jnp.asarray(values[how.side])
    matrix = how.matrix(kernel.astype(jnp.promote_types(kernel.dtype, jnp.float32)))
    x, weights, rms = how.features_last(jnp.asarray(values[1 - how.side])), source(wide, where), _rms(matrix, wide)
    if is_shuffled:
        is_one = how.conv is None and not how.batch
        weights = shuffled(weights, matrix, rms.reshape(1, -1) if is_one else rms[..., None, None])
    product = Linear(how.num_out, how.convolved if how.conv is not None else None)
    run = functools.partial(fresh, product)
    if how.batch and weights.ndim == 0:
        weights = jax.random.split(weights, len(x))
    run = jax.vmap(run, in_axes=(0, 0, 0, None)) if how.batch else run
    y = run(weights, rms, x, slot)
    return [how.as_made(y, made.shape, len(how.free)).astype(made.dtype)]


def _pooled(design: Design, op: Op, values: list[Any], where: Where, slot: Array) -> list[Any]:
    """A norm's sums over units, as means over replicas."""
    del where, slot
    made = bound(op, values)
    is_sum = design.choice.units.is_sum_over(op, NARROW)
    return [lax.pmean(each, REPLICAS) for each in made] if is_sum else made


def _shared(out: int, op: Op, values: list[Any], where: Where, slot: Array) -> list[Any]:
    """The output of a narrow layer is that of the first replica."""
    del where, slot
    return [shared(y) if var == out else y for var, y in zip(op.makes, bound(op, values), strict=True)]


def engine(trace: Trace, design: Design, key: Array, tied: bool, multiple: ArrayLike = 1.0) -> Engine:
    """What runs the model in one replica, inside a map over replicas.

    Parameters
    ----------
    trace, design
        The model, and what becomes of its layers.
    key
        A JAX key, the same for all replicas.
    tied
        Whether calls that share their weights share them.
    multiple
        What values are multiplied by before they are squared.
    """
    source, instead = _source(key, design, tied), dict[int, Any]()
    for site in every_site(trace.layers):
        narrow = design.choice.narrow.get(site.number)
        if site.number in design.choice.wide:
            instead[site.number] = functools.partial(
                _wide, design.choice.wide[site.number], source, site.number in design.shuffled
            )
        elif narrow is not None and narrow.is_shared:
            instead[site.number] = functools.partial(_shared, site.out)
        elif site.kind == "norm":
            instead[site.number] = functools.partial(_pooled, design)
    flow = trace.flow
    # Weights of infinite width have no gradients of their own.
    without = {
        var for var, on in flow.on.items() if on == PARAM and flow.origin.get(var, frozenset()) <= design.infinite
    }
    flow = flow._replace(carrying=flow.carrying - without)
    return Engine(trace.layers, flow, multiple=multiple, instead=instead, axis=REPLICAS)


def parameters(design: Design, key: Array, leaves: list[Any]) -> list[Any]:
    """Parameters of one replica: some are drawn anew."""
    place = len(design.choice.wide) + len(design.choice.narrow)
    key = jax.random.fold_in(key, place)
    leaves = [
        rescaled(jax.random.fold_in(jax.random.fold_in(key, i), 1), leaf, design.doubts[i])
        if i in design.doubts
        else leaf
        for i, leaf in enumerate(leaves)
    ]
    return [
        redrawn(jax.random.fold_in(key, i), leaf, *design.redraws[i]) if i in design.redraws else leaf
        for i, leaf in enumerate(leaves)
    ]


def passes(trace: Trace, design: Design, tied: bool) -> Callable[[list, Array, list, Array], Raw]:
    """Sizes in every replica, as a function of parameters, key, the arguments of each replica, and a multiple."""
    wanted = {*design.choice.wide, *design.choice.narrow}

    def one(leaves: list, key: Array, arrays: list, multiple: Array) -> Raw:
        run, own = engine(trace, design, key, tied, multiple), parameters(design, key, leaves)
        raw = measured(trace, own, arrays, engine=run)
        signals = {number: each for number, each in raw.signals.items() if number in wanted}
        gradients = {n: each._replace(below=None) for n, each in raw.gradients.items() if n in wanted}
        drawn = [size if trace.leaves[i] in design.plan.drawn else None for i, size in enumerate(raw.leaves)]
        return Raw(raw.loss, signals, gradients, drawn)

    return jax.vmap(one, (None, None, 0, None), axis_name=REPLICAS, axis_size=design.plan.replicas)


__all__ = ["engine", "parameters", "passes"]
