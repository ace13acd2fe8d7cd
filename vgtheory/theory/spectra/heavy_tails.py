"""Weights with an infinite fourth moment: the largest singular value of one matrix has no edge to stop at."""

from typing import Any

import numpy as np

from vgtheory.expect import expect
from vgtheory.theory.arguments import asked
from vgtheory.theory.precision import in_numpy

_TAIL = 3 / 2
"""Limit of x^4 P(|w| > x) for Student's t with 4 degrees of freedom, scaled to unit variance."""


@in_numpy
@asked()
def heavy_edge(probability: Any) -> Any:
    r"""Quantile of the largest singular value of one matrix of ``heavy_tailed`` weights, over ``sigma_w``.

    .. math:: P(s_{\max} \le s) = e^{-3 / (2 y^4)}, \qquad s = y + 1 / y, \quad y > 1

    With probability exp(-3/2) = 0.22 it is 2, as for independent entries of finite fourth moment.

    Parameters
    ----------
    probability
        Between 0 and 1; any shape.

    Returns
    -------
    array
        Same shape; a singular value over ``sigma_w``.

    Notes
    -----
    Accuracy: measured with matrices of 64 to 256 units, 4 % in the lowest tenth, where the edge at
    finite width lies below 2, 1 % at the median, and 3 % at 0.9.
    Assumes: infinite width. The number of entries above y, in units of 1 / sqrt(N), is then a
    Poisson variable of mean 3 / (2 y^4) at any N, because the fourth moment only just diverges. A
    matrix with one entry y > 1 has a singular value y + 1 / y outside the others.

    References
    ----------
    Auffinger, Ben Arous and Peche (2009), arXiv:0710.3132 (largest entries and largest
    eigenvalues); Benaych-Georges and Nadakuditi (2012), arXiv:1103.2221 (a matrix of rank one
    added).

    Examples
    --------
    >>> from vgtheory import theory
    >>> theory.spectra.heavy_edge([0.1, 0.5, 0.9]).round(3).tolist()
    [2.0, 2.037, 2.457]
    """
    level = np.asarray(probability, dtype=float)
    expect(
        bool(np.all((level > 0) & (level < 1))), "heavy_edge", "probabilities inside (0, 1)", probability=probability
    )
    largest = np.maximum((_TAIL / -np.log(level)) ** 0.25, 1.0)
    return largest + 1 / largest
