"""Tables of the explorer: Gaussian expectations of every activation over ln q, and the constants of formats and weights.

A curve is a Chebyshev series on each panel of ln q. Its coefficients are whole numbers of a small unit, written as
bytes of seven bits (zigzag, least first), after their count.
"""

import base64
import itertools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.special import erfcx

from vgtheory.activation import ACTIVATIONS, Activation
from vgtheory.measure.engine.links import is_scalable
from vgtheory.theory.integrals import gaussian, rules
from vgtheory.theory.integrals.chebyshev import samples
from vgtheory.theory.integrals.shipped import shipped
from vgtheory.theory.layers.formats import log_edges
from vgtheory.weights import EXCESS_KURTOSIS, SHARE

GRID = (-40.0, 1.0, 80, 18)
"""Panels of ln q: first edge, width, number, nodes in each."""
_SHIPPED_FROM = 17
"""The package's own panel that begins at -40."""
_FINE, _COARSE = 2.0**-44, 2.0**-40
"""Units of the coefficients: of ln E[phi^2] and ln E[phi'^2], and of the normalised moments."""
POWERS = {"ff": (2, 0), "fff": (3, 0), "gg": (0, 2), "ggg": (0, 3), "fg": (1, 1), "ffg": (2, 1), "fgg": (1, 2)}
"""Powers of f = phi^2 and g = phi'^2, each over its mean, in the moments that a layer's fluctuations need."""
FORMATS = ("float16", "bfloat16", "float32", "float64")
_LARGE = 1e300
_ERFC_TERMS = 40


def packed(coefficients: np.ndarray, unit: float) -> str:
    """Series of every panel, shape (panels, nodes), as base64."""
    whole = np.rint(coefficients / unit)
    return base64.b64encode(bytes(itertools.chain.from_iterable(map(_panel, whole)))).decode()


def _panel(row: np.ndarray) -> Iterable[int]:
    """One panel's bytes: how many coefficients there are up to the last that is not 0, and these."""
    size = int(np.flatnonzero(row).max(initial=-1)) + 1
    yield size
    for value in map(int, row[:size]):
        rest = 2 * value if value >= 0 else -2 * value - 1
        while rest > 127:
            yield rest % 128 + 128
            rest //= 128
        yield rest


def moments(activation: Activation) -> dict[str, np.ndarray]:
    """Logs of the moments of ``POWERS`` at the nodes of all panels."""
    q = gaussian.settled(np.exp(samples(GRID)[0]), activation)
    z, weights = rules.nodes(q, activation.kinks)
    f, g = (each**2 for each in rules.values(activation, np.sqrt(q)[..., None] * z))
    f, g = (each / np.vecdot(each, weights)[..., None] for each in (f, g))
    return {name: np.log(np.vecdot(f**i * g**j, weights)) for name, (i, j) in POWERS.items()}


def curves(activation: Activation) -> dict[str, str]:
    """All curves of one activation, packed."""
    transform = samples(GRID)[1]
    log_f, log_g, _ = shipped(activation.name)
    chosen = slice(_SHIPPED_FROM, _SHIPPED_FROM + GRID[2])
    own = {"f": packed(log_f[chosen], _FINE), "g": packed(log_g[chosen], _FINE)}
    return own | {name: packed(logs @ transform.T, _COARSE) for name, logs in moments(activation).items()}


def facts(activation: Activation) -> dict[str, Any]:
    """What the page knows of one activation besides its curves."""
    ends = np.clip(shipped(activation.name)[2], -_LARGE, _LARGE)
    return {
        "kinks": [float(kink) for kink in activation.kinks],
        "degree": activation.degree,
        "ends": ends.tolist(),
        "scalable": is_scalable(activation),
        "curves": curves(activation),
    }


def erfc_series() -> list[float]:
    """Chebyshev coefficients over t = 2 / (2 + x), from -1 to 1 for t from 0 to 1, of ln(erfcx(x) / t)."""
    place = np.cos(np.pi * (np.arange(_ERFC_TERMS) + 0.5) / _ERFC_TERMS)
    t = (place + 1) / 2
    values = np.log(erfcx(2 / t - 2) / t)
    found = np.polynomial.chebyshev.chebfit(place, values, _ERFC_TERMS - 1)
    return [float(value) for value in found[: int(np.flatnonzero(abs(found) > 1e-13).max()) + 1]]


def tables(names: Iterable[str] = tuple(ACTIVATIONS)) -> dict[str, Any]:
    """Everything that the page's modules read, ready for JSON."""
    first, width, panels, _ = GRID
    light = {name: kurtosis for name, kurtosis in EXCESS_KURTOSIS.items() if math.isfinite(kurtosis)}
    return {
        "grid": {"first": first, "width": width, "panels": panels, "fine": _FINE, "coarse": _COARSE},
        "formats": {name: dict(zip(("zero", "normal", "overflow"), log_edges(name), strict=True)) for name in FORMATS},
        "weights": {**light, "orthogonal": 0.0},
        "share": SHARE,
        "erfc": erfc_series(),
        "activations": {name: facts(ACTIVATIONS[name]) for name in names},
    }
