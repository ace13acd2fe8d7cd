r"""How long gradient descent takes to train a deep linear chain: exact times of its flow, and what optimisers make of them.

========  ================================================================  ======
symbol    meaning                                                           shape
========  ================================================================  ======
``w``     weight of each layer of a balanced chain                          ()
``p``     product of the weights, ``w^L``                                   ()
``u``     ``p / y``: the share of the target that is reached                ()
``v``     ``ln((1 - u) / u)`` on the way up, ``ln(u - 1)`` on the way down  ()
``c``     exponent of ``1 + e^v`` in the time that a step of ``v`` takes    ()
========  ================================================================  ======
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vgtheory.expect import expect, expect_not_negative, expect_one_of, is_static
from vgtheory.theory.precision import floats, in_float64

OPTIMISERS = ("sgd", "momentum", "sign", "adam")
_EDGES = np.arange(-36.0, 37.0, 3.0)
"""Where (1 + e^v)^c is neither 1 nor e^(cv); branch points are pi away from the axis."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


@in_float64
def log_escape_time(depth: Any, w0: Any, *, level: Any = 0.5, y: Any = 1.0) -> Any:
    r"""Log of the time that gradient flow takes to train a balanced scalar chain, exactly.

    .. math:: \dot w = (y - w^L)\, w^{L-1}, \qquad T = \int_{w_0}^{(\ell y)^{1/L}} \frac{dw}{(y - w^L)\, w^{L-1}}

    This is the flow of the loss :math:`(y - w_1 \cdots w_L)^2 / 2` where all weights start equal, and so stay. Gradient descent
    with a small learning rate takes T over that rate steps. With :math:`u = w^L / y` and :math:`v = \ln((1 - u)/u)`,

    .. math:: T = \frac{y^{2/L - 2}}{L} \int (1 + e^v)^{1 - 2/L}\, dv .

    Parameters
    ----------
    depth
        Number of weights L, integers >= 1, any shape.
    w0
        Each weight at the start, >= 0, any broadcastable shape.
    level
        Share l of the target that the product is to reach, > 0: below 1 from below, above 1 from above.
    y
        Target, > 0.

    Returns
    -------
    array
        Natural log of T, the broadcast shape: -inf where the product is there already, inf where it never gets there (level is
        beyond the target, or at it, or w0 = 0 and depth >= 2).

    Raises
    ------
    ValueError
        If ``depth`` is no positive integer, w0 negative, or ``level`` or ``y`` not positive.

    Notes
    -----
    Accuracy: in float64 1e-13 relative in T, plus 1e-15 times the size of the log, plus what rounding w0 makes of T.
    Assumes: flow (see ``log_escape_steps`` for steps). For small w0 it tends to :math:`w_0^{2-L} / (y (L-2))` at L > 2: depth enters as an
    exponent; to :math:`\ln(1/w_0)/y` and a constant at L = 2. A negative w0 is that of its size for even L; for odd L >= 3 it never gets beyond 0.

    References
    ----------
    A. M. Saxe, J. L. McClelland and S. Ganguli (2014), arXiv:1312.6120, derive the flow.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> round(float(theory.log_escape_time(1000, 0.1) / np.log(10)), 3)
    995.001
    >>> round(float(np.exp(theory.log_escape_time(1, 0.0))), 4)
    0.6931
    """
    check_chain("log_escape_time", depth, w0, y)
    expect_positive("log_escape_time", level=level)
    w0, level, y = floats(w0, level, y)
    depth = jnp.asarray(np.asarray(depth, float), w0.dtype)
    depth, w0, level, y = jnp.broadcast_arrays(depth, w0, level, y)
    log_u = depth * jnp.log(w0) - jnp.log(y)
    rises = log_u <= 0
    exponent = jnp.where(rises, 1 - 2 / depth, 2 / depth - 2)
    low, high = _distance(jnp.log(level)), _distance(log_u)
    there = jnp.where(rises, log_u >= jnp.log(level), log_u <= jnp.log(level))
    log_time = _log_power_integral(exponent, low, jnp.where(there, low + 1, high))
    log_time += (2 / depth - 2) * jnp.log(y) - jnp.log(depth)
    never = jnp.where(rises, level >= 1, level <= 1)
    return jnp.where(never, jnp.inf, jnp.where(there, -jnp.inf, log_time))


