"""An ensemble as a Flax module: real layers with real weights."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax

from vgtheory.activation import Activation
from vgtheory.ensemble import Ensemble

INPUT, WEIGHTS, COTANGENT = 0, 1, 2
"""Roles of a network's keys, folded in so that no two roles share a draw."""


class Layer(nn.Module):
    """The affine half of a link, ``x -> W x + b``, with the ensemble's weights.

    Attributes
    ----------
    net
        The ensemble that the parameters are drawn from.
    width
        Number of units.
    dtype
        Of parameters and arithmetic; products are formed at the highest precision.
    """

    net: Any
    width: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map ``x``, shape ``(width,)``, to ``h``, shape ``(width,)``."""
        return nn.Dense(
            self.width,
            kernel_init=self._draw_kernel,
            bias_init=self._draw_bias,
            dtype=self.dtype,
            param_dtype=self.dtype,
            precision=lax.Precision.HIGHEST,
        )(x)

    def _draw_kernel(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        wide = jnp.promote_types(dtype, jnp.float32)
        if getattr(self.net, "matrix", None) is not None:
            return jnp.asarray(self.net.matrix, dtype).T
        if self.net.weights == "orthogonal":
            return (self.net.sigma_w * jax.nn.initializers.orthogonal()(key, shape, wide)).astype(dtype)
        return (self.net.sigma_w / shape[0] ** 0.5 * jax.random.normal(key, shape, wide)).astype(dtype)

    def _draw_bias(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        return (self.net.sigma_b * jax.random.normal(key, shape, jnp.promote_types(dtype, jnp.float32))).astype(dtype)


class Network(nn.Module):
    """The whole chain as one unrolled Flax module: the plain reference that ``jax.grad`` differentiates.

    Attributes
    ----------
    net
        The ensemble.
    depth
        Number of layers.
    width
        Number of units.
    dtype
        Of parameters and arithmetic.
    """

    net: Any
    depth: int
    width: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, offsets: Array) -> Array:
        """Map ``x``, shape ``(width,)``, to ``h_depth``; ``offsets``, shape ``(depth, width)``, are added to each ``h``."""
        activation: Activation = self.net.activation
        for index in range(self.depth):
            h = Layer(self.net, self.width, self.dtype, name=f"layer_{index + 1}")(x) + offsets[index]
            x = activation.phi(h)
        return h


def draw_layer(key: Array, net: Ensemble, layer: Any, width: int, dtype: Any) -> Any:
    """Parameters of one layer of one network, as Flax's own ``init`` makes them.

    Parameters
    ----------
    key
        The network's key.
    net
        The ensemble; a ``Recurrent`` one has the same parameters at every layer.
    layer
        Index from 1; may be traced.
    width
        Number of units.
    dtype
        Of the parameters.

    Returns
    -------
    pytree
        Flax variables of ``Layer``.
    """
    tied = hasattr(net, "matrix")
    layer_key = jax.random.fold_in(jax.random.fold_in(key, WEIGHTS), 0 if tied else layer)
    return Layer(net, width, dtype).init(layer_key, jnp.zeros(width, dtype))


def draw_input(key: Array, width: int, dtype: Any) -> Array:
    """Random input of exactly unit mean square, shape ``(width,)``.

    Parameters
    ----------
    key
        The network's key.
    width
        Number of units.
    dtype
        Of the result.
    """
    z = jax.random.normal(jax.random.fold_in(key, INPUT), (width,), jnp.promote_types(dtype, jnp.float32))
    return (z / jnp.sqrt(jnp.mean(z**2))).astype(dtype)


def draw_cotangent(key: Array, width: int, dtype: Any) -> Array:
    """Standard normal cotangent for the top layer, independent of the weights, shape ``(width,)``.

    Parameters
    ----------
    key
        The network's key.
    width
        Number of units.
    dtype
        Of the result.
    """
    wide = jnp.promote_types(dtype, jnp.float32)
    return jax.random.normal(jax.random.fold_in(key, COTANGENT), (width,), wide).astype(dtype)


def draw_network(key: Array, net: Ensemble, *, depth: int, width: int, dtype: Any = jnp.float32) -> tuple[Network, Any]:
    """One network as an unrolled Flax module with the parameters that the log-domain chain uses for the same key.

    Parameters
    ----------
    key
        The network's key; the chain of ``measure.chain`` with key K uses ``fold_in(K, index)`` for its network ``index``.
    net
        The ensemble.
    depth, width
        Numbers of layers and units.
    dtype
        Of parameters and arithmetic.

    Returns
    -------
    tuple
        The module and its variables, for ``module.apply(variables, x, offsets)``.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> module, variables = measure.draw_network(jax.random.key(0), Dense("tanh"), depth=2, width=8)
    >>> sorted(variables["params"])
    ['layer_1', 'layer_2']
    """
    drawn = [draw_layer(key, net, layer, width, dtype)["params"] for layer in range(1, depth + 1)]
    return Network(net, depth, width, dtype), {"params": {f"layer_{i + 1}": each for i, each in enumerate(drawn)}}
