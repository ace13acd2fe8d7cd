"""Sensitivity of a linear recurrence's state to its parameters, and what an optimiser's step does to its memory."""

from functools import partial
from typing import Any

import numpy as np

from vgtheory.expect import expect, expect_one_of
from vgtheory.networks.linear_recurrence import LinearRecurrence, StateSpace
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library
from vgtheory.theory.linear.moments import Moments, moments
from vgtheory.theory.linear.state import of_network
from vgtheory.theory.linear.units import Units, units_of
from vgtheory.theory.precision import Values, in_float64

PARAMETERS = ("dt", "eigenvalue", "input", "log_dt", "log_theta", "nu", "output", "theta")
_parameter = {"parameter": partial(expect_one_of, PARAMETERS)}


def _expect_steps(where: str, net: LinearRecurrence, parameter: str) -> None:
    stepped = isinstance(net.eigenvalues, StateSpace) or not parameter.endswith("dt")
    expect(stepped, where, "a StateSpace for parameter='dt'", eigenvalues=net.eigenvalues)


def _by_step(law: StateSpace, units: Units) -> Any:
    """Complex log of d lambda / d dt."""
    xp = library(units.pole)
    if law.method == "zoh":
        return xp.log(units.pole) + units.log_abs + 1j * units.angle
    return xp.log(units.pole) - 2 * xp.log(1 - units.pole * units.dt / 2)


def _of_step(net: LinearRecurrence, units: Units, found: Moments) -> Any:
    """ln E|dh / d dt|^2: through the eigenvalue, and through the input's factor where dt sets it."""
    law = net.eigenvalues
    assert isinstance(law, StateSpace)
    through = _by_step(law, units)
    first = 2 * (through.real + units.log_scale) + found.log_slope
    if net.scale != "step":
        return first
    turn, xp = units.pole * units.dt, library(units.pole)
    zoh = law.method == "zoh"
    log_b = xp.log(xp.expm1(turn) / units.pole) if zoh else xp.log(units.dt / (1 - turn / 2))
    log_of_scale = units.log_abs + 1j * units.angle if zoh else -2 * xp.log(1 - turn / 2)
    second = 2 * log_of_scale.real + found.log_state
    turned = xp.exp(1j * (through.imag + log_b.imag - log_of_scale.imag))
    ratio = xp.exp((second - first) / 2)
    return first + xp.log(xp.maximum(1 + ratio**2 + 2 * ratio * (turned * found.cross).real, 0.0))


