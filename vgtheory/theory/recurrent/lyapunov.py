r"""Lyapunov exponents of products of random Jacobians.

They are exact for Gaussian and orthogonal matrices, and known at infinite width for any activation.
At infinite width the k-th of N exponents, with x = k / N, is the growth of a new column of the
product orthogonally to the k columns before it. For Jacobians W D with Gaussian W and D of
independent entries d = phi'(h),

.. math:: x = E\left[\frac{m d^2}{1 + m d^2}\right], \qquad
    e^{2 \lambda(x)} = \sigma_w^2\, \frac{x}{m}

The first equation defines m(x). It is the limit of the resolvent of D G G^T D at argument 0, where
G has k columns. At x = 0 the law gives chi_1. For d = 1 it is the triangular law,
:math:`e^{2\lambda} = \sigma_w^2 (1 - x)`.
"""

from typing import Any

import jax
import numpy as np
import scipy.special

from vgtheory.activation import Activation
from vgtheory.estimate import Law
from vgtheory.expect import Numbers, expect, is_static
from vgtheory.networks.cells import Leaky
from vgtheory.networks.dense import Dense
from vgtheory.networks.recurrent import Recurrent
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library
from vgtheory.theory.integrals.rules import nodes, values
from vgtheory.theory.integrals.squares import resolved
from vgtheory.theory.meanfield.length import chi_1, q_star
from vgtheory.theory.precision import Values, in_float64, in_numpy
from vgtheory.theory.recurrent.leaky import leaky_exponent
from vgtheory.weights import expect_known_law

_NUM_HALVINGS = 100
_LOG_REACH = 400.0
_ROUNDING = 1e-13


def _as_dense(where: str, net: Any) -> Dense:
    """The ensemble with the same length map; noise at every step acts as a bias."""
    if isinstance(net, Leaky):
        expect(
            not is_static(net.leak) or net.leak == 1,
            where,
            "leak=1",
            "Measure it: measure.lyapunov_exponents.",
            leak=net.leak,
        )
        return Dense(net.activation, net.sigma_w, (net.sigma_b**2 + net.sigma_in**2) ** 0.5, net.weights)
    return Dense(net.activation, net.sigma_w, net.sigma_b, net.weights)


def _slopes(q: float, activation: Activation) -> tuple[np.ndarray, np.ndarray]:
    """Squares of phi' at Gaussian nodes, and their weights."""
    with jax.enable_x64(True):
        known = np.asarray(resolved(np.asarray(q), activation))
    z, weights = nodes(known, activation.kinks)
    return values(activation, np.sqrt(known) * z)[1] ** 2, weights


def _log_factors(x: np.ndarray, d_2: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """ln(x / m) by halving in ln m; -inf where only slopes of zero are left."""
    d_2, weights = d_2[d_2 > 0], weights[d_2 > 0] / weights.sum()
    log_d, alive = np.log(d_2), weights.sum()
    low, high = np.full(x.shape, -_LOG_REACH), np.full(x.shape, _LOG_REACH)
    for _ in range(_NUM_HALVINGS):
        middle = (low + high) / 2
        share = scipy.special.expit(middle[..., None] + log_d) @ weights
        low, high = np.where(share < x, middle, low), np.where(share < x, high, middle)
    with np.errstate(divide="ignore"):
        at_zero = np.log(weights @ d_2)
        inside = np.log(x) - low
    return np.where(x >= alive - _ROUNDING, -np.inf, np.where(x < np.exp(-_LOG_REACH / 4), at_zero, inside))


@in_numpy
@asked()
def lyapunov_curve(net: Dense | Recurrent | Leaky, x: Numbers) -> np.ndarray:
    r"""Lyapunov exponents at infinite width, as a function of the share of larger exponents.

    .. math:: x = E\left[\frac{m\, \phi'^2}{1 + m\, \phi'^2}\right], \qquad
        \lambda(x) = \frac12 \ln \frac{\sigma_w^2\, x}{m}

    Parameters
    ----------
    net
        ``Dense``, ``Recurrent`` or ``Leaky`` with ``leak=1``; Gaussian weights; plain numbers.
    x
        Shares in [0, 1], any shape; 0 is the largest exponent.

    Returns
    -------
    numpy.ndarray
        Natural log of the norm per step, the shape of ``x``; -inf where only slopes of zero are
        left.

    Raises
    ------
    ValueError
        If weights are not Gaussian, or the state grows without bound.

    Notes
    -----
    Accuracy: 1e-10, if no slope but 0 is below 1e-150.
    Assumes: infinite width; slopes at the fixed point of the length map, independent of each other
    and of the matrix. With one set of weights this is an approximation, except at x = 0 in the
    chaotic phase.

    References
    ----------
    Newman (1986), Communications in Mathematical Physics 103, 121 (the triangular law).

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> theory.recurrent.lyapunov_curve(Dense("linear"), [0.0, 0.75]).round(4).tolist()
    [0.0, -0.6931]
    """
    shares = np.asarray(x, dtype=float)
    dense = _as_dense("lyapunov_curve", net)
    expect(dense.weights == "gaussian", "lyapunov_curve", "Gaussian weights", weights=dense.weights)
    if dense.activation.name == "linear":
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(float(dense.sigma_w)) + np.log1p(-shares) / 2)
    q = float(q_star(dense))
    expect(bool(np.isfinite(q)), "lyapunov_curve", "a state that stays finite", net=net)
    if q == 0:
        q = 1e-12
    d_2, weights = _slopes(q, dense.activation)
    if np.isnan(weights).any():
        return np.full_like(shares, np.nan)
    return np.asarray(np.log(float(dense.sigma_w)) + _log_factors(shares, d_2, weights) / 2)


