"""Distributions of the entries of a random matrix, all of one variance."""

import math
from collections.abc import Iterable
from typing import Any

from vgtheory.expect import expect, expect_one_of, plain_name

CUT = 2.0
"""Standard deviations at which the truncated normal law ends, before scaling to unit variance."""
_CUT_DENSITY = math.exp(-(CUT**2) / 2) / math.sqrt(2 * math.pi) / math.erf(CUT / math.sqrt(2))
CUT_STD = math.sqrt(1 - 2 * CUT * _CUT_DENSITY)
"""Standard deviation of a standard normal number that is cut there."""
SHARE = 0.1
"""Probability that an entry of a sparse matrix is not 0."""
DEGREES = 4
"""Degrees of freedom of the heavy-tailed law (Student's t): all lower moments are finite."""


def _truncated() -> float:
    """Excess kurtosis of the truncated normal law."""
    return (3 - (2 * CUT**3 + 6 * CUT) * _CUT_DENSITY) / CUT_STD**4 - 3


EXCESS_KURTOSIS = {
    "gaussian": 0.0,
    "uniform": -1.2,
    "truncated_normal": _truncated(),
    "sparse": 3 / SHARE - 3,
    "heavy_tailed": math.inf,
}
"""Fourth moment over the squared second, less 3, of the kinds with independent entries."""
WEIGHTS = (*EXCESS_KURTOSIS, "orthogonal")


def as_weights(choices: Iterable[str], where: str, weights: str) -> str:
    """Name of a kind of weights; case, ``-``, ``_`` and spaces do not matter.

    ``"normal"`` is ``"gaussian"``. ``choices`` are the kinds allowed.
    """
    known = {plain_name(name): name for name in choices} | {"normal": "gaussian"}
    named = known.get(plain_name(weights), weights) if isinstance(weights, str) else weights
    expect_one_of(choices, where, weights=named)
    return named


def expect_light_tails(where: str, net: Any) -> None:
    """Raise unless the fourth moment of the entries is finite."""
    light = math.isfinite(EXCESS_KURTOSIS.get(net.weights, 0.0))
    expect(light, where, "weights of finite fourth moment", "Measure it.", weights=net.weights)


def expect_known_law(where: str, net: Any) -> None:
    """Raise unless the weights are Gaussian or orthogonal, whose law at a given width is known."""
    known = net.weights in ("gaussian", "orthogonal")
    expect(known, where, "Gaussian or orthogonal weights", "Measure it.", weights=net.weights)


__all__ = [
    "CUT",
    "CUT_STD",
    "DEGREES",
    "EXCESS_KURTOSIS",
    "SHARE",
    "WEIGHTS",
    "as_weights",
    "expect_known_law",
    "expect_light_tails",
]
