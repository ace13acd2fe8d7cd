"""Real layers with real weights, drawn layer by layer, and the whole chain as a plain Flax module.

Common parameters: ``words`` is the network's key (``draws.words_of``), ``layer`` an index from 1
that may be traced, ``width`` the number of units, and ``dtype`` the format of the result.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike, DTypeLike

from vgtheory.activation import Activation
from vgtheory.activations.units import fan_of
from vgtheory.formats import WHOLE
from vgtheory.measure.arguments import asked, dtype_of
from vgtheory.measure.engine.draws import BIAS, COTANGENT, INPUT, WEIGHTS, drawn, normal, words_of
from vgtheory.networks.ensemble import Layered, expect_matrices
from vgtheory.networks.recurrent import FixedRecurrent, Tied


class Weights(NamedTuple):
    """One layer's draw before scaling: ``h = sigma_w * x @ matrix + sigma_b * bias``.

    Attributes
    ----------
    matrix
        Shape ``(width, outputs)``, from input to output: independent entries of variance 1 / width,
        orthogonal, or given (then already scaled). Units of k pre-activations have k width outputs.
    bias
        Standard normal, shape ``(outputs,)``.
    """

    matrix: Array
    bias: Array


def wide(dtype: DTypeLike) -> np.dtype:
    """Format in which the numbers of a format are drawn: float32 or wider."""
    return jnp.promote_types(dtype, jnp.float32) if jnp.finfo(dtype).bits > 8 else np.dtype("float32")


@jax.custom_batching.sequential_vmap
def orthonormal_columns(matrix: Array) -> tuple[Array, Array]:
    """Q and R of a matrix, one matrix at a time.

    XLA's batched form is slow on a CPU, and two devices that run it wait for each other forever.
    """
    q, r = jnp.linalg.qr(matrix)
    return q, r


def orthogonal(z: Array) -> Array:
    """Haar-distributed orthogonal matrix from a square one of standard normal entries."""
    q, r = orthonormal_columns(z)
    return q * jnp.sign(jnp.diagonal(r))[None, :]


def draw_matrix(
    words: Array, weights: str, stream: ArrayLike, width: int, dtype: DTypeLike, outputs: int | None = None
) -> Array:
    """A random matrix of a kind in ``weights.WEIGHTS``, with entries of variance 1 / width; square by default."""
    shape = (width, outputs or width)
    if weights == "orthogonal":
        return orthogonal(normal(words, WEIGHTS, stream, shape, dtype))
    return drawn(words, weights, stream, shape, dtype) * np.asarray(width**-0.5, dtype)


def draw_weights(words: Array, net: Layered, layer: ArrayLike, width: int, dtype: DTypeLike) -> Weights:
    """One layer's draw, whatever ``sigma_w`` and ``sigma_b``; the same at every recurrent step."""
    expect_matrices("measure", net)
    stream = 0 if isinstance(net, Tied) else layer
    outputs = fan_of(net) * width
    bias = normal(words, BIAS, stream, (outputs,), wide(dtype)).astype(dtype)
    if isinstance(net, FixedRecurrent):
        return Weights(jnp.asarray(net.matrix, dtype).T, bias)
    matrix = draw_matrix(words, net.weights, stream, width, wide(dtype), outputs)
    return Weights(matrix.astype(dtype), bias)


def scale_w(net: Layered) -> Any:
    """Factor of a draw's matrix: ``sigma_w``, or 1 for a given matrix."""
    return 1.0 if isinstance(net, FixedRecurrent) else net.sigma_w


