"""One matrix to the power t: eigenvalue powers, and the rate at which a settled recurrence forgets."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.special

from vgtheory.ensemble import Recurrent, check_matrix
from vgtheory.expect import expect, expect_steps
from vgtheory.theory.precision import in_float64

_NORMAL = 1e-12
_SETTLED = 1e-14
_MAX_STEPS = 200_000


def log_eigen_powers(matrix: Any, steps: Any) -> np.ndarray:
    r"""Log-decay of every eigenvector of W^T under repeated application.

    .. math:: t \ln |\lambda_k|

    Parameters
    ----------
    matrix
        W, shape ``(width, width)``.
    steps
        Steps t, integers >= 0, shape ``(num_steps,)`` or ``()``.

    Returns
    -------
    numpy.ndarray
        Natural log, shape ``(num_steps, width)`` (or ``(width,)``), the largest eigenvalue first; -inf for a zero one.

    Raises
    ------
    ValueError
        If ``matrix`` is not square, real and finite, or ``steps`` are not integers >= 0.

    Notes
    -----
    Accuracy: that of the eigenvalues (1e-14 relative for normal matrices; defective ones lose half the digits or more) times t.
    Assumes: nothing; but for a non-normal W eigenvalues rule only the rate at large t, not the transient.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> np.exp(theory.log_eigen_powers(np.diag([0.5, 2.0]), 3)).round(12).tolist()
    [8.0, 0.125]
    """
    check_matrix("log_eigen_powers", matrix)
    counts = expect_steps("log_eigen_powers", steps).astype(float)
    sizes = np.sort(np.abs(np.linalg.eigvals(np.asarray(matrix, dtype=float))))[::-1]
    with np.errstate(divide="ignore"):
        logs = np.log(sizes)
    return np.where(counts[..., None] == 0, 0.0, np.where(counts == 0, 1.0, counts)[..., None] * logs)


def log_power_norms(matrix: Any, vector: Any, steps: Any) -> np.ndarray:
    r"""Log-norm of a gradient sent back through t steps of a linear recurrence.

    .. math:: \ln \bigl| (W^{\mathsf T})^t v \bigr|

    A normal W (complex Schur form diagonal) is taken apart into orthogonal eigendirections, each with its own power; any
    other is raised to the power by repeated squaring, renormalised at each squaring.

    Parameters
    ----------
    matrix
        W, shape ``(width, width)``; entries real.
    vector
        Gradient v at the last step, shape ``(width,)``.
    steps
        Steps t, integers >= 0, shape ``(num_steps,)`` or ``()``.

    Returns
    -------
    numpy.ndarray
        Natural log, the shape of ``steps``; -inf where the power annihilates ``v``.

    Raises
    ------
    ValueError
        If ``matrix`` is not square, real and finite, ``vector`` does not fit it, or ``steps`` are not integers >= 0.

    Notes
    -----
    Accuracy: 1e-12 absolute plus t times 1e-15 for normal matrices whose leading directions have a share in ``v`` above
    1e-15; for others repeated squaring loses about t times 1e-16 times the condition of the eigenvectors. A W that is
    normal but for 1e-12 of its size counts as normal, which adds an error of up to t times 1e-12.
    Assumes: a linear recurrence, h' = W h + b.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> theory.log_power_norms(np.diag([0.9, 0.5]), np.array([1.0, 1.0]), np.array([0, 1000])).round(4).tolist()
    [0.3466, -105.3605]
    """
    check_matrix("log_power_norms", matrix)
    counts = expect_steps("log_power_norms", steps)
    start, exponent = np.asarray(vector, dtype=float), int(np.frexp(np.abs(matrix).max())[1]) - 1
    transpose = np.ldexp(np.asarray(matrix, dtype=float).T, -exponent)
    expect(start.shape == transpose.shape[:1], "log_power_norms", "a vector that fits matrix", shape=start.shape)
    expect(bool(np.all(np.isfinite(start))), "log_power_norms", "a finite vector", vector=vector)
    upper, basis = scipy.linalg.schur(transpose.astype(complex), output="complex")
    eigenvalues = np.diag(upper)
    rest = np.linalg.norm(upper - np.diag(eigenvalues))
    if rest <= _NORMAL * np.linalg.norm(upper):
        logs = _normal_powers(np.abs(eigenvalues), np.abs(basis.conj().T @ start), counts.ravel())
    else:
        logs = _squared_powers(transpose, start, counts.ravel())
    return (logs + counts.ravel() * (exponent * np.log(2))).reshape(counts.shape)


def _normal_powers(sizes: np.ndarray, shares: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Half the log of sum |lambda|^(2t) |share|^2."""
    with np.errstate(divide="ignore", invalid="ignore"):
        powers = np.where(counts[:, None] == 0, 0.0, counts[:, None] * np.log(sizes))
        return scipy.special.logsumexp(2 * (powers + np.log(shares)), axis=1) / 2


