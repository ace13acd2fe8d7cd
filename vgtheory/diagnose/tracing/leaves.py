"""Leaf layers of Flax models: their kinds, names, kernels and biases."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from flax import nnx

KINDS: dict[str, tuple[type, ...]] = {
    "dense": (nn.Dense, nn.DenseGeneral, nn.Einsum, nnx.Linear, nnx.LinearGeneral, nnx.Einsum),
    "conv": (nn.Conv, nn.ConvLocal, nn.ConvTranspose, nnx.Conv, nnx.ConvTranspose),
    "norm": (
        *(nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.BatchNorm, nn.InstanceNorm),
        *(nnx.LayerNorm, nnx.RMSNorm, nnx.GroupNorm, nnx.BatchNorm, nnx.InstanceNorm),
    ),
    "embed": (nn.Embed, nnx.Embed),
}
"""Leaf layers by kind; any other module that owns parameters and no modules is ``"other"``."""
KERNELS = ("kernel", "embedding", "scale")


def kind_of(module: Any, owns_only_arrays: Callable[[Any], bool]) -> str | None:
    """Kind of a leaf layer; None for any other module."""
    for kind, types in KINDS.items():
        if isinstance(module, types):
            return kind
    return "other" if owns_only_arrays(module) else None


def name_of(path: tuple, module: Any, method: str) -> str:
    """Path of a layer as text, with the method if it is not ``__call__``."""
    layer = "/".join(map(str, path)) or type(module).__name__.lower()
    return layer if method == "__call__" else f"{layer}.{method}"


def linen_params(module: nn.Module) -> dict[str, Any]:
    """Parameters that the module itself owns."""
    return dict(nn.meta.unbox(module.variables.get("params", {})))


def is_linen_leaf(module: nn.Module) -> bool:
    """Whether a Linen module owns parameters and no modules."""
    owned = linen_params(module)
    return bool(owned) and not any(hasattr(value, "keys") for value in owned.values())


def arrays_of(owned: Callable[[str], Any], method: str) -> tuple[Any, Any]:
    """Kernel and bias, by their names; ``owned`` maps a name to the module's array, or None."""
    kernel = next((value for name in KERNELS if (value := owned(name)) is not None), None)
    return (kernel, owned("bias")) if kernel is None or method != "attend" else (jnp.swapaxes(kernel, 0, 1), None)


def is_nnx_leaf(module: nnx.Module) -> bool:
    """Whether an nnx module owns parameters and no modules."""
    own = vars(module).values()
    return any(isinstance(value, nnx.Param) for value in own) and len(list(nnx.iter_modules(module))) == 1
