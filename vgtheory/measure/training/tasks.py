"""Examples, loss and records of a training; the parameters are those of ``training_logs``."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from vgtheory.expect import Numbers, expect, expect_one_of, expect_runs

WHERE = "training_logs"
_PER_OCTAVE = 2

Loss = Callable[[Array, Array], Array]
LOSSES: dict[str, Loss] = {
    "cross_entropy": lambda outputs, targets: optax.losses.softmax_cross_entropy_with_integer_labels(
        outputs, targets
    ).mean(),
    "squared": lambda outputs, targets: jnp.sum((outputs - targets) ** 2, axis=1).mean() / 2,
}
"""Functions of outputs, shape (batch, num_outputs), and targets (classes or target outputs)."""


def _octaves(num_updates: int) -> np.ndarray:
    """0, the last update, and two updates per octave between them."""
    powers = np.arange(0, np.log2(num_updates), 1 / _PER_OCTAVE)
    return np.unique([0, *np.round(2**powers).astype(int), num_updates])


def updates_of(record: Sequence[int] | None, num_updates: int) -> np.ndarray:
    """Numbers of updates after which networks are recorded."""
    when = _octaves(num_updates) if record is None else np.asarray(record)
    ok = when.ndim == 1 and when.size > 0 and bool(when[0] >= 0 and when[-1] <= num_updates)
    ok = ok and bool(np.all(np.diff(when) > 0))
    expect(ok, WHERE, f"increasing numbers from 0 to {num_updates}", record=record)
    return when


def loss_of(loss: str | Loss | None, is_class: bool) -> Loss:
    """Loss as a function of outputs and targets."""
    name = ("cross_entropy" if is_class else "squared") if loss is None else loss
    if isinstance(name, str):
        expect_one_of(LOSSES, WHERE, loss=name)
        return LOSSES[name]
    expect(callable(name), WHERE, f"a function loss or one of {sorted(LOSSES)}", loss=loss)
    return name


def expect_loss(loss: Loss, batch: int, num_outputs: int, targets: Array) -> None:
    """Raise unless a loss maps a batch of outputs and targets to one number."""
    with expect_runs(WHERE, "a loss of outputs and targets", "loss"):
        shapes = ((batch, num_outputs), (batch, *targets.shape[1:]))
        dtypes = (jnp.float32, targets.dtype)
        value = jax.eval_shape(loss, *map(jax.ShapeDtypeStruct, shapes, dtypes))
    scalar = getattr(value, "shape", None) == () and jnp.issubdtype(value.dtype, jnp.floating)
    expect(scalar, WHERE, "a loss that returns one real number", loss=value)


def examples_of(
    inputs: Numbers, targets: Numbers, unseen: tuple[Numbers, Numbers] | None
) -> tuple[tuple[Array, ...], bool]:
    """Examples as arrays, and whether the targets are classes."""
    is_class = bool(np.issubdtype(np.asarray(targets).dtype, np.integer))
    test_inputs, test_targets = (inputs, targets) if unseen is None else unseen
    for x, y in ((inputs, targets), (test_inputs, test_targets)):
        shape, wanted = np.shape(x), np.shape(y)
        expect(len(shape) == 2, WHERE, "inputs of shape (num, num_inputs)", inputs=f"shape {shape}")
        fits = wanted[:1] == shape[:1] and len(wanted) == (1 if is_class else 2)
        expect(fits, WHERE, "an integer, or one row, for each input", targets=f"shape {wanted}")
    kind = jnp.int32 if is_class else jnp.float32
    pairs = ((inputs, jnp.float32), (targets, kind), (test_inputs, jnp.float32), (test_targets, kind))
    return tuple(jnp.asarray(each, dtype) for each, dtype in pairs), is_class
