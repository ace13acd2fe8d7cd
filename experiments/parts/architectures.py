"""Twelve architectures as Flax modules of any width, each with few layers, and what a real network of theirs does, by plain automatic differentiation."""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.nn.initializers import normal, variance_scaling

CLASSES = 10
WORDS = 64


def _scale(sigma_w: float) -> Any:
    return variance_scaling(sigma_w**2, "fan_in", "normal")


class Tanh(nn.Module):
    """Chaotic tanh layers with random biases."""

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for _ in range(5):
            x = nn.tanh(nn.Dense(self.width, kernel_init=_scale(1.5), bias_init=normal(0.2))(x))
        return nn.Dense(CLASSES)(x)


class Relu(nn.Module):
    """He's ReLU layers."""

    width: int
    depth: int = 5

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for _ in range(self.depth):
            x = nn.relu(nn.Dense(self.width, kernel_init=_scale(2**0.5))(x))
        return nn.Dense(CLASSES)(x)


class Bottleneck(nn.Module):
    """ReLU layers of 784, N, 32, N and 10 units."""

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for width in (self.width, 32, self.width):
            x = nn.relu(nn.Dense(width, kernel_init=_scale(2**0.5))(x))
        return nn.Dense(CLASSES)(x)


class Residual(nn.Module):
    """Two residual blocks, with a layer norm before each branch or after each sum."""

    width: int
    is_pre: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = nn.Dense(self.width)(x)
        for _ in range(2):
            inner = nn.LayerNorm()(x) if self.is_pre else x
            x = x + nn.Dense(self.width)(nn.gelu(nn.Dense(self.width)(inner)))
            x = x if self.is_pre else nn.LayerNorm()(x)
        return nn.Dense(CLASSES)(x)


class ConvNet(nn.Module):
    """Two convolutions with a stride, one over channels alone, and a dense head."""

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for size, stride in ((3, 1), (3, 2), (1, 1)):
            x = nn.relu(nn.Conv(self.width, (size, size), strides=stride, kernel_init=_scale(2**0.5))(x))
        return nn.Dense(CLASSES)(jnp.mean(x, axis=(1, 2)))


