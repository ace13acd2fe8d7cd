"""Product with a Gaussian matrix that is used nowhere else, without forming the matrix.

Values and gradients have the law of the real product. With the orthonormal basis of the rows,
x = R^T Q, the forward product is x W = R^T Z / sqrt(N) with Z standard normal. In the backward
pass, conditioning on the forward pass fixes W on the span of Q and leaves it independent
elsewhere; ``matrix_free`` explains more.
"""

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
    """Rows times a matrix with entries of variance 1 / width; z and eta are standard normal."""
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


def fresh_product(words: Array, stream: int | Array, x: Array) -> Array:
    """Rows of x, at most as many as units, times a matrix of variance 1 / width per entry.

    The matrix is known by its ``stream`` alone, which may be traced.
    """

    def drawn(role: int) -> Array:
        # The branch keeps XLA on a CPU from drawing the numbers again for every reader.
        draw = lambda stream: normal(words, role, stream, x.shape, x.dtype)
        return lax.cond(stream >= 0, draw, lambda _: jnp.zeros(x.shape, x.dtype), stream)

    return _product(x, drawn(UNITS), drawn(ABOVE))
