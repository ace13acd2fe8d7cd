r"""Largest Lyapunov exponent of one random W applied again and again, at a finite width.

At infinite width the states of different steps are uncorrelated: a state's overlap with an earlier
one fades by the factor :math:`\sigma_w E[\phi'(\sqrt{q^*} z)]` per step, and the rate ``margin`` is
minus its log. A finite W has eigenvalues outside the circle of radius sigma_w. Where ln(rho /
sigma_w) exceeds the margin, the leading mode grows until the state is so large that the slopes stop
it:

.. math:: \rho(W)\, E[\phi'(\sqrt q z)] = 1

The exponent belongs to this larger state. Where it would be negative, a pair of complex eigenvalues
leaves a limit cycle, whose exponent is 0. A real eigenvalue leaves a fixed point: a disturbance
fades by the leading mode's own factor or by the next eigenvalue's, rho_2 / rho, whichever is slower.

==========  ===========================================================  ============
symbol      meaning                                                      shape
==========  ===========================================================  ============
``q``       mean squares of the state, growing from that at width inf    (states,)
``fade``    minus ln of sigma_w E[phi'], growing with  ``q``                (states,)
``logs``    ln of the radius of W / sigma_w, on a grid                   (radii,)
==========  ===========================================================  ============
"""

from typing import NamedTuple

import numpy as np

from vgtheory.activation import Activation
from vgtheory.estimate import Law
from vgtheory.expect import expect
from vgtheory.networks.dense import Dense
from vgtheory.networks.recurrent import Recurrent
from vgtheory.theory.arguments import asked
from vgtheory.theory.integrals.rules import nodes, values
from vgtheory.theory.layers.profiles import log_grad_layers
from vgtheory.theory.meanfield.length import chi_1, q_star
from vgtheory.theory.precision import in_numpy
from vgtheory.theory.recurrent.spectral_radius import Radii, radii_at_unit_scale
from vgtheory.weights import expect_known_law

_STATES, _LEAST_Q, _MOST_Q = 2048, 1e-7, 1e4
_SKIP, _LAYERS = 20, 200
_LEAST = 16


class TiedExponent(NamedTuple):
    """Largest Lyapunov exponent over random networks of one width, and what decides it.

    Attributes
    ----------
    exponent
        Mean and standard deviation over networks; natural log of a norm per step.
    slack
        Error of the mean: what it would lose if the leading pair also held its part of the noise that
        the nonlinearity makes of the other modes.
    q
        Mean and standard deviation over networks of the state's mean square; unit of ``h`` squared.
    margin
        Rate at which the overlap of states of different steps fades at infinite width; natural log
        per step.
    ruled
        Share of networks whose leading eigenvalue rules the state. Infinite width is a guide where it
        is 0.
    chaotic
        Share of networks with a positive exponent.
    """

    exponent: Law
    slack: float
    q: Law
    margin: float
    ruled: float
    chaotic: float


def _slope_at_rest(activation: Activation) -> float:
    """The slope at 0; 0 if the activation is not odd."""
    h = np.array([0.0, 0.3, 1.0, 4.0])
    (phi, dphi), (mirrored, _) = values(activation, h), values(activation, -h)
    return float(dphi[0]) if np.allclose(phi, -mirrored, rtol=1e-9, atol=1e-12) else 0.0


class _States(NamedTuple):
    """What states of mean square ``q`` give.

    The rate at which a mode fades, the exponent, and the part of the next ``q`` that is not linear in
    the state and hence new at every step.
    """

    q: np.ndarray
    fade: np.ndarray
    exponents: np.ndarray
    new: np.ndarray


def _states(activation: Activation, sigma_w: float, first: float) -> _States:
    q = np.geomspace(max(first, _LEAST_Q), _MOST_Q, _STATES)
    z, weights = nodes(q, activation.kinks)
    phi, dphi = values(activation, np.sqrt(q)[:, None] * z)
    mean = lambda each: np.sum(np.where(weights > 0, each, 0.0) * weights, axis=-1)
    slopes, squares, outputs = mean(dphi), mean(dphi**2), mean(phi**2)
    new = sigma_w**2 * np.maximum(outputs - slopes**2 * q, 0.0)
    return _States(q, -np.log(sigma_w * slopes), np.log(sigma_w**2 * squares) / 2, new)


def _with_share(states: _States, logs: np.ndarray, width: int) -> np.ndarray:
    """The exponent by radius if the leading pair also holds its part of what is new at every step.

    An eigenvalue at the edge has the overlap sqrt(N / 2 pi) with itself, hence a pair the share
    2 / sqrt(2 pi N) of a random vector's square.
    """
    share = 2 / np.sqrt(2 * np.pi * width)
    with np.errstate(divide="ignore", over="ignore"):
        excess = states.q - states.new / -np.expm1(-2 * states.fade)
        gap = states.fade - logs[:, None]
        held = np.where(gap > 0, states.new * share / -np.expm1(-2 * np.maximum(gap, 1e-300)), np.inf)
    return states.exponents[np.argmax(excess >= held, axis=1)]


