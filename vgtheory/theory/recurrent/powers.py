"""Powers of one matrix: its eigenvalues, the image of one vector, and the largest image of any."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.special
from jax import Array, lax

from vgtheory.expect import Numbers, expect, expect_steps
from vgtheory.networks.recurrent import check_matrix
from vgtheory.theory.arguments import asked, steps_back
from vgtheory.theory.integrals import double_double
from vgtheory.theory.precision import Values, floats

_NORMAL = 1e-14
_LOST = 2.0**-700
"""A vector this much smaller than the matrix's power may have lost digits to underflow."""


@asked(steps=steps_back)
def log_eigen_powers(matrix: Numbers, steps: Numbers) -> Values:
    r"""Log-decay of every eigenvector of W^T under repeated application.

    .. math:: t \ln |\lambda_k|

    Parameters
    ----------
    matrix
        W, shape ``(width, width)``; entries real.
    steps
        Steps t, integers >= 0, shape ``(num_steps,)`` or ``()``; static.

    Returns
    -------
    numpy.ndarray or jax.Array
        Natural log, shape ``(num_steps, width)`` or ``(width,)``, the largest eigenvalue first;
        -inf for a zero one.

    Notes
    -----
    Accuracy: t times the error of the eigenvalue, 1e-14 relative times its condition number
    (``eigen_directions``). A defective eigenvalue loses half the digits or more. A JAX matrix is
    computed in its own dtype.
    Assumes: nothing. For a non-normal W the eigenvalues give the rate at large t only, not the
    transient.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> np.exp(theory.recurrent.log_eigen_powers(np.diag([0.5, 2.0]), 3)).round(12).tolist()
    [8.0, 0.125]
    """
    check_matrix("log_eigen_powers", matrix)
    counts = expect_steps("log_eigen_powers", steps)[..., None]
    if isinstance(matrix, jax.Array):
        (matrix,) = floats(matrix)
        logs = -jnp.sort(-jnp.log(jnp.abs(jnp.linalg.eigvals(matrix))))
        logs = jnp.broadcast_to(logs, (*counts.shape[:-1], logs.size))
        powers = jnp.broadcast_to(jnp.asarray(counts, logs.dtype), logs.shape)
        return jnp.where(powers == 0, 0.0, jnp.maximum(powers, 1) * logs)
    logs = logs_of(np.sort(np.abs(np.linalg.eigvals(np.asarray(matrix, dtype=float))))[::-1])
    return np.where(counts == 0, 0.0, np.where(counts == 0, 1, counts) * logs)


