"""What became of a network, told from its curves; the kernel's descent beside a wide network's; clipping each layer."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from experiments import outcomes, outcomes_large
from experiments.outcomes import CLASSES, SWING, classes
from experiments.parts import kernel_descent, optimisers
from experiments.parts.digits import Data, digits
from vgtheory import Dense, measure, theory

FLAT = np.full(9, 2.3)
CURVES = {
    "learned": (np.linspace(2.3, 0.1, 9), 0.9),
    "slow": (np.linspace(2.3, 2.3 - 3 * SWING, 9), 0.2),
    "stalled": (FLAT, 0.1),
    "oscillates": (FLAT + SWING * np.tile([0, 1], 5)[:9], 0.1),
    "diverged": (np.where(np.arange(9) < 5, 2.3, np.nan), 0.1),
}
CLOSE = 0.05
"""Nats: three standard errors of eight networks (0.01), and what the kernel of 512 units moves meanwhile (measured: 0.01)."""


def test_each_outcome_is_told_from_its_curve() -> None:
    loss = np.stack([curve for curve, _ in CURVES.values()])
    score = np.stack([np.full(9, last) for _, last in CURVES.values()])
    assert [CLASSES[index] for index in classes(loss, score, np.ones(5, bool))] == list(CURVES)
    assert (classes(loss, score, np.zeros(5, bool)) == CLASSES.index("diverged")).all()


def test_naming_the_commoner_answer_is_what_a_prediction_must_beat() -> None:
    rows = pd.DataFrame({"does": [True, False, False, False], "kernel": [True, True, False, True]})
    assert outcomes.agreement(rows, "kernel") == 0.5
    assert outcomes.agreement(rows, "majority") == outcomes.agreement(rows.assign(does=~rows.does), "majority") == 0.75


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_networks_at_the_edge_are_on_neither_side(activation: str) -> None:
    sigma_w = outcomes_large.edge(activation, 0.05) * np.array([0.5, 1.0, 1.5])
    chi_1 = theory.chi_1(Dense(activation, sigma_w, 0.05**0.5))
    sides = outcomes._sides(pd.DataFrame({"chi_1": chi_1, "place": [0, 1, 2]}))
    assert {side: part.place.tolist() for side, part in sides.items()} == {"vanish": [0], "stay": [1], "explode": [2]}


@pytest.mark.slow
def test_a_wide_network_descends_as_its_kernel_says(key: jax.Array) -> None:
    """The mean loss, of networks and of the kernel's draws; with half the rate it is not."""
    whole, record = digits(), np.array([0, 30])
    data = Data(whole.inputs[:200], whole.targets[:200], (whole.unseen[0][:20], whole.unseen[1][:20]))
    net, sizes = Dense("tanh", 1.2, 0.2), {"depth": 3, "width": 512}
    found = kernel_descent.kernel(data, net, **sizes, num_angles=65)
    np.testing.assert_allclose(np.sum(found.root**2, axis=1), np.exp(found.log_q), rtol=2 * kernel_descent.LEAST)

    def predicted(rate: float) -> float:
        how = {"rate": rate, "batch": 32, "num_probes": 200, "record": record}
        rngs = [np.random.default_rng([3, index]) for index in range(20)]
        return float(np.mean([kernel_descent.descent(rng, found, data, **how)[0][-1] for rng in rngs]))

    logs = measure.training.training_logs(
        key,
        net,
        data.inputs,
        data.targets,
        **sizes,
        optimiser=optimisers.OPTIMISERS["sgd"],
        rate=0.02,
        num_updates=30,
        num_nets=8,
        batch=32,
        record=record.tolist(),
    )
    seen = float(logs.loss[:, -1].mean())
    assert abs(predicted(0.02) - seen) < CLOSE
    assert abs(predicted(0.01) - seen) > CLOSE


@pytest.mark.parametrize("size", [1.0, 1e25])
def test_every_layer_is_clipped_by_itself_whatever_its_size(size: float) -> None:
    rng = np.random.default_rng(0)
    draw = lambda *shape: jnp.asarray(size * rng.standard_normal(shape), jnp.float32)
    layer = lambda *shape: {"kernel": draw(*shape, 4, 4), "bias": draw(*shape, 4) / (10 * size)}
    slopes = {"first": layer(), "hidden": layer(3), "last": layer()}
    steps, _ = optimisers.clip_layers(0.5).update(slopes, None)
    norms = [np.linalg.norm(each) for each in (steps["first"]["kernel"], *steps["hidden"]["kernel"])]
    np.testing.assert_allclose(norms, 0.5, rtol=1e-6)
    cosine = np.vdot(steps["hidden"]["kernel"][1], slopes["hidden"]["kernel"][1] / size)
    assert cosine == pytest.approx(0.5 * np.linalg.norm(slopes["hidden"]["kernel"][1] / size), rel=1e-6)
    np.testing.assert_array_equal(steps["last"]["bias"], slopes["last"]["bias"])
