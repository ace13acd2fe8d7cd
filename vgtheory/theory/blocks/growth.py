"""Growth of a residual chain's gradient with its depth.

========  ==================================================================  =====
symbol    meaning                                                             shape
========  ==================================================================  =====
``F``     mean square of a branch's output                                    ()
``C``     factor by which a branch alone changes the mean squared gradient    ()
``gain``  alpha^2                                                             ()
========  ==================================================================  =====
"""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np

from vgtheory.activation import Activation
from vgtheory.expect import expect
from vgtheory.networks.blocks import Residual
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library, scan
from vgtheory.theory.blocks.batch_norm import batch_rates
from vgtheory.theory.blocks.residual import branch
from vgtheory.theory.integrals.moments_1d import curves, value_and_slope
from vgtheory.theory.integrals.rules import values
from vgtheory.theory.integrals.squares import INFINITE
from vgtheory.theory.precision import Values, in_numpy, numbers

_FAR = 1e15
_LOG_WIDE, _LOG_WIDER = 100.0, 200.0
_SETTLED = 1e-6
"""Largest change of a log-slope between these two q for a power law."""
_FLAT = 1e-3
_STEPS = 512


class ResidualGrowth(NamedTuple):
    """Asymptotic law of the log of the mean squared gradient's growth over L blocks.

    Attributes
    ----------
    kind
        - ``"exponential"`` or ``"stretched"``: the log is ``coefficient * L**exponent``.
        - ``"power"``: it is ``coefficient * ln L``. ``"bounded"``: it is ``coefficient``.
        - ``"faster"``: it grows faster than any of these, or is infinite at once.
        - ``"unsettled"``: none of these laws holds.
    coefficient
        Coefficient for the squared norm; natural log; NaN if unsettled.
    exponent
        1, 1/2, 2/3, or 0; NaN if unsettled.
    """

    kind: str
    coefficient: float
    exponent: float


@asked()
@in_numpy
def residual_growth(net: Residual) -> ResidualGrowth:
    r"""Growth law of the mean squared gradient of a residual chain in the number of blocks L.

    =======================================  ============================================
    chain, with a constant ``alpha``         log of the growth from top to bottom
    =======================================  ============================================
    no norm, phi straight at infinity        proportional to L
    no norm, phi like abs(h)^p, 0 < p < 1    proportional to ln L
    no norm, phi bounded                     proportional to L^(1/2) (or to L^(2/3))
    no norm, phi like a logarithm of h       no law in closed form: ``"unsettled"``
    layer or RMS norm before the branch      (C/F) ln L
    batch norm before the branch             ``batch_norm_rate`` times ln L
    layer or RMS norm after the sum          L ln[(1 + alpha^2 C) / (1 + alpha^2 F)]
    =======================================  ============================================

    With a bounded activation the mean square of the stream grows in proportion to l, so that an
    ever smaller share of units has a slope. The growth is then

    .. math:: \ln \frac{E|g_0|^2}{E|g_L|^2} \to \frac{2 \alpha \sigma_w^2 I}{\sqrt{2\pi
        (\sigma_w^2 S + \sigma_b^2)}} \sqrt L, \qquad
        I = \int \phi'^2\, dh, \quad S = \tfrac12 [\phi(\infty)^2 + \phi(-\infty)^2]

    - tanh without biases: the coefficient of L^(1/2) is (8/3) alpha sigma_w / sqrt(2 pi).
    - phi = abs(h)^p: the coefficient of ln L is p^2 / [(2 p - 1)(1 - p)]. In general, with E[phi^2]
      -> A q^a and E[phi'^2] -> B q^(a - 1), it is B / [A (1 - a)].
    - C/F is 1 for ReLU, and at least 1 for any odd function.
    - ``alpha="1/sqrt(L)"``: the growth is bounded. ``"1/L"`` or 0: there is none.

    ``log_grad_layers`` has the profile of any chain, also of an unsettled one, and of listed scales.
    Where those of block l fall, with :math:`\alpha_l^2 \sigma_w^2 = v\, l^{-b}` and biases that add
    :math:`a\, l^{-c}` to q, the log of the growth is proportional to

    - ReLU: L^(1 - b) below b = 1, and ln L there, with the coefficient v/2; beyond it is bounded.
    - tanh: L^(W/2) with W = 1 + U - 2 b and U = min(b, c) < 1, and ln L at W = 0; for W < 0 it is
      bounded. At b = c = 1 it is (ln L)^(1/2).

    Parameters
    ----------
    net
        A ``Residual`` with plain numbers.

    Returns
    -------
    ResidualGrowth
        Law of the mean square.

    Notes
    -----
    Accuracy: 1e-10, and 1e-8 for functions that only approach a power. The next term is
    proportional to ln L for a stretched exponential, and a constant for a power.
    Assumes: infinite width.

    References
    ----------
    Yang and Schoenholz (2017), arXiv:1712.08969, for ``relu`` and ``tanh`` without a norm; Yang and
    Schoenholz (2018), openreview rJGY8GbR-, for scales that fall; derived anew for these blocks.

    Examples
    --------
    >>> from vgtheory import Residual, theory
    >>> growth = theory.blocks.residual_growth(Residual("linear", norm="batch", batch=5))
    >>> growth.kind, round(growth.coefficient, 9), growth.exponent
    ('power', 1.5, 0.0)
    """
    where = "residual_growth"
    expect(isinstance(net, Residual), where, "a Residual ensemble", net=type(net).__name__)
    for name in ("sigma_w", "sigma_b", "alpha"):
        value = getattr(net, name)
        plain = isinstance(value, str | int | float | np.number)
        expect(plain, where, f"a plain number {name}", "Call it once for each.", **{name: value})
    if net.alpha in ("1/L", 0) or net.sigma_w == 0:
        return ResidualGrowth("bounded", 0.0, 0.0)
    with jax.enable_x64(True), np.errstate(all="ignore"):
        if net.alpha == "1/sqrt(L)":
            return ResidualGrowth("bounded", _limit(net), 0.0)
        return _plain(net) if net.norm is None else _normed(net)


