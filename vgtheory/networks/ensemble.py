"""Nouns for how a random network is drawn: ``Dense`` (every layer its own weights), ``Conv`` (kernels) and ``Recurrent`` (one for all)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vgtheory.activation import Activation, as_activation
from vgtheory.expect import expect, expect_count, expect_number, expect_one_of, expect_scale
from vgtheory.pytree import register_noun
from vgtheory.weights import WEIGHTS, as_weights

KERNELS = ("gaussian", "delta_orthogonal")
PADDINGS = ("circular", "zero")


def _settle(net: Any, weights: tuple[str, ...] = WEIGHTS) -> None:
    """Resolve the activation and check the static facts of an ensemble."""
    where = type(net).__name__
    object.__setattr__(net, "activation", as_activation(net.activation, where))
    object.__setattr__(net, "weights", as_weights(weights, where, net.weights))
    expect_scale(where, sigma_b=net.sigma_b)


@dataclass(frozen=True)
class Dense:
    r"""A feed-forward chain of square layers, each with its own weights.

    .. math:: h_1 = W_1 x_0 + b_1, \qquad h_{l+1} = W_{l+1}\,\phi(h_l) + b_{l+1}

    with :math:`W_{ij} \sim N(0, \sigma_w^2 / N)` (or other weights of that variance) and :math:`b_i \sim N(0, \sigma_b^2)`. The input
    has unit mean square.

    Attributes
    ----------
    activation
        A name in ``ACTIVATIONS``, an ``Activation``, or an elementwise JAX function.
    sigma_w
        Standard deviation of ``sqrt(fan_in) * W``; dimensionless, >= 0.
    sigma_b
        Standard deviation of the biases; unit of ``h``, >= 0.
    weights
        ``"gaussian"``; ``"orthogonal"`` (sigma_w times a Haar-distributed matrix); or independent entries of the same variance:
        ``"uniform"``, ``"truncated_normal"`` (at two standard deviations, as Flax's), ``"sparse"`` (nine in ten are 0, the others
        normal), ``"heavy_tailed"`` (Student's t with 4 degrees of freedom, of infinite fourth moment).

    Raises
    ------
    ValueError
        If a static argument is out of range or a name is unknown.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.chi_1(Dense("sigmoid", sigma_w=1.0))), 4)
    0.0557
    """

    activation: Any
    sigma_w: Any = 1.0
    sigma_b: Any = 0.0
    weights: str = "gaussian"

    def __post_init__(self) -> None:
        """Resolve the activation and check static facts."""
        _settle(self)
        expect_scale("Dense", sigma_w=self.sigma_w)


@dataclass(frozen=True)
class Conv:
    r"""A chain of convolutions that keep the size of the field and the number of channels, each with its own kernel.

    .. math:: h_{l+1}(a) = \sum_{\beta} W_{l+1}(\beta)\, \phi(h_l(a + \beta)) + b_{l+1}

    over the ``kernel_size`` positions nearest to ``a`` along each spatial dimension. How many positions there are, along one dimension or
    two, is said where the question is asked. Every position of the input has unit mean square over its channels.

    Attributes
    ----------
    activation
        A name in ``ACTIVATIONS``, an ``Activation``, or an elementwise JAX function.
    sigma_w
        Standard deviation of ``sqrt(fan_in) * W``, the fan-in being taps times channels; dimensionless, >= 0.
    sigma_b
        Standard deviation of the biases, one for each channel; unit of ``h``, >= 0.
    kernel_size
        Taps along each dimension; odd.
    weights
        ``"gaussian"``: entries N(0, sigma_w^2 / (taps channels)). ``"delta_orthogonal"``: the middle tap is sigma_w times a
        Haar-distributed orthogonal matrix, all others are 0.
    padding
        What lies beyond the border: ``"circular"`` (the other end) or ``"zero"``.

    Raises
    ------
    ValueError
        If a static argument is out of range or a name is unknown.

    Examples
    --------
    >>> from vgtheory import Conv, theory
    >>> round(float(theory.chi_1(Conv("relu", sigma_w=2**0.5))), 12)
    1.0
    """

    activation: Any
    sigma_w: Any = 1.0
    sigma_b: Any = 0.0
    kernel_size: int = 3
    weights: str = "gaussian"
    padding: str = "circular"

    def __post_init__(self) -> None:
        """Resolve the activation and check static facts."""
        _settle(self, KERNELS)
        expect_scale("Conv", sigma_w=self.sigma_w)
        expect_count("Conv", kernel_size=self.kernel_size)
        expect(self.kernel_size % 2 == 1, "Conv", "an odd kernel_size", kernel_size=self.kernel_size)
        expect_one_of(PADDINGS, "Conv", padding=self.padding)


@dataclass(frozen=True)
class Recurrent:
    r"""A recurrence whose every step uses the same weights.

    .. math:: h_{t+1} = W \phi(h_t) + b

    Attributes
    ----------
    activation
        A name in ``ACTIVATIONS``, an ``Activation``, or an elementwise JAX function.
    sigma_w
        Standard deviation of ``sqrt(fan_in) * W`` when ``W`` is drawn at random; dimensionless, >= 0.
    sigma_b
        Standard deviation of the bias; unit of ``h``, >= 0.
    weights
        A kind of ``Dense``, when ``W`` is drawn at random.
    matrix
        The matrix W itself, shape ``(width, width)``, instead of ``sigma_w``.

    Raises
    ------
    ValueError
        If a static argument is out of range, a name is unknown, or not exactly one of ``sigma_w`` and ``matrix`` is given.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import Recurrent, theory
    >>> spiral = Recurrent("linear", matrix=0.9 * np.array([[0.0, -1.0], [1.0, 0.0]]))
    >>> round(float(np.exp(theory.recurrent.log_rate(spiral, np.ones(2)))), 12)
    0.9
    """

    activation: Any
    sigma_w: Any = None
    sigma_b: Any = 0.0
    weights: str = "gaussian"
    matrix: Any = None

    def __post_init__(self) -> None:
        """Resolve the activation and check static facts."""
        _settle(self)
        one = (self.sigma_w is None) != (self.matrix is None)
        expect(one, "Recurrent", "one of sigma_w and matrix", sigma_w=self.sigma_w, matrix=self.matrix)
        if self.matrix is None:
            expect_scale("Recurrent", sigma_w=self.sigma_w)
        else:
            check_matrix("Recurrent", self.matrix)


def expect_matrices(where: str, net: Any) -> None:
    """Raise if the links of an ensemble are convolutions.

    Parameters
    ----------
    where
        Name of the public function that was asked.
    net
        The ensemble.

    Raises
    ------
    ValueError
        If it is a ``Conv``.
    """
    expect(not isinstance(net, Conv), where, "a Dense or Recurrent ensemble", net=type(net).__name__)


def expect_positions(where: str, net: Any, positions: Any) -> tuple[int, ...]:
    """Shape of the field of a ``Conv``, one or two dimensions; of any other ensemble there must be none.

    Parameters
    ----------
    where
        Name of the public function that was asked.
    net
        The ensemble.
    positions
        Number of positions, or two of them; ``None`` for a matrix's single one.

    Returns
    -------
    tuple of int
        Empty for an ensemble that is no ``Conv``.

    Raises
    ------
    ValueError
        If a ``Conv`` has no positions or more than two dimensions of them, or anything else has some.
    """
    if not isinstance(net, Conv):
        expect(positions is None, where, "positions of a Conv ensemble only", positions=positions)
        return ()
    shape = positions if isinstance(positions, tuple) else (positions,)
    expect(len(shape) in (1, 2), where, "a positive integer or two of them", positions=positions)
    for number in shape:
        expect_count(where, positions=number)
    return shape


def check_matrix(where: str, matrix: Any) -> None:
    """Raise unless ``matrix`` is square and, where its entries can be seen, real and finite.

    Parameters
    ----------
    where
        Name of the public function or class that was asked.
    matrix
        Anything that has, or can be given, a shape.

    Raises
    ------
    ValueError
        If it is not a square real floating or integer matrix, or has a NaN or infinite entry.
    """
    expect_number(where, matrix=matrix)
    shape = np.shape(matrix)
    expect(len(shape) == 2 and shape[0] == shape[1] and shape[0] > 0, where, "a square matrix", shape=shape)


register_noun(Dense, ["sigma_w", "sigma_b"], ["activation", "weights"])
register_noun(Conv, ["sigma_w", "sigma_b"], ["activation", "kernel_size", "weights", "padding"])
register_noun(Recurrent, ["sigma_w", "sigma_b", "matrix"], ["activation", "weights"])

Ensemble = Dense | Conv | Recurrent
__all__ = [
    "Activation",
    "Conv",
    "Dense",
    "Ensemble",
    "Recurrent",
    "check_matrix",
    "expect_matrices",
    "expect_positions",
]
