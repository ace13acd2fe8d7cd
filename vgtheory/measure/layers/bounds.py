"""The textbook bound on the gradient, evaluated on drawn weights."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.measure.arguments import asked, one_of
from vgtheory.measure.engine.averages import averaged, from_top
from vgtheory.measure.engine.draws import words_of
from vgtheory.measure.engine.networks import draw_layer
from vgtheory.networks.ensemble import Layered

NORMS = {"spectral": 2, "frobenius": "fro"}


@functools.partial(jax.jit, static_argnames=("depth", "width", "num_nets", "norm"))
def _log_norms(key: Array, net: Layered, depth: int, width: int, num_nets: int, norm: str) -> Array:
    """Log-norm of every weight matrix, shape (num_nets, depth)."""

    def one(pair: Array) -> Array:
        variables = draw_layer(words_of(jax.random.fold_in(key, pair[0])), net, pair[1], width, "float32")
        return jnp.log(jnp.linalg.norm(variables["params"]["Dense_0"]["kernel"], ord=NORMS[norm]))

    pairs = jnp.stack(jnp.meshgrid(jnp.arange(num_nets), jnp.arange(1, depth + 1), indexing="ij"), axis=-1)
    return lax.map(one, pairs.reshape(-1, 2)).reshape(num_nets, depth)


@asked(norm=one_of(NORMS))
def log_bound_layers(
    key: Array, net: Layered, *, depth: int, width: int, num_nets: int, norm: str = "spectral"
) -> Estimate:
    r"""Log of the textbook bound on the gradient at every layer, from norms of drawn weights.

    .. math:: \ln \prod_{k=l+1}^{L} \sup|\phi'| \, \|W_k\|

    Parameters
    ----------
    key, depth, width, num_nets
        As for ``measure.log_grad_layers``. The weights are those that ``measure.samples`` draws.
    net
        The ensemble; its activation must declare ``sup_dphi``.
    norm
        ``"spectral"`` or ``"frobenius"``.

    Returns
    -------
    Estimate
        Mean over networks of the natural log, shape ``(depth,)``, last entry 0; ``err`` is one
        standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: the declared supremum of the slope.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net = Dense("sigmoid", sigma_w=1.0, weights="orthogonal")
    >>> size = {"depth": 3, "width": 8, "num_nets": 2}
    >>> bound = measure.layers.log_bound_layers(jax.random.key(0), net, **size)
    >>> [round(float(value), 4) for value in bound.value]
    [-2.7726, -1.3863, 0.0]
    """
    logs = np.asarray(_log_norms(key, net, depth, width, num_nets, norm), dtype=float)
    factors = np.roll(logs, -1, axis=1) + np.log(net.activation.sup_dphi)
    return averaged(from_top(factors), np.arange(depth - 1, -1, -1), "float32")
