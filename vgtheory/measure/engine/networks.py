"""An ensemble as real layers with real weights, drawn layer by layer; and the whole chain as a plain Flax module."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax

from vgtheory.activation import Activation
from vgtheory.formats import FORMATS
from vgtheory.measure.arguments import asked, dtype_of
from vgtheory.measure.engine.draws import BIAS, COTANGENT, INPUT, WEIGHTS, drawn, normal, words_of
from vgtheory.networks.ensemble import Layered, expect_matrices
from vgtheory.networks.recurrent import FixedRecurrent, Tied


class Weights(NamedTuple):
    """One layer's draw before it is scaled: ``h = sigma_w * x @ matrix + sigma_b * bias``.

    Attributes
    ----------
    matrix
        Shape ``(width, width)``, from input to output: independent entries of variance 1 / width, orthogonal, or given (then already scaled).
    bias
        Standard normal, shape ``(width,)``.
    """

    matrix: Array
    bias: Array


def wide(dtype: Any) -> Any:
    """The format in which numbers of a format are drawn: float32 or wider.

    Parameters
    ----------
    dtype
        Any floating format.
    """
    return jnp.promote_types(dtype, jnp.float32)


@jax.custom_batching.sequential_vmap
def orthonormal_columns(matrix: Array) -> tuple[Array, Array]:
    """Q and R of one matrix after the other: XLA's batched form on a CPU is slow, and two devices that run it wait for each other forever.

    Parameters
    ----------
    matrix
        Shape ``(rows, columns)``.
    """
    q, r = jnp.linalg.qr(matrix)
    return q, r


def orthogonal(z: Array) -> Array:
    """A Haar-distributed orthogonal matrix from a Gaussian one.

    Parameters
    ----------
    z
        Independent standard normal entries, square.
    """
    q, r = orthonormal_columns(z)
    return q * jnp.sign(jnp.diagonal(r))[None, :]


def draw_weights(words: Array, net: Layered, layer: Any, width: int, dtype: Any) -> Weights:
    """One layer's draw; the same one for every ``sigma_w`` and ``sigma_b``.

    Parameters
    ----------
    words
        The network's key (``draws.words_of``).
    net
        The network; a recurrent one has the same draw at every layer.
    layer
        Index from 1; may be traced.
    width
        Number of units.
    dtype
        Of the result.
    """
    expect_matrices("measure", net)
    stream = 0 if isinstance(net, Tied) else layer
    bias = normal(words, BIAS, stream, (width,), wide(dtype)).astype(dtype)
    if isinstance(net, FixedRecurrent):
        return Weights(jnp.asarray(net.matrix, dtype).T, bias)
    if net.weights == "orthogonal":
        matrix = orthogonal(normal(words, WEIGHTS, stream, (width, width), wide(dtype)))
    else:
        matrix = drawn(words, net.weights, stream, (width, width), wide(dtype)) * width**-0.5
    return Weights(matrix.astype(dtype), bias)


def scale_w(net: Layered) -> Any:
    """What a draw's matrix is multiplied by: ``sigma_w``, or 1 for a given matrix.

    Parameters
    ----------
    net
        The ensemble.
    """
    return 1.0 if isinstance(net, FixedRecurrent) else net.sigma_w


class Layer(nn.Module):
    """The affine half of a link, ``x -> W x + b``.

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
            kernel_init=lambda key, *_: self._drawn(key)["kernel"],
            bias_init=lambda key, *_: self._drawn(key)["bias"],
            dtype=self.dtype,
            param_dtype=self.dtype,
            precision=lax.Precision.HIGHEST,
        )(x)

    def _drawn(self, key: Array) -> Any:
        return draw_layer(words_of(key), self.net, 1, self.width, self.dtype)["params"]["Dense_0"]


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
        """Map ``x``, shape ``(..., width)``, to ``h_depth``; ``offsets``, shape ``(depth, ..., width)``, are added to each ``h``."""
        activation: Activation = self.net.activation
        for index in range(self.depth):
            h = Layer(self.net, self.width, self.dtype, name=f"layer_{index + 1}")(x) + offsets[index]
            x = activation.phi(h)
        return h


def draw_layer(words: Array, net: Layered, layer: Any, width: int, dtype: Any) -> Any:
    """Parameters of one layer of one network.

    Parameters
    ----------
    words
        The network's key (``draws.words_of``).
    net
        The ensemble, with scalar ``sigma_w`` and ``sigma_b``.
    layer
        Index from 1; may be traced.
    width
        Number of units.
    dtype
        Of the parameters, rounded once.

    Returns
    -------
    pytree
        Flax variables of ``Layer``.
    """
    drawn = draw_weights(words, net, layer, width, wide(dtype))
    kernel, bias = (scale_w(net) * drawn.matrix).astype(dtype), (net.sigma_b * drawn.bias).astype(dtype)
    return {"params": {"Dense_0": {"kernel": kernel, "bias": bias}}}


def draw_input(words: Array, width: int, dtype: Any, num_inputs: int | None = None) -> Array:
    """Random inputs of exactly unit mean square each, shape ``(width,)`` or ``(num_inputs, width)``; one alone is the first of many.

    Parameters
    ----------
    words
        The network's key (``draws.words_of``).
    width
        Number of units.
    dtype
        Of the result.
    num_inputs
        Their number; ``None`` for one without an axis of its own.
    """
    z = normal(words, INPUT, 0, (num_inputs or 1, width), wide(dtype))
    unit = (z / jnp.sqrt(jnp.mean(z**2, axis=1, keepdims=True))).astype(dtype)
    return unit[0] if num_inputs is None else unit


def draw_cotangent(words: Array, width: int, dtype: Any, num_inputs: int | None = None) -> Array:
    """Standard normal cotangents for the top layer, independent of the weights, shaped as ``draw_input``.

    Parameters
    ----------
    words
        The network's key (``draws.words_of``).
    width
        Number of units.
    dtype
        Of the result.
    num_inputs
        As for ``draw_input``.
    """
    drawn = normal(words, COTANGENT, 0, (num_inputs or 1, width), wide(dtype)).astype(dtype)
    return drawn[0] if num_inputs is None else drawn


@asked(dtype=dtype_of(FORMATS.values()))
def draw_network(key: Array, net: Layered, *, depth: int, width: int, dtype: Any = jnp.float32) -> tuple[Network, Any]:
    """One network as an unrolled Flax module with the parameters that the log-domain chain uses for the same key.

    Parameters
    ----------
    key
        The network's key; the chain of ``measure.samples`` with key K uses ``fold_in(K, index)`` for its network ``index``.
    net
        The ensemble, with scalar ``sigma_w`` and ``sigma_b``.
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
    >>> module, variables = measure.engine.draw_network(jax.random.key(0), Dense("tanh"), depth=2, width=8)
    >>> sorted(variables["params"])
    ['layer_1', 'layer_2']
    """
    words = words_of(key)
    drawn = [draw_layer(words, net, layer, width, dtype)["params"] for layer in range(1, depth + 1)]
    return Network(net, depth, width, dtype), {"params": {f"layer_{i + 1}": each for i, each in enumerate(drawn)}}


SAMPLERS = ("networks", "matrix_free")
