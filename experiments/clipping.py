"""Q10. Does clipping cure the problem of exploding gradients, or its symptom?

The latch on plain tanh networks with large weights, in which gradients explode, and on ReLU networks with identity weights, in which
they may come to, with the gradient's norm clipped and not. Learning rates are chosen for each by itself, under SGD of eight over five
decades, for what clipping does may be had by a smaller rate as well. Every step's share in the gradient is found by giving each step a
copy of the weights; what clipping does to the shares is predicted to be nothing.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from experiments.parts.learners import LEARNERS, Reader
from experiments.parts.tasks import TASKS, Task
from experiments.parts.training import Setting, drawn, outcomes
from experiments.sequence_length import percent, setting_of, success_columns
from vgtheory import Estimate

PARTS = ("tasks", "learners", "training", "sequence_length", "summary")
CLIPPED_TO = 1.0
"""Norm to which the gradient at initialisation is clipped in every cell, whatever training does."""
LOSS_SCALE = 1e4
"""The loss is multiplied by it, so that every gradient at initialisation is clipped; training is on the loss itself."""
ROUNDING = 64 * float(np.finfo(np.float32).eps)
"""float32: a sum of some thousand squares, twice, and a logarithm; per share."""

IDENTITY = "scaling a gradient cannot change the ratio of its steps' parts"
"""The predicted and the measured number are one by arithmetic: a test (tests/experiments/test_identities.py), no comparison."""


@dataclass(frozen=True)
class Config:
    learner: tuple[str, ...] = ("large", "large_sgd", "irnn", "irnn_sgd")
    length: tuple[int, ...] = (10, 50)
    clip: tuple[float, ...] = (0.0, 1.0)
    task: tuple[str, ...] = ("latch",)
    width: int = 32
    batch: int = 16
    num_updates: int = 400
    num_checks: int = 8
    num_test: int = 1000
    num_seeds: int = 56
    seed: int = 29


SMOKE = Config(learner=("large_sgd",), length=(6,), clip=(0.0, 1.0), num_updates=40, num_checks=2, num_seeds=8)


class Shares(NamedTuple):
    """Of one network: norm of the gradient and of every step's part in it, the same after clipping, and how far ``after`` is off."""

    norm: Any
    log_steps: Any
    clipped_norm: Any
    clipped_log_steps: Any
    apart: Any


def _by_steps(params: Any, reader: Reader, task: Task, batch: Any, scale: Any) -> Any:
    """Gradient of ``scale`` times the loss with respect to a copy of the cell's weights for every step."""
    cell = reader.cell
    copies = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(batch.inputs), *leaf.shape)), _weights(params))

    def loss(copies: Any) -> jax.Array:
        start = cell.initialize_carry(jax.random.key(0), batch.inputs[0].shape)
        advance = lambda carry, link: cell.apply({"params": link[0]}, carry, link[1])
        _, states = jax.lax.scan(advance, start, (copies, batch.inputs))
        read_out = params["params"]["read_out"]
        return scale * task.loss(
            states[-task.num_read :] @ read_out["kernel"] + read_out["bias"][None, None], batch.targets
        )

    return jax.grad(loss)(copies)


def _weights(params: Any) -> Any:
    return params["params"]["chain"]["cell"]


def _log_norms(steps: Any) -> jax.Array:
    """Log of the norm of every step's part."""
    squares = [jnp.sum(leaf**2, axis=tuple(range(1, leaf.ndim))) for leaf in jax.tree.leaves(steps)]
    return jnp.log(reduce(jnp.add, squares)) / 2


def shares(key: jax.Array, params: Any, setting: Setting) -> Shares:
    """What clipping by Optax does to the gradient of one network, and to each step's part in it."""
    task, reader = TASKS[setting.task], setting.reader
    batch = task.draw(key, setting.length, setting.batch)
    steps = _by_steps(params, reader, task, batch, LOSS_SCALE)
    whole = jax.tree.map(lambda leaf: leaf.sum(axis=0), steps)
    clipper = optax.clip_by_global_norm(CLIPPED_TO)
    clipped, _ = clipper.update(whole, clipper.init(whole))
    norm, clipped_norm = optax.tree.norm(whole), optax.tree.norm(clipped)
    # Clipping a gradient is scaling the loss, by a factor that the clipped gradient itself tells.
    after = _by_steps(params, reader, task, batch, LOSS_SCALE * clipped_norm / norm)
    again = jax.tree.map(lambda leaf: leaf.sum(axis=0), after)
    apart = optax.tree.norm(jax.tree.map(jnp.subtract, again, clipped)) / clipped_norm
    return Shares(norm, _log_norms(steps), clipped_norm, _log_norms(after), apart)


