r"""Shares of entries that a format loses whose blocks have scales of their own.

Given what a block's entries share, they are independent, with the distribution F of the modulus. A
block of n entries has a power of two for its scale, which its largest entry sets to
:math:`2^{s - e}` if this entry lies between :math:`2^s` and :math:`2^{s + 1}`. A small entry is not
the largest one, so that the others alone decide:

.. math:: P(\text{zero}) = \sum_s \left[ F(2^{s+1})^{n-1} - F(2^s)^{n-1} \right] F(z\, 2^{s-e})

z is the largest element that a cast makes zero. In NVFP4 the scale is a sixth of the largest entry,
rounded to E4M3 in units of the tensor's own; the sum is over the numbers of E4M3.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from vgtheory.formats import E4M3, Blocked

_LOWEST, _HIGHEST = -60.0, 30.0
"""Range of ln of an entry over what its block shares."""
_STEP, _COARSE, _LEAST_WEIGHT = 0.01, 0.05, 1e-9
"""Steps of grids, and weight of a node that counts."""
_QUANTILES = (np.arange(6) + 0.5) / 6
"""Of a matrix's largest entry."""


class Block(NamedTuple):
    """Entries of blocks: what they share, and their distribution given that.

    Attributes
    ----------
    log_shared, weight
        Log of a factor that a block shares, and probabilities, which lack that of exact zeros.
    share_below
        Share of entries over that factor, exact zeros left out, whose modulus is below bounds given by their logs.
    zero
        Share of them that are exact zeros.
    """

    log_shared: np.ndarray
    weight: np.ndarray
    share_below: Callable[[np.ndarray], np.ndarray]
    zero: float

    def whole(self, log_bounds: np.ndarray) -> np.ndarray:
        """Share below, zeros with it."""
        return self.zero + self.share_below(log_bounds)


class Lost(NamedTuple):
    """Shares that under- and overflow."""

    underflow: float
    overflow: float


def lost(blocks: Sequence[Block], form: Blocked, flush: bool, log_scale: float, outputs: float, inputs: float) -> Lost:
    """Shares of the entries of one matrix that a format loses.

    Parameters
    ----------
    blocks
        What blocks share; probabilities add up over all.
    form
        The format.
    flush
        Whether subnormal elements become zero too.
    log_scale
        Log of a factor of all entries.
    outputs, inputs
        Shape of the matrix.
    """
    edge = form.least if flush else form.zero
    found = np.zeros(2)
    whole = _log_largest(blocks, outputs, inputs) if form.scales != "power" else np.zeros(1)
    for block in blocks:
        if form.scales == "power":
            # Of what a block shares only the place between two powers of two counts.
            places, weight = gathered((block.log_shared + log_scale) % np.log(2), block.weight)
            shares = _by_power(block, form, edge, places[:, None])
        else:
            log = np.subtract.outer(block.log_shared, whole)
            places, weight = gathered(log.ravel(), np.repeat(block.weight / len(whole), len(whole)), _COARSE)
            places, weight = places[weight > _LEAST_WEIGHT], weight[weight > _LEAST_WEIGHT]
            shares = _by_number(block, form, edge, places[:, None])
        found += [weight @ each for each in shares]
    return Lost(float(found[0]), float(found[1]))


def gathered(log: np.ndarray, weight: np.ndarray, step: float = _STEP) -> tuple[np.ndarray, np.ndarray]:
    """Nodes on an even grid: each one's probability goes to its two neighbours.

    Parameters
    ----------
    log, weight
        Nodes and probabilities.
    step
        Of the grid.
    """
    start = log.min()
    place = (log - start) / step
    first = np.floor(place).astype(int)
    rest, size = place - first, int(first.max()) + 2
    table = np.bincount(first, weight * (1 - rest), size) + np.bincount(first + 1, weight * rest, size)
    there = table > 0
    return (start + step * np.arange(size))[there], table[there]


def _by_power(block: Block, form: Blocked, edge: float, log_shared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares that under- and overflow where scales are powers of two, for what a block shares."""
    two, others = np.log(2), form.block - 1
    ends = np.arange(np.floor(_LOWEST / two), np.ceil(_HIGHEST / two)) * two - log_shared
    top = np.floor(np.log2(form.largest)) * two
    low, high = block.whole(ends), block.whole(ends + two)
    under = (high**others - low**others) * block.share_below(ends + np.log(edge) - top)
    over = (high - block.whole(ends + np.log(form.overflow) - top)) * high**others
    return under.sum(axis=1), over.sum(axis=1)


def _by_number(block: Block, form: Blocked, edge: float, log_shared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same where scales are numbers in E4M3, the matrix's largest entry being 1."""
    scales = _numbers()
    # Of a block's largest entry, where its scale goes over from one number to the next.
    bounds = np.log(np.append((scales[:-1] + scales[1:]) / 2, 4 * scales[-1]) / scales[-1]) - log_shared
    whole = block.whole(bounds)
    others = whole ** (form.block - 1)
    unit = np.log(scales[1:] / (scales[-1] * form.largest)) - log_shared
    gone = block.share_below(bounds[:, 0]) * others[:, 0]
    under = gone + (np.diff(others, axis=1) * block.share_below(unit + np.log(edge))).sum(axis=1)
    # The largest scale is that of the matrix's largest entry, which it holds.
    beyond = np.maximum(whole[:, 1:-1] - block.whole(unit[:, :-1] + np.log(form.overflow)), 0.0)
    return under, (beyond * others[:, 1:-1]).sum(axis=1)


def _numbers() -> np.ndarray:
    """All numbers of E4M3 that are not negative."""
    small = np.arange(8) * E4M3.zero * 2
    large = [(1 + np.arange(8) / 8) * E4M3.least * 2.0**power for power in range(15)]
    numbers = np.concatenate([small, *large])
    return numbers[numbers <= E4M3.largest]


def _log_largest(blocks: Sequence[Block], outputs: float, inputs: float) -> np.ndarray:
    """Quantiles of the log of a matrix's largest entry, which stand for its distribution with equal weights.

    Parameters
    ----------
    blocks
        As in ``lost``.
    outputs, inputs
        Numbers of units, each of which shares something, and of its entries.
    """
    tables = [(block, *gathered(block.log_shared, block.weight, 2 * _COARSE)) for block in blocks]
    ends = [log[np.array([0, -1])] for _, log, _ in tables]
    at = np.arange(min(end[0] for end in ends) - 5, max(end[1] for end in ends) + 12, 0.05)
    beyond = np.zeros_like(at)
    for block, log, weight in tables:
        none = np.minimum(block.whole(at[:, None] - log), 1.0) ** inputs
        beyond += (1 - none) @ weight
    share = (1 - np.minimum(beyond, 1.0)) ** outputs
    return np.interp(_QUANTILES, share, at)


__all__ = ["Block", "Lost", "gathered", "lost"]
