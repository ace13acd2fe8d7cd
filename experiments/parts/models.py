"""Flax models as people write them, for the experiments that predict what they have not been told of."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.nn.initializers import variance_scaling


def _init(sigma_w: float) -> Any:
    return variance_scaling(sigma_w**2, "fan_in", "normal")


class Stack(nn.Module):
    """Transformer blocks without biases: the module that ``vgtheory.Transformer`` describes."""

    depth: int
    width: int
    heads: int
    place: str
    sigma_w: float
    sigma_qk: float
    mlp_ratio: int = 4

    @nn.compact
    def __call__(self, x: Array) -> Array:
        pre = self.place == "pre"
        norm = lambda: nn.LayerNorm(epsilon=0.0)
        for _ in range(self.depth):
            x = x + self._attended(norm()(x) if pre else x)
            x = x if pre else norm()(x)
            inner = self._dense(self.mlp_ratio * self.width, "mlp_in")(norm()(x) if pre else x)
            x = x + self._dense(self.width, "mlp_out")(nn.gelu(inner, approximate=False))
            x = x if pre else norm()(x)
        return x

    def _dense(self, features: Any, name: str, sigma: float | None = None, axis: Any = -1) -> Any:
        """A layer of this block; its number follows its name."""
        index = sum(each.startswith(f"{name}_") for each in self._state.children)
        init = _init(self.sigma_w if sigma is None else sigma)
        return nn.DenseGeneral(features, axis=axis, use_bias=False, kernel_init=init, name=f"{name}_{index}")

    def _attended(self, n: Array) -> Array:
        size = (self.heads, self.width // self.heads)
        query, key = (self._dense(size, name, self.sigma_qk)(n) for name in ("query", "key"))
        seen = nn.dot_product_attention(query, key, self._dense(size, "value")(n))
        return self._dense(self.width, "output", axis=(-2, -1))(seen)


class ConvNet(nn.Module):
    """Plain convolutions, ReLU, a stride, and a dense head."""

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for k in range(6):
            x = nn.relu(nn.Conv(self.width, (3, 3), strides=2 if k == 2 else 1, kernel_init=_init(2**0.5))(x))
        return nn.Dense(10)(jnp.mean(x, axis=(1, 2)))


class ResNet(nn.Module):
    """Residual blocks of two convolutions with batch norm before each."""

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        norm = lambda: nn.BatchNorm(use_running_average=False)
        x = nn.Conv(self.width, (3, 3))(x)
        for _ in range(4):
            inner = nn.Conv(self.width, (3, 3))(nn.relu(norm()(x)))
            x = x + nn.Conv(self.width, (3, 3))(nn.relu(norm()(inner)))
        return nn.Dense(10)(jnp.mean(nn.relu(norm()(x)), axis=(1, 2)))


class Encoder(nn.Module):
    """Two pre-norm transformer blocks after an embedding of vectors, Flax's own attention and initialisation."""

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = nn.Dense(self.width)(x)
        for _ in range(2):
            x = x + nn.MultiHeadDotProductAttention(num_heads=8)(nn.LayerNorm()(x))
            x = x + nn.Dense(self.width)(nn.gelu(nn.Dense(4 * self.width)(nn.LayerNorm()(x))))
        return nn.Dense(10)(nn.LayerNorm()(x)[:, 0])


class Gated(nn.Module):
    """One step of an LSTM from a state that is not zero, and a readout."""

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        cell, state = nn.Dense(self.width, name="cell")(x), nn.tanh(nn.Dense(self.width, name="hidden")(x))
        _, y = nn.LSTMCell(self.width)((cell, state), x)
        return nn.Dense(10, name="readout")(y)
