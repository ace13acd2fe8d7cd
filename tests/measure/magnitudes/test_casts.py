"""Casts to formats whose blocks have scales: elements as ml_dtypes rounds them, scales by hand, and real gradients."""

from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest

from tests.tolerances import SIGMAS
from vgtheory import Dense, Transformer, measure, theory
from vgtheory.formats import BLOCKED
from vgtheory.measure.magnitudes import casts

ELEMENTS = {
    "mxfp8_e4m3": ml_dtypes.float8_e4m3fn,
    "mxfp8_e5m2": ml_dtypes.float8_e5m2,
    "nvfp4": ml_dtypes.float4_e2m1fn,
}
POINTS = 0.02
"""Two points of a share."""


@pytest.mark.parametrize("name", BLOCKED)
def test_elements_are_those_of_ml_dtypes(name: str) -> None:
    """Every number of the format, every tie between two of them, and what is near."""
    form = BLOCKED[name]
    numbers = np.unique(np.abs(np.arange(256, dtype=np.uint8).view(ELEMENTS[name]).astype(float)))
    numbers = numbers[np.isfinite(numbers)]
    assert numbers[-1] == form.largest
    ties = (numbers[1:] + numbers[:-1]) / 2
    size = np.concatenate([numbers, ties, ties * (1 + 1e-6), ties * (1 - 1e-6)])
    np.testing.assert_array_equal(casts.rounded(size, form), size.astype(ELEMENTS[name]).astype(float))
    assert form.zero == ties[0]
    assert casts.rounded(np.array([form.overflow * 1.001]), form) > form.largest


def test_powers_of_two_scale_blocks() -> None:
    """The largest of the first 32 entries is 3, between 2 and 4: a scale of 2^-7 in E4M3."""
    row = np.full(40, 1.0)
    row[:4] = 3.0, 3.99, 2.0**-17, 1.01 * 2.0**-17
    gone, beyond = casts.lost(row[None, None], "mxfp8_e4m3", flush=False)
    assert gone[0, 0].nonzero()[0].tolist() == [2]
    assert beyond[0, 0].nonzero()[0].tolist() == [1]
    assert casts.lost(row[None, None] * 2.0**-100, "mxfp8_e4m3", flush=False)[0].sum() == 1
    assert casts.lost(row[None, None], "mxfp8_e4m3", flush=True)[0].sum() == 2
    assert not casts.lost(np.zeros((1, 1, 40)), "mxfp8_e5m2", flush=False)[1].any()


def test_nvfp4_rounds_its_scales() -> None:
    """Second block: its largest entry over the whole's is 2.2e-6, whose scale rounds to zero; third: all kept."""
    row = np.full(48, 6.0)
    row[16:32], row[33] = 6 * 2.0e-6, 0.24
    gone, beyond = casts.lost(row[None, None], "nvfp4", flush=False)
    assert gone[0, 0].nonzero()[0].tolist() == [*range(16, 32), 33]
    assert not beyond.any()


def test_shares_of_dense_layers_agree(key: jax.Array) -> None:
    """Blocks of another length would be seen: the largest of 32 entries is larger than that of 16."""
    net, size = Dense("tanh", 0.9), {"depth": 3, "width": 64}
    law = theory.magnitudes.underflow_share(net, "nvfp4", **size)
    seen = measure.magnitudes.underflow_share(key, net, "nvfp4", **size, num_nets=96)
    assert (abs(seen.underflow.value - law.underflow) < SIGMAS * seen.underflow.err).all()
    long = theory.magnitudes.underflow_share(net, "mxfp8_e4m3", **size)
    there = measure.magnitudes.underflow_share(key, net, "mxfp8_e4m3", **size, num_nets=96)
    assert (abs(there.overflow.value - long.overflow) < SIGMAS * there.overflow.err).all()


@pytest.mark.slow
@pytest.mark.parametrize("net", [Dense("tanh", 8.0), Dense("gelu", 1.4, 0.1), Dense("sigmoid", 3.0)])
def test_shares_of_steep_layers_agree(key: jax.Array, net: Dense) -> None:
    """Slopes over many powers of ten: whole blocks fall below the scales that NVFP4 has."""
    size: dict[str, Any] = {"depth": 4, "width": 96}
    for cast in BLOCKED:
        law = theory.magnitudes.underflow_share(net, cast, **size)
        seen = measure.magnitudes.underflow_share(key, net, cast, **size, num_nets=48, dtype="float64")
        for predicted, there in zip(law, seen, strict=True):
            assert (abs(there.value - predicted) < POINTS + 2 * there.err).all()


@pytest.mark.slow
@pytest.mark.parametrize("cast", BLOCKED)
def test_shares_of_transformer_blocks_agree(key: jax.Array, cast: str) -> None:
    net, size = Transformer("gelu", heads=4), {"depth": 24, "width": 256, "positions": 64}
    law = theory.magnitudes.underflow_share(net, cast, **size)
    seen = measure.magnitudes.underflow_share(key, net, cast, **size, num_nets=6)
    for name in net.groups:
        for predicted, there in zip(law[name], seen[name], strict=True):
            assert (abs(there.value - predicted) < POINTS / 2 + 2 * there.err).all(), name