@asked()
@in_numpy
def lyapunov_exponents(
    net: Dense | Recurrent | Leaky, *, width: int, steps: int = 1, num_exponents: int | None = None
) -> Law:
    r"""Lyapunov exponents of a product of random Jacobians.

    For a product of independent Gaussian matrices they are exact at any width N and after any
    number T of steps:

    .. math:: E \lambda_k = \tfrac12 \left[ \ln \tfrac{2 \sigma_w^2}{N} +
        \psi\left(\tfrac{N - k + 1}{2}\right) \right], \qquad
        T\, \mathrm{Var}\, \lambda_k = \tfrac14\, \psi'\left(\tfrac{N - k + 1}{2}\right)

    For orthogonal matrices :math:`\lambda_k = \ln \sigma_w`. For activations other than ``linear``
    the exponents are those of ``lyapunov_curve`` at :math:`x = (k - 1/2)/N`.

    Parameters
    ----------
    net
        ``Dense``, ``Recurrent`` or ``Leaky`` with ``leak=1``; plain numbers.
    width
        Number of units N.
    steps
        Steps T of the run, for the spread.
    num_exponents
        Number of exponents, from the largest; None for all.

    Returns
    -------
    Law
        Natural logs per step, largest first, shape ``(num_exponents,)``; ``std`` from run to run, 0
        where only infinite width is known.

    Notes
    -----
    Accuracy: 1e-13 for linear ``Dense``; as ``lyapunov_curve`` for any other network.
    Assumes: nothing for linear ``Dense``. For any other network, infinite width and, with one set
    of weights, the approximation of ``lyapunov_curve``. A network of finite width must be as
    chaotic as an infinite one. For tanh with sigma_w from 1 to 1.5 this takes thousands of units
    (experiment ``lyapunov``); ``recurrent.tied_exponent`` has the law of fewer.

    References
    ----------
    Newman (1986), Communications in Mathematical Physics 103, 121; Akemann, Burda and Kieburg
    (2014), arXiv:1406.0803.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> theory.lyapunov_exponents(Dense("linear"), width=2).mean.round(4).tolist()
    [-0.2886, -0.9818]
    """
    wanted = width if num_exponents is None else num_exponents
    expect(wanted <= width, "lyapunov_exponents", f"at most {width} exponents", num_exponents=num_exponents)
    index = np.arange(1, wanted + 1)
    dense = _as_dense("lyapunov_exponents", net)
    expect_known_law("lyapunov_exponents", dense)
    linear = dense.activation.name == "linear"
    if linear and dense.weights == "orthogonal":
        return Law(np.full(wanted, np.log(float(dense.sigma_w))), np.zeros(wanted))
    if linear and isinstance(net, Dense):
        half = (width - index + 1) / 2
        mean = (np.log(2 * float(dense.sigma_w) ** 2 / width) + scipy.special.digamma(half)) / 2
        return Law(mean, np.sqrt(scipy.special.polygamma(1, half) / steps) / 2)
    return Law(lyapunov_curve(net, (index - 0.5) / width), np.zeros(wanted))


@asked()
@in_float64
def lyapunov_exponent(net: Dense | Recurrent | Leaky) -> Values:
    r"""Largest Lyapunov exponent at infinite width: positive where a recurrence is chaotic.

    .. math:: \lambda_{\max} = \tfrac12 \ln \sigma_w^2 E[\phi'(\sqrt{q^*} z)^2]

    A positive exponent means that gradients explode. Noise at every step adds to q and moves the
    activation towards its flat ends, which suppresses chaos. With a leak, the state at one step
    resembles that at the next, and dynamic mean-field theory gives the exponent (see
    ``theory/recurrent/leaky.py``); with a small one, it is the leak times that of the continuous network
    :math:`\dot h = -h + W \phi(h)`.

    Parameters
    ----------
    net
        ``Dense``, ``Recurrent`` or ``Leaky``. For ``Dense`` and ``Recurrent``, ``sigma_w`` and
        ``sigma_b`` may have any shape; a ``leak`` below 1 takes plain numbers and Gaussian weights.

    Returns
    -------
    array
        Natural log of the norm per step; broadcast shape of ``sigma_w`` and ``sigma_b``.

    Notes
    -----
    Accuracy: that of ``chi_1``; with a leak 1e-8, in a second or, for leaks below 0.1, a minute.
    Just above the onset of chaos, where correlations last for thousands of steps, it is refused
    (tanh with ``sigma_w`` from 1 to 1.2, say).
    Assumes: infinite width. The exponent is exact with one set of weights too. Chaotic networks of
    finite width lie below it: for ``Leaky("tanh", 2.0, leak=0.5)``, whose exponent is 0.054, by 15 % at
    512 units and 6 % at 1,536.

    References
    ----------
    Sompolinsky, Crisanti and Sommers (1988), Physical Review Letters 61, 259; Molgedey, Schuchhardt
    and Schuster (1992), Physical Review Letters 69, 3717.

    Examples
    --------
    >>> from vgtheory import Recurrent, theory
    >>> round(float(theory.recurrent.lyapunov_exponent(Recurrent("tanh", sigma_w=2.0))), 4)
    0.1547
    """
    if isinstance(net, Leaky) and not (is_static(net.leak) and net.leak == 1):
        return np.asarray(leaky_exponent(net))[()]
    factor = chi_1(_as_dense("lyapunov_exponent", net))
    return library(factor).log(factor) / 2
