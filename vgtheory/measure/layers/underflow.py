"""Entries of real weight gradients, cast to a number format and counted.

For one input, the gradient of a layer's weights is the outer product of its input and of the
gradient of its ``h``. A plain pass yields both; the products are formed and cast by NumPy.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.expect import expect_flag, expect_noun
from vgtheory.formats import FORMATS
from vgtheory.measure.arguments import asked, dtype_of, number, units
from vgtheory.measure.arguments import listed as may_be_listed
from vgtheory.measure.engine.averages import averaged
from vgtheory.measure.engine.runs import chosen_devices, lanes_for, run
from vgtheory.measure.layers.listed import Listed, Plan, Rows, planned_layers, unit_of
from vgtheory.networks.dense import Dense


class CastShares(NamedTuple):
    """Shares of the entries of every layer's weight gradient, by what a cast makes of them.

    Attributes
    ----------
    zero
        Entries that are exactly zero already.
    underflow
        Other entries that become zero.
    overflow
        Entries that become infinite or NaN.
    """

    zero: Any
    underflow: Any
    overflow: Any


class LossScale(NamedTuple):
    """Best loss scale, and the shares of all entries that under- and overflow with it."""

    scale: float
    underflow: float
    overflow: float


class _Size(NamedTuple):
    """Static arguments of the compiled program."""

    plan: Plan
    dtype: str


def _one(words: Array, rows: Rows, size: _Size) -> tuple[Array, Array]:
    """Inputs of all layers of one network, and gradients of all ``h``, each of shape (depth, widest)."""
    rows, unit = jax.tree.map(jnp.asarray, rows), unit_of(Dense("linear"))
    layers = Listed(words, size.plan, rows, size.dtype, scalable=False, unit=unit)
    x_0, depth = layers.start(1), len(rows.sigma_w)
    whole = jnp.zeros(1, x_0.dtype)

    @jax.checkpoint
    def link(h: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        layer, offset = inputs
        x = jnp.where(layer == 1, x_0, layers.inputs(layer, h, whole))
        return layers.affine(layer, x, whole) + offset, x

    def top(offsets: Array) -> tuple[Array, Array]:
        return lax.scan(link, jnp.zeros_like(x_0), (jnp.arange(1, depth + 1), offsets))

    _, pull, inputs = jax.vjp(top, jnp.zeros((depth, *x_0.shape), x_0.dtype), has_aux=True)
    (grads,) = pull(layers.cotangent(1))
    return inputs[:, 0], grads[:, 0]


class _Drawn(NamedTuple):
    """Inputs and gradients of all networks, shapes (num_nets, depth, widest), and the layers' sizes."""

    inputs: np.ndarray
    grads: np.ndarray
    sizes: tuple[int, ...]

    def layers(self) -> Iterator[np.ndarray]:
        """Weight gradients of every layer in float64, shape (num_nets, outputs, inputs)."""
        for layer in range(len(self.sizes) - 1):
            x = self.inputs[:, layer, : self.sizes[layer]].astype(float)
            g = self.grads[:, layer, : self.sizes[layer + 1]].astype(float)
            yield g[:, :, None] * x[:, None, :]

    def shares(self, *counted: Callable[[np.ndarray], np.ndarray], dtype: str) -> list[Estimate]:
        """Shares of entries for which a condition holds, each an estimate of shape (depth,)."""
        found = [[each(entries).mean(axis=(1, 2)) for each in counted] for entries in self.layers()]
        return [averaged(np.array(samples).T, 0, dtype) for samples in zip(*found, strict=True)]


def _drawn(
    where: str,
    key: Array,
    net: Dense,
    depth: int | None,
    width: int | None,
    num_nets: int,
    input_square: float,
    dtype: str,
) -> _Drawn:
    expect_noun(where, (Dense,), net=net)
    plan, rows, known = planned_layers(where, net, depth, width, input_square, dtype)
    devices = chosen_devices(None)
    how: dict[str, Any] = {"num_nets": num_nets, "dtype": dtype, "lanes": lanes_for(plan.widest**2, num_nets, devices)}
    inputs, grads = run(_one, key, rows, _Size(plan, dtype), **how, devices=devices)
    return _Drawn(inputs, grads, known.sizes)


def _cast(entries: np.ndarray, name: str, flush: bool) -> np.ndarray:
    """The moduli as the format holds them, in float64."""
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        held = np.abs(entries).astype(FORMATS[name]).astype(float)
    return np.where(held < float(jnp.finfo(FORMATS[name]).tiny), 0.0, held) if flush else held


_asked = functools.partial(
    asked,
    net=may_be_listed,
    depth=units,
    width=units,
    cast=dtype_of(FORMATS),
    flush=expect_flag,
    bound=number("(0, inf)"),
    loss_scale=number("(0, inf)"),
)


