"""Left and right eigenvectors of a matrix, and the alignment of gradients with them."""

from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

from vgtheory.expect import Numbers, expect, expect_count, expect_steps
from vgtheory.networks.recurrent import check_matrix
from vgtheory.theory.arguments import asked

_SAME = 1e-9
"""Eigenvalues whose moduli differ by less, relative to the largest, count as leading together."""
_RANK = 1e-6


class EigenDirections(NamedTuple):
    """Eigenvalues of W with their directions, the largest modulus first.

    Attributes
    ----------
    values
        Eigenvalues, complex, shape ``(width,)``.
    right
        Unit right eigenvectors as columns, ``W x = lambda x``, shape ``(width, width)``; states
        grow along these.
    left
        Unit left eigenvectors as columns, ``W^T y = conj(lambda) y``, shape ``(width, width)``;
        gradients grow along these.
    condition
        Condition number of the eigenvalue, ``1 / |y^* x|`` >= 1; inf for a defective one.
    period
        Steps in which the direction turns around once, ``2 pi / |arg lambda|``; inf for a positive
        eigenvalue, 2 for a negative one.
    """

    values: np.ndarray
    right: np.ndarray
    left: np.ndarray
    condition: np.ndarray
    period: np.ndarray


@asked()
def eigen_directions(matrix: Numbers) -> EigenDirections:
    r"""Eigenvalues with left and right eigenvectors, condition numbers and periods of rotation.

    .. math:: W x_k = \lambda_k x_k, \qquad W^{\mathsf T} \bar y_k = \lambda_k \bar y_k, \qquad
        \kappa_k = 1 / |y_k^* x_k|, \qquad p_k = 2 \pi / |\arg \lambda_k|

    States ``W^t h`` turn towards the leading right eigenvector, and gradients ``(W^T)^t v`` towards
    the leading left one.

    Parameters
    ----------
    matrix
        W, shape ``(width, width)``; entries real.

    Returns
    -------
    EigenDirections
        The largest modulus first; of a complex pair the eigenvalue with positive imaginary part
        first.

    Notes
    -----
    Accuracy: eigenvalues to 1e-14 of the norm times the condition number; directions to this error
    over the gap to the next eigenvalue.
    Assumes: nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> leading = theory.recurrent.eigen_directions(np.array([[0.9, 5.0], [0.0, 0.5]]))
    >>> leading.values.real.round(3).tolist(), leading.condition.round(3).tolist()
    ([0.9, 0.5], [12.54, 12.54])
    """
    check_matrix("eigen_directions", matrix)
    values, left, right = scipy.linalg.eig(np.asarray(matrix, dtype=float), left=True, right=True)
    order = np.lexsort((-values.imag, -np.abs(values).round(13)))
    values, left, right = values[order], left[:, order], right[:, order]
    with np.errstate(divide="ignore"):
        condition = 1 / np.abs(np.sum(left.conj() * right, axis=0))
        period = 2 * np.pi / np.abs(np.angle(values))
    return EigenDirections(values, right, left, condition, period)


def leading_left(matrix: np.ndarray) -> np.ndarray:
    """Orthonormal basis of the leading left eigenvectors, as columns."""
    found = eigen_directions(matrix)
    sizes = np.abs(found.values)
    chosen = found.left[:, sizes >= (1 - _SAME) * sizes[0]]
    vectors, values, _ = np.linalg.svd(np.hstack([chosen.real, chosen.imag]), full_matrices=False)
    return vectors[:, values > _RANK * values[0]]


def _from_zero(where: str, **got: Any) -> None:
    expect_count(where, 0, **got)


@asked(steps=_from_zero)
def alignment_steps(matrix: Numbers, vector: Numbers, steps: int) -> np.ndarray:
    r"""Angle between a back-propagated gradient and the leading left eigendirection, step by step.

    .. math:: \theta_t = \arctan \frac{|(1 - P) (W^{\mathsf T})^t v|}{|P (W^{\mathsf T})^t v|}

    P is the orthogonal projection on the left eigenvectors of the largest modulus, a plane for a
    complex pair. The angle finally shrinks by ``|lambda_2 / lambda_1|`` per step. Its cosine is the
    alignment.

    Parameters
    ----------
    matrix
        W, shape ``(width, width)``; entries real.
    vector
        Gradient v at the last step, shape ``(width,)``, not 0.
    steps
        Number of steps, >= 0.

    Returns
    -------
    numpy.ndarray
        Angle in radians, 0 to pi/2, after t = 0 ... ``steps`` steps back, shape ``(steps + 1,)``;
        NaN once the gradient is 0.

    Notes
    -----
    Accuracy: 1e-14 absolute times the square of the leading eigenvalue's condition number.
    Assumes: a linear recurrence. Eigenvalues within 1e-9 of the largest modulus lead together.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> theory.recurrent.alignment_steps(np.diag([1.0, 0.5]), np.ones(2), 3).round(4).tolist()
    [0.7854, 0.4636, 0.245, 0.1244]
    """
    check_matrix("alignment_steps", matrix)
    w, state = np.asarray(matrix, dtype=float), np.asarray(vector, dtype=float)
    expect(state.shape == w.shape[:1], "alignment_steps", "a vector that fits matrix", shape=state.shape)
    expect(bool(np.all(np.isfinite(state))), "alignment_steps", "a finite vector", vector=vector)
    (basis, num_steps), angles = (leading_left(w), int(expect_steps("alignment_steps", steps))), []
    for _ in range(num_steps + 1):
        size = np.abs(state).max()
        state = state / size if size > 0 else np.full_like(state, np.nan)
        along = basis @ (basis.T @ state)
        angles.append(np.arctan2(np.linalg.norm(state - along), np.linalg.norm(along)))
        state = w.T @ state
    return np.array(angles)
