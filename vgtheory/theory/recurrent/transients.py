"""Non-normal matrices: measures of non-normality, and the growth of powers before they decay."""

from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.optimize

from vgtheory.expect import Numbers, expect
from vgtheory.networks.recurrent import check_matrix
from vgtheory.theory.arguments import asked
from vgtheory.theory.recurrent.directions import eigen_directions

_MAX_STEPS = 100_000
_ANGLES, _RADII, _STARTS = 48, 20, 3


class NonNormality(NamedTuple):
    """Six measures of a matrix's non-normality.

    Attributes
    ----------
    rho
        Spectral radius: the growth factor per step at late times.
    norm
        Largest singular value: the largest growth factor of the first step.
    numerical_radius
        Largest modulus of ``x^* W x`` over unit x, between ``norm / 2`` and ``norm``; it bounds
        powers by ``|W^t| <= 2 numerical_radius^t``.
    numerical_abscissa
        Largest real part of ``x^* W x``, the largest eigenvalue of (W + W^T) / 2.
    departure
        Henrici's departure from normality, the root of ``|W|_F^2 - sum |lambda|^2``; 0 for a normal
        W.
    condition
        Largest eigenvalue condition number; 1 for a normal W, inf for a defective one.
    """

    rho: float
    norm: float
    numerical_radius: float
    numerical_abscissa: float
    departure: float
    condition: float


class Transient(NamedTuple):
    """Growth of the powers of a decaying W before they decay.

    Attributes
    ----------
    log_peak
        Natural log of ``max_t |W^t|``, t >= 0; 0 where the powers never exceed 1.
    step
        The step t of the peak.
    log_kreiss
        Natural log of the Kreiss constant ``K = sup (|z| - 1) |(z - W)^-1|`` over ``|z| > 1``, a
        lower bound of the peak.
    log_bound
        Natural log of ``e width K``, the upper bound by the Kreiss matrix theorem.
    """

    log_peak: float
    step: int
    log_kreiss: float
    log_bound: float


@asked()
def non_normality(matrix: Numbers) -> NonNormality:
    r"""Measures of non-normality: spectral and numerical radius, norm, departure, condition.

    .. math:: \rho(W) \le w(W) \le \|W\|_2 \le 2 w(W), \qquad w(W) = \max_\theta \lambda_{\max}
        \bigl(\tfrac12 (e^{i\theta} W + e^{-i\theta} W^{\mathsf T})\bigr)

    Parameters
    ----------
    matrix
        W, shape ``(width, width)``; entries real.

    Returns
    -------
    NonNormality
        Six numbers, in the unit of W but for the condition.

    Notes
    -----
    Accuracy: 1e-14 of the norm; for the spectral radius times its condition number. The numerical
    radius 1e-10, if its maximum over angles lies next to the highest of 48 evenly spaced ones.
    Assumes: nothing.

    References
    ----------
    L. N. Trefethen and M. Embree, Spectra and Pseudospectra, 2005, chapters 16 and 17.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> facts = theory.recurrent.non_normality(np.array([[0.0, 2.0], [0.0, 0.0]]))
    >>> facts.rho, facts.norm, round(facts.numerical_radius, 6), round(facts.departure, 6)
    (0.0, 2.0, 1.0, 2.0)
    """
    check_matrix("non_normality", matrix)
    w = np.asarray(matrix, dtype=float)
    upper = scipy.linalg.schur(w.astype(complex), output="complex")[0]
    return NonNormality(
        rho=float(np.abs(np.diag(upper)).max()),
        norm=float(np.linalg.norm(w, 2)),
        numerical_radius=_numerical_radius(w),
        numerical_abscissa=float(np.linalg.eigvalsh((w + w.T) / 2)[-1]),
        departure=float(np.linalg.norm(np.triu(upper, 1))),
        condition=float(eigen_directions(w).condition.max()),
    )