def _branch(net: Residual, log_q: float) -> tuple[float, float]:
    """ln F and ln C at one ln q."""
    given = numbers(net.activation, log_q, net.sigma_w, net.sigma_b)
    log_f, log_c = branch(*given, net.activation, net.branch_layers)
    return float(log_f), float(log_c)


def _normed(net: Residual) -> ResidualGrowth:
    """Growth with a norm."""
    if net.norm == "batch":
        return ResidualGrowth("power", batch_rates(net.activation, net.batch).seen, 0.0)
    size, factor = np.exp(_branch(net, 0.0))
    if net.place == "pre":
        return ResidualGrowth("power", round(float(factor / size), 15), 0.0)
    gain = net.alpha**2
    return ResidualGrowth("exponential", float(np.log1p(gain * factor) - np.log1p(gain * size)), 1.0)


def _tail(net: Residual, log_q: float) -> tuple[np.ndarray, np.ndarray]:
    """ln F and ln C without biases, and their slopes over ln q, from tables that hold at huge q."""
    table, log_w = curves(net.activation), 2 * np.log(net.sigma_w)
    log_f, log_c, rise, fall = log_q, 0.0, 1.0, 0.0
    for _ in range(net.branch_layers):
        (f, f_slope), (g, g_slope) = (map(float, value_and_slope(each, np.float64(log_f))) for each in table[:2])
        log_c, fall = log_c + log_w + g, fall + rise * g_slope
        log_f, rise = log_w + f, rise * f_slope
    return np.array([log_f, log_c]), np.array([rise, fall])


