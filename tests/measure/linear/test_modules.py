"""Flax modules at their own initialisation beside the law of the gradient by lag, and blocks in depth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests.tolerances import SIGMAS
from vgtheory import InputDecay, LinearRecurrence, Ring, StateSpace, measure, theory
from vgtheory.measure.linear import RecurrentLayer, SelectiveLayer

LAYERS = {
    "LRU": (LinearRecurrence(Ring(0.8, 0.95), "gamma"), 128, 512),
    "S4D": (LinearRecurrence(StateSpace("s4d-lin", 4, dt_min=0.05, dt_max=0.1), "step"), 1024, None),
    "S5": (LinearRecurrence(StateSpace("s5", 4, dt_min=0.02, dt_max=0.2), "step"), 128, 512),
}
SHARE = 0.05
"""Asked of one network's gradient by lag."""
LAGS = np.array([0, 4, 12])
SLOW = {
    "white": LinearRecurrence(Ring(0.5, 0.9), "gamma"),
    "slow": LinearRecurrence(Ring(0.5, 0.95, 0.3), "gamma", 0.7),
    "S4D": LinearRecurrence(StateSpace("s4d-lin", 4, dt_min=0.05, dt_max=0.5), "step", 0.5),
}


@pytest.mark.parametrize("name", ["S4D", *(pytest.param(name, marks=pytest.mark.slow) for name in ("LRU", "S5"))])
def test_a_layers_gradient_by_lag_is_the_laws(name: str) -> None:
    """Mean square over 16 gradients at the output of one layer, to 5 % of the norm. An S4D's time steps differ from channel to channel."""
    net, features, width = LAYERS[name]
    layer = RecurrentLayer(net, features, width=width, rngs=nnx.Rngs(3))
    tops = jax.random.normal(jax.random.key(4), (16, features)) / features**0.5
    pull = jax.vjp(lambda x: layer(x)[-1], jnp.zeros((13, features)))[1]
    found = jax.jit(jax.vmap(lambda top: jnp.sum(pull(top)[0] ** 2, axis=1)))(tops).mean(axis=0)[::-1]
    law = theory.linear.log_grad_input_lags(net, LAGS)
    assert np.log(np.asarray(found))[LAGS] / 2 == pytest.approx(law, abs=SHARE)


def test_scans_agree_and_parameters_are_the_fields() -> None:
    net = LAYERS["LRU"][0]
    both = [RecurrentLayer(net, 8, scan=scan, rngs=nnx.Rngs(0)) for scan in ("associative", "sequential")]
    x = jax.random.normal(jax.random.key(1), (40, 8))
    np.testing.assert_allclose(*(layer(x) for layer in both), atol=1e-4)
    assert set(nnx.state(both[0], nnx.Param)) == {"b_in", "c_out", "log_gamma", "nu", "theta"}
    eigenvalues, factors = both[0].dynamics()
    np.testing.assert_allclose(np.abs(eigenvalues) ** 2 + factors**2, 1.0, atol=1e-5)


def test_a_selective_layers_gradient_by_lag_is_the_laws() -> None:
    """Log of the state's gradient, its mean and spread over inputs, channels apart."""
    net = InputDecay("mamba", -2.0, 0.5, [1.0, 4.0])
    layer, lag = SelectiveLayer(net, 256, rngs=nnx.Rngs(1)), 12
    x = jax.random.normal(jax.random.key(2), (lag, 256))
    through = lambda start: layer.states(x, start)[-1]
    logs = np.log(np.asarray(jax.jvp(through, (jnp.zeros((256, 2)),), (jnp.ones((256, 2)),))[1]))
    law = theory.linear.log_decay_lags(net, lag)
    assert np.all(np.abs(logs.mean(axis=0) - law.mean) < SIGMAS * law.std / 256**0.5)
    assert logs.std(axis=0) == pytest.approx(np.asarray(law.std), rel=SIGMAS / 512**0.5)


@pytest.mark.parametrize(
    ("name", "gate"),
    [("white", "silu"), *(pytest.param(*each, marks=pytest.mark.slow) for each in (("slow", "silu"), ("S4D", "none")))],
)
def test_blocks_obey_the_law_and_half_a_branch_does_not(key: jax.Array, name: str, gate: str) -> None:
    net, sizes = SLOW[name], {"width": 128, "steps": 160, "num_nets": 8}
    seen = measure.linear.log_grad_blocks(key, net, depth=3, gate=gate, **sizes)
    law, other = (theory.linear.log_grad_blocks(net, depth=3, gate=gate, alpha=alpha) for alpha in (1.0, 0.5))
    slack = 3 / 128  # a stream's own mean square differs from step to step
    assert np.all(np.abs(seen.value - law) <= SIGMAS * seen.err + slack)
    assert np.any(np.abs(seen.value - other) > SIGMAS * seen.err + slack)
    q = measure.linear.log_q_blocks(key, net, depth=3, gate=gate, **sizes)
    assert np.all(np.abs(q.value - theory.linear.log_q_blocks(net, depth=3, gate=gate)) < SIGMAS * q.err + 2 * slack)
