"""Layers that the infinite-width twin draws anew, and their layout."""

from typing import Any

import numpy as np
from flax import linen as nn
from flax import nnx
from jax import Array

from vgtheory.diagnose.tracing.calls import Call

_GENERAL = (nn.DenseGeneral, nnx.LinearGeneral)
CONV = (nn.Conv, nnx.Conv)
_DENSE = (nn.Dense, nnx.Linear, nn.Embed, nnx.Embed, *_GENERAL)
_CENTRED = {nn.LayerNorm: True, nnx.LayerNorm: True, nn.RMSNorm: False, nnx.RMSNorm: False}


def contracted(module: Any, x: Array) -> tuple[int, ...]:
    """Axes of the input ``x`` that a dense layer contracts."""
    axis = module.axis if isinstance(module, _GENERAL) else -1
    return tuple(sorted(a % x.ndim for a in ((axis,) if isinstance(axis, int) else axis)))


def num_out(call: Call, x: Array) -> int:
    """Units of a replaced layer's output for the input ``x``."""
    if isinstance(call.module, CONV):
        return int(call.kernel.shape[-1])
    return int(np.prod(call.kernel.shape[len(contracted(call.module, x)) :]))


def _batch_free(module: Any) -> bool:
    batch = getattr(module, "batch_dims", getattr(module, "batch_axis", ())) or ()
    return len(batch) == 0


def is_replaced(call: Call) -> bool:
    """Whether the twin draws this layer anew: a dense layer or a convolution over all channels."""
    if call.kernel is None:
        return False
    if isinstance(call.module, CONV):
        return call.module.feature_group_count == 1 and getattr(call.module, "mask", None) is None
    return call.kind == "dense" and isinstance(call.module, _DENSE) and _batch_free(call.module)


def takes_off_mean(module: Any) -> bool | None:
    """Whether a norm over features subtracts the mean; None for other norms and axes."""
    plain = getattr(module, "reduction_axes", -1) in (-1, (-1,)) and getattr(module, "feature_axes", -1) in (-1, (-1,))
    for kind, centred in _CENTRED.items():
        if isinstance(module, kind) and plain:
            return centred
    return None