def _squared_powers(matrix: np.ndarray, start: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Log-norms of matrix**t start by the binary digits of t."""
    vectors = np.repeat(start[:, None], counts.size, axis=1)
    logs = np.zeros(counts.size)
    square, log_square = matrix, 0.0
    for bit in range(int(counts.max(initial=0)).bit_length()):
        chosen = (counts >> bit) & 1 == 1
        vectors[:, chosen] = square @ vectors[:, chosen]
        logs[chosen] += log_square
        sizes = np.abs(vectors).max(axis=0)
        logs += _logs(sizes)
        vectors = vectors / np.where(sizes > 0, sizes, 1.0)
        square = square @ square
        size = np.abs(square).max()
        square, log_square = square / (size if size > 0 else 1.0), 2 * log_square + float(_logs(size))
    return logs + _logs(np.linalg.norm(vectors, axis=0))


def _logs(values: Any) -> Any:
    """Natural logs, -inf at zero without a warning."""
    with np.errstate(divide="ignore"):
        return np.log(values)


def log_rate(net: Recurrent, state: Any) -> float:
    r"""Log-factor per step by which the gradient changes once an undriven recurrence has settled.

    .. math:: \frac1p \ln \rho\Bigl(\prod_{s=1}^{p} \mathrm{diag}\,\phi'(h^*_s)\, W^{\mathsf T}\Bigr)

    with p = 1 where the state settles on a fixed point and p = 2 on a two-cycle (a symmetric W has no other attractor).
    For a linear net it is :math:`\ln \rho(W)`.

    Parameters
    ----------
    net
        A recurrence with a given ``matrix`` and ``sigma_b = 0``.
    state
        Initial ``h``, shape ``(width,)``.

    Returns
    -------
    float
        Natural log per step; of the norm, not its square.

    Raises
    ------
    ValueError
        If ``net`` has no matrix or has a bias, ``state`` does not fit it or is not finite, or it has not settled on a fixed
        point or two-cycle after 400,000 steps (it rotates, is chaotic or is critical: this law does not apply).

    Notes
    -----
    Accuracy: 1e-10 where the settled state is reached geometrically; at criticality (tanh, rho(W) = 1) it is approached as
    1/sqrt(t), so that it counts as not settled: the limit is 0 and the gradient's decay a power law instead.
    Assumes: no input, and a cotangent with a share in the leading direction.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import Recurrent, theory
    >>> rate = theory.log_rate(Recurrent("tanh", matrix=np.array([[2.0]])), np.ones(1))
    >>> round(float(np.exp(rate)), 4)
    0.1664
    """
    expect(net.matrix is not None, "log_rate", "a net with a matrix", matrix=net.matrix)
    matrix, h = np.asarray(net.matrix, dtype=float), np.asarray(state, dtype=float)
    expect(h.shape == matrix.shape[:1], "log_rate", "a state that fits the matrix", shape=h.shape)
    expect(bool(np.all(np.isfinite(h))), "log_rate", "a finite state", state=state)
    expect(bool(np.all(np.asarray(net.sigma_b) == 0)), "log_rate", "a net with sigma_b = 0", sigma_b=net.sigma_b)
    if net.activation.name == "linear":
        return float(_logs(np.max(np.abs(np.linalg.eigvals(matrix)))))
    slopes = _settled_slopes(net, matrix, h)
    product = np.eye(h.size)
    for slope in slopes:
        product = slope[:, None] * (matrix.T @ product)
    return float(_logs(np.max(np.abs(np.linalg.eigvals(product))))) / len(slopes)


def _settled_slopes(net: Recurrent, matrix: np.ndarray, h: np.ndarray) -> list[np.ndarray]:
    """phi' along the attractor: one entry for a fixed point, two for a two-cycle."""
    phi, dphi = (_on_numpy(function) for function in (net.activation.phi, net.activation.dphi))
    for _ in range(_MAX_STEPS):
        once = matrix @ phi(h)
        twice = matrix @ phi(once)
        scale = _SETTLED * (np.abs(h).max() + 1e-300)
        dying = np.abs(once).max() <= np.abs(h).max() < 1e-30
        if np.abs(once - h).max() <= 10 * scale or dying:
            return [dphi(h)]
        if np.abs(twice - h).max() <= 10 * scale:
            return [dphi(h), dphi(once)]
        h = twice
    expect(False, "log_rate", "a state that settles on a fixed point or a two-cycle", num_steps=2 * _MAX_STEPS)
    return []


def _on_numpy(function: Any) -> Any:
    """Let an elementwise JAX function take and return NumPy float64."""
    return in_float64(lambda h: function(jnp.asarray(h)))
