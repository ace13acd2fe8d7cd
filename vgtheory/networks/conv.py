"""The noun for a convolutional network, and the shape of the field that it maps: ``Conv``."""

from dataclasses import dataclass
from typing import Any

from vgtheory.expect import expect, expect_count, expect_one_of
from vgtheory.networks.resolving import resolve, resolve_weights
from vgtheory.noun import Noun, register_noun

KERNELS = ("gaussian", "delta_orthogonal")
PADDINGS = ("circular", "zero")


@dataclass(frozen=True, repr=False)
class Conv(Noun):
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
        resolve(self, "sigma_w", "sigma_b")
        resolve_weights(self, KERNELS)
        expect_count("Conv", kernel_size=self.kernel_size)
        expect(self.kernel_size % 2 == 1, "Conv", "an odd kernel_size", kernel_size=self.kernel_size)
        expect_one_of(PADDINGS, "Conv", padding=self.padding)


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


register_noun(Conv, ["sigma_w", "sigma_b"], ["activation", "kernel_size", "weights", "padding"])
__all__ = ["Conv", "expect_positions"]
