"""Training: a seed alone is that seed among others, failures count as failures, and what can be learnt is."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from experiments import sequence_length
from experiments.parts.learners import FORGET_BIAS, LEARNERS, Leaky, Reader
from experiments.parts.tasks import TASKS
from experiments.parts.training import GROUP, Outcome, Setting, drawn, group, trained
from tests.tolerances import SINGLE, TRAINED

EASY = Setting("lstm", "latch", 2, 1.0, 16, 16, 200, 2, 1000)
SHORT = Setting("tanh", "adding", 6, 1.0, 8, 4, 10, 2, 64)


def started(key: jax.Array, setting: Setting) -> tuple[jax.Array, jax.Array]:
    keys = jax.random.split(key, GROUP)
    return drawn(keys, setting.reader, TASKS[setting.task].num_inputs), keys


@pytest.mark.slow
def test_a_seed_alone_is_that_seed_among_others(key: jax.Array) -> None:
    params, keys = started(key, SHORT)
    rates = jnp.full(GROUP, 1e-2)
    together = trained(params, keys, rates, SHORT)
    alone = trained(jax.tree.map(lambda leaf: leaf[3:4], params), keys[3:4], rates[3:4], SHORT)
    assert np.isinf(alone.updates[0])
    np.testing.assert_allclose(alone.score[0], together.score[3], rtol=TRAINED)
    assert len(np.unique(together.score)) == GROUP


# The seeds are held by the test of one among others.
@pytest.mark.slow
def test_what_can_be_learnt_is_and_seeds_stay_what_they_are(key: jax.Array) -> None:
    outcome = group(key, 0, 1e-2, EASY)
    assert np.isfinite(outcome.updates).all()
    assert set(outcome.updates) <= {100.0, 200.0}
    assert outcome.finite.all()


@pytest.mark.slow
def test_runs_that_blow_up_are_failures_and_are_counted(key: jax.Array) -> None:
    outcome = group(key, 0, 1e38, SHORT)
    columns = sequence_length.success_columns(outcome)
    assert columns["num_not_finite"] == GROUP
    assert columns["successes"] == 0
    assert columns["success_low"] == 0 < columns["success_high"]


@pytest.mark.slow
def test_only_the_read_out_of_an_echo_state_network_learns(key: jax.Array) -> None:
    task, reader = TASKS["latch"], Reader(LEARNERS["esn"], 8, 2, 1)

    def loss(params: Any, key: jax.Array) -> jax.Array:
        batch = task.draw(key, 5, 4)
        return task.loss(reader.apply(params, batch.inputs), batch.targets)

    params = jax.tree.map(lambda leaf: leaf[0], drawn(key[None], reader, 1))
    slope = jax.jit(jax.grad(loss))(params, key)["params"]
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(slope["chain"]))
    assert all((leaf != 0).any() for leaf in jax.tree.leaves(slope["read_out"]))


def test_forget_gates_start_open(key: jax.Array) -> None:
    cell = drawn(key[None], Reader(LEARNERS["lstm"], 8, 2, 1), 1)["params"]["chain"]["cell"]
    assert (cell["hf"]["bias"] == FORGET_BIAS).all()
    assert (cell["hi"]["bias"] == 0).all()


@pytest.mark.slow
def test_leaky_units_are_as_defined(key: jax.Array) -> None:
    cell = Leaky(5, 0.3, jax.nn.initializers.normal(0.7))
    h, x = jax.random.normal(key, (2, 3, 5))
    params = cell.init(key, h, x)
    w, u = (params["params"][f"Dense_{index}"] for index in range(2))
    expected = 0.7 * h + 0.3 * jnp.tanh(h @ w["kernel"] + x @ u["kernel"])
    np.testing.assert_allclose(cell.apply(params, h, x)[0], expected, rtol=SINGLE, atol=SINGLE)


@pytest.mark.parametrize(("successes", "num"), [(0, 56), (56, 56), (28, 56), (1, 8)])
def test_intervals_are_wilsons(successes: int, num: int) -> None:
    for bound in sequence_length.interval(successes, num):
        if 0 < bound < 1:
            off = abs(successes / num - bound) / np.sqrt(bound * (1 - bound) / num)
            assert abs(off - sequence_length.NORMAL) < SINGLE


def test_the_reach_is_where_success_ends() -> None:
    rows = pd.DataFrame({"length": [20, 2, 10, 5], "success": [0.9, 1.0, 0.2, 0.6]})
    assert sequence_length.reach(rows) == 5
    assert sequence_length.reach(rows.assign(success=0.1)) == 0


def test_an_outcome_has_a_row_for_every_seed() -> None:
    outcome = Outcome(np.array([50.0, np.inf]), np.array([1.0, 0.5]), np.array([True, True]))
    assert sequence_length.success_columns(outcome)["success"] == 1 / 2
