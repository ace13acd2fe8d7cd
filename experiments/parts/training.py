"""Training many networks at once, from their initialisation until each has met the task's criterion or the updates are spent.

One compiled program trains ``GROUP`` networks side by side (vmap over seeds, scan over updates and over time) and stops when
all of them are done. The learning rate is chosen on pilot seeds that are not counted afterwards.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.parts.learners import LEARNERS, Reader, direction_of, initial
from experiments.parts.tasks import TASKS, Task

GROUP = 8
"""Networks per call of the compiled program, and pilots per learning rate."""


class Setting(NamedTuple):
    """All that the compiled program depends on."""

    learner: str
    task: str
    length: int
    clip: float
    width: int
    batch: int
    num_updates: int
    num_checks: int
    num_test: int

    @property
    def reader(self) -> Reader:
        task = TASKS[self.task]
        return Reader(LEARNERS[self.learner], self.width, task.num_outputs, task.num_read)


class Outcome(NamedTuple):
    """Of every network: updates until the criterion was met (inf: never), last score, whether all weights are finite."""

    updates: Any
    score: Any
    finite: Any


class _Run(NamedTuple):
    """A network in training."""

    params: Any
    momenta: Any
    met_at: jax.Array
    score: jax.Array


def _update(setting: Setting, rate: jax.Array, run: tuple[Any, Any], key: jax.Array) -> tuple[tuple[Any, Any], None]:
    """One step on a fresh batch."""
    task, (params, momenta) = TASKS[setting.task], run
    batch = task.draw(key, setting.length, setting.batch)
    slope = jax.grad(lambda params: task.loss(setting.reader.apply(params, batch.inputs), batch.targets))(params)
    step, momenta = direction_of(LEARNERS[setting.learner], setting.clip).update(slope, momenta)
    return (optax.apply_updates(params, jax.tree.map(lambda each: -rate * each, step)), momenta), None


def _stretch(setting: Setting, rate: jax.Array, key: jax.Array, index: jax.Array, run: _Run) -> _Run:
    """The updates between two checks, and the check, on fresh sequences."""
    task: Task = TASKS[setting.task]
    key_updates, key_test = jax.random.split(jax.random.fold_in(key, index))
    per_check = setting.num_updates // setting.num_checks
    update = partial(_update, setting, rate)
    (params, momenta), _ = jax.lax.scan(update, run[:2], jax.random.split(key_updates, per_check))
    test = (task.unseen or task.draw)(key_test, setting.length, setting.num_test)
    score = task.score(setting.reader.apply(params, test.inputs), test.targets)
    now = jnp.where(task.is_met(score), (index + 1.0) * per_check, jnp.inf)
    return _Run(params, momenta, jnp.minimum(run.met_at, now), score)


@partial(jax.jit, static_argnames=("setting",))
def trained(params: Any, keys: jax.Array, rates: jax.Array, setting: Setting) -> Outcome:
    """A group of networks from given parameters: until all have met the criterion, or to the last update."""
    direction = direction_of(LEARNERS[setting.learner], setting.clip)
    unmet = jnp.full(rates.shape, jnp.inf)
    start = _Run(params, jax.vmap(direction.init)(params), unmet, jnp.full(rates.shape, jnp.nan))

    def unfinished(state: tuple[jax.Array, _Run]) -> jax.Array:
        return (state[0] < setting.num_checks) & jnp.isinf(state[1].met_at).any()

    def stretch(state: tuple[jax.Array, _Run]) -> tuple[jax.Array, _Run]:
        advance = jax.vmap(partial(_stretch, setting), in_axes=(0, 0, None, 0))
        return state[0] + 1, advance(rates, keys, state[0], state[1])

    _, run = jax.lax.while_loop(unfinished, stretch, (jnp.int32(0), start))
    finite = [jnp.isfinite(leaf).all(axis=tuple(range(1, leaf.ndim))) for leaf in jax.tree.leaves(run.params)]
    return Outcome(run.met_at, run.score, jnp.stack(finite).all(axis=0))


@partial(jax.jit, static_argnames=("reader", "num_inputs"))
def drawn(keys: jax.Array, reader: Reader, num_inputs: int) -> Any:
    """Initial parameters of many networks: a program apart, for it is the same at every length."""
    # One after the other: decompositions of many orthogonal matrices at once may wait for each other for ever on a CPU.
    return jax.lax.map(lambda key: initial(key, reader, num_inputs), keys)


def group(key: jax.Array, index: int, rate: float, setting: Setting) -> Outcome:
    """The index-th group of seeds, at one learning rate."""
    keys = jax.vmap(lambda seed: jax.random.fold_in(key, seed))(index * GROUP + jnp.arange(GROUP))
    halves = jax.vmap(jax.random.split)(keys)
    params = drawn(halves[:, 0], setting.reader, TASKS[setting.task].num_inputs)
    return Outcome(*map(np.asarray, trained(params, halves[:, 1], jnp.full(GROUP, rate), setting)))


def _merit(outcome: Outcome, setting: Setting) -> tuple[float, float, float]:
    """What a learning rate is chosen by: pilots that succeed, then how soon, then how well they score."""
    score = np.nanmean(np.where(outcome.finite, outcome.score, np.nan)) if outcome.finite.any() else np.nan
    sign = -1 if TASKS[setting.task].is_value else 1
    soon = np.minimum(outcome.updates, 2 * setting.num_updates).mean()
    return float(np.isfinite(outcome.updates).mean()), -float(soon), float(np.nan_to_num(sign * score, nan=-np.inf))


def chosen(key: jax.Array, setting: Setting) -> tuple[float, list[float]]:
    """The learning rate at which a group of pilots does best, and every rate's share of successes."""
    rates = LEARNERS[setting.learner].rates
    merits = [_merit(group(key, 0, rate, setting), setting) for rate in rates]
    return rates[merits.index(max(merits))], [merit[0] for merit in merits]


def outcomes(key: jax.Array, setting: Setting, num_seeds: int) -> tuple[float, list[float], Outcome]:
    """The chosen rate, the pilots' shares, and the outcome of at least so many seeds, none of them a pilot."""
    rate, shares = chosen(jax.random.fold_in(key, 0), setting)
    groups = [group(jax.random.fold_in(key, 1), index, rate, setting) for index in range(-(-num_seeds // GROUP))]
    together = [np.concatenate(parts)[:num_seeds] for parts in zip(*groups, strict=True)]
    return rate, shares, Outcome(*together)