@in_float64
def log_escape_steps(
    optimiser: str,
    depth: Any,
    w0: Any,
    *,
    learning_rate: Any,
    level: Any = 0.5,
    y: Any = 1.0,
    momentum: float = 0.9,
    square_decay: float = 0.999,
    eps: float = 1e-8,
) -> Any:
    r"""Log of the number of steps that an optimiser takes to train a balanced scalar chain from below, at a small fixed rate.

    With T of ``log_escape_time``, g the gradient of one weight, :math:`\Delta` end minus start, eta the learning rate:

    ============  ==================================================================================================================
    ``sgd``       :math:`T / \eta + \tfrac12 \Delta \ln g`
    ``momentum``  :math:`(1-\beta) T / \eta + \frac{\beta}{1-\beta} + \frac{1+\beta}{2(1-\beta)} \Delta \ln g`
    ``sign``      :math:`\Delta w / \eta`: no depth in it
    ``adam``      :math:`(\Delta w + \epsilon T) / \eta + \frac{\beta_1}{1-\beta_1} \Delta \ln g - \frac{\beta_2}{1-\beta_2} \Delta \ln(g + \epsilon)
                  + \tfrac12 \Delta \ln \frac{g}{g + \epsilon}`
    ============  ==================================================================================================================

    The first term is the flow's; the others are the lag of averages behind a gradient that grows, to first order. Adam is sign descent
    while gradients exceed eps, and gradient descent at the rate eta / eps where they do not: it crosses over at eps T = Delta w.

    Parameters
    ----------
    optimiser
        ``"sgd"``, ``"momentum"`` (heavy ball), ``"sign"`` or ``"adam"``.
    depth, w0, level, y
        As ``log_escape_time``; ``level`` below 1, and the start below it.
    learning_rate
        eta, > 0, any broadcastable shape.
    momentum
        beta of heavy ball, beta_1 of Adam, in [0, 1).
    square_decay
        beta_2 of Adam, in [0, 1).
    eps
        Added to the root of Adam's average square, >= 0.

    Returns
    -------
    array
        Natural log of the number of steps, the broadcast shape; -inf where the product is there already, inf where never.

    Raises
    ------
    ValueError
        If the optimiser is unknown or an argument out of its range.

    Notes
    -----
    Accuracy: second order in the lag (1/2, ``1/(1-beta)``, or Adam's ``1/(1-beta_2)`` steps) times the relative change of the
    gradient in one step, which at the start of a deep chain is ``(L-1) / w0`` times that of the weight; 1 step for ``sign``.
    Assumes: that product is small. Where it is not, Adam's average of squares lags so far behind that Adam is faster than this.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> steps = lambda name: np.exp(theory.log_escape_steps(name, np.array([3, 30]), 0.5, learning_rate=1e-3))
    >>> np.log10(steps("sgd")).round(1).tolist(), np.log10(steps("sign")).round(1).tolist()
    ([3.0, 10.0], [2.5, 2.7])
    """
    where = "log_escape_steps"
    expect_one_of(OPTIMISERS, where, optimiser=optimiser)
    check_chain(where, depth, w0, y)
    expect(0 <= momentum < 1, where, "a momentum in [0, 1)", momentum=momentum)
    expect(0 <= square_decay < 1, where, "a square_decay in [0, 1)", square_decay=square_decay)
    expect_not_negative(where, eps=eps)
    expect_positive(where, learning_rate=learning_rate)
    log_time = log_escape_time(depth, w0, level=level, y=y)
    log_time, w0, level, y, rate = floats(log_time, w0, level, y, learning_rate)
    depth = jnp.asarray(np.asarray(depth, float), w0.dtype)
    log_time, depth, w0, level, y, rate = jnp.broadcast_arrays(log_time, depth, w0, level, y, rate)
    return _log_steps(optimiser, log_time, depth, w0, level, y, jnp.log(rate), momentum, square_decay, eps)


