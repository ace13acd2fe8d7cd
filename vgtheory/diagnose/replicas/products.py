"""Products of data and weights, as a matrix that acts on the features of its input.

A ``dot_general`` of any axes becomes ``y = x W`` with W of shape ``(fan_in, fan_out)``, or one such
matrix for each element of axes that data and weights share (``batch``). A convolution gets its
channels last.
"""

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from vgtheory.diagnose.program.flow import PRODUCTS
from vgtheory.diagnose.program.listing import Op, is_inexact


@dataclasses.dataclass(frozen=True)
class Layout:
    """Axes of a product.

    Attributes
    ----------
    side
        Which operand has the weights.
    num_in, num_out
        Units in and out (channels, of a convolution).
    contracted, batch, free
        Axes of the weights: summed over, shared with the data, and new. For a convolution they are
        the channels in, none, and the channels out.
    of_data
        Axes of the data that are summed over and shared.
    conv
        Parameters of the convolution; None for a ``dot_general``.
    """

    side: int
    num_in: int
    num_out: int
    contracted: tuple[int, ...]
    batch: tuple[int, ...]
    free: tuple[int, ...]
    of_data: tuple[tuple[int, ...], tuple[int, ...]]
    conv: Any = None

    def matrix(self, kernel: Array) -> Array:
        """Weights of shape ``(*batch, num_in, num_out)``, the batch as one axis, or ``(*taps, num_in, num_out)``."""
        if self.conv is not None:
            out, into, *taps = self.conv["dimension_numbers"].rhs_spec
            return jnp.transpose(kernel, (*taps, into, out))
        flat = jnp.transpose(kernel, (*self.batch, *self.contracted, *self.free))
        return flat.reshape(*([-1] if self.batch else []), self.num_in, self.num_out)

    def features_last(self, x: Array) -> Array:
        """Data of shape ``(*inputs, num_in)``, with a first axis for the batch if there is one."""
        if self.conv is not None:
            example, channels, *places = self.conv["dimension_numbers"].lhs_spec
            return jnp.transpose(x, (example, *places, channels))
        contracted, batch = self.of_data
        rest = tuple(axis for axis in range(x.ndim) if axis not in contracted + batch)
        x = jnp.transpose(x, (*batch, *rest, *contracted))
        inputs = x.shape[len(batch) : len(batch) + len(rest)]
        return x.reshape(*([-1] if batch else []), *inputs, self.num_in)

    def as_made(self, y: Array, shape: tuple[int, ...], num_free: int) -> Array:
        """Output ``(*inputs, num_out)`` as the operation makes it; its weights have ``num_free`` new axes."""
        if self.conv is not None:
            example, channels, *places = self.conv["dimension_numbers"].out_spec
            order = (example, *places, channels)
            return jnp.transpose(y, tuple(order.index(axis) for axis in range(y.ndim)))
        if self.side == 1:
            return y.reshape(shape)
        num_batch, num_rest = len(self.batch), len(shape) - len(self.batch) - num_free
        own = shape[num_batch : num_batch + num_free]
        y = y.reshape(*shape[:num_batch], *shape[num_batch + num_free :], *own)
        moved = range(num_batch + num_rest, num_batch + num_rest + num_free)
        return jnp.moveaxis(y, tuple(moved), tuple(range(num_batch, num_batch + num_free)))

    def convolved(self, x: Array, kernel: Array) -> Array:
        """Convolution of data and weights with channels last."""
        axes = "XYZUVW"[: x.ndim - 2]
        names = (f"N{axes}C", f"{axes}IO", f"N{axes}C")
        given = {name: self.conv[name] for name in ("window_strides", "padding", "lhs_dilation", "rhs_dilation")}
        return lax.conv_general_dilated(x, kernel, **given, dimension_numbers=names, precision=lax.Precision.HIGHEST)


def product_in(ops: list[Op]) -> Op | None:
    """The product among the operations of a layer."""
    return next((op for op in ops if op.name in PRODUCTS), None)


def layout(op: Op, side: int, avals: dict[int, Any]) -> Layout | str:
    """Layout of a product whose weights are operand ``side``, or why the twin cannot draw it."""
    kernel: Any = op.eqn.invars[side].aval
    made: Any = avals[op.makes[0]]
    if any(not is_inexact(each) or jnp.issubdtype(each.dtype, jnp.complexfloating) for each in (kernel, made)):
        return "complex numbers"
    params = op.eqn.params
    if op.name == "conv_general_dilated":
        if side == 0 or params["batch_group_count"] != 1:
            return "a layout of its own"
        if params["feature_group_count"] != 1:
            return "channels do not mix"
        out, into, *_ = params["dimension_numbers"].rhs_spec
        return Layout(1, kernel.shape[into], kernel.shape[out], (into,), (), (out,), ((), ()), params)
    if op.name != "dot_general":
        return "a layout of its own"
    contracted, batch = params["dimension_numbers"]
    free = tuple(k for k in range(len(kernel.shape)) if k not in (*contracted[side], *batch[side]))
    size = lambda axes: math.prod(kernel.shape[axis] for axis in axes)
    if not contracted[side] or size(contracted[side]) == 1 or not free:
        return "a layout of its own"
    return Layout(
        side,
        size(contracted[side]),
        size(free),
        tuple(contracted[side]),
        tuple(batch[side]),
        free,
        (tuple(contracted[1 - side]), tuple(batch[1 - side])),
    )


__all__ = ["Layout", "layout", "product_in"]
