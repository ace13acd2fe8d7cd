"""Checks of the arguments of a diagnosis; ``where`` names the public function."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from vgtheory.expect import expect, expect_key, expect_number


def is_numeric(leaf: Any) -> bool:
    """Whether a leaf of a pytree can be a parameter."""
    if isinstance(leaf, np.ndarray):
        return leaf.dtype.kind in "biufcV"
    return isinstance(leaf, jax.Array | float | int)


def expect_rngs(where: str, rngs: Any) -> None:
    """Raise unless ``rngs`` is None, a key, or keys by name."""
    for key in [] if rngs is None else rngs.values() if isinstance(rngs, Mapping) else [rngs]:
        expect_key(where, rngs=key)


def expect_predicted(where: str, predicted: Any, num: int) -> None:
    """Raise unless ``predicted`` is None, or ``num`` numbers by layer (0: one number alone)."""
    expect(predicted is None or isinstance(predicted, Mapping), where, "numbers by layer", predicted=predicted)
    for layer, numbers in (predicted or {}).items():
        expect_number(where, "[-inf, inf]", ndim=1 if num else 0, **{str(layer): numbers})
        expect(num in (0, np.size(numbers)), where, f"{num} numbers for a layer", **{str(layer): numbers})


__all__ = ["expect_predicted", "expect_rngs", "is_numeric"]
