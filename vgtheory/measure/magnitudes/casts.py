"""Casts to number formats by NumPy: what is left of an entry, and whether it is beyond the format.

Formats whose blocks have scales are cast by arithmetic, as their definitions say.
"""

import jax.numpy as jnp
import numpy as np

from vgtheory.formats import BLOCKED, E4M3, FORMATS, Blocked

_LOWEST, _HIGHEST = -127, 127
"""Exponents of a scale that is a power of two."""


def lost(entries: np.ndarray, cast: str, flush: bool) -> tuple[np.ndarray, np.ndarray]:
    """Which entries a cast makes zero, and which it makes infinite, NaN or the largest number.

    Parameters
    ----------
    entries
        Shape (networks, outputs, inputs); blocks lie along the inputs.
    cast
        Name of the format.
    flush
        Whether subnormal numbers become zero too.
    """
    if cast in BLOCKED:
        size = in_blocks(np.abs(entries), BLOCKED[cast])
        held = rounded(size, BLOCKED[cast])
        held = np.where(held < BLOCKED[cast].least, 0.0, held) if flush else held
        return held == 0, held > BLOCKED[cast].largest
    held = plain(entries, cast, flush)
    return held == 0, ~np.isfinite(held)


def plain(entries: np.ndarray, name: str, flush: bool) -> np.ndarray:
    """The moduli as a format without scales holds them, in float64.

    Parameters
    ----------
    entries
        Of any shape.
    name, flush
        As in ``lost``.
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        held = np.abs(entries).astype(FORMATS[name]).astype(float)
    return np.where(held < float(jnp.finfo(FORMATS[name]).tiny), 0.0, held) if flush else held


def rounded(size: np.ndarray, form: Blocked) -> np.ndarray:
    """Moduli rounded to an element's numbers, ties to even, as if there were larger ones.

    Parameters
    ----------
    size
        Not negative.
    form
        The format.
    """
    exponent = np.frexp(np.maximum(size, form.least))[1] - 1
    spacing = np.ldexp(1.0, exponent - form.mantissa)
    return np.round(size / spacing) * spacing


def in_blocks(size: np.ndarray, form: Blocked) -> np.ndarray:
    """Moduli over the scales of their blocks; zero where that scale is zero.

    Parameters
    ----------
    size
        Shape (networks, outputs, inputs); the last block of a row may be shorter than others.
    form
        The format.
    """
    starts = np.arange(0, size.shape[-1], form.block)
    largest = np.repeat(np.maximum.reduceat(size, starts, axis=-1), form.block, axis=-1)[..., : size.shape[-1]]
    if form.scales == "power":
        exponent = np.frexp(largest)[1] - 1 - (np.frexp(form.largest)[1] - 1)
        return np.ldexp(size, -np.clip(exponent, _LOWEST, _HIGHEST))
    whole = size.max(axis=(-2, -1), keepdims=True) / (form.largest * E4M3.largest)
    whole = np.where(whole > 0, whole, 1.0).astype(np.float32).astype(float)
    scale = np.minimum(rounded(largest / form.largest / whole, E4M3), E4M3.largest) * whole
    # A block whose scale is zero is lost whole.
    return np.divide(size, scale, out=np.zeros_like(size), where=scale > 0)


__all__ = ["in_blocks", "lost", "plain", "rounded"]
