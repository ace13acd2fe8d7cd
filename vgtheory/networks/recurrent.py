"""Nouns for recurrences without gates: of one matrix, random or given, and of driven units (``Leaky``, ``Skip``)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vgtheory.expect import Numbers, expect, expect_count, expect_number
from vgtheory.networks.noise import DROPPED, NOISE, Dropped, Noisy
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


@dataclass(frozen=True, repr=False)
class Leaky(Dropped):
    r"""Leaky units; with ``leak=1`` the plain driven recurrence.

    .. math:: h_{t+1} = (1 - a)\, h_t + a \left[ W \phi(h_t) + b + U x_{t+1} \right]

    Attributes
    ----------
    activation, sigma_w, sigma_b
        As for ``Dense``.
    sigma_in
        Standard deviation of ``U x``; unit of ``h``, >= 0.
    leak
        Share a of the state that is replaced at every step, in (0, 1].
    weights
        Kind of the recurrent weights, as for ``Dense``.
    dropout, recurrent_dropout
        Probabilities with which an entry of x and a unit of :math:`\phi(h)` are dropped, in [0, 1);
        one mask for a whole sequence (Gal and Ghahramani 2016), whose factors have the mean 1.

    Examples
    --------
    >>> from vgtheory import Leaky
    >>> Leaky("tanh", sigma_w=1.5, leak=0.1)
    Leaky('tanh', sigma_w=1.5, leak=0.1)
    """

    activation: Any
    sigma_w: Any = 1.0
    sigma_b: Any = 0.0
    sigma_in: Any = 0.0
    leak: Any = 1.0
    weights: str = "gaussian"

    def __post_init__(self) -> None:
        """Resolve the activation and check static facts."""
        resolve(self, "sigma_w", "sigma_b", "sigma_in")
        resolve_weights(self)
        expect_number("Leaky", "(0, 1]", leak=self.leak)


@dataclass(frozen=True, repr=False)
class Skip(Dropped):
    r"""A recurrence that also sees its state of ``lag`` steps ago, through weights of their own.

    .. math:: h_{t+1} = W \phi(h_t) + V \phi(h_{t+1-s}) + b + U x_{t+1}

    Attributes
    ----------
    activation, sigma_w, sigma_b
        As for ``Dense``.
    sigma_skip
        Standard deviation of ``sqrt(fan_in) * V``; dimensionless, >= 0.
    sigma_in
        Standard deviation of ``U x``; unit of ``h``, >= 0.
    lag
        Number of steps s that the second path goes back, >= 2.
    weights
        Kind of both recurrent matrices, as for ``Dense``.
    dropout, recurrent_dropout
        As for ``Leaky``.

    Examples
    --------
    >>> from vgtheory import Skip
    >>> Skip("tanh", sigma_w=1.5, lag=5)
    Skip('tanh', sigma_w=1.5, lag=5)
    """

    activation: Any
    sigma_w: Any = 1.0
    sigma_skip: Any = 0.5
    sigma_b: Any = 0.0
    sigma_in: Any = 0.0
    lag: int = 10
    weights: str = "gaussian"

    def __post_init__(self) -> None:
        """Resolve the activation and check static facts."""
        resolve(self, "sigma_w", "sigma_skip", "sigma_b", "sigma_in")
        resolve_weights(self)
        expect_count("Skip", 2, lag=self.lag)


def check_matrix(where: str, matrix: Numbers) -> None:
    """Raise unless ``matrix`` is square and, as far as its entries can be seen, real and finite."""
    expect_number(where, matrix=matrix)
    shape = np.shape(matrix)
    expect(len(shape) == 2 and shape[0] == shape[1] and shape[0] > 0, where, "a square matrix", shape=shape)


register_noun(Recurrent, ["sigma_w", "sigma_b"], ["activation", "weights", *NOISE])
register_noun(Leaky, ["sigma_w", "sigma_b", "sigma_in", "leak"], ["activation", "weights", *DROPPED])
register_noun(Skip, ["sigma_w", "sigma_skip", "sigma_b", "sigma_in"], ["activation", "lag", "weights", *DROPPED])
register_noun(FixedRecurrent, ["matrix", "sigma_b"], ["activation"])

Tied = Recurrent | FixedRecurrent
__all__ = ["FixedRecurrent", "Leaky", "Recurrent", "Skip", "Tied", "check_matrix"]
