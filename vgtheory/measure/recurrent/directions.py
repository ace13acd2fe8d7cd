"""Steps after which a back-propagated gradient points along the leading eigendirection."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.expect import Numbers
from vgtheory.measure.arguments import asked, expect_fit, number
from vgtheory.measure.recurrent.powers import _RANK, _SAME, pulled
from vgtheory.networks.recurrent import check_matrix


def _as_is(rows: Array) -> Array:
    """Return the cotangents themselves."""
    return rows


@asked(vector=number(ndim=1))
def alignment_steps(matrix: Numbers, vector: Numbers, steps: int, dtype: str = "float32") -> np.ndarray:
    """Angle between a back-propagated gradient and the leading left eigendirection, step by step.

    Parameters
    ----------
    matrix
        Matrix W, shape ``(width, width)``, real.
    vector
        Gradient v at the last step, shape ``(width,)``, not 0.
    steps
        Number of steps, >= 1.
    dtype
        Format of weights and arithmetic, ``"float32"`` or ``"float64"``.

    Returns
    -------
    numpy.ndarray
        Angle in radians, 0 to pi/2, after 0 ... ``steps`` steps back, float64, shape
        ``(steps + 1,)``.

    Notes
    -----
    Accuracy: roundings of ``dtype`` times the condition of the leading eigenvalue over its gap.
    Smaller angles are noise.
    Assumes: nothing; the direction itself is computed in float64.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import measure
    >>> measure.recurrent.alignment_steps(np.diag([1.0, 0.5]), np.ones(2), 3).round(4).tolist()
    [0.7854, 0.4636, 0.245, 0.1244]
    """
    check_matrix("alignment_steps", matrix)
    start = np.asarray(vector, dtype=float)
    expect_fit("alignment_steps", matrix, vector=start)
    basis = _leading(np.asarray(matrix, dtype=float).T)
    with jax.enable_x64(dtype == "float64"):
        w, rows = jnp.asarray(np.asarray(matrix), dtype), jnp.asarray(start, dtype)[None]
        seen = pulled(w, jnp.ones(start.size, dtype), rows, int(steps), _as_is)[0]
    gradients = np.asarray(seen, dtype=float)[:, 0]
    along = gradients @ basis @ basis.T
    return np.arctan2(np.linalg.norm(gradients - along, axis=1), np.linalg.norm(along, axis=1))


def _leading(transpose: np.ndarray) -> np.ndarray:
    """Orthonormal basis of the eigenvectors of largest modulus."""
    values, vectors = np.linalg.eig(transpose)
    chosen = vectors[:, np.abs(values) >= (1 - _SAME) * np.abs(values).max()]
    columns, sizes, _ = np.linalg.svd(np.hstack([chosen.real, chosen.imag]), full_matrices=False)
    return columns[:, sizes > _RANK * sizes[0]]
