"""The finite-width law's first order in 1/N is exact: ``first_order`` computes it apart from the package."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from tests.theory.width.first_order import Profiles, Row, profiles
from tests.tolerances import FIRST_ORDER
from vgtheory import Dense, theory

NETS = {
    "gelu": (1.4033, 0.8426),
    "tanh": (1.327, 0.05**0.5),
    "silu": (1.5, 0.8),
    "relu": (1.2, 0.5),
}
WIDE = 2**20
"""Units. The second order, of up to 100 / N^2 per layer, is taken out by half as many."""
UNLIKE = [Row("gelu", 1.4, 0.5, 1.0), Row("tanh", 2.0, 0.1, 0.5), Row("silu", 1.7, 0.3, 2.0), Row("gelu", 1.1, 0.9)]


def extrapolated(deviation: Callable[[int], np.ndarray]) -> np.ndarray:
    """N times a deviation of order 1/N, from N and N / 2 units to infinitely many."""
    return 2 * WIDE * deviation(WIDE) - WIDE // 2 * deviation(WIDE // 2)


def first_order(net: Dense, depth: int, sizes: Sequence[float] | None = None) -> Profiles:
    """First order of the law's three profiles; ``sizes`` are those of listed layers, over N."""

    def deviation(profile: Callable, width: int) -> np.ndarray:
        if sizes is None:
            return profile(net, depth=depth, width=width).mean - profile(net, depth=depth).mean
        sized = net.replace(widths=tuple(int(size * width) for size in sizes))
        return profile(sized).mean - profile(sized, width=np.inf).mean

    laws = theory.log_grad_layers, theory.log_grad_weight_layers, theory.log_q_layers
    return Profiles(*(extrapolated(lambda width, law=law: deviation(law, width)) for law in laws))


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(
    "depth", [2, 5, pytest.param(17, marks=pytest.mark.slow), pytest.param(65, marks=pytest.mark.slow)]
)
def test_the_law_is_exact_at_first_order(name: str, depth: int) -> None:
    found, expected = first_order(Dense(name, *NETS[name]), depth), profiles([Row(name, *NETS[name])] * depth)
    for profile in Profiles._fields:
        apart = getattr(found, profile) - getattr(expected, profile)
        assert abs(apart).max() < FIRST_ORDER * depth, profile


def test_layers_that_differ_are_exact_at_first_order() -> None:
    names, scales, biases, sizes = zip(*UNLIKE, strict=True)
    found, expected = first_order(Dense(names, scales, biases), len(UNLIKE), (1.0, *sizes)), profiles(UNLIKE)
    for profile in Profiles._fields:
        apart = getattr(found, profile) - getattr(expected, profile)
        assert abs(apart).max() < FIRST_ORDER * len(UNLIKE), profile


def test_three_percent_in_a_scale_would_be_seen() -> None:
    off = profiles([Row("gelu", 1.03 * NETS["gelu"][0], NETS["gelu"][1])] * 5)
    for one, other in zip(off, profiles([Row("gelu", *NETS["gelu"])] * 5), strict=True):
        assert abs(one - other).max() > 100 * FIRST_ORDER * 5
