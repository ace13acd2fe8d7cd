"""Tasks on which recurrent networks are asked to remember, four of the field and two of real data, each with a criterion that chance cannot meet.

A task draws ``(inputs, targets)`` of shapes (steps, batch, num_inputs) and (num_read, batch): the loss counts at the last
``num_read`` steps only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from experiments.parts.digits import INPUTS, OUTPUTS, digits

NOISE = 0.2
"""Standard deviation of the latch's noise, against a class signal of +1 or -1."""
KINDS = 4
"""Symbols of the copy task, and distractors of the temporal order."""
COPIED = 2
"""Symbols to be copied."""
ACCURACY = 0.95
"""Share of fresh sequences to be answered rightly: against chance of 1/2 or 1/4, no 1,000 guesses come near."""
READ = 0.8
"""Share of unseen handwritten digits to be read rightly."""
SQUARED_ERROR = 0.04
"""For the adding task. The best constant leaves 1/6, knowing one of the two numbers 1/12."""


class Batch(NamedTuple):
    """Sequences and what should be said at their last ``num_read`` steps."""

    inputs: jax.Array
    targets: jax.Array


@dataclass(frozen=True)
class Task:
    """One task: sizes, what its outputs mean, what an ignorant answer scores, and the score that counts as success."""

    draw: Callable[[jax.Array, int, int], Batch]
    num_inputs: int
    num_outputs: int
    chance: float
    criterion: float
    drive: Callable[[int], float]
    num_read: int = 1
    unseen: Callable[[jax.Array, int, int], Batch] | None = None
    """Draws what is scored, where that is not what is trained on."""

    @property
    def is_value(self) -> bool:
        """Whether a number is asked for, and its error scored; else a class, and its accuracy."""
        return self.num_outputs == 1

    def loss(self, outputs: jax.Array, targets: jax.Array) -> jax.Array:
        """Mean squared error or mean cross-entropy, of outputs of shape (num_read, batch, num_outputs)."""
        if self.is_value:
            return jnp.mean((outputs[..., 0] - targets) ** 2)
        return optax.softmax_cross_entropy_with_integer_labels(outputs, targets.astype(jnp.int32)).mean()

    def score(self, outputs: jax.Array, targets: jax.Array) -> jax.Array:
        """Mean squared error or accuracy; NaN where an output is not finite."""
        if self.is_value:
            return jnp.mean((outputs[..., 0] - targets) ** 2)
        right = outputs.argmax(axis=-1) == targets
        return jnp.where(jnp.isfinite(outputs).all(), right.mean(), jnp.nan)

    def is_met(self, score: jax.Array) -> jax.Array:
        """Whether the criterion is met; not by NaN."""
        return score < self.criterion if self.is_value else score > self.criterion


def latch(key: jax.Array, length: int, batch: int) -> Batch:
    """Class +1 or -1 at the first step, noise afterwards, the class asked for at the end: Bengio, Simard, Frasconi (1994)."""
    key_class, key_noise = jax.random.split(key)
    classes = jax.random.randint(key_class, (batch,), 0, 2)
    inputs = NOISE * jax.random.normal(key_noise, (length, batch, 1))
    return Batch(inputs.at[0, :, 0].set(2.0 * classes - 1), classes[None])


def _places(key: jax.Array, batch: int, start: int, stop: int) -> jax.Array:
    """A step of [start, stop) for each sequence, at least start."""
    return jax.random.randint(key, (batch,), start, max(stop, start + 1))


def adding(key: jax.Array, length: int, batch: int) -> Batch:
    """Numbers of [0, 1], one marked in either half, their sum asked for: Hochreiter & Schmidhuber (1997)."""
    key_value, key_first, key_second = jax.random.split(key, 3)
    values = jax.random.uniform(key_value, (length, batch))
    first = _places(key_first, batch, 0, length // 2)
    second = _places(key_second, batch, length // 2, length)
    steps = jnp.arange(length)[:, None]
    marked = (steps == first[None]) | (steps == second[None])
    return Batch(jnp.stack([values, marked.astype(values.dtype)], axis=-1), (values * marked).sum(axis=0)[None])


def copy(key: jax.Array, length: int, batch: int) -> Batch:
    """Symbols first, blanks, a cue at step ``length``, then the symbols asked for in order, one a step: H. & S. (1997)."""
    symbols = jax.random.randint(key, (COPIED, batch), 0, KINDS)
    shown = jnp.pad(jax.nn.one_hot(symbols, KINDS), ((0, length - COPIED + COPIED), (0, 0), (0, 1)))
    return Batch(shown.at[length - 1, :, KINDS].set(1.0), symbols)


def order(key: jax.Array, length: int, batch: int) -> Batch:
    """Two of the letters X, Y among distractors, at a tenth to a fifth and at half to three fifths; which, in which order?

    Hochreiter & Schmidhuber (1997), as in Pascanu, Mikolov, Bengio (2013).
    """
    keys = jax.random.split(key, 4)
    letters = jax.random.randint(keys[0], (2, batch), 0, 2)
    symbols = jax.random.randint(keys[1], (length, batch), 0, KINDS)
    places = (
        _places(keys[2], batch, length // 10, length // 5 + 1 if length >= 10 else 1),
        _places(keys[3], batch, length // 2, 3 * length // 5 + 1 if length >= 10 else length // 2 + 1),
    )
    for letter, place in zip(letters, places, strict=True):
        symbols = symbols.at[place, jnp.arange(batch)].set(KINDS + letter)
    return Batch(jax.nn.one_hot(symbols, KINDS + 2), (2 * letters[0] + letters[1])[None])


def pieces(key: jax.Array, length: int, batch: int, is_unseen: bool = False) -> Batch:
    """Handwritten digits in ``length`` pieces of as many pixels each, row by row; which digit?"""
    if INPUTS % length:
        raise ValueError(f"pieces: expected a divisor of {INPUTS}, got length={length}.")
    data = digits()
    images, classes = data.unseen if is_unseen else (data.inputs, data.targets)
    chosen = jax.random.randint(key, (batch,), 0, len(classes))
    inputs = jnp.asarray(images)[chosen].reshape(batch, length, -1).swapaxes(0, 1)
    return Batch(inputs, jnp.asarray(classes)[chosen][None])


_UNSEEN = partial(pieces, is_unseen=True)

TASKS = {
    "latch": Task(latch, 1, 2, 1 / 2, ACCURACY, lambda length: NOISE**2),
    "adding": Task(adding, 2, 1, 1 / 6, SQUARED_ERROR, lambda length: (1 / 3 + 2 / length) / 2),
    "copy": Task(copy, KINDS + 1, KINDS, 1 / KINDS, ACCURACY, lambda length: 0.0, num_read=COPIED),
    "order": Task(order, KINDS + 2, 4, 1 / 4, ACCURACY, lambda length: 1 / (KINDS + 2)),
    "rows": Task(pieces, 8, OUTPUTS, 1 / OUTPUTS, READ, lambda length: 1.0, unseen=_UNSEEN),
    "pixels": Task(pieces, 1, OUTPUTS, 1 / OUTPUTS, READ, lambda length: 1.0, unseen=_UNSEEN),
}
"""By name; ``drive`` is the mean square of an input at a step between the first and the last."""
