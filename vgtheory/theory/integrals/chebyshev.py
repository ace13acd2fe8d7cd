"""Chebyshev series on panels of equal width: where to sample, and the polynomials at a point."""

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

Grid = tuple[float, float, int, int]
"""First edge, width, number of panels, nodes in each."""


def samples(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of all panels, shape (panels, nodes), and the matrix from a panel's values to its coefficients.

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


def place(x: Array, grid: Grid) -> tuple[Array, Array]:
    """Panel of x and the Chebyshev polynomials there, shape (nodes, ...).

    Parameters
    ----------
    x
        Any shape; outside the panels it is held at their ends.
    grid
        The panels.
    """
    first, width, panels, count = grid
    index = jnp.clip(jnp.floor((x - first) / width), 0, panels - 1)
    t = 2 * ((x - first) / width - index) - 1
    # Held within the panel by value alone: a clip would halve derivatives at the very ends.
    t += lax.stop_gradient(jnp.clip(t, -1.0, 1.0) - t)
    rows = [jnp.ones_like(t), t]
    while len(rows) < count:
        rows.append(2 * t * rows[-1] - rows[-2])
    return lax.stop_gradient(index).astype(int), jnp.stack(rows[:count])