def _log_steps(
    optimiser: str,
    log_time: Any,
    depth: Any,
    w0: Any,
    level: Any,
    y: Any,
    log_rate: Any,
    beta: float,
    square: float,
    eps: float,
) -> Any:
    """The flow's number of steps, and what lags add to it."""
    log_end = (jnp.log(level) + jnp.log(y)) / depth
    log_move = jnp.log(jnp.maximum(jnp.exp(log_end) - w0, 0))
    log_g = (
        jnp.stack(
            [
                jnp.log(-jnp.expm1(depth * jnp.log(w0) - jnp.log(y))) + (depth - 1) * jnp.log(w0),
                jnp.log1p(-level) + (depth - 1) * log_end,
            ]
        )
        + jnp.log(y)[None]
    )
    grown = log_g[1] - log_g[0]
    if optimiser == "sgd":
        log_flow, lag = log_time, grown / 2
    elif optimiser == "momentum":
        log_flow = log_time + float(np.log1p(-beta))
        lag = (beta + (1 + beta) / 2 * grown) / (1 - beta)
    elif optimiser == "sign":
        log_flow, lag = log_move, jnp.zeros_like(grown)
    else:
        log_eps = float(np.log(eps)) if eps > 0 else -jnp.inf
        log_flow = jnp.logaddexp(log_move, log_eps + log_time)
        both = jnp.diff(jnp.logaddexp(log_g, log_eps), axis=0)[0]
        lag = beta / (1 - beta) * grown - square / (1 - square) * both + (grown - both) / 2
    log_steps = log_flow - log_rate
    steps = log_steps + jnp.log1p(lag * jnp.exp(-log_steps))
    return jnp.where(jnp.isfinite(log_time), steps, log_time)


def check_chain(where: str, depth: Any, w0: Any, y: Any) -> None:
    """Static facts of a balanced chain and its target."""
    depths = np.asarray(depth)
    ok = np.issubdtype(depths.dtype, np.integer) and bool(np.all(depths >= 1))
    expect(ok, where, "integers depth >= 1", depth=depth)
    if is_static(w0) or isinstance(w0, list | tuple):
        ok = bool(np.all(np.isfinite(w0)) and np.all(np.asarray(w0) >= 0))
        expect(
            ok, where, "a finite w0 >= 0", "At even depth a chain of negative weights is that of their sizes.", w0=w0
        )
    expect_positive(where, y=y)


def expect_positive(where: str, **got: Any) -> None:
    """Raise if the single named value is a plain number, or holds plain numbers, that are not finite and above 0."""
    ((name, value),) = got.items()
    if is_static(value) or isinstance(value, list | tuple):
        entries = np.asarray(value, dtype=float)
        expect(bool(np.all(entries > 0) and np.all(np.isfinite(entries))), where, f"a finite {name} > 0", **got)


def _distance(log_u: Any) -> Any:
    """The variable v of a share u of the target, on either side."""
    size = jnp.abs(log_u)
    return size + jnp.log(-jnp.expm1(-size))


@jax.jit
@jnp.vectorize
def _log_power_integral(c: Any, low: Any, high: Any) -> Any:
    """Log of the integral of (1 + e^v)^c over v from low to high; its asymptotes in closed form, what they lack by quadrature."""
    bottom, top = jnp.maximum(low, 0), jnp.maximum(high, 0)
    rate = jnp.where(c == 0, 1.0, jnp.abs(c))
    peak = jnp.where(c == 0, 0.0, jnp.maximum(jnp.sign(c) * rate * bottom, jnp.sign(c) * rate * top))
    grown = jnp.where(c == 0, top - bottom, -jnp.expm1(-rate * (top - bottom)) / rate)
    flat = (jnp.minimum(high, 0) - jnp.minimum(low, 0)) * jnp.exp(-peak)
    edges = jnp.clip(jnp.asarray(_EDGES, low.dtype), low, high)
    nodes, weights = (jnp.asarray(each, low.dtype) for each in (_NODES, _WEIGHTS))
    half = jnp.diff(edges) / 2
    v = (edges[1:] - half)[:, None] + half[:, None] * nodes[None, :]
    lacks = jnp.exp(c * jnp.maximum(v, 0) - peak) * jnp.expm1(c * jnp.log1p(jnp.exp(-jnp.abs(v))))
    return peak + jnp.log(flat + grown + half @ (lacks @ weights))