def _plain(net: Residual) -> ResidualGrowth:
    """Growth without a norm, from the dependence of F and C on q at huge q."""
    gain, one = net.alpha**2, dataclasses.replace(net, branch_layers=1)
    if (net.activation.degree or 1) > 1:
        return ResidualGrowth("faster", np.inf, np.inf)
    (_, before), ((_, steep), slopes) = _tail(one, _LOG_WIDE), _tail(one, _LOG_WIDER)
    rise, fall = slopes
    if steep > INFINITE / 4:
        return ResidualGrowth("faster", np.inf, np.inf)
    if not np.max(np.abs(slopes - before)) < _SETTLED:
        return ResidualGrowth("unsettled", np.nan, np.nan)
    if abs(fall) < _SETTLED and steep > np.log(_FLAT) + 2 * np.log(net.sigma_w):
        return ResidualGrowth("exponential", float(np.log1p(gain * np.exp(_tail(net, _LOG_WIDER)[0][1]))), 1.0)
    if _SETTLED < rise < 1:
        (log_f, log_c), (rise, _) = _tail(net, _LOG_WIDER)
        return ResidualGrowth("power", float(np.exp(log_c + _LOG_WIDER - log_f) / (1 - rise)), 0.0)
    held = rise < _SETTLED and abs(fall + 0.5) < _SETTLED
    return _stretched(net, gain) if held else ResidualGrowth("unsettled", np.nan, np.nan)


def _ends(activation: Activation) -> float:
    """Half the sum of the squares of phi's limits."""
    return float(np.mean(values(activation, np.array([_FAR, -_FAR]))[0] ** 2))


def _stretched(net: Residual, gain: float) -> ResidualGrowth:
    """Bounded activations: C falls as q^(-1/2), and F tends to a constant."""
    limit = net.sigma_w**2 * _ends(net.activation) + net.sigma_b**2
    size, log_c = limit, 0.0
    fed, first = _tail(dataclasses.replace(net, branch_layers=1), _LOG_WIDE)[0]
    if net.branch_layers > 1 and limit > 0:
        inner = dataclasses.replace(net, branch_layers=net.branch_layers - 1)
        log_size, log_c = _branch(inner, float(np.log(limit)))
        size = float(np.exp(log_size))
    slope = gain * float(np.exp(first + _LOG_WIDE / 2 + log_c))
    if size > 0:
        return ResidualGrowth("stretched", 2 * slope / (gain * size) ** 0.5, 0.5)
    # If phi vanishes at infinity, only units near 0 feed the stream, and q^(3/2) grows as l.
    fed = gain * float(np.exp(fed + _LOG_WIDE / 2))
    return ResidualGrowth("stretched", 1.5 * slope / (1.5 * fed) ** (1 / 3), 2 / 3)


def _limit(net: Residual) -> float:
    """Growth at alpha = 1/sqrt(L) for L to infinity: a differential equation in l / L."""
    if net.norm == "batch":
        rates, spread = batch_rates(net.activation, net.batch), net.sigma_w**2
        return float(_batch_limit(rates.seen, rates.unseen, spread * rates.variance, net.batch))
    if net.norm is not None:
        size, factor = np.exp(_branch(net, 0.0))
        return float(factor - size if net.place == "post" else factor / size * np.log1p(size))
    start, sigma_w, sigma_b = numbers(net.activation, np.zeros(2), net.sigma_w, net.sigma_b)
    xp = library(start)

    def rates_at(log_q: Values) -> Values:
        log_f, log_c = branch(log_q, sigma_w, sigma_b, net.activation, net.branch_layers)
        return xp.stack([xp.exp(log_f - log_q), xp.exp(log_c)])

    def step(state: Values, _: None) -> tuple[Values, None]:
        h = 1 / _STEPS
        first = rates_at(state[0])
        second = rates_at(state[0] + h / 2 * first[0])
        third = rates_at(state[0] + h / 2 * second[0])
        fourth = rates_at(state[0] + h * third[0])
        return state + h / 6 * (first + 2 * second + 2 * third + fourth), None

    return float(scan(step, start, length=_STEPS)[0][1])


def _batch_limit(seen: float, unseen: float, pull: float, batch: int) -> float:
    """Growth with batch norm, from a' = a (seen) + unseen in units of pull / (1 + pull t)."""
    grown = (1 + pull) ** seen
    return np.log(((batch - 1) * (grown + unseen / seen * (grown - 1)) + 1) / batch)