def _at_start(key: jax.Array, setting: Setting, num_seeds: int) -> Shares:
    keys = jax.random.split(key, num_seeds)
    params = drawn(keys, setting.reader, TASKS[setting.task].num_inputs)
    found = jax.jit(jax.vmap(lambda key, params: shares(key, params, setting)))(keys, params)
    return Shares(*(np.asarray(part, np.float64) for part in found))


def _share_columns(found: Shares, label: str) -> dict[str, Any]:
    """The first step's part over the last's, before and after; their difference is the comparison."""
    before, after = (logs[:, 0] - logs[:, -1] for logs in (found.log_steps, found.clipped_log_steps))
    changes = (after - before)[np.isfinite(before)]  # ReLU networks may have lost the first step altogether
    change = Estimate(float(changes.mean()), float(changes.std(ddof=1) / changes.size**0.5))
    return {
        "log_norm": np.log(found.norm),
        "log_clipped_norm": np.log(found.clipped_norm),
        "log_share": before,
        "log_share_clipped": after,
        "apart": found.apart,
        **comparison(f"clipping, {label}", "clipping", change, 0.0, ROUNDING, "log ratio"),
    }


def _power(value: float) -> str:
    """A small number as LaTeX writes it."""
    mantissa, exponent = f"{value:.0e}".split("e")
    return rf"{mantissa}\cdot 10^{{{int(exponent)}}}"


def run(config: Config) -> dict[str, Any]:
    key, setting = key_of(config), setting_of(config)
    rate, _, outcome = outcomes(key, setting, config.num_seeds)
    name = f"{LEARNERS[setting.learner].label}, {setting.length} steps, clip {setting.clip:g}"
    found = _at_start(jax.random.fold_in(key, 2), setting, config.num_seeds)
    return {
        **success_columns(outcome),
        "rate": rate,
        "num_rates": len(LEARNERS[setting.learner].rates),
        **_share_columns(found, name),
    }


def findings(frame: pd.DataFrame) -> Findings:
    rows, alive = frame.drop_duplicates("cell"), frame[np.isfinite(frame.log_share)]
    longest = alive[(alive.length == alive.length.max()) & (alive.learner == alive.learner.iloc[0])]
    moved, most = (alive.log_share_clipped - alive.log_share).abs().max(), longest.log_share.mean()
    spread = (frame.log_norm.max() - frame.log_norm.min()) / np.log(10)
    pairs = rows.pivot_table(index=["learner", "length"], columns="clip", values="success", sort=False)
    plain, clipped = pairs[pairs.columns.min()], pairs[pairs.columns.max()]
    last = pairs.index.get_level_values("length") == frame.length.max()
    shown = "; ".join(
        f"{LEARNERS[learner].label} {percent(plain[learner, length])} % and {percent(clipped[learner, length])} %"
        for learner, length in pairs.index[last]
    )
    gain = float((clipped - plain).max())
    verdict = (
        f"{'Right about the gradient, wrong about training' if gain > 1 / 4 else 'Right'}. Clipping brings gradients whose norms span "
        f"{spread:.1f} powers of ten to one length and moves no step's part against another's: the first step's over the last's "
        f"(e^{most:+.1f} in {LEARNERS[longest.learner.iloc[0]].label} at length {longest.length.iloc[0]}) changes by at most {moved:.0e} in the "
        f"log. Success without and with it at length {frame.length.max()}, each at its best rate: {shown}; "
        f"{_not_finite(rows, 0)} of {_runs(rows, 0)} runs without and {_not_finite(rows, 1)} of {_runs(rows, 1)} with it end in weights that are not finite."
    )
    numbers = {f"{row.learner}/{row.length}/{row.clip:g}": percent(row.success) for row in rows.itertuples()}
    numbers |= {
        "moved": _power(moved),
        "apart": _power(frame.apart.max()),
        "share": f"{most:+.1f}",
        "longest": f"{frame.length.max()}",
        "spread": f"{spread:.1f}",
        "rates": f"{rows.num_rates.max()}",
        "gain": f"{100 * gain:.0f}",
        "not_finite/0": f"{_not_finite(rows, 0)}",
        "not_finite/1": f"{_not_finite(rows, 1)}",
        "runs": f"{_runs(rows, 0)}",
    }
    return Findings(verdict, numbers)


def _not_finite(rows: pd.DataFrame, clip: float) -> int:
    return int(rows[rows["clip"] == clip].num_not_finite.sum())


def _runs(rows: pd.DataFrame, clip: float) -> int:
    return int(rows[rows["clip"] == clip].num_seeds.sum())