class ResNet(nn.Module):
    """A residual block that narrows to a quarter of its channels, with batch norms."""

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        norm = lambda x: nn.relu(nn.BatchNorm(use_running_average=False)(x))
        x = nn.Conv(self.width, (3, 3))(x)
        inner = x
        for size, width in ((1, self.width // 4), (3, self.width // 4), (1, self.width)):
            inner = nn.Conv(width, (size, size))(norm(inner))
        return nn.Dense(CLASSES)(jnp.mean(norm(x + inner), axis=(1, 2)))


class Encoder(nn.Module):
    """A pre-norm transformer block after an embedding of vectors."""

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = nn.Dense(self.width)(x)
        x = x + nn.MultiHeadDotProductAttention(num_heads=8)(nn.LayerNorm()(x))
        x = x + nn.Dense(self.width)(nn.gelu(nn.Dense(4 * self.width)(nn.LayerNorm()(x))))
        return nn.Dense(CLASSES)(nn.LayerNorm()(x)[:, 0])


class Decoder(nn.Module):
    """A causal block with RMS norms and a gated perceptron between a table of words and a head."""

    width: int

    @nn.compact
    def __call__(self, words: Array) -> Array:
        x = nn.Embed(WORDS, self.width)(words)
        x = x + nn.MultiHeadDotProductAttention(8, use_bias=False)(nn.RMSNorm()(x), mask=nn.make_causal_mask(words))
        inner = nn.RMSNorm()(x)
        gate, up = (nn.Dense(2 * self.width, use_bias=False)(inner) for _ in range(2))
        x = x + nn.Dense(self.width, use_bias=False)(nn.silu(gate) * up)
        return nn.Dense(WORDS, use_bias=False)(nn.RMSNorm()(x))


class Lstm(nn.Module):
    """Three steps of an LSTM, read at its end."""

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        cell = nn.LSTMCell(self.width)
        state = cell.initialize_carry(jax.random.key(0), x[:, 0].shape)
        for step in range(3):
            state, y = cell(state, x[:, step])
        return nn.Dense(CLASSES)(y)


class Mixer(nn.Module):
    """A block of an MLP-Mixer: a perceptron over the positions, and one over the units."""

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = nn.Dense(self.width)(x)
        turned = jnp.swapaxes(nn.LayerNorm()(x), 1, 2)
        x = x + jnp.swapaxes(nn.Dense(8)(nn.gelu(nn.Dense(16)(turned))), 1, 2)
        x = x + nn.Dense(self.width)(nn.gelu(nn.Dense(2 * self.width)(nn.LayerNorm()(x))))
        return nn.Dense(CLASSES)(jnp.mean(nn.LayerNorm()(x), axis=1))


class DenseNet(nn.Module):
    """Layers of which each reads all before it."""

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = nn.Dense(self.width)(x)
        for _ in range(4):
            x = jnp.concatenate([x, nn.Dense(self.width // 4, kernel_init=_scale(2**0.5))(nn.relu(x))], axis=-1)
        return nn.Dense(CLASSES)(x)


class Architecture(NamedTuple):
    """A module of a width, and the shape of its input."""

    make: Callable[[int], nn.Module]
    shape: tuple[int, ...]

    def batch(self, key: Array, width: int) -> tuple[Array, Array]:
        """Inputs (words for the decoder, else Gaussian) and the gradient at the outputs, or the next words."""
        if self.make is Decoder:
            words = jax.random.randint(key, (self.shape[0], self.shape[1] + 1), 0, WORDS)
            return words[:, :-1], words[:, 1:]
        x = jax.random.normal(key, self.shape)
        return x, jax.random.normal(jax.random.fold_in(key, 1), (self.shape[0], CLASSES))


ARCHITECTURES: dict[str, Architecture] = {
    "tanh MLP": Architecture(Tanh, (8, 32)),
    "ReLU MLP": Architecture(Relu, (8, 32)),
    "bottleneck": Architecture(Bottleneck, (8, 784)),
    "pre-norm residual": Architecture(lambda width: Residual(width, True), (8, 32)),
    "post-norm residual": Architecture(lambda width: Residual(width, False), (8, 32)),
    "conv net": Architecture(ConvNet, (2, 6, 6, 3)),
    "ResNet": Architecture(ResNet, (4, 4, 4, 3)),
    "encoder": Architecture(Encoder, (2, 8, 16)),
    "decoder": Architecture(Decoder, (2, 8)),
    "LSTM": Architecture(Lstm, (4, 3, 16)),
    "mixer": Architecture(Mixer, (2, 8, 16)),
    "DenseNet": Architecture(DenseNet, (8, 32)),
}

SHALLOW = {"one hidden layer": Architecture(lambda width: Relu(width, 1), (8, 32))}
"""What compiles quickly."""


def loss(model: Any, x: Array, top: Array) -> Array:
    """A fixed gradient at the outputs; of words, the cross-entropy."""
    y = model(x)
    if jnp.issubdtype(top.dtype, jnp.integer):
        return -jnp.mean(jnp.take_along_axis(nn.log_softmax(y), top[..., None], axis=-1))
    return jnp.sum(y * top)


LAYERS = (nn.Dense, nn.DenseGeneral, nn.Conv)


def _hooked(offsets: dict[str, Array], seen: dict[str, Array]) -> Callable[..., Any]:
    """An interceptor of Flax's calls that adds an offset to each layer's output, and notes the output."""
    uses: Counter[str] = Counter()

    def hook(run: Any, args: tuple, kwargs: dict, context: Any) -> Any:
        y = run(*args, **kwargs)
        if context.method_name != "__call__" or not isinstance(context.module, LAYERS):
            return y
        layer = "/".join(context.module.path)
        path = f"{layer}@{uses[layer]}" if uses[layer] else layer
        uses[layer] += 1
        seen[path] = y
        return y + offsets[path] if path in offsets else y

    return hook


def sizes(model: nn.Module, batch: tuple, key: Array) -> dict[str, dict[str, Array]]:
    """Logs of the sizes in one network drawn with Flax's own initialisers, by quantity and call.

    The gradient with respect to weights is that of a layer's parameters together, where it is called once.
    """
    x = batch[0]
    variables = model.init(key, x)
    rest = {name: value for name, value in variables.items() if name != "params"}

    def energy(params: Any, offsets: dict[str, Array]) -> Any:
        seen: dict[str, Array] = {}
        with nn.intercept_methods(_hooked(offsets, seen)):
            run = lambda x: model.apply({"params": params, **rest}, x, mutable=list(rest))[0]
            return loss(run, *batch), seen

    shapes = jax.eval_shape(lambda: energy(variables["params"], {}))[1]
    zeros = {path: jnp.zeros(each.shape, each.dtype) for path, each in shapes.items()}
    (weights, outputs), seen = jax.grad(energy, argnums=(0, 1), has_aux=True)(variables["params"], zeros)
    log_norm = lambda tree: jnp.log(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree))) / 2
    paths = [path for path in seen if "@" not in path and f"{path}@1" not in seen]
    return {
        "log_rms": {path: log_norm(y) - np.log(y.size) / 2 for path, y in seen.items()},
        "log_grad": {path: log_norm(g) for path, g in outputs.items()},
        "log_grad_weight": {path: log_norm(_at(weights, path)) for path in paths},
    }


def _at(tree: Any, path: str) -> Any:
    for part in path.split("/"):
        tree = tree[part]
    return tree
