"""Elementwise functions: a test of a user's function, pickling, and an arctangent written out."""

import functools
import importlib
import math
import sys
import types
from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.expect import expect

_POINTS = np.array([0.4, -1.7, 2.3])  # both signs, unordered, an odd number
_AMONG_OTHERS, _PLACES = (
    np.array([7.1, 2.3, -6.3, 0.4, -1.7, 9.0]),
    [3, 4, 1],
)  # other ends, middle, mean, order and size
_ROUNDINGS = 1e3
_ARCTAN_NEAR, _ARCTAN_FAR = 2**0.5 - 1, 2**0.5 + 1  # tan(pi/8) and tan(3 pi/8)
_ARCTAN_TERMS = 23  # terms of the series up to tan(pi/8); the next is below 1e-18


def _found(function: Callable[[Array], Array]) -> str:
    """Reason why a callable is not elementwise and real."""
    points = jnp.asarray(_POINTS)
    seen = jax.eval_shape(function, points)
    shape = getattr(seen, "shape", None)
    if shape != points.shape:
        return f"It makes {'no array' if shape is None else f'shape {list(shape)}'} of shape {list(points.shape)}."
    if not jnp.issubdtype(seen.dtype, jnp.floating):
        return f"It returns dtype {seen.dtype}."
    program = jax.jit(lambda *both: [function(h) for h in both])
    whole, parts = program(points, jnp.asarray(_AMONG_OTHERS))
    if not isinstance(whole, jax.core.Tracer):
        close = _ROUNDINGS * float(jnp.finfo(seen.dtype).eps)
        parts = np.asarray(parts, float)
        if parts.shape != _AMONG_OTHERS.shape or not np.allclose(
            np.asarray(whole, float), parts[_PLACES], rtol=close, atol=close, equal_nan=True
        ):
            return "It mixes the entries of an array."
    shape = jax.eval_shape(function, points[0]).shape
    return f"It makes shape {list(shape)} of a single number." if shape else ""


@functools.cache
def _fault(function: Callable[[Array], Array]) -> str:
    """Reason why a function is not elementwise and real, in one sentence; empty if it is."""
    with jax.ensure_compile_time_eval(), np.errstate(all="ignore"):
        try:
            return _found(function)
        except Exception as error:
            return f"It raises {type(error).__name__}."


def expect_elementwise(where: str, **got: Callable[[Array], Array]) -> None:
    """Raise unless a function is elementwise, phi([a, b]) = [phi(a), phi(b)], with real values.

    The function is tried on three numbers, alone and among three others. One that depends on a
    traced number is checked for shape and dtype only.
    """
    ((_, function),) = got.items()
    fault = _fault(function) if isinstance(function, Hashable) else "It cannot be hashed."
    expect(not fault, where, "an elementwise JAX function, phi([a, b]) = [phi(a), phi(b)]", fault, **got)


def by_name(function: Any) -> Any:
    """A function as pickle carries it: by module and name if JAX wraps it, else as it is."""
    module, name = str(getattr(function, "__module__", "")), str(getattr(function, "__qualname__", ""))
    plain = isinstance(function, types.FunctionType) or module == "__main__"
    return function if plain or getattr(sys.modules.get(module), name, None) is not function else (module, name)


def from_name(function: Any) -> Any:
    """Undo ``by_name``."""
    return getattr(importlib.import_module(function[0]), function[1]) if isinstance(function, tuple) else function


def arctan_slope(h: Any) -> Any:
    """Derivative of the arctangent, 1 / (1 + h^2)."""
    return 1 / (1 + h**2)


@jax.custom_jvp
def arctan(h: Array) -> Array:
    """Arctangent in radians, written out.

    jaxlib 0.10.2 computes its own wrongly in a CPU's widest vectors (jax-ml/jax#39352).

    Notes
    -----
    Accuracy: three units in the last place; derivatives are those of 1 / (1 + h^2).
    """
    size = jnp.abs(h)
    near, far = size <= _ARCTAN_NEAR, size >= _ARCTAN_FAR
    turned = jnp.where(near, size, jnp.where(far, -1 / size, (size - 1) / (size + 1)))
    square, series = turned * turned, jnp.zeros_like(turned)
    for term in reversed(range(1, _ARCTAN_TERMS)):
        series = (series + (-1) ** term / (2 * term + 1)) * square
    angle = jnp.where(near, 0.0, jnp.where(far, math.pi / 2, math.pi / 4)).astype(turned.dtype)
    return jnp.copysign(angle + (turned + turned * series), h)


@arctan.defjvp
def _arctan_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return arctan(*primals), arctan_slope(*primals) * tangents[0]