def _fixed_points(radii: Radii, log_scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and mean square of the rate at which a fixed point's slowest disturbance fades, by radius.

    Eigenvalues below the first are taken as a Poisson process. A fading rate stops at that of the
    leading mode itself, twice the log of its growth near rest.
    """
    gaps = radii.logs[:, None] - radii.logs[None, :]
    below = np.exp(-np.maximum(radii.outside[None, :] - radii.outside[:, None], 0.0))
    reach = 2 * np.maximum(radii.logs + log_scale, 0.0)[:, None]
    cells = np.gradient(radii.logs) * below * ((gaps >= 0) & (gaps < reach))
    return cells.sum(axis=1), (2 * gaps * cells).sum(axis=1)


def _width_correction(net: Dense, width: int) -> float:
    """What a finite width takes from the exponent of independent matrices."""
    mean = log_grad_layers(net, depth=_LAYERS + 2 * _SKIP, width=width).mean
    return float(mean[_SKIP] - mean[_SKIP + _LAYERS]) / _LAYERS - float(np.log(chi_1(net))) / 2


def _law(values: np.ndarray, squares: np.ndarray, mass: np.ndarray) -> Law:
    mean = float(values @ mass)
    return Law(mean, float(np.sqrt(max(squares @ mass - mean**2, 0.0))))


@asked()
@in_numpy
def tied_exponent(net: Recurrent, *, width: int) -> TiedExponent:
    r"""Largest Lyapunov exponent of a random recurrence at a finite width, with its spread over networks.

    .. math:: \lambda = \tfrac12 \ln \sigma_w^2 E[\phi'(\sqrt q z)^2], \qquad
        q = \max(q^*, q_\rho), \quad \rho(W)\, E[\phi'(\sqrt{q_\rho} z)] = 1

    The average is over the law of rho (``log_spectral_radius``), and a finite width takes from lambda
    what it takes from independent matrices. Where lambda is below 0 a network rests on a limit cycle
    or on a fixed point: the exponent is 0, or the negative rate at which disturbances fade. Below
    ``rho = 1 / phi'(0)`` the state dies and the exponent is ln(rho phi'(0)).

    Parameters
    ----------
    net
        A ``Recurrent`` with Gaussian weights, ``sigma_b=0`` and plain numbers. Its activation is odd,
        steepest at 0, and bounded, as ``tanh`` and ``erf`` are.
    width
        Number of units N, >= 16.

    Returns
    -------
    TiedExponent
        Exponent and mean square of the state, each with its spread over networks, and shares of
        networks.

    Notes
    -----
    Accuracy: ``slack``, of the mean exponent of tanh. At 200 units and sigma_w from 1.3 to 2 it is
    too high by up to three times that, about 0.01 (experiment ``tied_exponent``).
    Assumes: one mode rules; the modes next to it raise q a little more, which is what ``slack`` counts.
    States are Gaussian over units.

    References
    ----------
    Sompolinsky, Crisanti and Sommers (1988), Physical Review Letters 61, 259, for infinite width. The
    law at finite width is derived above.

    Examples
    --------
    >>> from vgtheory import Recurrent, theory
    >>> for width in (200, 2000):
    ...     found = theory.recurrent.tied_exponent(Recurrent("tanh", sigma_w=1.3), width=width)
    ...     print(width, found.exponent, round(found.ruled, 2))
    200 0.006 ± 0.024 0.87
    2000 0.0276 ± 0.0039 0.66
    """
    sigma_w, dense = float(net.sigma_w), Dense(net.activation, float(net.sigma_w))
    where = "tied_exponent"
    expect_known_law(where, dense)
    expect(net.weights == "gaussian", where, "Gaussian weights", weights=net.weights)
    expect(bool(np.all(np.asarray(net.sigma_b) == 0)), where, "sigma_b=0", sigma_b=net.sigma_b)
    expect(width >= _LEAST, where, f"a width of at least {_LEAST}", width=width)
    words, star = "an odd activation that flattens, as tanh", float(q_star(dense))
    slope = _slope_at_rest(net.activation)
    expect(bool(np.isfinite(star)) and slope > 0, where, words, net=net)
    radii, log_scale = radii_at_unit_scale(int(width)), float(np.log(sigma_w * slope))
    states = _states(net.activation, sigma_w, star)
    expect(bool(np.all(np.diff(states.fade) > 0)), where, words, net=net)
    margin = float(states.fade[0])
    q = np.where(radii.logs + log_scale > 0, np.interp(radii.logs, states.fade, states.q), 0.0)
    correction = _width_correction(dense, width) if star > _LEAST_Q else 0.0
    chaos = np.interp(radii.logs, states.fade, states.exponents) + correction
    lost = np.maximum(chaos, 0.0) - np.maximum(_with_share(states, radii.logs, width) + correction, 0.0)
    rates, squared_rates = _fixed_points(radii, log_scale)
    rest = [np.minimum(radii.logs + log_scale, 0.0), -radii.real * rates]
    dead = radii.logs + log_scale <= 0
    mean = np.where(dead, rest[0], np.where(chaos > 0, chaos, rest[1]))
    squares = np.where(dead | (chaos > 0), mean**2, radii.real * squared_rates)
    ruled = float(radii.mass[radii.logs > margin].sum())
    chaotic = float(radii.mass[~dead & (chaos > 0)].sum())
    slack = float(np.maximum(lost, 0.0) @ radii.mass)
    return TiedExponent(_law(mean, squares, radii.mass), slack, _law(q, q**2, radii.mass), margin, ruled, chaotic)


__all__ = ["TiedExponent", "tied_exponent"]
