r"""Number of steps of Adam along a balanced chain, where its running averages lag far behind.

With w as the clock, :math:`dt = dw\,(\sqrt{\hat v} + \epsilon) / (\eta\, \hat m)`, where m and v
are the running averages of g and g^2 in continuous time. In each of a few hundred panels of ln w, g
is taken as an exponential, for which the averages are exact.

==========  ===============================================
symbol      meaning
==========  ===============================================
``log_g``   ln of the gradient of one weight
``first``   average of g, over g
``second``  average of g^2, over g^2
``slow``    (root of corrected second + eps / g) over first
``time``    number of steps up to here
==========  ===============================================
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vgtheory.theory.arrays import library, scan
from vgtheory.theory.precision import Values

_PANELS, _CORRECTIONS, _FLAT = 256, 4, 1e-4


def _averaged(decay: float, time: Values, ratio: Values, before: Values) -> Values:
    """A running average over its integrand, after a panel in which that grows by exp(ratio)."""
    xp = library(time, ratio, before)
    turn = decay * time + ratio
    flat = xp.abs(turn) < _FLAT
    safe = xp.where(flat, 1.0, turn)
    share = xp.where(flat, 1 - turn / 2 + turn**2 / 6, -xp.expm1(-safe) / safe)
    return before * xp.exp(-turn) + decay * time * share


def _log_mean(a: Values, b: Values) -> Values:
    """Mean of an exponential that goes from a to b."""
    xp = library(a, b)
    log = xp.log(b / a)
    flat = xp.abs(log) < _FLAT
    return xp.where(flat, (a + b) / 2, (b - a) / xp.where(flat, 1.0, log))


def steps(chains: Sequence[Values], beta: float, square: float, eps: float) -> Values:
    """Number of steps from w0 to exp(log_end), with Adam's bias corrections.

    ``chains`` holds depth, w0, log of the end, target and rate, of one shape, with w0 below the end
    and the end below the target. ``beta`` and ``square`` are the decays of the two averages, and
    ``eps`` is added to the root of the second.

    Notes
    -----
    Accuracy: second order in the relative change of the gradient in one step; measured against
    optax, 1 % from 10 steps on.
    """
    depth, w0, log_end, y, rate = chains
    xp = library(chains)
    share = xp.linspace(0, 1, _PANELS + 1, dtype=w0.dtype).reshape(-1, *[1] * w0.ndim)
    log_w = xp.log(w0)[None] * (1 - share) + log_end[None] * share
    log_g = xp.log(-xp.expm1(depth[None] * log_w - xp.log(y)[None])) + (depth[None] - 1) * log_w + xp.log(y)[None]
    fast, late = (-float(np.log(max(each, 1e-300))) for each in (beta, square))

    def slowness(time: Values, first: Values, second: Values, log_g: Values) -> Values:
        size = xp.sqrt(second / -xp.expm1(-late * time)) + eps * xp.exp(-log_g)
        return size * -xp.expm1(-fast * time) / first

    def panel(carry: tuple[Any, ...], ends: tuple[Any, ...]) -> tuple[Any, None]:
        time, first, second, slow = carry
        move, below, above = ends
        ratio, after = above - below, slow
        for _ in range(_CORRECTIONS):
            taken = move * _log_mean(slow, after) / rate
            averages = _averaged(fast, taken, ratio, first), _averaged(late, taken, 2 * ratio, second)
            after = slowness(time + taken, *averages, above)
        return (time + taken, *averages, after), None

    none = xp.zeros_like(w0)
    start = (none, none, none, 1 + eps * xp.exp(-log_g[0]))
    return scan(panel, start, (xp.diff(xp.exp(log_w), axis=0), log_g[:-1], log_g[1:]))[0][0]
