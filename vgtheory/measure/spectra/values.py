"""Singular values of the input-output Jacobian of real networks, over hundreds of orders of magnitude."""

import functools
from typing import Any

import jax
import numpy as np
from jax import Array
from scipy.linalg.lapack import dgejsv

from vgtheory.measure.arguments import asked
from vgtheory.measure.engine.draws import words_of
from vgtheory.measure.engine.networks import Layer, draw_input, draw_layer
from vgtheory.networks.ensemble import Layered

RANGE = 600.0
"""Natural logs of singular values further than this below the largest are lost to underflow."""


@functools.partial(jax.jit, static_argnames=("width",))
def _link(words: Array, net: Layered, layer: Any, x: Array, width: int) -> tuple[Array, Array]:
    """Jacobian of one link, x_{l-1} -> x_l = phi(W x_{l-1} + b), by automatic differentiation, and x_l."""
    params = draw_layer(words, net, layer, width, x.dtype)

    def link(x: Array) -> tuple[Array, Array]:
        out = net.activation.phi(Layer(net, width, x.dtype).apply(params, x))
        return out, out

    return jax.jacfwd(link, has_aux=True)(x)


def _times(factor: np.ndarray, basis: np.ndarray, logs: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, ...]:
    """The product ``factor @ (basis * exp(logs)) @ rows`` in the same form: basis orthonormal, rows well conditioned."""
    kept = np.maximum(logs, logs.max(initial=-np.inf) - RANGE)
    columns = (factor @ basis) * np.exp(kept - kept.max(initial=-np.inf))
    order = np.argsort(-np.linalg.norm(columns, axis=0))
    basis, upper = np.linalg.qr(columns[:, order])
    sizes, beyond = np.abs(np.diag(upper)), (logs - kept)[order][: upper.shape[0]]
    return basis, kept.max(initial=-np.inf) + np.log(sizes) + beyond, (upper / sizes[:, None]) @ rows[order]


def log_singular_values(logs: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Of ``exp(logs) * rows``, by one-sided Jacobi rotations, which keep the relative accuracy of small ones; descending.

    Parameters
    ----------
    logs
        Finite, shape ``(kept,)``.
    rows
        Well conditioned, shape ``(kept, width)``.
    """
    top = logs.max(initial=-np.inf)
    scaled = rows.T * np.exp(np.maximum(logs - top, -RANGE))
    sizes, *_, scale, _, info = dgejsv(scaled, joba=0, jobu=3, jobv=3, jobr=0)
    lost = (info != 0) | (np.sort(logs)[::-1] < top - RANGE)
    return np.where(lost, np.nan, np.log(sizes) + np.log(scale[0] / scale[1]) + top)


def _one(key: Array, net: Layered, depth: int, width: int, input_square: float) -> np.ndarray:
    """One network's logs, descending: the factors one by one, without the units that are dead."""
    words = words_of(key)
    x = draw_input(words, width, "float64") * input_square**0.5
    basis, logs, rows = np.eye(width), np.zeros(width), np.eye(width)
    alive = np.ones(width, dtype=bool)
    for layer in range(1, depth + 1):
        factor, x = _link(words, net, layer, x, width)
        jacobian = np.asarray(factor)[:, alive]
        alive = np.any(jacobian != 0, axis=1)
        basis, logs, rows = _times(jacobian[alive], basis, logs, rows)
        if logs.size == 0 or not np.all(np.isfinite(logs)):
            return np.full(width, np.nan if logs.size else -np.inf)
    out = np.full(width, -np.inf)
    out[: logs.size] = log_singular_values(logs, rows)
    return out


@asked()
def jacobian_singular_values(
    key: Array, net: Layered, *, depth: int, width: int, num_nets: int, input_square: float = 1.0
) -> np.ndarray:
    r"""Natural logs of the singular values of the Jacobian of real networks, by automatic differentiation of their layers.

    .. math:: J = \frac{\partial x_L}{\partial x_0}, \qquad x_l = \phi(W_l x_{l-1} + b_l)

    A product of L matrices formed plainly loses all singular values below 1e-16 of the largest. Here each factor is multiplied
    onto an orthonormal basis, the logs of whose lengths are kept apart.

    Parameters
    ----------
    key
        A JAX key; network i uses ``fold_in(key, i)``.
    net
        The ensemble.
    depth, width, num_nets
        Numbers of layers, units and networks.
    input_square
        Mean square of the input x_0, > 0: where E[phi^2] at the fixed point is chosen, every layer is at ``q_star``.

    Returns
    -------
    numpy.ndarray
        Shape ``(num_nets, width)``, each row descending; -inf for those that are exactly 0 (as many as the narrowest layer has
        units whose slope is 0), NaN for those that lie more than exp(600) below the row's largest.

    Raises
    ------
    ValueError
        If a count is no positive integer or ``input_square`` is negative or not finite.

    Notes
    -----
    Accuracy: some 1e-14 times the depth in each log (float64), however small the singular value.
    Assumes: nothing. One network takes about ``depth * width**3`` times 1 ns.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net = Dense("linear", 0.5, weights="orthogonal")
    >>> logs = measure.jacobian_singular_values(jax.random.key(0), net, depth=3, width=4, num_nets=2)
    >>> logs.shape, float(logs.max().round(6)), float(logs.min().round(6))
    ((2, 4), -2.079442, -2.079442)
    """
    with jax.enable_x64(True):
        keys = (jax.random.fold_in(key, index) for index in range(num_nets))
        return np.stack([_one(own, net, depth, width, input_square) for own in keys])
