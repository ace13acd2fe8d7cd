"""Weight decay of a deep linear chain: its equilibria, and the largest decay that it survives."""

from typing import NamedTuple

import numpy as np
from scipy import optimize

from vgtheory.expect import expect_scalars
from vgtheory.theory.arguments import asked, one_not_negative, one_scale
from vgtheory.theory.precision import in_numpy


class ChainDecay(NamedTuple):
    """Equilibria of a balanced chain under weight decay.

    Attributes
    ----------
    decay_max
        Decay above which the only minimum is w = 0.
    w_star
        Weight at the end of training, if it starts above the barrier; 0 above ``decay_max``.
    w_barrier
        Barrier between 0 and ``w_star``: the end of training depends on the side of the start. It
        is inf above ``decay_max``.
    """

    decay_max: float
    w_star: float
    w_barrier: float


@asked(decay=one_not_negative, y=one_scale)
@in_numpy
def chain_decay(depth: int, decay: float, *, y: float = 1.0) -> ChainDecay:
    r"""Equilibria of a balanced scalar chain under weight decay, and the largest decay it survives.

    The loss is :math:`(y - w_1\cdots w_L)^2/2 + (\lambda/2) \sum_i w_i^2`. With
    :math:`u = w^L / y`, the equilibria of balanced chains obey

    .. math:: (y - w^L)\, w^{L-2} = \lambda, \qquad
        \lambda_{max} = y^{2-2/L} u_m^{1-2/L} (1 - u_m), \qquad
        u_m = \frac{L-2}{2L-2} \quad (L \ge 3)

    For :math:`\lambda < \lambda_{max}` two weights solve this equation: the larger is a minimum,
    the smaller a barrier. For L >= 3 and any decay above 0, w = 0 is a minimum as well. There is no
    barrier at L = 2, where :math:`w_*^2 = y - \lambda`, and at L = 1, where
    :math:`w_* = y / (1 + \lambda)`.

    Parameters
    ----------
    depth
        Number of weights L, >= 1.
    decay
        Coefficient lambda of the decay, >= 0.
    y
        Target, > 0.

    Returns
    -------
    ChainDecay
        ``decay_max`` is inf at depth 1.

    Notes
    -----
    Accuracy: 1e-12 relative; less near ``decay_max``, where the two weights merge as a root.
    Assumes: equal weights. Unequal weights become equal, because decay shrinks the differences of
    their squares as exp(-2 lambda t). Decay does not cure vanishing: weights that start at w0
    survive a decay of about ``y w0^(L-2)`` only, which falls with every layer.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> np.round(theory.training.chain_decay(10, 0.01), 4).tolist()
    [0.2904, 0.999, 0.5626]
    """
    expect_scalars("chain_decay", decay=decay, y=y)
    if depth == 1:
        return ChainDecay(np.inf, y / (1 + decay), 0.0)
    if depth == 2:
        return ChainDecay(float(y), float(np.sqrt(max(y - decay, 0.0))), 0.0 if decay < y else np.inf)
    power, top = 1 - 2 / depth, float(np.log((depth - 2) / (2 * depth - 2)))
    force = lambda log_u: np.log(-np.expm1(log_u)) + power * log_u
    unit = (1 + power) * np.log(y)
    decay_max = float(np.exp(unit + force(top)))
    if decay == 0 or decay >= decay_max:
        return ChainDecay(decay_max, *((float(y ** (1 / depth)), 0.0) if decay == 0 else (0.0, np.inf)))
    wanted = float(np.log(decay) - unit)
    low = min(wanted / power, top) - 1
    solved = lambda *ends: optimize.brentq(lambda x: force(x) - wanted, *ends, xtol=1e-16, rtol=1e-15)
    near = solved(top, -1e-300) if force(-1e-300) < wanted else 0.0
    return ChainDecay(decay_max, *(float(np.exp((x + np.log(y)) / depth)) for x in (near, solved(low, top))))
