"""Nouns for a recurrence with one matrix: random (``Recurrent``) or given (``FixedRecurrent``)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vgtheory.expect import Numbers, expect, expect_number
from vgtheory.networks.noise import NOISE, Noisy
from vgtheory.networks.resolving import resolve, resolve_weights
from vgtheory.noun import Noun, register_noun


@dataclass(frozen=True, repr=False)
class Recurrent(Noisy):
    r"""A recurrence of random weights, the same at every step.

    .. math:: h_{t+1} = W \phi(h_t) + b

    with :math:`W_{ij} \sim N(0, \sigma_w^2 / N)` (or other weights of that variance) and
    :math:`b_i \sim N(0, \sigma_b^2)`.

    Attributes
    ----------
    activation, sigma_w, sigma_b, weights
        As for ``Dense``.
    dropout, mask, dropconnect, sigma_noise
        As for ``Dense``; drawn anew at every step.

    Examples
    --------
    >>> from vgtheory import Recurrent, theory
    >>> law = theory.recurrent.log_spectral_radius(Recurrent("linear", sigma_w=1.0), width=64)
    >>> round(float(law.mean), 3)
    0.053
    """

    activation: Any
    sigma_w: Any = 1.0
    sigma_b: Any = 0.0
    weights: str = "gaussian"

    def __post_init__(self) -> None:
        """Resolve the activation and check static facts."""
        resolve(self, "sigma_w", "sigma_b")
        resolve_weights(self)


@dataclass(frozen=True, repr=False)
class FixedRecurrent(Noun):
    r"""A recurrence of one given matrix, the same at every step.

    .. math:: h_{t+1} = W \phi(h_t) + b

    Attributes
    ----------
    activation
        As for ``Dense``.
    matrix
        The matrix W, shape ``(width, width)``, real and finite; ``h`` is a column, and ``W[i, j]``
        leads from unit j to unit i.
    sigma_b
        Standard deviation of the bias, which is drawn at random; unit of ``h``, >= 0.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import FixedRecurrent, theory
    >>> spiral = FixedRecurrent("linear", 0.9 * np.array([[0.0, -1.0], [1.0, 0.0]]))
    >>> round(float(np.exp(theory.recurrent.log_rate(spiral, np.ones(2)))), 12)
    0.9
    """

    remedy: ClassVar[str] = "For a given matrix use log_power_norms or log_rate."
    activation: Any
    matrix: Any
    sigma_b: Any = 0.0

    def __post_init__(self) -> None:
        """Resolve the activation and check static facts."""
        resolve(self, "sigma_b")
        check_matrix("FixedRecurrent", self.matrix)


def check_matrix(where: str, matrix: Numbers) -> None:
    """Raise unless ``matrix`` is square and, as far as its entries can be seen, real and finite."""
    expect_number(where, matrix=matrix)
    shape = np.shape(matrix)
    expect(len(shape) == 2 and shape[0] == shape[1] and shape[0] > 0, where, "a square matrix", shape=shape)


register_noun(Recurrent, ["sigma_w", "sigma_b"], ["activation", "weights", *NOISE])
register_noun(FixedRecurrent, ["matrix", "sigma_b"], ["activation"])

Tied = Recurrent | FixedRecurrent
__all__ = ["FixedRecurrent", "Recurrent", "Tied", "check_matrix"]
