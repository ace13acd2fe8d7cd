"""Clipping: it scales the whole and no part of it, and where a float32 square overflows it takes no step at all."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments import clipping
from experiments.parts.tasks import TASKS
from experiments.parts.training import Setting, drawn

SETTING = Setting("large", "latch", 8, 1.0, 16, 4, 10, 2, 64)


def shares(key: jax.Array) -> clipping.Shares:
    keys = jax.random.split(key, 4)
    params = drawn(keys, SETTING.reader, TASKS["latch"].num_inputs)
    return jax.jit(jax.vmap(lambda key, params: clipping.shares(key, params, SETTING)))(keys, params)


def test_clipping_bounds_the_whole_and_leaves_the_ratios(key: jax.Array) -> None:
    found = shares(key)
    np.testing.assert_allclose(found.clipped_norm, clipping.CLIPPED_TO, rtol=clipping.ROUNDING)
    before, after = (np.asarray(logs) - np.asarray(logs)[:, -1:] for logs in (found.log_steps, found.clipped_log_steps))
    np.testing.assert_allclose(after, before, atol=clipping.ROUNDING)
    assert np.max(found.apart) < clipping.ROUNDING
    assert np.ptp(before) > 100 * clipping.ROUNDING


def test_every_part_is_scaled_as_the_whole(key: jax.Array) -> None:
    found = shares(key)
    scaled = np.asarray(found.clipped_log_steps) - np.asarray(found.log_steps)
    whole = np.log(np.asarray(found.clipped_norm) / np.asarray(found.norm))
    np.testing.assert_allclose(scaled, np.broadcast_to(whole[:, None], scaled.shape), atol=clipping.ROUNDING)


def test_optax_takes_no_step_where_the_squared_norm_overflows() -> None:
    huge = {"w": jnp.array([3e20, -4e20])}
    clipper = optax.clip_by_global_norm(1.0)
    clipped, _ = clipper.update(huge, clipper.init(huge))
    assert (clipped["w"] == 0).all()