@_asked()
def share_below(
    key: Array,
    net: Dense,
    bound: float,
    *,
    depth: int | None = None,
    width: int | None = None,
    num_nets: int,
    loss_scale: float = 1.0,
    input_square: float = 1.0,
    dtype: str = "float32",
) -> Estimate:
    """Share of the entries of every layer's weight gradient whose modulus is below a bound.

    Parameters
    ----------
    key, net, depth, width, num_nets, input_square, dtype
        As for ``measure.log_grad_layers``; the network is a ``Dense``, whose layers may be listed.
    bound
        The bound, > 0, for instance Adam's ``eps``.
    loss_scale
        Factor of the standard normal cotangent, > 0.

    Returns
    -------
    Estimate
        Mean share over networks, shape ``(depth,)``; ``err`` is one standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: gradients within the range of ``dtype``.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net, size = Dense("tanh", sigma_w=1.5), {"depth": 3, "width": 64, "num_nets": 4}
    >>> measure.layers.share_below(jax.random.key(0), net, 1e-3, **size).value.shape
    (3,)
    """
    drawn = _drawn("share_below", key, net, depth, width, num_nets, input_square, dtype)
    return drawn.shares(lambda entries: np.abs(entries) * loss_scale < bound, dtype=dtype)[0]


@_asked()
def underflow_share(
    key: Array,
    net: Dense,
    cast: str,
    *,
    depth: int | None = None,
    width: int | None = None,
    num_nets: int,
    loss_scale: float = 1.0,
    input_square: float = 1.0,
    flush: bool = False,
    dtype: str = "float32",
) -> CastShares:
    """Shares of the entries of every layer's weight gradient that a cast makes zero or infinite.

    Parameters
    ----------
    key, net, depth, width, num_nets, loss_scale, input_square
        As for ``share_below``.
    cast
        Format that the gradient is cast to: any of ``measure.pass_limit``.
    flush
        Whether subnormal numbers become zero too.
    dtype
        Format of the gradient before the cast, ``"float32"`` or ``"float64"``.

    Returns
    -------
    CastShares
        Estimates over networks, each of shape ``(depth,)``; ``err`` is one standard error.

    Notes
    -----
    Accuracy: ``err``. Every entry is cast once, to the nearest number.
    Assumes: gradients within the range of ``dtype`` before they are scaled.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net, size = Dense("tanh", sigma_w=1.0), {"depth": 3, "width": 64, "num_nets": 4}
    >>> shares = measure.layers.underflow_share(jax.random.key(0), net, "float8_e4m3fn", **size)
    >>> bool((shares.underflow.value > 0.001).all())
    True
    """
    drawn = _drawn("underflow_share", key, net, depth, width, num_nets, input_square, dtype)
    lost = lambda entries: (entries != 0) & (_cast(entries * loss_scale, cast, flush) == 0)
    beyond = lambda entries: ~np.isfinite(_cast(entries * loss_scale, cast, flush))
    return CastShares(*drawn.shares(lambda entries: entries == 0, lost, beyond, dtype=dtype))


@_asked()
def best_loss_scale(
    key: Array,
    net: Dense,
    cast: str,
    *,
    depth: int | None = None,
    width: int | None = None,
    num_nets: int,
    input_square: float = 1.0,
    flush: bool = False,
    dtype: str = "float32",
) -> LossScale:
    """Loss scale, a power of two, at which a cast loses the fewest entries of the weight gradients.

    Parameters
    ----------
    key, net, cast, depth, width, num_nets, input_square, flush, dtype
        As for ``underflow_share``.

    Returns
    -------
    LossScale
        The scale for all networks together, and the shares that are lost with it; the largest of
        several scales that are equally good.

    Notes
    -----
    Accuracy: exact for the networks drawn.
    Assumes: as ``underflow_share``.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net, size = Dense("tanh", sigma_w=1.0), {"depth": 3, "width": 64, "num_nets": 4}
    >>> measure.layers.best_loss_scale(jax.random.key(0), net, "float8_e5m2", **size).scale > 64
    True
    """
    drawn = _drawn("best_loss_scale", key, net, depth, width, num_nets, input_square, dtype)
    layers = [entries[entries != 0] for entries in drawn.layers()]
    largest = np.array([np.abs(entries).max(initial=0.0) for entries in layers])
    room = np.log2(float(jnp.finfo(FORMATS[cast]).max)) - np.log2(largest[largest > 0])
    powers = np.arange(np.floor(room.min()) - 1, np.ceil(room.max()) + 1) if room.size else np.zeros(1)
    lost = np.zeros((len(powers), 2))
    for row, power in zip(lost, powers, strict=True):
        for entries in layers:
            held = _cast(entries * 2.0**power, cast, flush)
            row += np.count_nonzero(held == 0), np.count_nonzero(~np.isfinite(held))
    best = len(powers) - 1 - int(np.argmin(lost.sum(axis=1)[::-1]))
    total = len(drawn.inputs) * sum(below * above for below, above in zip(drawn.sizes, drawn.sizes[1:], strict=False))
    return LossScale(2.0 ** float(powers[best]), *map(float, lost[best] / total))


__all__ = ["CastShares", "LossScale", "best_loss_scale", "share_below", "underflow_share"]
