"""Precision of theory: float64 for plain numbers, the caller's own dtype for JAX arrays."""

import contextvars
import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import jax
import numpy as np

from vgtheory.activation import Activation, is_tabled
from vgtheory.activations.units import Unit
from vgtheory.expect import Function
from vgtheory.networks.noise import lone_scales
from vgtheory.theory.arrays import library

Arrays = jax.Array | np.ndarray
"""Arrays of one axis or more: NumPy's for plain numbers, JAX's for arrays of JAX."""
if TYPE_CHECKING:
    Values = Arrays
else:
    Values = Arrays | np.floating
"""Numbers that theory computes and returns.

Type checkers take a single number of NumPy for an array without axes, which may be indexed.
"""
_INSIDE = contextvars.ContextVar("inside", default=False)
"""Whether a call with plain numbers is being answered."""
FEW = 1024
"""Largest number of networks for which NumPy is quicker than a program that visits a lattice."""
LOOPED = 512
"""Largest depth of a chain that NumPy walks layer by layer: a deeper one is worth a program."""


def in_float64(function: Function) -> Function:
    """Make ``function`` compute in float64 and return NumPy unless an argument holds a JAX array.

    With Python numbers or NumPy arrays only (of any precision), the call runs under
    ``jax.enable_x64`` whatever the process's flag, and its results are NumPy float64. Inside
    another such call it is ``function`` itself. With a JAX array (or tracer) anywhere among the
    arguments, it computes in that array's precision, but never in less than float32.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves((args, kwargs))):
            args, kwargs = lifted((args, kwargs), np.float32)
            return function(*args, **kwargs)
        args, kwargs = lifted((args, kwargs), np.float64)
        if _INSIDE.get():
            return function(*args, **kwargs)
        token = _INSIDE.set(True)
        try:
            with jax.enable_x64(True), np.errstate(all="ignore"):
                return jax.tree.map(lambda leaf: np.asarray(leaf)[()], function(*args, **kwargs))
        finally:
            _INSIDE.reset(token)

    return cast(Function, wrapper)


def scales(net: Any, *others: Any, most: int | None = FEW) -> list[Any]:
    """``sigma_w``, ``sigma_b`` and other numbers as arrays of the library that is to compute.

    Plain numbers of a tabled activation are computed by NumPy, which compiles nothing, if there are
    at most ``most`` networks. JAX computes everything else. Of a network with noise they are those that
    one input sees.
    """
    values = (*lone_scales(net), *others)
    return numbers(net.activation, *values, most=most)


def numbers(activation: Activation | Unit, *values: Any, most: int | None = FEW) -> list[Any]:
    """``scales`` of any values."""
    return reals(*values, most=most) if isinstance(activation, Unit) or is_tabled(activation) else list(floats(*values))


def reals(*values: Any, most: int | None = FEW) -> list[Any]:
    """``scales`` of values of which no activation is asked: plain ones that make few entries are NumPy's."""
    if library(values) is np:
        arrays = [np.asarray(value, float) for value in values]
        if most is None or math.prod(np.broadcast_shapes(*(each.shape for each in arrays))) <= most:
            return arrays
    return list(floats(*values))


def stacked(value: Any, depth: int) -> Any:
    """A tuple of numbers, one for each of ``depth`` layers, as an array; anything else as it is."""
    if not isinstance(value, tuple):
        return value
    assert len(value) == depth
    return np.asarray(value, float) if library(value) is np else jax.numpy.stack(floats(*value))


def looped(activation: Activation, depth: int, *values: Any) -> list[Any]:
    """``numbers`` of a chain of this depth, which has at most ``LOOPED`` layers where NumPy computes."""
    return numbers(activation, *values) if depth <= LOOPED else list(floats(*values))


def in_numpy(function: Function) -> Function:
    """Make every floating argument of ``function`` NumPy float64, but for tracers."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = lifted(jax.tree.map(_as_numpy, (args, kwargs)), np.float64)
        return function(*args, **kwargs)

    return cast(Function, wrapper)


def _as_numpy(leaf: Any) -> Any:
    """A concrete array of JAX as one of NumPy, a single floating number as Python's."""
    if not isinstance(leaf, jax.Array | np.ndarray | np.generic) or isinstance(leaf, jax.core.Tracer):
        return leaf
    single = np.ndim(leaf) == 0 and jax.numpy.issubdtype(leaf.dtype, np.floating)
    return float(leaf) if single else np.asarray(leaf)


def lifted(arguments: Any, least: Any) -> Any:
    """A pytree of arguments in which no floating array is narrower than the dtype ``least``."""
    leaves, tree = jax.tree.flatten(arguments)
    width = np.dtype(least).itemsize

    def is_narrow(leaf: Any) -> bool:
        is_array = isinstance(leaf, jax.Array | np.ndarray | np.generic)
        return is_array and jax.numpy.issubdtype(leaf.dtype, np.floating) and leaf.dtype.itemsize < width

    narrow = [is_narrow(leaf) for leaf in leaves]
    if not any(narrow):
        return arguments
    return jax.tree.unflatten(
        tree, [leaf.astype(least) if down else leaf for leaf, down in zip(leaves, narrow, strict=True)]
    )


def tables(make: Callable[..., Any]) -> Callable[..., Any]:
    """Cache the arrays that ``make`` returns, in float64 and, for calls without x64, in float32.

    JAX keeps an array's buffer by the array's identity, in the precision of the call that first
    used it. Therefore no array that outlives a call may be seen both with and without the flag.
    """
    made = functools.lru_cache(maxsize=64)(make)

    @functools.lru_cache(maxsize=64)
    def single(*args: Any) -> Any:
        with jax.ensure_compile_time_eval():
            return jax.tree.map(lambda leaf: leaf.astype(np.float32) if leaf.dtype == np.float64 else leaf, made(*args))

    @functools.wraps(make)
    def kept(*args: Any) -> Any:
        return made(*args) if jax.numpy.result_type(float) == np.float64 else single(*args)

    return kept


def floats(*values: Any) -> list[jax.Array]:
    """``values`` as arrays of their common floating dtype, float32 at least."""
    values = tuple(np.asarray(value) if isinstance(value, list | tuple) else value for value in values)
    values = lifted(values, np.float32)
    dtype = jax.numpy.result_type(float, *values)
    return [jax.numpy.asarray(value, dtype) for value in values]
