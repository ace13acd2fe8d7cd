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