@asked(steps=steps_back)
def log_power_norms(matrix: Numbers, vector: Numbers, steps: Numbers) -> Values:
    r"""Log-norm of a gradient sent back through t steps of a linear recurrence.

    .. math:: \ln \bigl| (W^{\mathsf T})^t v \bigr|

    A normal W, whose complex Schur form is diagonal, is split into orthogonal eigendirections. Any
    other matrix is raised to the power by repeated squaring, in twice the precision of float64, and
    rescaled at each squaring.

    Parameters
    ----------
    matrix, steps
        As in ``log_eigen_powers``.
    vector
        Gradient v at the last step, shape ``(width,)``.

    Returns
    -------
    numpy.ndarray or jax.Array
        Natural log, the shape of ``steps``; -inf where the power annihilates ``v``.

    Notes
    -----
    Accuracy: 1e-12 absolute plus 1e-15 of the value, and in addition:

    - W normal to 1e-14 of its size: t times 1e-14, if the leading directions have a share in ``v``
      above 1e-15.
    - Any other W: t times 1e-31 times the square of the condition of the eigenvectors. A Jordan
      block of width 32 and a Grcar matrix of 64 are accurate to 1e-12 at t = 1,000.
    - ``v`` in an invariant subspace whose powers fall 2^700 below the matrix's: single steps in
      float64, with an error of t times 1e-16 times the condition.
    - JAX arrays: squaring in their own dtype, with an error of t roundings times the condition.

    Time for t = 10^6 on one core: 25 ms at width 32, 0.4 s at 128, half a minute at 512.

    Assumes: a linear recurrence, h' = W h + b.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> theory.recurrent.log_power_norms(np.diag([0.9, 0.5]), np.ones(2), [0, 1000]).round(4)
    array([   0.3466, -105.3605])
    """
    check_matrix("log_power_norms", matrix)
    counts = expect_steps("log_power_norms", steps)
    shape = np.shape(vector)
    expect(shape == np.shape(matrix)[:1], "log_power_norms", "a vector that fits matrix", shape=shape)
    if isinstance(matrix, jax.Array) or isinstance(vector, jax.Array):
        w, v = floats(matrix, vector)
        return _traced_powers(w, v, counts.ravel()).reshape(counts.shape)
    start = np.asarray(vector, dtype=float)
    expect(bool(np.all(np.isfinite(start))), "log_power_norms", "a finite vector", vector=vector)
    transpose, exponent = _near_one(np.asarray(matrix, dtype=float).T)
    upper, basis = scipy.linalg.schur(transpose.astype(complex), output="complex")
    eigenvalues = np.diag(upper)
    if np.linalg.norm(upper - np.diag(eigenvalues)) <= _NORMAL * np.linalg.norm(upper):
        logs = _normal_powers(np.abs(eigenvalues), np.abs(basis.conj().T @ start), counts.ravel())
    else:
        logs = _squared_powers(transpose, start, counts.ravel())
    return (logs + counts.ravel() * (exponent * np.log(2))).reshape(counts.shape)[()]


@asked(steps=steps_back)
def log_growth(matrix: Numbers, steps: Numbers) -> Values:
    r"""Log-norm of a matrix power: the largest growth of a gradient or a state in t steps.

    .. math:: \ln \| W^t \|_2

    Parameters
    ----------
    matrix, steps
        As in ``log_eigen_powers``.

    Returns
    -------
    numpy.ndarray
        Natural log of the largest singular value, the shape of ``steps``; -inf where the power is
        zero.

    Notes
    -----
    Accuracy: 1e-12 absolute plus 1e-15 of the value, plus t times 1e-31 times the square of the
    condition of the eigenvectors.
    Assumes: a linear recurrence.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> shear = np.array([[0.9, 5.0], [0.0, 0.9]])  # eigenvalues 0.9: it decays, but not at first
    >>> np.exp(theory.recurrent.log_growth(shear, np.array([1, 10, 100]))).round(3).tolist()
    [5.157, 19.377, 0.015]
    """
    check_matrix("log_growth", matrix)
    counts = expect_steps("log_growth", steps)
    scaled, exponent = _near_one(np.asarray(matrix, dtype=float))
    wanted, where = np.unique(counts, return_inverse=True)
    logs = np.array(
        [
            logs_of(np.linalg.norm(power, 2)) + (shift + int(count) * exponent) * np.log(2)
            for count, (power, shift) in zip(wanted, _powers(scaled, wanted), strict=True)
        ]
    )[where.ravel()]
    return logs.reshape(counts.shape)[()]


def logs_of(values: float | np.ndarray | np.floating) -> Any:
    """Natural logs, -inf at zero without a warning."""
    with np.errstate(divide="ignore"):
        return np.log(values)


def _near_one(matrix: np.ndarray) -> tuple[np.ndarray, int]:
    """The matrix over a power of two near its largest entry, and that exponent."""
    exponent = int(np.frexp(np.abs(matrix).max())[1]) - 1
    return np.ldexp(matrix, -exponent), exponent


