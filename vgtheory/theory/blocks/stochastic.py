r"""Stochastic depth at infinite width: a chain of the branches that stay, seen after a binomial number of them.

A block whose branch is dropped changes neither the stream nor the gradient. After l blocks, K_l of
whose branches stayed, the stream is that of the chain without dropping after K_l blocks, whose
branches have the factor ``alpha / (1 - p)``. With S(k) the sum of the log-factors of the squared
gradient over its first k blocks, :math:`\\ln |g_l|^2 / |g_L|^2 = S(K_L) - S(K_l)`. One input sees the
same branches at every unit, so that this spread does not vanish with the width.

=========  ============================================================  ==================
symbol     meaning                                                       shape
=========  ============================================================  ==================
``rows``   probabilities of K_l = 0 ... L, for l = 0 ... L               (L + 1, L + 1)
``total``  S(0) ... S(L)                                                 (L + 1,)
``ahead``  E[S(K_L)] given K_l                                           (L + 1,)
=========  ============================================================  ==================
"""

from typing import Any

import numpy as np
import scipy

from vgtheory.estimate import Law
from vgtheory.theory.arrays import library, running_sum, scan
from vgtheory.theory.precision import Values


def _rows(depth: int, drop_path: float) -> np.ndarray:
    """Binomial probabilities."""
    kept = np.arange(depth + 1)
    return scipy.stats.binom.pmf(kept[None], kept[:, None], 1 - drop_path)


def _root(var: Values) -> Values:
    """Square root whose derivative at 0 is 0."""
    xp = library(var)
    return xp.where(var <= 0, 0.0, xp.sqrt(xp.where(var <= 0, 1.0, var)))


def _moments(rows: Any, values: Values) -> Law:
    """Mean and standard deviation of values of a binomial number."""
    xp = library(values)
    mean = rows @ values
    return Law(mean, _root(xp.sum(rows * (values[None] - mean[:, None]) ** 2, axis=1)))


def mixed(law: Law, drop_path: float, of_grad: bool) -> Law:
    """The law of a chain whose branches all stay, which counts blocks alone, over the number that stay.

    It counts blocks from the input for q, and from the top for the gradient.
    """
    xp = library(law.mean)
    if of_grad:
        mean, var = law.mean[::-1], law.std[::-1] ** 2
    else:
        mean, var = (xp.append(xp.zeros_like(each[:1]), each) for each in (law.mean, law.std**2))
    rows = xp.asarray(_rows(len(mean) - 1, drop_path), mean.dtype)
    over = _moments(rows, mean)
    mean, std = over.mean, _root(over.std**2 + rows @ var)
    return Law(mean[::-1], std[::-1]) if of_grad else Law(mean[1:], std[1:])


def log_q_law(chain: Any, drop_path: float) -> Law:
    """Law of ln q at blocks 1 ... L, from the profile of the branches that stay."""
    xp = library(chain.log_q)
    values = xp.concatenate([xp.zeros_like(chain.log_q[:1]), chain.log_q])
    rows = xp.asarray(_rows(len(chain.log_q), drop_path), values.dtype)
    return _moments(rows[1:], values)


def log_grad_law(chain: Any, drop_path: float) -> Law:
    """Law of ln of the squared gradient at blocks 1 ... L, relative to the top."""
    xp = library(chain.log_chi)
    total = xp.concatenate([xp.zeros_like(chain.log_chi[:1]), running_sum(chain.log_chi)])
    total = total - total[-1]
    rows = xp.asarray(_rows(len(chain.log_chi), drop_path), total.dtype)

    def down(ahead: tuple[Values, Values], row: Values) -> tuple[tuple[Values, Values], Values]:
        mean, square = ahead
        gained = mean - total
        seen = xp.stack([row @ gained, row @ (square - 2 * total * mean + total**2)])
        return tuple((1 - drop_path) * xp.append(each[1:], each[-1:]) + drop_path * each for each in ahead), seen

    seen = scan(down, (total, total**2), rows[1:], reverse=True)[1]
    return Law(seen[:, 0], _root(seen[:, 1] - seen[:, 0] ** 2))
