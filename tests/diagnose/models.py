"""Models as anyone would write them, none with a diagnosis in mind; each builder returns model, variables, loss, batch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax import nnx


class Case(NamedTuple):
    model: Any
    variables: Any
    loss: Callable[..., Any]
    batch: tuple


class MLP(nnx.Module):
    """A deep sigmoid network, Flax's default initialisation."""

    def __init__(self, depth: int, width: int, rngs: nnx.Rngs) -> None:
        self.hidden = nnx.List([nnx.Linear(width, width, rngs=rngs) for _ in range(depth)])
        self.head = nnx.Linear(width, 10, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        for layer in self.hidden:
            x = nnx.sigmoid(layer(x))
        return self.head(x)


def cross_entropy(model: Any, x: Any, labels: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(model(x), labels).mean()


def mlp(depth: int = 12, width: int = 32, inputs: int = 16) -> Case:
    x = jax.random.normal(jax.random.key(1), (inputs, width))
    labels = jax.random.randint(jax.random.key(2), (inputs,), 0, 10)
    return Case(MLP(depth, width, nnx.Rngs(0)), None, cross_entropy, (x, labels))


class Block(nn.Module):
    """Post-activation residual block, as in the first ResNets."""

    channels: int

    @nn.compact
    def __call__(self, x: Any, train: bool) -> Any:
        y = nn.Conv(self.channels, (3, 3), use_bias=False)(x)
        y = nn.relu(nn.BatchNorm(use_running_average=not train)(y))
        y = nn.Conv(self.channels, (3, 3), use_bias=False)(y)
        y = nn.BatchNorm(use_running_average=not train)(y)
        return nn.relu(x + y)


class ResNet(nn.Module):
    """A small ResNet."""

    blocks: int
    channels: int

    @nn.compact
    def __call__(self, x: Any, train: bool = True) -> Any:
        x = nn.relu(nn.BatchNorm(use_running_average=not train)(nn.Conv(self.channels, (3, 3), use_bias=False)(x)))
        for _ in range(self.blocks):
            x = Block(self.channels)(x, train)
        return nn.Dense(10)(x.mean((1, 2)))


def resnet(blocks: int = 1, channels: int = 8, inputs: int = 4, side: int = 8) -> Case:
    model = ResNet(blocks, channels)
    x = jax.random.normal(jax.random.key(1), (inputs, side, side, 3))
    labels = jax.random.randint(jax.random.key(2), (inputs,), 0, 10)
    return Case(model, jax.jit(model.init)(jax.random.key(0), x), cross_entropy, (x, labels))


class Reader(nnx.Module):
    """An LSTM that reads a sequence and answers at its end."""

    def __init__(self, width: int, rngs: nnx.Rngs) -> None:
        self.rnn = nnx.RNN(nnx.OptimizedLSTMCell(4, width, rngs=rngs))
        self.head = nnx.Linear(width, 1, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.head(self.rnn(x)[:, -1])


def lstm(steps: int = 8, width: int = 8, inputs: int = 4) -> Case:
    x = jax.random.normal(jax.random.key(1), (inputs, steps, 4))

    @nnx.jit
    def loss(model: Any, x: Any) -> Any:
        return ((model(x)[:, 0] - x[:, 0, 0]) ** 2).mean()

    return Case(Reader(width, nnx.Rngs(0)), None, loss, (x,))


class Transformer(nn.Module):
    """Decoder-only, pre-norm, tied embedding."""

    blocks: int
    width: int
    heads: int

    @nn.compact
    def __call__(self, ids: Any, deterministic: bool = True) -> Any:
        embed = nn.Embed(64, self.width)
        x = embed(ids) + self.param("positions", nn.initializers.normal(0.02), (ids.shape[1], self.width))[None]
        mask = nn.make_causal_mask(ids)
        for _ in range(self.blocks):
            x = x + nn.MultiHeadDotProductAttention(self.heads)(nn.LayerNorm()(x), mask=mask)
            y = nn.Dense(self.width)(nn.gelu(nn.Dense(4 * self.width)(nn.LayerNorm()(x))))
            x = x + nn.Dropout(0.1, deterministic=deterministic)(y)
        return embed.attend(nn.LayerNorm()(x))


def transformer(blocks: int = 1, width: int = 16, heads: int = 2, inputs: int = 2, steps: int = 8) -> Case:
    model = Transformer(blocks, width, heads)
    ids = jax.random.randint(jax.random.key(1), (inputs, steps), 0, 64)

    def loss(model: Any, batch: dict) -> Any:
        logits = model(batch["ids"], deterministic=batch["eval"])
        return optax.softmax_cross_entropy_with_integer_labels(logits[:, :-1], batch["ids"][:, 1:]).mean(), logits

    return Case(model, jax.jit(model.init)(jax.random.key(0), ids), loss, ({"ids": ids, "eval": True},))


class PreNorm(nn.Module):
    """A block that a scan repeats."""

    heads: int

    @nn.compact
    def __call__(self, x: Any, mask: Any) -> tuple[Any, None]:
        x = x + nn.MultiHeadDotProductAttention(self.heads)(nn.LayerNorm()(x), mask=mask)
        width = x.shape[-1]
        return x + nn.Dense(width)(nn.gelu(nn.Dense(4 * width)(nn.LayerNorm()(x)))), None


class Scanned(nn.Module):
    """A transformer whose blocks are one scan, with parameters stacked."""

    blocks: int
    width: int
    heads: int

    @nn.compact
    def __call__(self, ids: Any) -> Any:
        options: Any = {"variable_axes": {"params": 0}, "split_rngs": {"params": True}, "in_axes": nn.broadcast}
        stack = nn.scan(PreNorm, length=self.blocks, **options)(self.heads)
        x, _ = stack(nn.Embed(64, self.width)(ids), nn.make_causal_mask(ids))
        return nn.Dense(64)(nn.LayerNorm()(x))


def scanned(blocks: int = 3, width: int = 16, heads: int = 2, inputs: int = 2, steps: int = 8) -> Case:
    model = Scanned(blocks, width, heads)
    ids = jax.random.randint(jax.random.key(1), (inputs, steps), 0, 64)

    def loss(model: Any, ids: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(model(ids)[:, :-1], ids[:, 1:]).mean()

    return Case(model, jax.jit(model.init)(jax.random.key(0), ids), loss, (ids,))


class Scorer(nnx.Module):
    """A log of what a layer returns, without thought for its sign, in a later layer of its own."""

    def __init__(self, width: int, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(width, width, rngs=rngs)
        self.scale = LogScale(width)
        self.last = nnx.Linear(width, 10, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.last(self.scale(nnx.relu(self.first(x)) - 0.1))


class LogScale(nnx.Module):
    """Someone's own layer."""

    def __init__(self, width: int) -> None:
        self.gain = nnx.Param(jnp.ones(width))

    def __call__(self, x: Any) -> Any:
        return jnp.log(x) * self.gain[...][None]


def nans(width: int = 8, inputs: int = 8) -> Case:
    x = jax.random.normal(jax.random.key(1), (inputs, width))
    return Case(Scorer(width, nnx.Rngs(0)), None, cross_entropy, (x, jnp.zeros(inputs, int)))


MODELS = {"mlp": mlp, "resnet": resnet, "lstm": lstm, "transformer": transformer, "scanned": scanned, "nans": nans}