@asked(**_parameter)
@in_float64
def log_sensitivity(net: LinearRecurrence, parameter: str) -> Values:
    r"""Log of the mean squared derivative of a unit's state by one of its parameters.

    For white inputs and b = 1 the derivative by the eigenvalue itself grows as the third power of
    the memory
    :math:`1 / (1 - |\lambda|)`, although the gradient with respect to earlier states never exceeds
    1:

    .. math:: E\left|\frac{\partial h}{\partial \lambda}\right|^2 = \frac{1 + |\lambda|^2}{(1 - |\lambda|^2)^3}

    Any correlation of the inputs enters through :math:`\rho(\lambda) = \sum_{j \ge 1} r_j
    \lambda^j`:

    .. math:: \frac{(1 + |\lambda|^2)(1 + 2 \Re \rho)}{(1 - |\lambda|^2)^3}
        + \frac{2 \Re[\lambda \rho'(\lambda)]}{(1 - |\lambda|^2)^2}

    ===============  ==================================  ======================================
    parameter        what it is                          factor of the above
    ===============  ==================================  ======================================
    ``eigenvalue``   lambda                              abs(b)^2
    ``nu``           abs(lambda) = exp(-exp(nu))         abs(b lambda)^2 ln^2 abs(lambda)
    ``theta``        the angle of lambda                 abs(b lambda)^2
    ``log_theta``    its logarithm, as in LRU            abs(b lambda theta)^2
    ``dt``           time step of a ``StateSpace``       through lambda, and b if it follows
    ``log_dt``       its logarithm                       dt^2 times that
    ``input``        weight of the input map, or ln b    E abs(h)^2 in place of it
    ``output``       weight of the output map            E abs(h)^2 in place of it
    ===============  ==================================  ======================================

    By ``nu``, with ``gamma`` and white inputs, it tends to 1/2 as abs(lambda) tends to 1: this
    parametrisation alone makes the sensitivity independent of the memory.

    Parameters
    ----------
    net
        A ``LinearRecurrence``. b is a parameter of its own, as LRU's gamma is, and does not follow
        lambda; with ``scale="step"`` it follows dt.
    parameter
        One of the table.

    Returns
    -------
    numpy.ndarray
        Natural log of a mean square: by unit, shape ``(width,)``, for given eigenvalues; its mean
        over units, shape ``()``, for a law. inf where that mean is infinite.

    Notes
    -----
    Accuracy: 1e-10 relative for laws; for given eigenvalues rounding, times 1 / (1 - abs(lambda)).
    Assumes: a stationary input that does not know the weights, and many more steps than the memory.

    References
    ----------
    Zucchet and Orvieto (2024), arXiv:2405.21064, section 3 (the effect); the formulas are derived
    in ``theory.linear.moments``.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import LinearRecurrence, theory
    >>> net = LinearRecurrence([0.9, 0.99, 0.999], "gamma")
    >>> np.exp(theory.linear.log_sensitivity(net, "nu")).round(3).tolist()
    [0.451, 0.495, 0.5]
    >>> np.exp(theory.linear.log_sensitivity(net, "eigenvalue")).round().tolist()
    [50.0, 5000.0, 500000.0]
    """
    _expect_steps("log_sensitivity", net, parameter)
    units = units_of(net, phases=parameter == "log_theta")
    found, xp = moments(net, units), library(units.log_abs)
    with np.errstate(all="ignore"):
        if parameter.endswith("dt"):
            logs = _of_step(net, units, found) + 2 * (xp.log(units.dt) if parameter == "log_dt" else 0.0)
        elif parameter in ("input", "output"):
            logs = 2 * units.log_scale + found.log_state
        else:
            factors = {
                "eigenvalue": 0.0,
                "nu": units.log_abs + xp.log(-units.log_abs),
                "theta": units.log_abs,
                "log_theta": units.log_abs + xp.log(units.angle % (2 * np.pi)),
            }
            logs = 2 * (factors[parameter] + units.log_scale) + found.log_slope
    return of_network(net, logs, units)


@asked(**_parameter)
@in_float64
def log_memory_change(net: LinearRecurrence, parameter: str) -> Values:
    r"""Log of the relative change of a unit's memory per unit of a parameter: what one step of Adam does to it.

    .. math:: \left|\frac{d \ln \tau}{d p}\right|, \qquad \tau = -\frac{1}{\ln |\lambda|}

    Adam moves every parameter by its learning rate, however large the gradient is. A step of size
    :math:`\eta` in lambda changes the memory by the factor :math:`1 + \eta \tau / |\lambda|`, and
    long memories are lost in one step; in ``nu`` and ``log_dt`` (by zero-order hold) it is :math:`1
    + \eta` for all.

    Parameters
    ----------
    net
        A ``LinearRecurrence``.
    parameter
        As in ``log_sensitivity``. By ``eigenvalue`` the change is along the radius.

    Returns
    -------
    numpy.ndarray
        Natural log of a root mean square over units for a law, shape ``()``; by unit, shape
        ``(width,)``, for given eigenvalues. -inf for parameters that leave the memory as it is.

    Notes
    -----
    Accuracy: 1e-10 relative.
    Assumes: a step that is small against the parameter.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import LinearRecurrence, theory
    >>> np.exp(theory.linear.log_memory_change(LinearRecurrence([0.99, 0.999]), "eigenvalue")).round(1).tolist()
    [100.5, 1000.5]
    """
    _expect_steps("log_memory_change", net, parameter)
    units = units_of(net)
    xp = library(units.log_abs)
    with np.errstate(all="ignore"):
        log_rate = xp.log(-units.log_abs)
        if parameter.endswith("dt"):
            law = net.eigenvalues
            assert isinstance(law, StateSpace)
            through = _by_step(law, units) - units.log_abs - 1j * units.angle
            logs = (
                xp.log(xp.abs(xp.exp(through).real)) - log_rate + (xp.log(units.dt) if parameter == "log_dt" else 0.0)
            )
        else:
            same = {"nu": 0.0 * log_rate, "eigenvalue": -units.log_abs - log_rate}
            logs = same.get(parameter, xp.full_like(log_rate, -np.inf))
    return of_network(net, 2 * logs, units) / 2


__all__ = ["PARAMETERS", "log_memory_change", "log_sensitivity"]