class Layer(nn.Module):
    """Affine half of a link, ``x -> W x + b``; products are formed at the highest precision.

    Attributes
    ----------
    net
        The ensemble that the parameters are drawn from.
    width
        Number of units.
    dtype
        Format of parameters and arithmetic.
    """

    net: Layered
    width: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map ``x``, shape ``(width,)``, to ``h``, shape ``(width,)``."""
        return nn.Dense(
            self.width,
            kernel_init=lambda key, *_: self._drawn(key)["kernel"],
            bias_init=lambda key, *_: self._drawn(key)["bias"],
            dtype=self.dtype,
            param_dtype=self.dtype,
            precision=lax.Precision.HIGHEST,
        )(x)

    def _drawn(self, key: Array) -> dict[str, Array]:
        return draw_layer(words_of(key), self.net, 1, self.width, self.dtype)["params"]["Dense_0"]


class Network(nn.Module):
    """Whole chain as one unrolled Flax module: the reference that ``jax.grad`` differentiates.

    Attributes
    ----------
    net
        The ensemble.
    depth
        Number of layers.
    width
        Number of units.
    dtype
        Format of parameters and arithmetic.
    """

    net: Layered
    depth: int
    width: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Array, offsets: Array) -> Array:
        """Map ``x``, shape ``(..., width)``, to ``h_depth``.

        ``offsets``, shape ``(depth, ..., width)``, are added to each ``h``.
        """
        activation: Activation = self.net.activation
        for index in range(self.depth):
            h = Layer(self.net, self.width, self.dtype, name=f"layer_{index + 1}")(x) + offsets[index]
            x = activation.phi(h)
        return h


def draw_layer(words: Array, net: Layered, layer: ArrayLike, width: int, dtype: DTypeLike) -> dict[str, Any]:
    """Flax variables of ``Layer`` for one layer of one network, rounded once to ``dtype``."""
    drawn = draw_weights(words, net, layer, width, wide(dtype))
    kernel, bias = (scale_w(net) * drawn.matrix).astype(dtype), (net.sigma_b * drawn.bias).astype(dtype)
    return {"params": {"Dense_0": {"kernel": kernel, "bias": bias}}}


def draw_input(words: Array, width: int, dtype: DTypeLike, num_inputs: int | None = None) -> Array:
    """Random inputs of exactly unit mean square, shape ``(num_inputs, width)``.

    With ``num_inputs=None`` the result is the first of them, shape ``(width,)``.
    """
    z = normal(words, INPUT, 0, (num_inputs or 1, width), wide(dtype))
    unit = (z / jnp.sqrt(jnp.mean(z**2, axis=1, keepdims=True))).astype(dtype)
    return unit[0] if num_inputs is None else unit


def draw_cotangent(words: Array, width: int, dtype: DTypeLike, num_inputs: int | None = None) -> Array:
    """Standard normal cotangents for the top layer, shaped as ``draw_input``."""
    drawn = normal(words, COTANGENT, 0, (num_inputs or 1, width), wide(dtype)).astype(dtype)
    return drawn[0] if num_inputs is None else drawn


@asked(dtype=dtype_of(WHOLE.values()))
def draw_network(
    key: Array, net: Layered, *, depth: int, width: int, dtype: DTypeLike = jnp.float32
) -> tuple[Network, dict[str, Any]]:
    """One network as an unrolled Flax module, with the parameters of the log-domain chain.

    Parameters
    ----------
    key
        The network's key; ``measure.samples`` with key K uses ``fold_in(K, index)`` for network
        ``index``.
    net
        The ensemble, with scalar ``sigma_w`` and ``sigma_b``.
    depth, width
        Numbers of layers and units.
    dtype
        Format of parameters and arithmetic.

    Returns
    -------
    tuple
        The module and its variables, for ``module.apply(variables, x, offsets)``.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net = Dense("tanh", sigma_w=1.5)
    >>> module, variables = measure.engine.draw_network(jax.random.key(0), net, depth=2, width=8)
    >>> sorted(variables["params"])
    ['layer_1', 'layer_2']
    """
    words = words_of(key)
    drawn = [draw_layer(words, net, layer, width, dtype)["params"] for layer in range(1, depth + 1)]
    return Network(net, depth, width, dtype), {"params": {f"layer_{i + 1}": each for i, each in enumerate(drawn)}}


SAMPLERS = ("networks", "matrix_free")
