"""Mean square of a linear recurrence's state."""

from typing import Any

from vgtheory.networks.linear_recurrence import LinearRecurrence, Ring, StateSpace
from vgtheory.theory.arguments import asked
from vgtheory.theory.linear.moments import moments
from vgtheory.theory.linear.units import Units, log_mean, units_of
from vgtheory.theory.precision import Values, in_float64


def of_network(net: LinearRecurrence, logs: Any, units: Units) -> Values:
    """Logs by unit for given eigenvalues; for a law, the log of the mean over units."""
    return log_mean(logs, units) if isinstance(net.eigenvalues, Ring | StateSpace) else logs


@asked()
@in_float64
def log_q_state(net: LinearRecurrence) -> Values:
    r"""Log of the state's stationary mean square.

    .. math:: E|h|^2 = |b|^2\, \frac{1 + 2 \Re \sum_{j \ge 1} r_j \lambda^j}{1 - |\lambda|^2}

    Here r_j is the correlation of two inputs at distance j. White inputs give :math:`|b|^2 / (1 -
    |\lambda|^2)`, which LRU's gamma makes 1. Inputs with :math:`r_j = c^j` give
    :math:`\frac{|b|^2}{1 - |\lambda|^2} \frac{1 - c^2 |\lambda|^2}{|1 - c \lambda|^2}`: gamma is
    right for white inputs only, and slow inputs (c close to 1) make states of positive lambda
    large.

    Parameters
    ----------
    net
        A ``LinearRecurrence``.

    Returns
    -------
    numpy.ndarray
        Natural log of a mean square: by unit, shape ``(width,)``, for given eigenvalues; its mean
        over units, shape ``()``, for a law. inf where abs(lambda) >= 1, and where the mean over
        units is infinite, as it is without ``gamma`` on a ring that reaches 1.

    Notes
    -----
    Accuracy: 1e-10 relative for laws; rounding for given eigenvalues.
    Assumes: a stationary input that does not know the weights, and a state that has forgotten its
    start.

    Examples
    --------
    >>> from vgtheory import LinearRecurrence, theory
    >>> theory.linear.log_q_state(LinearRecurrence([0.6, 0.8], "gamma")).round(12).tolist()
    [0.0, 0.0]
    """
    units = units_of(net)
    return of_network(net, 2 * units.log_scale + moments(net, units).log_state, units)


__all__ = ["log_q_state", "of_network"]
