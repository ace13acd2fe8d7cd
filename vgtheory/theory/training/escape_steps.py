"""Number of steps of optimisers on a deep linear chain: gradient flow, and the lag of averages."""

from typing import Any

import numpy as np

from vgtheory.expect import Numbers, expect_one_of
from vgtheory.theory.arguments import asked, expect_broadcast, integers
from vgtheory.theory.arrays import library
from vgtheory.theory.precision import Values, in_float64, reals
from vgtheory.theory.training import adam_march
from vgtheory.theory.training.escape_time import check_chain, log_escape_time

OPTIMISERS = ("sgd", "momentum", "sign", "adam")
_FIRST_ORDER, _LEAST = 0.02, -0.999999
"""Share of the steps up to which the lag is taken to first order; least value of a negative lag."""


@asked(depth=integers)
@in_float64
def log_escape_steps(
    optimiser: str,
    depth: Numbers,
    w0: Numbers,
    *,
    learning_rate: Numbers,
    level: Numbers = 0.5,
    y: Numbers = 1.0,
    momentum: float = 0.9,
    square_decay: float = 0.999,
    eps: float = 1e-8,
) -> Values:
    r"""Log of the number of steps that an optimiser takes to train a balanced scalar chain.

    With T of ``log_escape_time``, g the gradient of one weight, :math:`\Delta` end minus start, and
    eta the small fixed learning rate:

    - ``sgd``: :math:`T / \eta + \tfrac12 \Delta \ln g`
    - ``momentum``: :math:`(1-\beta) T / \eta + \frac{\beta}{1-\beta} + \frac{1+\beta}{2(1-\beta)}
      \Delta \ln g`
    - ``sign``: :math:`\Delta w / \eta`, which does not depend on the depth
    - ``adam``: :math:`(\Delta w + \epsilon T) / \eta + \frac{\beta_1}{1-\beta_1} \Delta \ln g -
      \frac{\beta_2}{1-\beta_2} \Delta \ln(g + \epsilon) + \tfrac12 \Delta \ln \frac{g}{g +
      \epsilon}`

    The first term is the time of gradient flow. The others are, to first order, the lag of the
    running averages behind a growing gradient. Adam is sign descent while gradients exceed eps, and
    gradient descent at the rate eta / eps while they do not. The crossover is at eps T = Delta w.

    Parameters
    ----------
    optimiser
        ``"sgd"``, ``"momentum"`` (heavy ball), ``"sign"`` or ``"adam"``.
    depth, w0, level, y
        As in ``log_escape_time``; ``level`` below 1, and the start below it.
    learning_rate
        eta, > 0, any broadcastable shape.
    momentum
        beta of heavy ball, beta_1 of Adam, in [0, 1).
    square_decay
        beta_2 of Adam, in [0, 1).
    eps
        Term added to the root of Adam's average square, >= 0.

    Returns
    -------
    array
        Natural log of the number of steps (>= 1), the broadcast shape; -inf where the product is
        there already, inf where never.

    Notes
    -----
    Accuracy:

    - 1 step for ``sign``. Otherwise second order in the lag (1/2 step, or ``1/(1-beta)`` steps)
      times the relative change of the gradient in one step. At the start of a deep chain that
      change is ``(L-1) / w0`` times that of the weight.
    - Where the lag of Adam's averages exceeds 2 % of the steps, as in every run shorter than about
      ``1/(1-beta_2)``, the averages are integrated along the path in 256 panels: 1 % from 10 steps
      on, measured against optax.

    Assumes: a small change of the gradient in the time of the lag.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> steps = theory.training.log_escape_steps("sign", np.array([3, 30]), 0.5, learning_rate=1e-3)
    >>> np.exp(steps).round().tolist()
    [294.0, 477.0]
    """
    where = "log_escape_steps"
    expect_one_of(OPTIMISERS, where, optimiser=optimiser)
    check_chain(where, depth, w0, y)
    expect_broadcast(where, depth=depth, w0=w0, level=level, y=y, learning_rate=learning_rate)
    log_time = log_escape_time(depth, w0, level=level, y=y)
    given = reals(log_time, np.asarray(depth, float), w0, level, y, learning_rate)
    return _log_steps(optimiser, library(given).broadcast_arrays(*given), momentum, square_decay, eps)


def _log_steps(optimiser: str, given: Any, beta: float, square: float, eps: float) -> Values:
    """Number of steps of the flow, and the lags."""
    log_time, depth, w0, level, y, rate = given
    xp = library(given)
    log_end = (xp.log(level) + xp.log(y)) / depth
    log_move = xp.log(xp.maximum(xp.exp(log_end) - w0, 0))
    log_g = (
        xp.stack(
            [
                xp.log(-xp.expm1(depth * xp.log(w0) - xp.log(y))) + (depth - 1) * xp.log(w0),
                xp.log1p(-level) + (depth - 1) * log_end,
            ]
        )
        + xp.log(y)[None]
    )
    grown = log_g[1] - log_g[0]
    if optimiser == "sgd":
        log_flow, lag = log_time, grown / 2
    elif optimiser == "momentum":
        log_flow = log_time + float(np.log1p(-beta))
        lag = (beta + (1 + beta) / 2 * grown) / (1 - beta)
    elif optimiser == "sign":
        log_flow, lag = log_move, xp.zeros_like(grown)
    else:
        log_eps = float(np.log(eps)) if eps > 0 else -xp.inf
        log_flow = xp.logaddexp(log_move, log_eps + log_time)
        both = xp.diff(xp.logaddexp(log_g, log_eps), axis=0)[0]
        lag = beta / (1 - beta) * grown - square / (1 - square) * both + (grown - both) / 2
    log_steps = log_flow - xp.log(rate)
    late = lag * xp.exp(-log_steps)
    # A chain that is not yet at the level takes at least one step.
    steps = log_steps + xp.log1p(xp.maximum(late, xp.maximum(xp.expm1(-log_steps), _LEAST)))
    if optimiser == "adam":
        far = xp.isfinite(log_time) & (xp.abs(late) > _FIRST_ORDER)
        if xp is not np or far.any():
            ends = (depth, w0, log_end, y, rate)
            chains = [xp.where(far, each, safe) for each, safe in zip(ends, (1.0, 0.1, -1.0, 1.0, 1.0), strict=True)]
            marched = adam_march.steps(chains, beta, square, eps)
            steps = xp.where(far, xp.maximum(xp.log(marched), 0.0), steps)
    known = xp.where(xp.isfinite(log_steps), xp.maximum(steps, 0.0), log_steps)
    return xp.where(xp.isfinite(log_time), known, log_time)
