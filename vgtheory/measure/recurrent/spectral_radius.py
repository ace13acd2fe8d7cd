"""Spectral radius of random matrices, from the eigenvalues of drawn ones."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.estimate import Estimate
from vgtheory.measure.arguments import asked, count
from vgtheory.measure.engine.draws import words_of
from vgtheory.measure.engine.networks import draw_weights, scale_w
from vgtheory.networks.recurrent import Recurrent

_CHUNK = 2**22


@asked(lapack=True, num_nets=count(2))
def log_spectral_radius(
    key: Array, net: Recurrent, *, width: int, num_nets: int = 64, dtype: str = "float32"
) -> Estimate:
    """Mean log of the spectral radius of a recurrence's random W.

    Parameters
    ----------
    key
        A JAX key.
    net
        The recurrence, with a scalar ``sigma_w``.
    width
        Number of units, >= 1.
    num_nets
        Number of matrices, >= 2.
    dtype
        Format in which they are drawn, ``"float32"`` or ``"float64"``; eigenvalues are computed in
        float64.

    Returns
    -------
    Estimate
        Mean over matrices of ``ln rho(W)``; ``err`` is the standard error of that mean.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Recurrent, measure
    >>> net = Recurrent("linear", sigma_w=2.0, weights="orthogonal")
    >>> radius = measure.recurrent.log_spectral_radius(jax.random.key(0), net, width=8, num_nets=4)
    >>> round(float(radius.value), 4)
    0.6931
    """
    size, logs = max(1, _CHUNK // width**2), []
    with jax.enable_x64(dtype == "float64"):
        drawn = jax.jit(jax.vmap(lambda each: draw_weights(words_of(each), net, 1, width, jnp.dtype(dtype)).matrix))
        for first in range(0, num_nets, size):
            keys = jax.vmap(lambda index: jax.random.fold_in(key, index))(
                jnp.arange(first, min(first + size, num_nets))
            )
            matrices = np.asarray(drawn(keys), dtype=float)
            logs.append(np.log(np.abs(np.linalg.eigvals(matrices)).max(axis=1)))
    values = np.concatenate(logs) + float(np.log(scale_w(net)))
    return Estimate(values.mean(), values.std(ddof=1) / num_nets**0.5 + 2 * float(jnp.finfo(dtype).eps))
