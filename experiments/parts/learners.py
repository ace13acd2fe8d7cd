"""What is trained: recurrent networks, each a Flax cell with its initialiser, its optimiser and a linear read-out."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

FORGET_BIAS = 1.0
"""Of the LSTM's forget gate, as has been the custom since Jozefowicz et al. (2015)."""
LEAK = 0.1
"""Share of the leaky units that is renewed at each step."""
ADAM = (1e-3, 3e-3, 1e-2)
SGD = (0.1, 0.3, 1.0)
LOW_SGD = (1e-5, 1e-4, 1e-3, 1e-2, 3e-2, *SGD)
"""Where gradients explode, what clipping does must not be had by a smaller rate as well."""


@dataclass(frozen=True)
class Learner:
    """A cell, the scale of its recurrent weights, the optimiser, the rates it may choose from, and what is trained."""

    label: str
    cell: str
    sigma_w: float = 1.0
    orthogonal: bool = False
    leak: float = 1.0
    rates: tuple[float, ...] = ADAM
    optimiser: str = "adam"
    read_out_only: bool = False


LEARNERS = {
    "tanh": Learner("tanh", "simple"),
    "tanh_sgd": Learner("tanh, SGD", "simple", rates=SGD, optimiser="sgd"),
    "small": Learner("small tanh", "simple", sigma_w=0.5),
    "small_sgd": Learner("small tanh, SGD", "simple", sigma_w=0.5, rates=SGD, optimiser="sgd"),
    "large": Learner("large tanh", "simple", sigma_w=3.0),
    "large_sgd": Learner("large tanh, SGD", "simple", sigma_w=3.0, rates=LOW_SGD, optimiser="sgd"),
    "orthogonal": Learner("tanh, orthogonal", "simple", orthogonal=True),
    "leaky": Learner("leaky tanh", "leaky", leak=LEAK),
    "irnn": Learner("ReLU, identity", "irnn"),
    "irnn_sgd": Learner("ReLU, identity, SGD", "irnn", rates=LOW_SGD, optimiser="sgd"),
    "lstm": Learner("LSTM", "lstm"),
    "gru": Learner("GRU", "gru"),
    "esn": Learner("echo state", "simple", sigma_w=0.95, rates=(1e-2, 3e-2, 1e-1), read_out_only=True),
}


class Leaky(nn.RNNCellBase):
    """Units that keep 1 - leak of their state and renew the rest: (1 - leak) h + leak tanh(W h + U x + b)."""

    features: int
    leak: float
    recurrent_kernel_init: Any

    @nn.compact
    def __call__(self, carry: jax.Array, inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
        recurrent = nn.Dense(self.features, use_bias=False, kernel_init=self.recurrent_kernel_init)(carry)
        carry = (1 - self.leak) * carry + self.leak * jnp.tanh(recurrent + nn.Dense(self.features)(inputs))
        return carry, carry

    @nn.nowrap
    def initialize_carry(self, rng: jax.Array, input_shape: tuple[int, ...]) -> jax.Array:
        return jnp.zeros((*input_shape[:-1], self.features))

    @property
    def num_feature_axes(self) -> int:
        return 1


def _recurrent_init(learner: Learner) -> Any:
    if learner.orthogonal:
        return nn.initializers.orthogonal(learner.sigma_w)
    return nn.initializers.variance_scaling(learner.sigma_w**2, "fan_in", "normal")


def cell_of(learner: Learner, width: int) -> nn.RNNCellBase:
    """The Flax cell; gated ones with Flax's own initialisers."""
    match learner.cell:
        case "simple":
            return nn.SimpleCell(width, recurrent_kernel_init=_recurrent_init(learner))
        case "irnn":  # Le, Jaitly, Hinton (2015)
            identity = lambda key, shape, dtype=jnp.float32: jnp.eye(*shape, dtype=dtype)
            return nn.SimpleCell(width, activation_fn=nn.relu, recurrent_kernel_init=identity)
        case "leaky":
            return Leaky(width, learner.leak, _recurrent_init(learner))
        case "lstm":
            return nn.OptimizedLSTMCell(width)
        case "gru":
            return nn.GRUCell(width)
    raise ValueError(f"cell_of: expected one of simple, irnn, leaky, lstm, gru, got cell={learner.cell!r}.")


class Reader(nn.Module):
    """The cell along the sequence and a linear read-out of its last ``num_read`` states."""

    learner: Learner
    width: int
    num_outputs: int
    num_read: int

    @property
    def cell(self) -> nn.RNNCellBase:
        """The cell by itself."""
        return cell_of(self.learner, self.width)

    def setup(self) -> None:
        self.chain = nn.RNN(self.cell, time_major=True)
        self.read_out = nn.Dense(self.num_outputs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        states = self.chain(inputs)[-self.num_read :]
        return self.read_out(jax.lax.stop_gradient(states) if self.learner.read_out_only else states)


def initial(key: jax.Array, reader: Reader, num_inputs: int) -> Any:
    """Parameters at the start; they do not depend on the length."""
    params = reader.init(key, jnp.zeros((reader.num_read, 1, num_inputs)))
    if reader.learner.cell == "lstm":
        params["params"]["chain"]["cell"]["hf"]["bias"] += FORGET_BIAS
    return params


def direction_of(learner: Learner, clip: float) -> optax.GradientTransformation:
    """The step before it is multiplied by the learning rate; ``clip`` bounds the gradient's global norm, 0 for no bound."""
    optimiser = optax.scale_by_adam() if learner.optimiser == "adam" else optax.identity()
    return optax.chain(optax.clip_by_global_norm(clip), optimiser) if clip else optimiser
