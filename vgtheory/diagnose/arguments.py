"""What the arguments of a diagnosis must be."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from vgtheory.expect import expect, expect_key, expect_number


def is_numeric(leaf: Any) -> bool:
    """Tell whether a leaf of a pytree can be a parameter.

    Parameters
    ----------
    leaf
        Anything.
    """
    if isinstance(leaf, np.ndarray):
        return leaf.dtype.kind in "biufcV"
    return isinstance(leaf, jax.Array | float | int)


def expect_rngs(where: str, rngs: Any) -> None:
    """Raise unless ``rngs`` is None, a key, or keys by name.

    Parameters
    ----------
    where
        Name of the public function that was asked.
    rngs
        As of ``hooked``.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    for key in [] if rngs is None else rngs.values() if isinstance(rngs, Mapping) else [rngs]:
        expect_key(where, rngs=key)


def expect_predicted(where: str, predicted: Any, num: int) -> None:
    """Raise unless ``predicted`` is None, or numbers by layer.

    Parameters
    ----------
    where
        Name of the public function that was asked.
    predicted
        Logs by layer.
    num
        How many numbers each layer has; 0 for one that stands alone.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    expect(predicted is None or isinstance(predicted, Mapping), where, "numbers by layer", predicted=predicted)
    for layer, numbers in (predicted or {}).items():
        expect_number(where, "[-inf, inf]", ndim=1 if num else 0, **{str(layer): numbers})
        expect(num in (0, np.size(numbers)), where, f"{num} numbers for a layer", **{str(layer): numbers})


__all__ = ["expect_predicted", "expect_rngs", "is_numeric"]
