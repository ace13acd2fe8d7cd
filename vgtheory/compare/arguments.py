"""Checks of the arguments of comparisons; ``asked`` puts a function behind them."""

from typing import Any

import numpy as np

from vgtheory.checks import asking, optional
from vgtheory.estimate import Estimate
from vgtheory.expect import expect, expect_data, expect_number

_SLACK = 1e-6
"""Distance by which rounding may carry a probability beyond 0 or 1."""


def _measured(where: str, measured: Any) -> None:
    remedy = "An Estimate holds a value and its standard error: Estimate(1.05, 0.1)."
    expect(isinstance(measured, Estimate), where, "an Estimate", remedy, measured=measured)
    expect_data(where, value=measured.value)
    _error(where, err=measured.err)
    shapes = [np.shape(each) for each in measured]
    expect(_broadcast(*shapes), where, "a value and an err whose shapes broadcast", shapes=shapes)


def _error(where: str, **got: Any) -> None:
    """Raise for a negative standard error; NaN and inf mean that none is known."""
    expect_data(where, **got)
    for name, value in got.items():
        expect(not np.any(np.asarray(value, float) < 0), where, f"a standard error {name} >= 0", **{name: value})


def _profiles(where: str, samples: Any) -> None:
    expect_data(where, ndim=None if where == "ks_test" else 2, samples=samples)
    expect(np.size(samples) > 0, where, "at least one value", shape=np.shape(samples))


def _residuals(where: str, z: Any) -> None:
    expect_data(where, z=z)
    expect(np.size(z) >= 2, where, "at least two residuals", z=z)
    known = not np.any(np.isinf(np.asarray(z, float)))
    expect(known, where, "residuals in units of errors that are not 0", z=z)


def _probability(where: str, **got: Any) -> None:
    expect_data(where, **got)
    for name, value in got.items():
        entries = np.asarray(value, float)
        ok = not np.any((entries < -_SLACK) | (entries > 1 + _SLACK))
        expect(ok, where, f"probabilities {name}", **{name: value})


def _broadcast(*shapes: tuple[int, ...]) -> bool:
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


def expect_broadcast(where: str, **got: Any) -> None:
    """Raise unless the shapes of all named values broadcast."""
    shapes = {name: np.shape(value) for name, value in got.items()}
    expect(_broadcast(*shapes.values()), where, f"{' and '.join(got)} whose shapes broadcast", shapes=shapes)


def single(where: str, **got: Any) -> None:
    """Raise unless every named value is one number; NaN and inf are numbers."""
    for name, value in got.items():
        if isinstance(value, Estimate):
            single(where, **value._asdict())
        else:
            expect_data(where, ndim=0, **{name: value})


def _rounding(where: str, **got: Any) -> None:
    """Raise unless a rounding is a number whose square is finite."""
    expect_number(where, "[0, 1e100]", ndim=0, **got)


asked = asking(
    {
        "measured": _measured,
        "predicted": expect_data,
        "predicted_err": _error,
        "z": _residuals,
        "samples": _profiles,
        "cdf": _probability,
        "cdf_below": optional(_probability),
        **dict.fromkeys(("resolution", "rounding"), _rounding),
    }
)
"""Decorator of every function of this package."""

__all__ = ["asked", "expect_broadcast", "single"]
