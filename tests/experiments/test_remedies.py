"""Remedies: what each way of clipping does to the layers' shares of a step, and decay where no gradient comes."""

import dataclasses

import jax
import numpy as np
import pytest

from experiments import remedies
from experiments.parts import optimisers, pilots
from vgtheory import Dense

ROUNDING = 1e-4
"""Log of a norm of some hundred float32 entries, each the difference of two weights after a step of 10^10."""
EVEN = 0.1
"""Of a log share, by value: a few of some hundred entries lie within their bound."""
TINY = dataclasses.replace(remedies.SMOKE, shrink=4)


@pytest.mark.slow
@pytest.mark.parametrize(("how", "close"), [("norm", ROUNDING), ("layer", ROUNDING), ("value", EVEN)])
def test_shares_of_a_clipped_step_are_those_predicted(how: str, close: float) -> None:
    config = dataclasses.replace(TINY, case=(f"clip, tanh, {how}",))
    found = remedies._clip_columns(config, remedies._plan(config), 1)
    np.testing.assert_allclose(found["value"], found["law"], atol=close)
    assert found["log_step"] <= ROUNDING < found["log_raw"]
    assert np.ptp(found["raw"]) > 1
    assert (np.abs(found["value"] - found["raw"]).max() > 1) == (how != "norm")


@pytest.mark.slow
def test_decay_shrinks_weights_that_get_no_gradient_exponentially(key: jax.Array) -> None:
    """A sigmoid stack of twelve layers moves the lower ones by nothing else."""
    plan = pilots.Plan(Dense("sigmoid", 0.5), optimisers.decayed(0.05), 12, 16, 16, 40)
    logs = pilots.logs_of(key, plan, 0.1, 1, [0, 40])
    lower = (logs.log_scale[:, 1] - logs.log_scale[:, 0])[:, 1:6]
    np.testing.assert_allclose(lower, 40 * np.log1p(-0.1 * 0.05), atol=ROUNDING)
    assert abs(logs.log_scale[0, 1, -1] - logs.log_scale[0, 0, -1] - lower[0, 0]) > ROUNDING