def _normal_powers(sizes: np.ndarray, shares: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Half the log of sum |lambda|^(2t) |share|^2."""
    with np.errstate(divide="ignore", invalid="ignore"):
        powers = np.where(counts[:, None] == 0, 0.0, counts[:, None] * np.log(sizes))
        return scipy.special.logsumexp(2 * (powers + np.log(shares)), axis=1) / 2


def _powers(matrix: np.ndarray, counts: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
    """matrix**count over a power of two, and its exponent, for ascending counts."""
    squares = [(double_double.pair(matrix), 0)]
    power, shift, reached = double_double.pair(np.eye(len(matrix))), 0, 0
    for count in counts:
        left, reached = int(count) - reached, int(count)
        for bit in range(left.bit_length()):
            if bit == len(squares):
                square, more = double_double.normalised(double_double.product(squares[-1][0], squares[-1][0]))
                squares.append((square, 2 * squares[-1][1] + int(more)))
            if (left >> bit) & 1:
                power, more = double_double.normalised(double_double.product(squares[bit][0], power))
                shift += squares[bit][1] + int(more)
        yield power.high, shift


def _squared_powers(matrix: np.ndarray, start: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Log-norms of matrix**t start by the binary digits of t; by steps where that underflows."""
    vectors, shifts = double_double.normalised(
        double_double.pair(np.repeat(start[:, None], counts.size, axis=1)), axis=0
    )
    square, square_shift = double_double.pair(matrix), 0
    weak = np.zeros(counts.size, dtype=bool)
    for bit in range(int(counts.max(initial=0)).bit_length()):
        chosen = (counts >> bit) & 1 == 1
        moved = double_double.product(square, double_double.Pair(*(part[:, chosen] for part in vectors)))
        weak[chosen] |= np.abs(moved.high).max(axis=0, initial=0) < _LOST
        moved, more = double_double.normalised(moved, axis=0)
        vectors.high[:, chosen], vectors.low[:, chosen] = moved
        shifts[chosen] += square_shift + more
        square, exponent = double_double.normalised(double_double.product(square, square))
        square_shift = 2 * square_shift + int(exponent)
    logs = logs_of(np.linalg.norm(vectors.high, axis=0)) + shifts * np.log(2)
    logs[weak] = _stepped_powers(matrix, start, counts[weak])
    return logs


def _stepped_powers(matrix: np.ndarray, start: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Log-norms of matrix**t start, one step after the other."""
    logs, shift, vector = np.full(counts.size, -np.inf), 0, start
    for step in range(int(counts.max(initial=-1)) + 1):
        exponent = int(np.frexp(np.abs(vector).max())[1])
        shift, vector = shift + exponent, np.ldexp(vector, -exponent)
        if not vector.any():
            break
        logs[counts == step] = np.log(np.linalg.norm(vector)) + shift * np.log(2)
        vector = matrix @ vector
    return logs


def _traced_powers(matrix: Array, vector: Array, counts: np.ndarray) -> Array:
    """``_squared_powers`` in ``jax.numpy``; scales are divided out as constants."""
    vectors = jnp.repeat(vector[:, None], counts.size, axis=1)
    logs, square = jnp.zeros(counts.size, vector.dtype), matrix.T
    log_square = jnp.zeros((), vector.dtype)
    for bit in range(int(counts.max(initial=0)).bit_length()):
        size = _constant_size(square)
        square, log_square = square / size, log_square + jnp.log(size)
        chosen = jnp.asarray((counts >> bit) & 1 == 1)
        moved = jnp.dot(square, vectors, precision=lax.Precision.HIGHEST)
        vectors = jnp.where(chosen[None, :], moved, vectors)
        sizes = _constant_size(vectors, axis=0)
        logs += jnp.where(chosen, log_square, 0.0) + jnp.log(sizes)
        vectors = vectors / sizes[None, :]
        square, log_square = jnp.dot(square, square, precision=lax.Precision.HIGHEST), 2 * log_square
    return logs + jnp.log(jnp.sqrt(jnp.sum(vectors**2, axis=0)))


def _constant_size(values: Array, axis: int | None = None) -> Array:
    """Largest modulus, 1 instead of 0, as a constant for derivatives."""
    size = lax.stop_gradient(jnp.max(jnp.abs(values), axis=axis))
    return jnp.where(size > 0, size, 1.0)
