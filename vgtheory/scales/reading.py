"""The activation after each layer of a chain, read off the model's own answers.

With kernels that are nearly 0, a layer's output is its bias t in every unit, and the next layer's
output without a bias is proportional to phi(t). Its size for some t is compared with the table of
activations. Names and code are not looked at, so that an activation written by hand is known too.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from vgtheory.activation import ACTIVATIONS, Activation, both_in_numpy
from vgtheory.scales.model import scaled
from vgtheory.scales.passes import Passes, Rung

_PLACES = np.array([-7.0, -2.2, -0.7, 0.4, 1.3, 3.5, 7.0])
_SMALL = 1e-6
"""Factor of the kernels."""
_ZERO = 1e-5
"""Largest |phi(t)|, relative to the largest, that counts as 0."""
_SAME = 1e-3
"""Largest difference between two logs of one number in float32, after the kernels' rest."""


def _logs(sizes: np.ndarray) -> np.ndarray:
    """Logs of sizes over the largest along the first axis, cut off where they count as 0."""
    return np.log(np.maximum(sizes / np.maximum(np.max(sizes, axis=0), 1e-300), _ZERO))


@functools.cache
def _table() -> tuple[list[Activation], np.ndarray]:
    """Activations, and the logs of |phi| at the places, shape (places, activations)."""
    known = list(ACTIVATIONS.values())
    return known, _logs(np.abs(np.stack([both_in_numpy(each, _PLACES)[0] for each in known], axis=1)))


def _sizes(passes: Passes, rungs: Sequence[Rung]) -> np.ndarray:
    """|phi(t)| up to a factor, shape (places, rungs - 1): every other layer has the bias, and then the rest."""
    sizes = np.zeros((len(_PLACES), len(rungs) - 1))
    for at, place in enumerate(_PLACES):
        for parity in (0, 1):
            leaves = list(passes.start)
            for k, rung in enumerate(rungs):
                assert rung.kernel is not None
                leaves[rung.kernel] = scaled(passes.start[rung.kernel], _SMALL)
                if rung.bias is not None:
                    bias = passes.start[rung.bias]
                    leaves[rung.bias] = jnp.full_like(bias, place if k % 2 == parity else 0.0)
            log_rms = passes(leaves, is_rough=True).log_rms
            rows = [rung.row for rung in rungs]
            with np.errstate(over="ignore"):
                sizes[at, parity::2] = np.exp(log_rms[rows[1:]])[parity::2]
    return sizes


def activations(passes: Passes, rungs: Sequence[Rung]) -> list[Activation | None]:
    """Activation of the table between each layer of a chain and the next; None for another.

    Parameters
    ----------
    passes
        The model.
    rungs
        Layers of a chain, whose kernels are known; those without a bias remain unknown.
    """
    known, table = _table()
    read = _logs(_sizes(passes, rungs))
    found: list[Activation | None] = []
    for k, rung in enumerate(rungs[:-1]):
        apart: Any = np.max(np.abs(table - read[:, k : k + 1]), axis=0)
        best = int(np.argmin(apart))
        found.append(known[best] if rung.bias is not None and apart[best] < _SAME else None)
    return found


__all__ = ["activations"]
