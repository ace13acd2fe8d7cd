r"""Finite width: linear circular convolutions, mode by mode.

Let :math:`G_{k k'} = \frac1N g_k \cdot g_{k'}^*` be the Gram matrix over channels of the field's
Fourier modes. A layer of Gaussian kernels multiplies its entries by the kernel's transfer function,
:math:`C_{k k'} = \sigma_w^2 D(k - k')\, G_{k k'}`, and draws from the Wishart law with that mean.
Exactly at any number of channels N, with all quantities over :math:`\sigma_w^{4}`,

.. math:: u' = u + (D_-^2 v + D_+^2 w) / N, \quad v' = D_-^2 v + (u + D_+^2 w) / N, \qquad
    w' = D_+^2 w + (u + D_-^2 v) / N

========  ================================================================  ==============
symbol    meaning                                                           shape
========  ================================================================  ==============
``u``     E[G_kk G_k'k'], whose sum over k and k' is E[(tr G)^2]            (modes, modes)
``v``     E[abs(G_kk')^2]                                                   (modes, modes)
``w``     E[abs(G_k,-k')^2]                                                 (modes, modes)
``D(k)``  mean of cos(k beta) over the taps; its product in two dimensions  (modes,)
``D_-``   D(k - k')                                                         (modes, modes)
``D_+``   D(k + k')                                                         (modes, modes)
========  ================================================================  ==============
"""

import functools
from typing import Any

import numpy as np

from vgtheory.theory.arrays import compiled, library, scan
from vgtheory.theory.precision import Values
from vgtheory.theory.width.masked import factor_moments

MOST = 0.3
"""Variance of the log up to which the log is normal to 8 %, from samples of the Gram matrices."""


def transfer(kernel_size: int, shape: tuple[int, ...]) -> np.ndarray:
    """D at every Fourier mode of ``shape`` positions: the average of cos over the taps."""
    taps = np.arange(kernel_size) - kernel_size // 2
    rows = [np.cos(2 * np.pi * np.arange(n)[:, None] * taps / n).mean(axis=1) for n in shape]
    return functools.reduce(np.multiply.outer, rows)


def _differences(kernel_size: int, shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """Squares of D(k - k') and D(k + k'); whether k = k' and k = -k'; each shape (modes, modes)."""
    modes = np.stack([each.ravel() for each in np.meshgrid(*map(np.arange, shape), indexing="ij")])
    table, size = transfer(kernel_size, shape) ** 2, np.array(shape)[:, None, None]
    minus, plus = ((modes[:, :, None] + sign * modes[:, None, :]) % size for sign in (-1, 1))
    same, opposite = ((each == 0).all(axis=0).astype(float) for each in (minus, plus))
    return table[tuple(minus)], table[tuple(plus)], same, opposite


@compiled("depth")
def _growth(facts: tuple[Values, ...], fixed: Values, width: Values, depth: int) -> Values:
    """E[(tr G)^2] / E[tr G]^2 after 0 ... depth layers over that at the start."""
    xp = library(facts)
    minus, plus, same, opposite = facts

    def drawn(state: tuple[Values, ...]) -> tuple[Values, ...]:
        u, v, w = state
        return u + (v + w) / width, v + (u + w) / width, w + (u + v) / width

    def layer(state: tuple[Values, ...], _: None) -> tuple[tuple[Values, ...], Values]:
        u, v, w = state
        return drawn((u, minus * v, plus * w)), xp.mean(u)

    less = fixed * 2 / len(same) / width
    start = tuple(each - less for each in drawn((xp.ones_like(same), same, opposite)))
    squares = scan(layer, start, length=depth + 1)[1]
    return squares / squares[0]


def log_growth_variance(
    kernel_size: int, shape: tuple[int, ...], width: int, depth: int, numpy: Any, fixed: bool
) -> Values:
    """Log of E|g|^4 / (E|g|^2)^2 after 0 ... depth layers, shape ``(depth + 1,)``; 0 at the start.

    If the log of the squared norm is normal, this is its variance. With ``fixed`` the start has one
    norm at every position; otherwise it is normal, and its norm is divided out. ``numpy`` is the array
    module that computes: ``jax.numpy`` or ``numpy``.

    Notes
    -----
    Accuracy: 1e-12 (it is exact at every width).
    Assumes: independent Gaussian kernels, circular padding, no biases, ``phi`` linear; positions of
    the start independent.
    """
    row = lambda value: numpy.asarray(value, numpy.result_type(float))
    facts, start, size = tuple(map(row, _differences(kernel_size, shape))), row(float(fixed)), row(width)
    return numpy.log(_growth((facts[0], facts[1], facts[2], facts[3]), start, size, depth))


def dropout_variance(net: Any, shape: tuple[int, ...], width: int, depth: int) -> np.ndarray:
    r"""What dropout in Gaussian kernels adds to ``log_growth_variance``, to order 1/N at any P / N.

    Let mu = E m^2 and :math:`\kappa = E m^4 / \mu^2` of the factors m, and P the number of
    positions. A layer's own factors add :math:`3 (\kappa - 1) / (N P)`. They also make the overlaps of
    positions smaller by mu, relative to their squares, so that a layer's weights add less: with v the
    mean square of an overlap and means over the modes,

    .. math:: \frac{2 (P - 1)}{N P} \langle D^2 v \rangle, \qquad v' = D^2 v / \mu^2 + 1/N

    Returns
    -------
    numpy.ndarray
        After 0 ... depth layers, shape ``(depth + 1,)``; 0 at the start.
    """
    count, mu = int(np.prod(shape)), 1 / (1 - net.dropout)
    alone = 3 * (factor_moments(net.dropout, net.mask)[0] - 1) / width / count
    squares = transfer(net.kernel_size, shape) ** 2
    masked = plain = np.full(shape, 1 / width)
    changes = [0.0]
    for _ in range(depth):
        masked, plain = squares * masked, squares * plain
        changes.append(alone + 2 * (count - 1) / count / width * float(np.mean(masked - plain)))
        masked, plain = masked / mu**2 + 1 / width, plain + 1 / width
    return np.cumsum(changes)


def orthogonal_variance(net: Any, shape: tuple[int, ...], width: int, depth: int, fixed: bool) -> np.ndarray:
    r"""``log_growth_variance`` of delta-orthogonal kernels with dropout, which alone scatters there.

    Every position keeps its own norm, whose square has the second moment
    :math:`(1 + 3 (\kappa - 1) / (N + 2))^n` after n layers, with :math:`\kappa` as above.
    """
    second = factor_moments(net.dropout, net.mask)[0]
    start = 1.0 if fixed else 1 + 2 / width
    squares = start * (1 + 3 * (second - 1) / (width + 2)) ** np.arange(depth + 1)
    logs = np.log1p((squares - 1) / np.prod(shape))
    return logs - logs[0]
