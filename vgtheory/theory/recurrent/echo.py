"""Echo-state networks: whether a reservoir forgets its initial state, and its input memory."""

from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.optimize

from vgtheory.expect import Numbers, expect
from vgtheory.networks.recurrent import check_matrix
from vgtheory.theory.arguments import asked, one_not_negative
from vgtheory.theory.precision import Values
from vgtheory.theory.recurrent.powers import logs_of

_NEGLIGIBLE = 1e-17
_MOST_LAGS = 20_000
_SEARCH, _WIDEST = 50, 40.0


class EchoState(NamedTuple):
    """Bounds on the echo-state property of ``x' = phi(W x + input)``, phi of slopes 0 to 1

    Attributes
    ----------
    log_rho
        Log of the spectral radius. A value below 0 is necessary without input, for phi'(0) = 1;
        with input it is neither necessary nor sufficient.
    log_norm
        Log of the largest singular value. A value below 0 is sufficient for any input.
    log_scaled_norm
        Log of the least ``|D W D^-1|`` found over positive diagonal D, which lies between the other
        two. A value below 0 is sufficient for any input.
    """

    log_rho: float
    log_norm: float
    log_scaled_norm: float


@asked()
def echo_state(matrix: Numbers) -> EchoState:
    r"""Bounds on the echo-state property: one necessary (without input), two sufficient.

    .. math:: \ln \rho(W) \le \ln \min_D \| D W D^{-1} \|_2 \le \ln \| W \|_2

    Parameters
    ----------
    matrix
        W, shape ``(width, width)``; entries real.

    Returns
    -------
    EchoState
        Natural logs per step; add ``ln sup |phi'|`` if the largest slope is not 1.

    Notes
    -----
    Accuracy: 1e-12 for the norm and, times its condition, for the radius. The scaled norm is a
    valid bound wherever its search of at most 50 steps ends.
    Assumes: phi elementwise with slopes between 0 and 1, as tanh.

    References
    ----------
    M. Buehner and P. Young, IEEE Trans. Neural Networks 17 (2006); I. B. Yildiz, H. Jaeger and S.
    J. Kiebel, Neural Networks 35 (2012).

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> bounds = theory.recurrent.echo_state(np.array([[0.5, 10.0], [0.0, 0.5]]))
    >>> [bool(log < 0) for log in bounds]  # the norm is 10, yet it forgets
    [True, False, True]
    """
    check_matrix("echo_state", matrix)
    w = np.asarray(matrix, dtype=float)
    rho, norm = np.abs(np.linalg.eigvals(w)).max(), np.linalg.norm(w, 2)
    return EchoState(float(logs_of(rho)), float(logs_of(norm)), _log_scaled_norm(w))


def _log_scaled_norm(w: np.ndarray) -> float:
    """Least log of |D W D^-1| found; it is convex in ln D, with slope u^2 - v^2."""

    def value(log_d: np.ndarray) -> tuple[float, np.ndarray]:
        u, s, vt = np.linalg.svd(np.exp(log_d[:, None] - log_d[None, :]) * w)
        return float(logs_of(s[0])), u[:, 0] ** 2 - vt[0] ** 2

    if not w.any():
        return -np.inf
    scales = scipy.linalg.matrix_balance(w, permute=False, separate=True)[1][0]
    start = min((np.zeros(len(w)), -np.log(scales)), key=lambda log_d: value(log_d)[0])
    options = {"maxiter": _SEARCH, "maxfun": 2 * _SEARCH}
    bounds = [(-_WIDEST, _WIDEST)] * len(w)
    found = scipy.optimize.minimize(value, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return float(min(found.fun, value(start)[0]))


@asked(sigma_noise=one_not_negative)
def memory_curve(matrix: Numbers, w_in: Numbers, num_lags: int, *, sigma_noise: float | Values = 0.0) -> np.ndarray:
    r"""Memory curve: share of an input's variance that a linear readout recovers k steps later.

    .. math:: m_k = (W^k w)^{\mathsf T} C^{-1} W^k w, \qquad
        C = \sum_{j \ge 0} W^j (w w^{\mathsf T} + \sigma^2 I) (W^j)^{\mathsf T}, \qquad
        x_{t+1} = W x_t + w\, u_{t+1} + \sigma\, \xi_{t+1}

    Without noise the sum over all k is the width of the reservoir (Jaeger).

    Parameters
    ----------
    matrix
        W, shape ``(width, width)``; entries real, spectral radius below 1.
    w_in
        Input weights w, shape ``(width,)``.
    num_lags
        Number of lags k = 0 ... num_lags - 1, >= 1.
    sigma_noise
        Standard deviation of the noise on each unit and step, in units of the input's; >= 0.

    Returns
    -------
    numpy.ndarray
        Between 0 and 1, shape ``(num_lags,)``.

    Raises
    ------
    ValueError
        If the spectral radius is 1 or more, or its powers take more than 20,000 steps to die out.

    Notes
    -----
    Accuracy: 1e-12 over the square root of the smallest eigenvalue of C, as a share of its trace.
    Without noise that share may be below 1e-30. Single m_k beyond the first lags then depend on the
    last digits of W, but their sum does not.
    Assumes: inputs and noise independent in time, of variance 1; a linear recurrence and the best
    linear readout.

    References
    ----------
    H. Jaeger, GMD Report 152 (2001), propositions 1 and 2.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> shift = 0.5 * np.eye(3, k=-1)  # a delay line, which remembers three inputs completely
    >>> theory.recurrent.memory_curve(shift, np.array([1.0, 0.0, 0.0]), 4).round(6).tolist()
    [1.0, 1.0, 1.0, 0.0]
    """
    w, start = np.asarray(matrix, dtype=float), np.asarray(w_in, dtype=float)
    expect(start.shape == w.shape[:1], "memory_curve", "input weights that fit matrix", shape=start.shape)
    rho = float(np.abs(np.linalg.eigvals(w)).max())
    expect(rho < 1, "memory_curve", "a spectral radius below 1", rho=rho)
    echoes = _echoes(w, start, num_lags)
    factor = np.concatenate([echoes, float(sigma_noise) * _noise_factor(w)]) if sigma_noise else echoes
    left, sizes, _ = np.linalg.svd(factor, full_matrices=False)
    left = left[:, sizes > _NEGLIGIBLE * sizes[0]]
    return np.sum(left[:num_lags] ** 2, axis=1)


def _echoes(w: np.ndarray, start: np.ndarray, num_lags: int) -> np.ndarray:
    """W^k w as rows, as far as they count and at least num_lags of them."""
    rows, first = [start], float(np.linalg.norm(start))
    while len(rows) < max(num_lags, len(w)) or np.linalg.norm(rows[-1]) > _NEGLIGIBLE * first:
        expect(len(rows) < max(_MOST_LAGS, num_lags), "memory_curve", "powers that die out", num_steps=len(rows))
        rows.append(w @ rows[-1])
    return np.array(rows)


def _noise_factor(w: np.ndarray) -> np.ndarray:
    """A factor F with F^T F the covariance of unit noise."""
    covariance = scipy.linalg.solve_discrete_lyapunov(w, np.eye(len(w)))
    return np.linalg.cholesky((covariance + covariance.T) / 2).T
