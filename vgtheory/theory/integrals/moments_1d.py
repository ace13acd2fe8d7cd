r"""What an activation contributes as a function of ``q`` alone, integrated once and then interpolated.

Of its activation an infinitely wide network knows E[phi^2] and E[phi'^2] as functions of the variance ``q`` (and those of
``pairs``). Here they are Chebyshev series in ln q, so that a grid of a million networks costs a million polynomials and not
a million integrals.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.activation import Activation
from vgtheory.theory.integrals.chebyshev import place, samples
from vgtheory.theory.integrals.squares import log_squares
from vgtheory.theory.precision import tables

LN_Q = 28.0
"""Tables of pairs reach from exp(-28) to exp(28)."""
GRID = (-LN_Q, 1.0, 56, 18)
_KNEE, _WIDER, _ENDS = 40.0, 10.0, 57.0
"""The curves' coordinate is ln q up to the knee, then 40 + 10 ln(|ln q| / 40): nothing is left there but powers and logs."""
_GRID = (-_ENDS, 1.0, 114, 18)
LN_END = _KNEE * float(np.exp((_ENDS - _KNEE) / _WIDER))
"""Curves reach from exp(-219) to exp(219), beyond which logs continue in straight lines."""
_DRIFT = 1.0
"""How far ln g may move beyond the tables of pairs and still have a limit."""


class Curves(NamedTuple):
    """Chebyshev coefficients over ln q, each of shape (panels, nodes): of ln f and of ln g; and ln g as q goes to 0 and inf."""

    log_f: np.ndarray
    log_g: np.ndarray
    log_g_ends: np.ndarray


def squares_at(q: Array, activation: Activation) -> Callable[[Array], Array]:
    """phi^2 and phi'^2 as functions of z.

    Parameters
    ----------
    q
        Variance, shape ``()``.
    activation
        The nonlinearity.
    """
    return lambda z: jnp.stack([each(jnp.sqrt(q) * z) ** 2 for each in (activation.phi, activation.dphi)])


def _coordinate(log_q: Array) -> Array:
    size = jnp.maximum(jnp.abs(log_q), _KNEE)
    return jnp.where(jnp.abs(log_q) <= _KNEE, log_q, jnp.sign(log_q) * (_KNEE + _WIDER * jnp.log(size / _KNEE)))


def _log_q(coordinate: np.ndarray) -> np.ndarray:
    beyond = _KNEE * np.exp((np.abs(coordinate) - _KNEE) / _WIDER)
    return np.where(np.abs(coordinate) <= _KNEE, coordinate, np.sign(coordinate) * beyond)


@tables
def curves(activation: Activation) -> Curves:
    """Tables of E[phi^2] and E[phi'^2] over q.

    Parameters
    ----------
    activation
        The nonlinearity.

    Returns
    -------
    Curves
        To be read with ``value_and_slope``; in float64 under x64, else in float32.

    Notes
    -----
    Accuracy: 1e-12 relative to the moment itself, q in [1e-95, 1e95]; 1e-9 with ripples. NaN where the integrals cannot be
    resolved.
    Assumes: as ``squares.log_squares``.
    """
    nodes, transform = samples(_GRID)
    log_q = _log_q(nodes)
    logs = log_squares(log_q, activation)
    log_f, log_g = (each @ transform.T for each in logs)
    log_g_ends = logs[1].ravel()[[np.argmin(log_q), np.argmax(log_q)]]
    before = logs[1].ravel()[[np.argmin(np.abs(log_q - end)) for end in (-LN_Q, LN_Q)]]
    drift = np.abs(log_g_ends - before) > _DRIFT
    return Curves(log_f, log_g, np.where(drift, np.where(log_g_ends > before, np.inf, -np.inf), log_g_ends))


def log_q_series() -> np.ndarray:
    """Coefficients of ln q itself, as those of a field of ``Curves``."""
    nodes, transform = samples(_GRID)
    return np.asarray(_log_q(nodes) @ transform.T)


def value_and_slope(coefficients: Any, log_q: Array) -> tuple[Array, Array]:
    """Value and derivative of a curve at ln q; beyond the table's ends it continues in a straight line.

    Parameters
    ----------
    coefficients
        A field of ``Curves``.
    log_q
        Natural log of the variance, any shape.

    Returns
    -------
    tuple of Array
        Of the same shape and dtype.
    """
    inside = jnp.clip(log_q, -LN_END, LN_END)
    index, rows = place(_coordinate(inside), _GRID)
    chosen = jnp.moveaxis(jnp.asarray(coefficients, log_q.dtype)[index], -1, 0)
    # T_k' = 2 k T_{k-1} + k / (k - 2) T_{k-2}', and t runs through 2 while ln q runs through the panel.
    bent = [jnp.zeros_like(inside), jnp.ones_like(inside)]
    for k in range(2, len(rows)):
        bent.append(2 * k * rows[k - 1] + (k / (k - 2) * bent[k - 2] if k > 2 else 0.0))
    rate = jnp.where(jnp.abs(inside) <= _KNEE, 1.0, _WIDER / jnp.maximum(jnp.abs(inside), _KNEE))
    slope = jnp.sum(chosen * jnp.stack(bent), axis=0) * (2 / _GRID[1] * rate)
    return jnp.sum(chosen * rows, axis=0) + lax.stop_gradient(slope) * (log_q - inside), slope
