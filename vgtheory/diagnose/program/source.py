"""Where an operation stands in the user's code, and what activation it belongs to."""

import os
from typing import Any

from vgtheory.diagnose.program.listing import Op

_LIBRARIES = ("jax", "jaxlib", "flax", "haiku", "equinox", "optax", "vgtheory")
_ACTIVATIONS = os.path.join("jax", "_src", "nn", "functions.py")
_PRIMITIVES = {"logistic": "sigmoid", "tanh": "tanh", "erf": "erf", "sin": "sin", "cos": "cos", "log1p": "softplus"}
_INNER = ("<lambda>", "wrapper", "jvp", "fwd", "bwd")


def _frames(op: Op) -> list[Any]:
    traceback = getattr(op.eqn.source_info, "traceback", None)
    return list(traceback.frames) if traceback is not None else []


def _is_library(name: str) -> bool:
    parts = name.split(os.sep)
    installed = "site-packages" in parts or "dist-packages" in parts
    is_known = any(each in parts for each in _LIBRARIES)
    return name.startswith("<") or (is_known and (installed or "vgtheory" in parts))


def line_of(op: Op) -> str:
    """The line of the user's own code that an operation comes from, as ``"model.py:42"``; or empty."""
    for frame in _frames(op):
        if not _is_library(frame.file_name):
            return f"{os.path.basename(frame.file_name)}:{frame.line_num}"
    return ""


def activation_of(op: Op) -> str:
    """Name of the activation that an operation is part of; empty for any other operation."""
    if op.name == "custom_jvp_call":
        return str(getattr(op.eqn.params["call_jaxpr"].jaxpr.debug_info, "func_name", ""))
    for frame in _frames(op):
        if frame.file_name.endswith(_ACTIVATIONS) and frame.function_name not in _INNER:
            name = frame.function_name.lstrip("_")
            return "" if name in ("standardize", "one_hot", "dot_product_attention") else name
    if op.name == "custom_jvp_call":
        return str(op.eqn.params["call_jaxpr"].jaxpr.debug_info.func_name or "")
    return _PRIMITIVES.get(op.name, "")
