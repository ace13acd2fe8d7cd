"""Nouns for numbers that carry their uncertainty: ``Estimate`` (measured) and ``Law`` (predicted)."""

import numbers
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from vgtheory.expect import expect

Pair = TypeVar("Pair", bound=type)


def _expect_known(pair: Any, what: str, other: Any) -> None:
    """Raise unless ``other`` is a number, or an array of them, without an uncertainty of its own."""
    known = isinstance(other, numbers.Real | np.ndarray | jax.Array) and not isinstance(other, bool)
    together = "Whether the two vary together is not known: combine their fields yourself."
    expect(known, type(pair).__name__, what, together if isinstance(other, type(pair)) else "", other=other)


def _scaled(pair: Any, factor: Any) -> Any:
    _expect_known(pair, "a number to be multiplied by", factor)
    return type(pair)(pair[0] * factor, pair[1] * abs(factor))


def _divided(pair: Any, divisor: Any) -> Any:
    _expect_known(pair, "a number to be divided by", divisor)
    return type(pair)(pair[0] / divisor, pair[1] / abs(divisor))


def _shifted(pair: Any, shift: Any) -> Any:
    _expect_known(pair, "a number to be added", shift)
    middle, spread = pair[0] + shift, pair[1]
    if np.shape(middle) != np.shape(spread):
        spread = (jnp if isinstance(middle, jax.Array) else np).broadcast_to(spread, np.shape(middle))
    return type(pair)(middle, spread)


def _reduced(pair: Any, shift: Any) -> Any:
    _expect_known(pair, "a number to be subtracted", shift)
    return _shifted(pair, -shift)


def _with_arithmetic(pair_type: Pair) -> Pair:
    """Give a pair the arithmetic of a number with an uncertainty, where a tuple's repeats and joins."""
    kind: Any = pair_type
    kind.__mul__ = kind.__rmul__ = _scaled
    kind.__truediv__ = _divided
    kind.__add__ = kind.__radd__ = _shifted
    kind.__sub__ = _reduced
    kind.__rsub__ = lambda pair, other: _shifted(-pair, other)
    kind.__neg__ = lambda pair: _scaled(pair, -1)
    kind.__array_ufunc__ = None  # so that NumPy's numbers leave the arithmetic to these
    return pair_type


@_with_arithmetic
class Estimate(NamedTuple):
    """A measured value and its standard error; times a number both are scaled, plus a number the value is shifted.

    Attributes
    ----------
    value
        The measured mean; any shape.
    err
        One standard error of ``value`` (sampling error and the rounding of the measurement's own arithmetic, added in
        quadrature); same shape and unit.
    """

    value: Any
    err: Any


@_with_arithmetic
class Law(NamedTuple):
    """A predicted distribution over random networks, by its mean and standard deviation; arithmetic as of an ``Estimate``.

    Attributes
    ----------
    mean
        Mean over networks; any shape.
    std
        Standard deviation from network to network (not of a mean); same shape and unit; zero at infinite width.

    Examples
    --------
    >>> from vgtheory import Law
    >>> Law(1.0, 0.5) * -2 + 1
    Law(mean=-1.0, std=1.0)
    """

    mean: Any
    std: Any
