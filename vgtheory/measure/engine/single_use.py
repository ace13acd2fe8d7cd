r"""A product with a Gaussian matrix that is used nowhere else, many rows at a time, without the matrix: same law of values and gradients.

With the rows' orthonormal basis, x = R^T Q, the way up is x W = R^T Z / sqrt(N), Z standard normal. Down, the way up has fixed W on Q and nothing else:
W^T g is known along Q and, across it, as for a matrix never used (``matrix_free`` says more).
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.measure.engine.draws import ABOVE, UNITS, normal
from vgtheory.measure.engine.networks import orthonormal_columns


def _dot(left: Array, right: Array) -> Array:
    return jnp.dot(left, right, precision=lax.Precision.HIGHEST)


@jax.custom_vjp
def _product(x: Array, z: Array, eta: Array) -> Array:
    """Rows times a matrix with entries of variance 1 / width; z and eta are standard normal, of x's shape."""
    return _up(x, z, eta)[0]


def _up(x: Array, z: Array, eta: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    q, r = orthonormal_columns(x.T)
    return _dot(r.T, z) * np.asarray(x.shape[1] ** -0.5, x.dtype), (q.T, z, eta)


def _down(kept: tuple[Array, Array, Array], cotangent: Array) -> tuple[Array, Array, Array]:
    q, z, eta = kept
    columns, r = orthonormal_columns(cotangent.T)
    known = _dot(columns.T, z.T) - _dot(eta, q.T)
    down = _dot(r.T, eta + _dot(known, q)) * np.asarray(q.shape[1] ** -0.5, q.dtype)
    return down, jnp.zeros_like(z), jnp.zeros_like(eta)


_product.defvjp(_up, _down)


def fresh_product(words: Array, stream: Any, x: Array) -> Array:
    """Rows of x times a matrix of variance 1 / width per entry, known by its stream alone.

    Parameters
    ----------
    words
        The network's key.
    stream
        Which matrix; may be traced.
    x
        Shape ``(rows, width)``, at most as many rows as units.

    Returns
    -------
    Array
        Of the same shape.
    """

    def drawn(role: int) -> Array:
        # Stored: XLA on a CPU would draw them again for everything that reads them, but for the branch around them.
        draw = lambda stream: normal(words, role, stream, x.shape, x.dtype)
        return lax.cond(stream >= 0, draw, lambda _: jnp.zeros(x.shape, x.dtype), stream)

    return _product(x, drawn(UNITS), drawn(ABOVE))
