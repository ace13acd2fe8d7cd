"""Units of a linear recurrence, drawn from their law."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.expect import expect
from vgtheory.networks.linear_recurrence import LinearRecurrence, Ring, StateSpace


class Drawn(NamedTuple):
    """One network's units, each of shape ``(width,)``; NumPy's in double precision, unless ``on_device``.

    Attributes
    ----------
    eigenvalues
        lambda, complex.
    scales
        Factors b of the inputs, complex.
    dt, poles
        Time steps and poles of a state-space model; NaN otherwise.
    """

    eigenvalues: Any
    scales: Any
    dt: Any
    poles: Any


def width_of(where: str, net: LinearRecurrence, width: int | None) -> int:
    """Number of units, or raise unless the network can have so many."""
    law = net.eigenvalues
    if not isinstance(law, Ring | StateSpace):
        expect(width in (None, len(law)), where, f"width={len(law)} or None", width=width)
        return len(law)
    expect(width is not None, where, "a width", width=width)
    size = law.size if isinstance(law, StateSpace) else 1
    expect(int(width or 0) % size == 0, where, f"a width that is a multiple of {size}", width=width)
    return int(width or 0)


def discretised(method: str, dt: Any, poles: Any, xp: Any = np) -> tuple[Any, Any]:
    """Eigenvalues and factors of the inputs, by the discretisation's own formula, in NumPy or ``jax.numpy``."""
    if method == "zoh":
        return xp.exp(dt * poles), xp.expm1(dt * poles) / poles
    below = 1 - dt * poles / 2
    return (1 + dt * poles / 2) / below, dt / below


def drawn(key: Array, net: LinearRecurrence, width: int) -> Drawn:
    """One network's units."""
    law, unknown = net.eigenvalues, np.full(width, np.nan)
    uniform = lambda index, count: _uniform(jax.random.fold_in(key, index), count)
    if isinstance(law, StateSpace):
        channels = width // law.size
        own = law.kind == "s5"
        logs = np.log(law.dt_min) + uniform(0, width if own else channels) * np.log(law.dt_max / law.dt_min)
        dt = np.exp(logs) if own else np.repeat(np.exp(logs), law.size)
        poles = np.tile(law.poles, channels)
        eigenvalues, scales = discretised(law.method, dt, poles)
    else:
        dt, poles = unknown, unknown + 0j
        eigenvalues = _on_ring(law, uniform(0, width), uniform(1, width)) if isinstance(law, Ring) else np.asarray(law)
        scales = np.ones(width)
    if net.scale != "step":
        scales = np.sqrt(1 - np.abs(eigenvalues) ** 2) if net.scale == "gamma" else np.ones(width)
    return Drawn(eigenvalues.astype(complex), scales.astype(complex), dt, poles)


def on_device(units: Drawn, dtype: str) -> Drawn:
    """Units as arrays of JAX, real ones of ``dtype`` and complex ones of its size."""
    kinds = {"float32": "complex64", "float64": "complex128"}
    return Drawn(*(jnp.asarray(each, kinds[dtype] if np.iscomplexobj(each) else dtype) for each in units))


def _uniform(key: Array, count: int) -> np.ndarray:
    """Uniform numbers in (0, 1), of 32 random bits."""
    return (np.asarray(jax.random.bits(key, (count,), "uint32"), dtype=float) + 0.5) / 2**32


def _on_ring(law: Ring, radius: np.ndarray, phase: np.ndarray) -> np.ndarray:
    square = law.r_min**2 + radius * (law.r_max**2 - law.r_min**2)
    return np.sqrt(square) * np.exp(1j * law.max_phase * phase)


__all__ = ["Drawn", "discretised", "drawn", "on_device", "width_of"]
