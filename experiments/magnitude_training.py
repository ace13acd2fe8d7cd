"""Q4. How does the spread of gradient magnitudes change as a network learns, and how much of it is training time?

Tanh networks at the critical scale learn handwritten digits of 8 x 8 pixels, by SGD or by Adam. At every mark log|g| of the hidden layers' weights is taken for several minibatches; its variance
is split exactly over marks (time), layers, entries and minibatches.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from jax import Array, lax

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import key_of
from experiments.parts.digits import INPUTS, OUTPUTS, digits
from vgtheory import measure

RULES = {"sgd": (optax.sgd, 0.05), "adam": (optax.adam, 1e-3)}
LABELS = {"sgd": "SGD", "adam": "Adam"}
PART_NAMES = ("time", "layers", "entries", "draws")


@dataclass(frozen=True)
class Config:
    rule: tuple[str, ...] = ("sgd", "adam")
    depth: int = 12
    width: int = 128
    batch: int = 32
    num_draws: int = 8
    num_marks: int = 9
    apart: int = 60
    num_nets: int = 8
    seed: int = 44


SMOKE = Config(depth=4, width=16, num_draws=3, num_marks=3, apart=5, num_nets=2)


class Params(NamedTuple):
    """First matrix, hidden ones, read-out."""

    first: Array
    hidden: Array
    last: Array


def _drawn(key: Array, depth: int, width: int) -> Params:
    keys = jax.random.split(key, 3)
    first = jax.random.normal(keys[0], (INPUTS, width)) / INPUTS**0.5
    hidden = jax.random.normal(keys[1], (depth - 2, width, width)) / width**0.5
    return Params(first, hidden, jax.random.normal(keys[2], (width, OUTPUTS)) / width**0.5)


def _logits(params: Params, x: Array) -> Array:
    h = x @ params.first
    h, _ = lax.scan(lambda h, matrix: (jnp.tanh(h) @ matrix, None), h, params.hidden)
    return jnp.tanh(h) @ params.last


def _loss(params: Params, x: Array, classes: Array) -> Array:
    return optax.softmax_cross_entropy_with_integer_labels(_logits(params, x), classes).mean()


def _trained(key: Array, rule: str, config: Config) -> tuple[Array, Array, Array]:
    """One network: log|g| at every mark, shape (marks, hidden layers, width, draws), the loss there, and the final accuracy."""
    data = digits()
    inputs, classes = jnp.asarray(data.inputs), jnp.asarray(data.targets)
    make, rate = RULES[rule]
    optimiser, (start, stream) = make(rate), jax.random.split(key)

    def batch_of(index: Array) -> tuple[Array, Array]:
        rows = jax.random.randint(jax.random.fold_in(stream, index), (config.batch,), 0, len(inputs))
        return inputs[rows], classes[rows]

    def step(state: Any, index: Array) -> tuple[Any, None]:
        params, memory = state
        updates, memory = optimiser.update(jax.grad(_loss)(params, *batch_of(index)), memory, params)
        return (optax.apply_updates(params, updates), memory), None

    def seen(params: Params, index: Array) -> Array:
        hidden = jax.grad(_loss)(params, *batch_of(index)).hidden
        return jnp.log(jnp.abs(jnp.diagonal(hidden, axis1=1, axis2=2)))

    def mark(state: Any, number: Array) -> tuple[Any, tuple[Array, Array]]:
        of_mark = 10**6 + number * config.num_draws + jnp.arange(config.num_draws)
        logs = lax.map(lambda index: seen(state[0], index), of_mark)
        result = jnp.moveaxis(logs, 0, -1), _loss(state[0], inputs, classes)
        return lax.scan(step, state, number * config.apart + jnp.arange(config.apart))[0], result

    params = _drawn(start, config.depth, config.width)
    (params, _), (logs, losses) = lax.scan(mark, (params, optimiser.init(params)), jnp.arange(config.num_marks))
    unseen, answers = (jnp.asarray(each) for each in data.unseen)
    return logs, losses, jnp.mean(jnp.argmax(_logits(params, unseen), axis=1) == answers)


def run(config: Config) -> dict[str, Any]:
    (rule,) = config.rule
    keys = jax.random.split(key_of(config), config.num_nets)
    logs, losses, accuracy = jax.jit(lambda keys: lax.map(lambda key: _trained(key, rule, config), keys))(keys)
    logs = np.asarray(logs, float)
    whole = np.stack(measure.magnitudes.nested_variances(logs, 4))
    at_marks = np.stack(measure.magnitudes.nested_variances(logs, 3))
    err = lambda values, axis: values.std(axis=axis, ddof=1) / config.num_nets**0.5
    columns: dict[str, Any] = {
        "update": np.arange(config.num_marks) * config.apart,
        "loss": np.mean(losses, axis=0),
        "accuracy": float(np.mean(accuracy)),
        "mean_log": logs.mean(axis=(0, 2, 3, 4)),
    }
    for name, parts in zip(PART_NAMES, whole, strict=True):
        columns |= {f"whole_{name}": parts.mean(), f"whole_{name}_err": err(parts, 0)}
    for name, parts in zip(PART_NAMES[1:], at_marks, strict=True):
        columns |= {f"{name}_hat": parts.mean(axis=0), f"{name}_hat_err": err(parts, 0)}
    return columns


def findings(frame: pd.DataFrame) -> Findings:
    numbers: dict[str, str] = {}
    lines = []
    for rule, rows in frame.groupby("rule"):
        rows = rows.sort_values("update")
        first, last = rows.iloc[0], rows.iloc[-1]
        whole = sum(first[f"whole_{name}"] for name in PART_NAMES)
        numbers |= {f"{rule}/{name}": f"{100 * first[f'whole_{name}'] / whole:.0f}" for name in PART_NAMES}
        numbers |= {f"{rule}/accuracy": f"{100 * first.accuracy:.0f}", f"{rule}/updates": f"{int(last['update'])}"}
        for key, row in (("start", first), ("end", last)):
            numbers |= {f"{rule}/{key}/{name}": f"{row[f'{name}_hat']:.2f}" for name in PART_NAMES[1:]}
        share = ", ".join(f"{numbers[f'{rule}/{name}']} % {name}" for name in PART_NAMES)
        lines.append(f"{LABELS[str(rule)]} {share} (accuracy {numbers[f'{rule}/accuracy']} %)")
    numbers |= {"depth": f"{int(frame.depth.max())}"}
    verdict = (
        f"Over {numbers['sgd/updates']} updates on digits the variance of log|g| in {numbers['depth']} tanh layers is: {'; '.join(lines)}; draws are minibatches. From start to end, by SGD and Adam, "
        f"minibatches' part goes from {numbers['sgd/start/draws']} to {numbers['sgd/end/draws']} and {numbers['adam/end/draws']}, that of entries from {numbers['sgd/start/entries']} to "
        f"{numbers['sgd/end/entries']} and {numbers['adam/end/entries']}, depth's from {numbers['sgd/start/layers']} to {numbers['sgd/end/layers']} and {numbers['adam/end/layers']}."
    )
    return Findings(verdict, numbers)
