r"""Networks sampled without their weight matrices: the same joint law of all log-norms, O(width) random numbers per layer.

A Gaussian matrix is used once on the way up and once on the way down. Up, given the layer below, ``h`` has independent
entries: ``h = sqrt(Q) xi``. Down, the forward pass has fixed ``W x`` and nothing else about W, so that

.. math:: W^T g = \frac{\sigma_w |g|}{\sqrt N} \left[ \eta + (c - \eta \cdot \hat x)\, \hat x \right], \qquad
          c = \sqrt{\omega}\, \frac{h \cdot g}{\sqrt Q\, |g|} + \sqrt{1 - \omega}\, \zeta

because ``W x``, given its sum ``h`` with the bias, has mean ``omega h`` and variance ``omega (1 - omega) Q``.

===========  ============================================================================  ========
symbol       meaning                                                                       shape
===========  ============================================================================  ========
``Q``        conditional variance of ``h``, sigma_w^2 |x|^2 / N + sigma_b^2                ()
``omega``    share of the weights (not the bias) in Q                                      ()
``c``        component of W^T g along x, in units of sigma_w |g| / sqrt(N)                 ()
``t``        (h . g) / (sqrt(Q) |g|)                                                       ()
``xi``       standard normal: the units                                                    (width,)
``eta``      standard normal: the weights seen from above                                  (width,)
``zeta``     standard normal: the bias's part in ``h . g``                                 ()
===========  ============================================================================  ========
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.ensemble import Dense, Ensemble
from vgtheory.expect import expect
from vgtheory.measure.tap import log_norm

_UNITS, _WEIGHTS, _COTANGENT = 0, 1, 2
_LOG_EDGE = 60.0
_CHUNK_UNITS, _CHUNK_NETS = 2**23, 256

Logs = tuple[Array, Array, Array, Array]


class Links(NamedTuple):
    """What the way up leaves at each layer: xi, ln sqrt(Q), its growth to the next layer, |x| in units of sqrt(Q), omega above."""

    xi: Array
    log_scale: Array
    growth: Array
    log_x: Array
    omega: Array


def check_matrix_free(where: str, net: Ensemble) -> None:
    """Raise unless every layer has Gaussian weights of its own.

    Parameters
    ----------
    where
        Name of the public function that was asked.
    net
        The ensemble.

    Raises
    ------
    ValueError
        If the weights are orthogonal or used again at every step.
    """
    remedy = "Use sampler='networks'."
    expect(isinstance(net, Dense), where, "a Dense ensemble", remedy, net=type(net).__name__)
    expect(net.weights == "gaussian", where, "Gaussian weights", remedy, weights=net.weights)


def _draw(key: Array, role: int, layer: Array | int, shape: tuple[int, ...], dtype: Any) -> Array:
    """Standard normal numbers that only the network, their role and the layer decide."""
    return jax.random.normal(jax.random.fold_in(jax.random.fold_in(key, role), layer), shape, dtype)


def _shown(log_scale: Array, scalable: bool) -> Array:
    """Ln of the scale at which phi is evaluated; beyond the edges a scalable one is homogeneous, and so is 0."""
    shown = jnp.where(log_scale > -jnp.inf, log_scale, 0.0)
    return jnp.clip(shown, -_LOG_EDGE, _LOG_EDGE) if scalable else shown


def _climb(key: Array, net: Ensemble, depth: int, width: int, dtype: str, scalable: bool) -> Links:
    """The forward pass; every field has shape (depth, ...)."""
    log_w, log_b = (jnp.log(jnp.asarray(scale, dtype)) for scale in (net.sigma_w, net.sigma_b))

    def link(log_scale: Array, layer: Array) -> tuple[Array, Links]:
        alive = log_scale > -jnp.inf
        xi = jnp.where(alive, _draw(key, _UNITS, layer, (width,), dtype), 0.0)
        shown = _shown(log_scale, scalable)
        log_x = log_norm(net.activation.phi(xi * jnp.exp(shown)))[0] - shown
        from_weights = 2 * (log_w + log_x) - np.log(width)
        from_bias = jnp.where(log_b > -jnp.inf, 2 * (log_b - log_scale), -jnp.inf)
        growth = jnp.logaddexp(from_weights, from_bias) / 2
        omega = jnp.where(growth > -jnp.inf, jnp.exp(from_weights - 2 * growth), 0.0)
        return log_scale + growth, Links(xi, log_scale, growth, log_x, omega)

    return lax.scan(link, jnp.logaddexp(2 * log_w, 2 * log_b) / 2, jnp.arange(1, depth + 1))[1]


def _descend(key: Array, net: Ensemble, links: Links, scalable: bool) -> Array:
    """The backward pass: by how much ln |g| grows from the layer above, shape (depth,), 0 at the top."""
    (depth, width), dtype = links.xi.shape, links.xi.dtype
    log_unit = jnp.log(jnp.asarray(net.sigma_w, dtype)) - np.log(width) / 2

    def link(t: Array, inputs: tuple[Array, Links]) -> tuple[Array, Array]:
        layer, (xi, log_scale, _, _, omega) = inputs
        h = xi * jnp.exp(_shown(log_scale, scalable))
        noise = _draw(key, _WEIGHTS, layer, (width + 1,), dtype)
        eta, zeta = noise[:-1], noise[-1]
        x_hat = log_norm(net.activation.phi(h))[1]
        c = jnp.sqrt(omega) * t + jnp.sqrt(jnp.maximum(1 - omega, 0.0)) * zeta
        log_g, g_hat = log_norm(net.activation.dphi(h) * (eta + (c - jnp.vdot(eta, x_hat)) * x_hat))
        return jnp.vdot(xi, g_hat), log_unit + log_g

    top = jnp.vdot(links.xi[-1], log_norm(_draw(key, _COTANGENT, 0, (width,), dtype))[1])
    below = jax.tree.map(lambda leaf: leaf[:-1], (jnp.arange(1, depth + 1), links))
    return jnp.concatenate([lax.scan(link, top, below, reverse=True)[1], jnp.zeros_like(top)[None]])


def walk(key: Array, net: Ensemble, depth: int, width: int, dtype: str, scalable: bool) -> Logs:
    """One network's forward and backward pass.

    Parameters
    ----------
    key
        The network's key.
    net
        The ensemble, ``Dense`` with Gaussian weights.
    depth, width
        Numbers of layers and units.
    dtype
        Format of the arithmetic.
    scalable
        Whether ``phi`` may be evaluated at a scale no further than exp(60) from 1 (``chain.is_scalable``).

    Returns
    -------
    tuple of arrays
        Natural logs at every layer, each of shape ``(depth,)``: growth of sqrt(Q) from the layer below; rms of ``h`` over
        sqrt(Q); norm of the layer's input, over sqrt(Q) of the layer below; growth of ``|g|`` from the layer above.
    """
    links = _climb(key, net, depth, width, dtype, scalable)
    log_rms = jax.vmap(lambda xi: log_norm(xi)[0])(links.xi) - np.log(width) / 2
    log_divisor = jnp.concatenate([links.log_scale[:1], links.growth[:-1]])
    log_input = jnp.concatenate([jnp.full_like(log_rms[:1], np.log(width) / 2), links.log_x[:-1]])
    return log_divisor, log_rms, log_input, _descend(key, net, links, scalable)


@functools.partial(jax.jit, static_argnames=("depth", "width", "num_nets", "dtype", "scalable"))
def walks(key: Array, net: Ensemble, depth: int, width: int, num_nets: int, dtype: str, scalable: bool) -> Logs:
    """All networks, vmapped in chunks that bound the memory; network i has the key ``fold_in(key, i)``.

    Parameters
    ----------
    key
        A JAX key.
    net, depth, width, dtype, scalable
        As in ``walk``.
    num_nets
        Number of networks.

    Returns
    -------
    tuple of arrays
        As ``walk``, each of shape ``(num_nets, depth)``.
    """
    one = functools.partial(walk, net=net, depth=depth, width=width, dtype=dtype, scalable=scalable)
    chunk = int(np.clip(_CHUNK_UNITS // (width * depth), 1, min(_CHUNK_NETS, num_nets)))
    rows = -(-num_nets // chunk)
    walked = lax.map(
        jax.vmap(lambda index: one(jax.random.fold_in(key, index))), jnp.arange(rows * chunk).reshape(rows, chunk)
    )
    return jax.tree.map(lambda leaf: leaf.reshape(rows * chunk, depth)[:num_nets], walked)
