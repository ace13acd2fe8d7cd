r"""What an activation contributes as a function of ``q`` alone, integrated once and then interpolated.

Of its activation an infinitely wide network knows E[phi^2] and E[phi'^2] as functions of the variance ``q`` (and those of
``pairs``). Here they are Chebyshev series in ln q, so that a grid of a million networks costs a million polynomials and not
a million integrals.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.activation import Activation
from vgtheory.theory import gaussian
from vgtheory.theory.chebyshev import place, samples
from vgtheory.theory.precision import tables

LN_Q = 28.0
"""Tables reach from exp(-28) to exp(28), beyond which logs continue in straight lines."""
GRID = (-LN_Q, 1.0, 56, 18)
_EDGE, _DRIFT = 300.0, 1.0
"""Where the limits are looked up, and how far ln g may move on its way there and still have one."""


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


@functools.partial(jax.jit, static_argnames=("activation",))
def _log_squares(log_q: Array, activation: Activation) -> Array:
    """Ln f and ln g at many ln q, shape (2, ...)."""

    def one(log_q: Array) -> Array:
        q = gaussian.settled(jnp.exp(log_q), activation)
        squares = gaussian.mean(squares_at(q, activation), q, activation.kinks)
        return jnp.log(jnp.maximum(squares, jnp.finfo(q.dtype).tiny))

    return lax.map(one, log_q, batch_size=64).T


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
    Accuracy: 1e-12 relative to the moment itself, q in [1e-12, 1e12].
    Assumes: as ``gaussian.mean``.
    """
    nodes, transform = samples(GRID)
    places = np.concatenate([nodes.ravel(), [-_EDGE, _EDGE]])
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        logs = np.asarray(_log_squares(jnp.asarray(places), activation))
    log_f, log_g = (each[:-2].reshape(nodes.shape) @ transform.T for each in logs)
    ends = logs[1, -2:]
    drift = np.abs(ends - logs[1, [0, -3]]) > _DRIFT
    return Curves(log_f, log_g, np.where(drift, np.where(ends > 0, np.inf, -np.inf), ends))


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
    inside = jnp.clip(log_q, -LN_Q, LN_Q)
    index, rows = place(inside, GRID)
    chosen = jnp.moveaxis(jnp.asarray(coefficients, log_q.dtype)[index], -1, 0)
    # T_k' = 2 k T_{k-1} + k / (k - 2) T_{k-2}', and t runs through 2 while ln q runs through the panel.
    bent = [jnp.zeros_like(inside), jnp.ones_like(inside)]
    for k in range(2, len(rows)):
        bent.append(2 * k * rows[k - 1] + (k / (k - 2) * bent[k - 2] if k > 2 else 0.0))
    slope = jnp.sum(chosen * jnp.stack(bent), axis=0) * (2 / GRID[1])
    return jnp.sum(chosen * rows, axis=0) + lax.stop_gradient(slope) * (log_q - inside), slope
