"""Formats whose blocks have scales: blocks of drawn entries, closed forms, and what a loss scale may not change."""

from typing import Any

import numpy as np
import pytest
from scipy.special import erf

from tests.tolerances import SIGMAS
from vgtheory import Dense, Transformer, theory
from vgtheory.formats import BLOCKED
from vgtheory.theory.magnitudes import scaled

SHARES = theory.magnitudes.underflow_share
DRAWS = 20_000
NORMAL = scaled.Block(np.array([0.2]), np.ones(1), lambda log: np.asarray(erf(np.exp(log) / np.sqrt(2))), 0.0)
SIZE: dict[str, Any] = {"depth": 3, "width": 64}


@pytest.mark.parametrize("zeros", [0.0, 0.6])
def test_blocks_of_normal_entries_with_powers_of_two(zeros: float) -> None:
    """One size for all blocks, so that the place between two powers of two counts; coarse elements lose enough to count."""
    rng, form = np.random.default_rng(1), BLOCKED["mxfp8_e4m3"]._replace(block=8, mantissa=1, least=64.0, largest=384.0)
    block = NORMAL._replace(share_below=lambda log: (1 - zeros) * NORMAL.share_below(log), zero=zeros)
    law = scaled.lost([block], form, False, 0.0, 1.0, 1.0)
    entries = np.exp(0.2) * abs(rng.normal(size=(DRAWS, 8))) * (rng.uniform(size=(DRAWS, 8)) >= zeros)
    largest = np.where(entries.max(axis=1) > 0, entries.max(axis=1), 1.0)
    held = entries / 2.0 ** (np.floor(np.log2(largest)) - 8)[:, None]
    for seen, predicted in zip(((held <= form.zero) & (held > 0), held > form.overflow), law, strict=True):
        assert abs(seen.mean() - predicted) < SIGMAS * seen.mean(axis=1).std() / DRAWS**0.5


def test_blocks_of_normal_entries_with_numbers_for_scales() -> None:
    """A share of the largest of 16 entries: few blocks are small enough for the rounding of their scale to matter."""
    rng = np.random.default_rng(2)
    entries = abs(rng.normal(size=(DRAWS, 16)))
    rough = np.mean(entries < entries.max(axis=1, keepdims=True) / 24, axis=1)
    law = scaled.lost([NORMAL], BLOCKED["nvfp4"], False, 0.0, 64.0, 64.0)
    assert abs(rough.mean() - law.underflow) < SIGMAS * rough.std() / DRAWS**0.5 + 5e-4
    assert law.overflow < 1e-4


@pytest.mark.parametrize("net", [Dense("relu", 2**0.5)])
def test_a_power_of_two_for_a_loss_scale_changes_nothing(net: Dense) -> None:
    for cast in BLOCKED:
        one, other = (SHARES(net, cast, **SIZE, loss_scale=scale) for scale in (1.0, 2.0**-40))
        for first, second in zip(one, other, strict=True):
            np.testing.assert_allclose(first, second, rtol=1e-6, atol=1e-15)
        assert (SHARES(net, cast, **SIZE, flush=True).underflow > one.underflow).all()


def test_sizes_of_units_do_not_matter_where_inputs_are_normal() -> None:
    """Every unit's gradient is one number times the same inputs, whatever its slope."""
    shares = SHARES(Dense("linear"), "nvfp4", **SIZE).underflow, SHARES(Dense("tanh", 0.5), "nvfp4", **SIZE).underflow
    np.testing.assert_allclose(shares[0][0], shares[1][0], rtol=1e-2)


def test_wrong_questions(refused: pytest.RaisesExc) -> None:
    with refused("underflow_share", "width"):
        SHARES(Dense("tanh"), "nvfp4", depth=3)
    with refused("underflow_share", "width"):
        SHARES(Transformer("relu"), "nvfp4", depth=3, positions=16)
    with refused("underflow_share", "cast", remedy=r"Did you mean 'nvfp4'\?$"):
        SHARES(Dense("tanh"), "nvfp8", depth=3)
    with refused("best_loss_scale", "cast"):
        theory.magnitudes.best_loss_scale(Dense("tanh"), "nvfp4", **SIZE)
    with refused("depth_limit", "dtype"):
        theory.depth_limit(0.5, "nvfp4")
