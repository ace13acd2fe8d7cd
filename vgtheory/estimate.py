"""Nouns for numbers that carry their uncertainty: ``Estimate`` (measured) and ``Law`` (predicted)."""

from typing import Any, NamedTuple


class Estimate(NamedTuple):
    """A measured value and its standard error.

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


class Law(NamedTuple):
    """A predicted distribution over random networks, by its mean and standard deviation.

    Attributes
    ----------
    mean
        Mean over networks; any shape.
    std
        Standard deviation from network to network (not of a mean); same shape and unit; zero at infinite width.
    """

    mean: Any
    std: Any
