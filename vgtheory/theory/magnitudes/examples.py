"""Split of one layer for single examples, by quadrature over the two units of an entry."""

from typing import NamedTuple

import numpy as np

from vgtheory.theory.integrals import log_moments
from vgtheory.theory.integrals.log_moments import Side
from vgtheory.theory.magnitudes import minibatch
from vgtheory.theory.magnitudes.minibatch import Sums
from vgtheory.theory.magnitudes.trajectory import Trajectory, wider


class _OneSide(NamedTuple):
    """One side of entries: share not 0, weights and variances at nodes, mean, kept variance."""

    share: np.ndarray
    weight: np.ndarray
    var: np.ndarray
    mean: np.ndarray
    kept: np.ndarray


def _one_side(side: Side) -> _OneSide:
    joint = side.weight * side.share
    share = joint.sum(axis=1)
    weight = joint / share[:, None]
    mean = np.sum(weight * side.mean, axis=1)
    return _OneSide(side.share, weight, side.var, mean, np.sum(weight * side.mean**2, axis=1) - mean**2)


def _seen(share: np.ndarray, draws: int) -> np.ndarray:
    """Part of an entry's own variance that ``draws`` draws show: those that are not 0, less one."""
    few = np.minimum(share, 1.0)
    return (draws * few - 1 + (1 - few) ** draws) / np.maximum(draws * few, minibatch.TINY)


def sums(way: Trajectory, c_0: float, draws: int) -> list[Sums]:
    """Split of every layer over ``draws`` examples of input correlation ``c_0``."""
    depth = len(way.c)
    sides = way.seen_sides
    signals, slopes = (_one_side(side) for side in sides)
    c_zeta = wider(way.c_zeta, way.aligned.gradients)
    arriving, first = (_one_side(log_moments.normal_side(c)) for c in (c_zeta, np.array([c_0])))
    one = np.ones((1, 1))
    flat = _OneSide(one, one, 0 * one, np.zeros(1), np.zeros(1))
    rows = []
    for layer in range(depth):
        out, row_out = (slopes, layer) if layer < depth - 1 else (flat, 0)
        into, row_in = (signals, layer - 1) if layer else (first, 0)
        p_a, w_a, v_a, m_a, k_a = (each[row_out] for each in out)
        p_x, w_x, v_x, m_x, k_x = (each[row_in] for each in into)
        z_kept, z_own = arriving.kept[layer], np.sum(arriving.weight[layer] * arriving.var[layer])
        seen = _seen(p_a[:, None] * p_x[None, :], draws)
        inside = w_a @ (seen * (v_a[:, None] + v_x[None, :] + z_own)) @ w_x
        whole = k_a + k_x + z_kept + w_a @ v_a + w_x @ v_x + z_own
        mean = way.log_zeta[layer] + m_a + m_x + arriving.mean[layer] + way.shift[layer]
        share = (sides[1].weight[layer] @ p_a if layer < depth - 1 else 1.0) * (
            sides[0].weight[layer - 1] @ p_x if layer else 1.0
        )
        rows.append(Sums(share, mean, share * (whole - inside), share * inside))
    return rows