def _numerical_radius(w: np.ndarray) -> float:
    """Largest value over angles, by a bounded search from the best of evenly spaced ones."""

    def reach(angle: float) -> float:
        turned = np.exp(1j * angle) * w
        return float(np.linalg.eigvalsh((turned + turned.conj().T) / 2)[-1])

    angles = np.linspace(0, np.pi, _ANGLES + 1)
    values = [reach(angle) for angle in angles]
    best, width = angles[int(np.argmax(values))], angles[1]
    found = scipy.optimize.minimize_scalar(
        lambda angle: -reach(angle), bounds=(best - width, best + width), method="bounded", options={"xatol": 1e-9}
    )
    return max(max(values), float(-found.fun))


@asked()
def transient(matrix: Numbers) -> Transient:
    r"""Transient growth of a decaying matrix: peak of its powers, and Kreiss's bounds.

    .. math:: K(W) = \sup_{|z| > 1} (|z| - 1)\, \|(z - W)^{-1}\|, \qquad
        K \le \max_t \|W^t\| \le e\, N K

    Parameters
    ----------
    matrix
        W, shape ``(width, width)``; entries real, spectral radius below 1.

    Returns
    -------
    Transient
        Logs of the peak and its bounds, and the step of the peak.

    Raises
    ------
    ValueError
        If the spectral radius is 1 or more, or the powers have not fallen below 1 after 100,000
        steps.

    Notes
    -----
    Accuracy: 1e-12 for the peak; the search ends where a power's norm falls below 1, after which
    none exceeds the peak. The supremum is sought from the three best of 960 points, and is accurate
    to 1e-6 if its maximum lies near one of them. Otherwise it is too small: the lower bound still
    holds, and the upper one may not.
    Assumes: a linear recurrence.

    References
    ----------
    H.-O. Kreiss, BIT 2 (1962); M. N. Spijker, BIT 31 (1991), for the constant e N.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> found = theory.recurrent.transient(np.array([[0.9, 5.0], [0.0, 0.9]]))
    >>> round(float(np.exp(found.log_peak)), 2), found.step
    (19.38, 9)
    """
    check_matrix("transient", matrix)
    w = np.asarray(matrix, dtype=float)
    rho = float(np.abs(np.linalg.eigvals(w)).max())
    expect(rho < 1, "transient", "a spectral radius below 1", "Divide the matrix by more than that.", rho=rho)
    log_peak, step = _peak(w)
    log_kreiss = _log_kreiss(w)
    return Transient(log_peak, step, log_kreiss, log_kreiss + 1 + float(np.log(len(w))))


def _peak(w: np.ndarray) -> tuple[float, int]:
    """Largest log-norm of the powers and its step; the search ends once a norm is below 1."""
    power, log_scale, best, where = np.eye(len(w)), 0.0, 0.0, 0
    for step in range(1, _MAX_STEPS + 1):
        power = w @ power
        size = float(np.linalg.norm(power, 2))
        if size == 0 or log_scale + np.log(size) < 0:
            return best, where
        power, log_scale = power / size, log_scale + float(np.log(size))
        if log_scale > best:
            best, where = log_scale, step
    expect(False, "transient", "powers that fall below 1", num_steps=_MAX_STEPS)
    return best, where


def _log_kreiss(w: np.ndarray) -> float:
    """Log of the largest value found; it is 0 at infinity."""
    eye = np.eye(len(w))

    def log_size(point: np.ndarray) -> float:
        excess, angle = np.exp(point[0]), point[1]
        gap = np.linalg.svd((1 + excess) * np.exp(1j * angle) * eye - w, compute_uv=False)[-1]
        return float(point[0] - np.log(gap)) if gap > 0 else -np.inf

    grid = [
        np.array([excess, angle])
        for excess in np.linspace(-9.0, 2.0, _RADII)
        for angle in np.linspace(0, np.pi, _ANGLES)
    ]
    starts = sorted(grid, key=log_size, reverse=True)[:_STARTS]
    options = {"xatol": 1e-6, "fatol": 1e-9, "maxiter": 200}
    found = [
        scipy.optimize.minimize(lambda point: -log_size(point), start, method="Nelder-Mead", options=options)
        for start in starts
    ]
    return max(0.0, *(float(-each.fun) for each in found))
