"""How theory chooses its precision: float64 for plain numbers, the caller's own dtype for JAX arrays."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def in_float64(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make ``function`` compute in float64 and return NumPy unless an argument holds a JAX array.

    With Python numbers or NumPy arrays only, the call runs under ``jax.enable_x64`` whatever the process's flag, and its
    results come back as NumPy float64. With a JAX array (or tracer) anywhere among the arguments, nothing is changed.

    Parameters
    ----------
    function
        A function of pytrees that computes with ``jax.numpy``.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves((args, kwargs))):
            return function(*args, **kwargs)
        with jax.enable_x64(True):
            return jax.tree.map(lambda leaf: np.asarray(leaf)[()], function(*args, **kwargs))

    return wrapper


def tables(make: Callable[..., Any]) -> Callable[..., Any]:
    """Keep the float64 arrays that ``make`` returns for each of its arguments, and a float32 copy for calls without x64.

    JAX keeps an array's buffer by the array's identity, in the precision of the call that first used it. So no array that
    outlives a call may be seen both with and without the flag.

    Parameters
    ----------
    make
        A function of hashable arguments that returns a pytree of NumPy or JAX arrays.
    """
    made = functools.lru_cache(maxsize=64)(make)

    @functools.lru_cache(maxsize=64)
    def single(*args: Any) -> Any:
        with jax.ensure_compile_time_eval():
            return jax.tree.map(lambda leaf: leaf.astype(np.float32) if leaf.dtype == np.float64 else leaf, made(*args))

    @functools.wraps(make)
    def kept(*args: Any) -> Any:
        return made(*args) if jax.config.jax_enable_x64 else single(*args)

    return kept


def floats(*values: Any) -> list[jax.Array]:
    """Return ``values`` as arrays of the one floating dtype in which JAX would combine them; plain numbers follow the rest.

    Parameters
    ----------
    values
        Numbers or arrays.
    """
    values = tuple(np.asarray(value) if isinstance(value, list | tuple) else value for value in values)
    dtype = jax.numpy.result_type(float, *values)
    return [jax.numpy.asarray(value, dtype) for value in values]
