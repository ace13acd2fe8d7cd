"""Points where an elementwise function or its slope jumps, found by bisection."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

Pointwise = Callable[[Array], Array]

_GRID = np.linspace(-64.03, 64.01, 4098)  # hits no round number
_HALVINGS, _JUMP, _ROUNDINGS = 45, 1e-8, 1e3  # a jump exceeds _JUMP, relatively, and _ROUNDINGS roundings


@functools.cache
def derivative(phi: Pointwise) -> Pointwise:
    """Elementwise derivative of a function, by forward mode; one object per function."""

    def dphi(h: Array) -> Array:
        return jax.jvp(phi, (h,), (jnp.ones_like(h),))[1]

    return dphi


def _at(jet: Callable[[Array], list[Array]], h: np.ndarray) -> np.ndarray:
    """Row k of the result is the k-th derivative on row k of ``h``."""
    return np.stack([np.asarray(each)[order] for order, each in enumerate(jet(jnp.asarray(h)))])


def _jumps(jet: Callable[[Array], list[Array]], smallest: float) -> tuple[np.ndarray, np.ndarray]:
    """Brackets, a rounding wide, across which phi, phi' or phi'' jumps, relatively."""
    low, high = np.tile(_GRID[:-1], (3, 1)), np.tile(_GRID[1:], (3, 1))
    at_low, at_high = _at(jet, low), _at(jet, high)
    ordinary = np.max(np.abs(at_low[:, np.abs(low[0]) < 1]))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        at_middle = _at(jet, middle)
        left = np.abs(at_middle - at_low) >= np.abs(at_high - at_middle)
        low, at_low = np.where(left, low, middle), np.where(left, at_low, at_middle)
        high, at_high = np.where(left, middle, high), np.where(left, at_middle, at_high)
    size = np.maximum(np.maximum(np.abs(at_low), np.abs(at_high)), ordinary)
    jumps = np.abs(at_high - at_low) > smallest * size
    return low[jumps], high[jumps]


@functools.cache
def found_kinks(phi: Pointwise) -> tuple[float, ...]:
    """Points in [-64, 64] where a function or its first or second derivative jumps.

    Each of some 4,000 intervals is halved 45 times, always towards the larger change. For a smooth
    function the change vanishes; a jump remains whole.

    Parameters
    ----------
    phi
        Elementwise JAX function, twice differentiable by ``jax.jvp`` except at the kinks.

    Returns
    -------
    tuple of float
        The kinks in ascending order, in units of ``h``; empty for a smooth function.

    Notes
    -----
    Accuracy: 1e-15, or a rounding of float64, whatever JAX's 64-bit flag. A kink at a number of at
    most nine decimals is that number.
    Assumes: kinks at least 1/32 apart; of two that are closer, one may be missed. Each jump exceeds
    the change of the rest of the function over 1/32. It also exceeds 1e-8 of the jumping quantity,
    and of the largest value or derivative within |h| < 1.

    Examples
    --------
    >>> import jax
    >>> from vgtheory.activations.kinks import found_kinks
    >>> found_kinks(jax.nn.hard_swish), found_kinks(jax.nn.gelu)
    ((-3.0, 3.0), ())
    """

    @jax.jit
    def jet(h: Array) -> list[Array]:
        first = lambda h: jax.jvp(phi, (h,), (jnp.ones_like(h),))
        (value, slope), (_, bend) = jax.jvp(first, (h,), (jnp.ones_like(h),))
        return [value, slope, bend]

    with jax.enable_x64(True), jax.ensure_compile_time_eval(), np.errstate(all="ignore"):
        rounding = float(jnp.finfo(jax.eval_shape(phi, jnp.zeros(1)).dtype).eps)
        low, high = _jumps(jet, max(_JUMP, _ROUNDINGS * rounding))
    near = np.round(high, 9) + 0.0
    points = np.sort(np.where((low <= near) & (near <= high), near, high))
    return tuple(points[np.diff(points, prepend=-np.inf) > _JUMP].tolist())
