"""Chebyshev series on panels of equal width: nodes, polynomials, and sums at a point."""

from typing import Any

import numpy as np

from vgtheory.theory.arrays import library, scan, still

Grid = tuple[float, float, int, int]
"""First edge, width, number of panels, nodes in each."""


def samples(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of all panels, and the matrix from a panel's values to its coefficients.

    The nodes have the shape (panels, nodes).

    Parameters
    ----------
    grid
        The panels.
    """
    first, width, panels, count = grid
    angles = np.pi * (np.arange(count) + 0.5) / count
    transform = 2 / count * np.cos(np.arange(count)[:, None] * angles)
    transform[0] /= 2
    return first + width * (np.arange(panels)[:, None] + (np.cos(angles) + 1) / 2), transform


def located(x: Any, grid: Grid) -> tuple[Any, Any]:
    """Panel of x, and the place there from -1 to 1.

    Parameters
    ----------
    x
        Any shape; outside the panels it is held at their ends.
    grid
        The panels.
    """
    first, width, panels, _ = grid
    xp = library(x)
    index = xp.clip(xp.floor((x - first) / width), 0, panels - 1)
    t = 2 * ((x - first) / width - index) - 1
    # It is held within the panel by value alone: a clip would halve derivatives at the very ends.
    t = t + still(xp.clip(t, -1.0, 1.0) - t)
    return xp.nan_to_num(still(index)).astype(int), t


def place(x: Any, grid: Grid) -> tuple[Any, Any]:
    """Panel of x and the Chebyshev polynomials there, shape (nodes, ...).

    Parameters
    ----------
    x
        Any shape; outside the panels it is held at their ends.
    grid
        The panels.
    """
    index, t = located(x, grid)
    step = lambda pair, _: ((pair[1], 2 * t * pair[1] - pair[0]), pair[0])
    return index, scan(step, (library(t).ones_like(t), t), length=grid[3])[1]


def series(coefficients: Any, t: Any) -> tuple[Any, Any]:
    """Sum of a Chebyshev series and its derivative, by Clenshaw's recurrence.

    Parameters
    ----------
    coefficients
        Along the first axis, the constant first; the others are those of ``t``.
    t
        Place from -1 to 1.
    """

    def step(state: Any, coefficient: Any) -> tuple[Any, None]:
        last, before, slope, slope_before = state
        value = coefficient + 2 * t * last - before
        return (value, last, 2 * last + 2 * t * slope - slope_before, slope), None

    none = 0 * t
    last, before, slope, slope_before = scan(step, (none, none, none, none), coefficients[1:], reverse=True)[0]
    return coefficients[0] + t * last - before, last + t * slope - slope_before
