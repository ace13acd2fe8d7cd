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
from vgtheory.diagnose.program.flow import PARAM
from vgtheory.diagnose.program.listing import Op, bound
from vgtheory.diagnose.program.sites import every_site
from vgtheory.diagnose.program.trace import Trace
from vgtheory.diagnose.replicas.choice import NARROW, Wide
from vgtheory.diagnose.replicas.particles import REPLICAS, Linear, fresh, redrawn, shared
from vgtheory.diagnose.replicas.plan import Design
from vgtheory.diagnose.replicas.products import Layout

Source = Callable[[Wide, Where], Array]
"""Weights of a layer at a step, or a key for them."""


def _source(key: Array, design: Design, tied: bool) -> Source:
    """Weights that several calls share, and keys for all others."""
    replicas, common = design.plan.replicas, dict[int, Array]()
    for wide in design.choice.wide.values():
        if tied and wide.again and not wide.weights.levels and wide.key not in common:
            common[wide.key] = jax.random.normal(jax.random.fold_in(key, wide.key), _shape(wide, replicas))

    def source(wide: Wide, where: Where) -> Array:
        if wide.key in common:
            return common[wide.key]
        own = jax.random.fold_in(key, wide.key)
        if not tied:
            own = jax.random.fold_in(own, wide.number)
        for level in sorted(wide.weights.levels) if tied else range(len(where)):
            own = jax.random.fold_in(own, where[level])
        return jax.random.normal(own, _shape(wide, replicas)) if tied and wide.again else own

    return source


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


def _wide(wide: Wide, source: Source, op: Op, values: list[Any], where: Where, slot: Array) -> list[Any]:
    """A product with weights of infinite width; any other operation as it is."""
    if op is not wide.op:
        return bound(op, values)
    how: Layout = wide.layout
    made: Any = op.eqn.outvars[0].aval
    kernel = jnp.asarray(values[how.side])
    matrix = how.matrix(kernel.astype(jnp.promote_types(kernel.dtype, jnp.float32)))
    x, weights = how.features_last(jnp.asarray(values[1 - how.side])), source(wide, where)
    product = Linear(how.num_out, how.convolved if how.conv is not None else None)
    run = functools.partial(fresh, product)
    if how.batch and weights.ndim == 0:
        weights = jax.random.split(weights, len(x))
    run = jax.vmap(run, in_axes=(0, 0, 0, None)) if how.batch else run
    y = run(weights, _rms(matrix, wide), x, slot)
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
            instead[site.number] = functools.partial(_wide, design.choice.wide[site.number], source)
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
    return [
        redrawn(jax.random.fold_in(key, i), leaf, *design.redraws[i]) if i in design.redraws else leaf
        for i, leaf in enumerate(leaves)
    ]


__all__ = ["engine", "parameters"]
