"""Real gradients of transformer blocks, entry by entry: their norms, and the law of their entries."""

from typing import Any

import jax
import numpy as np
import pytest

from tests.tolerances import EQUAL_FLOAT32
from vgtheory import Transformer, measure, theory
from vgtheory.measure.magnitudes.tensors import Asked, pieces_of

POINTS = 0.02
"""Two points of a share."""
HEADS = 0.05
"""Stated for queries and keys of two heads of 64 units over 32 positions."""
LARGE: dict[str, Any] = {"depth": 24, "width": 256, "positions": 64}


@pytest.mark.slow
def test_pieces_have_the_norms_of_the_walk_in_the_log_domain(key: jax.Array) -> None:
    net, size = Transformer("relu", heads=2), {"depth": 3, "width": 4, "positions": 3, "c_0": 0.1}
    pieces = pieces_of(net, key, Asked("f", 3, 4, 1, 3, 0.1, 1.0, "float32"))
    found = {(name, layer): np.log(np.linalg.norm(entries)) for name, layer, entries in pieces}
    seen = measure.samples(jax.random.fold_in(key, 0), net, **size, num_nets=1).log_grad_groups
    top = found["mlp_out", 2] - seen["mlp_out"][0, 2]
    for (name, layer), log in found.items():
        assert log - top == pytest.approx(seen[name][0, layer], abs=10 * EQUAL_FLOAT32)


@pytest.mark.slow
@pytest.mark.parametrize("cast", ["float8_e4m3fn", "float8_e5m2"])
def test_shares_of_24_blocks_are_within_two_points(key: jax.Array, cast: str) -> None:
    """A tenth of a point is seen: half the loss scale moves every share of more than 10 % by more."""
    net, shift = Transformer("gelu", heads=4), {"float8_e4m3fn": 1.0, "float8_e5m2": 2.0**-7}[cast]
    for loss_scale in (2.0**-11 * shift, 2.0**-8 * shift, 2.0**-5 * shift):
        law, wrong = (
            theory.magnitudes.underflow_share(net, cast, **LARGE, loss_scale=scale)
            for scale in (loss_scale, loss_scale / 2)
        )
        measured = measure.magnitudes.underflow_share(key, net, cast, **LARGE, loss_scale=loss_scale, num_nets=8)
        for name in net.groups:
            for predicted, seen in zip(law[name], measured[name], strict=True):
                assert (abs(seen.value - predicted) < POINTS + 2 * seen.err).all(), (name, loss_scale)
            seen, off = measured[name].underflow, wrong[name].underflow
            if law[name].underflow.max() > 0.1:
                assert (abs(seen.value - off) > POINTS + 2 * seen.err).any(), (name, loss_scale)


@pytest.mark.slow
@pytest.mark.parametrize("cast", ["float8_e4m3fn", "float8_e5m2"])
def test_the_best_scale_of_24_blocks_agrees_within_a_factor_of_two(key: jax.Array, cast: str) -> None:
    net = Transformer("gelu", heads=4)
    law = theory.magnitudes.best_loss_scale(net, cast, **LARGE)
    seen = measure.magnitudes.best_loss_scale(key, net, cast, **LARGE, num_nets=4)
    assert 0.5 <= seen.scale / law.scale <= 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "net",
    [
        Transformer("relu", heads=2),
        Transformer("gelu", heads=2, place="post"),
        Transformer("silu", heads=2, norm="rms", is_gated=True, kv_heads=1),
        Transformer("tanh", heads=2, place="peri", is_parallel=True, dropout=0.1),
    ],
)
def test_shares_of_other_blocks(key: jax.Array, net: Transformer) -> None:
    """Queries and keys vary from head to head, and small shares of theirs are larger for it where positions are few."""
    size: dict[str, Any] = {"depth": 6, "width": 128, "positions": 32}
    for loss_scale in (2.0**-11, 2.0**-8):
        law = theory.magnitudes.underflow_share(net, "float8_e4m3fn", **size, loss_scale=loss_scale)
        measured = measure.magnitudes.underflow_share(
            key, net, "float8_e4m3fn", **size, loss_scale=loss_scale, num_nets=24
        )
        for name in net.groups:
            most = HEADS if name in ("query", "key") else POINTS
            for predicted, seen in zip(law[name], measured[name], strict=True):
                assert (abs(seen.value - predicted) < most + 2 * seen.err).all(), (name, loss_scale)


@pytest.mark.slow
def test_small_entries_agree(key: jax.Array) -> None:
    net, bound = Transformer("gelu", heads=4), 1e-3
    law = theory.magnitudes.share_below(net, bound, **LARGE, loss_scale=1e-3)
    measured = measure.magnitudes.share_below(key, net, bound, **LARGE, loss_scale=1e-3, num_nets=8)
    for name in net.groups:
        assert law[name].max() > 0.05
        assert (abs(measured[name].value - law[name]) < POINTS + 2 * measured[name].err).all()
