"""Noun for a convolutional network, ``Conv``, and the shape of the field that it maps."""

from dataclasses import dataclass
from typing import Any

from vgtheory.expect import expect, expect_count, expect_one_of
from vgtheory.networks.listed import expect_one_length
from vgtheory.networks.noise import NOISE, Noisy
from vgtheory.networks.resolving import resolve, resolve_weights
from vgtheory.noun import register_noun

KERNELS = ("gaussian", "delta_orthogonal")
PADDINGS = ("circular", "zero")


@dataclass(frozen=True, repr=False)
class Conv(Noisy):
    r"""A chain of convolutions, each with its own kernel.

    Every layer keeps the size of the field and the number of channels:

    .. math:: h_{l+1}(a) = \sum_{\beta} W_{l+1}(\beta)\, \phi(h_l(a + \beta)) + b_{l+1}

    The sum is over the ``kernel_size`` positions nearest to ``a`` along each spatial dimension. The
    functions that take a ``Conv`` also take the number of positions, along one dimension or two.
    Every position of the input has unit mean square over its channels.

    Attributes
    ----------
    activation
        As for ``Dense``.
    sigma_w
        Standard deviation of ``sqrt(fan_in) * W``, the fan-in being taps times channels;
        dimensionless, >= 0; or a tuple of one for every layer, for profiles over depth.
    sigma_b
        Standard deviation of the biases, one for each channel; unit of ``h``, >= 0; or a tuple.
    kernel_size
        Taps along each dimension; odd.
    weights
        ``"gaussian"``: entries N(0, sigma_w^2 / (taps channels)). ``"delta_orthogonal"``: the
        middle tap is sigma_w times a Haar-distributed orthogonal matrix, and all others are 0.
    padding
        Values beyond the border: ``"circular"`` (from the other end) or ``"zero"``.
    dropout, mask, dropconnect, sigma_noise
        As for ``Dense``: a unit is a channel at a position, and a dropped weight is dropped at every
        position.

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
        expect_one_length(self)


def expect_field(where: str, positions: Any) -> None:
    """Raise if the number of positions is left out."""
    remedy = "A Conv has a field of them, as in 32 or (8, 8), and a Transformer a sequence."
    expect(positions is not None, where, "a number of positions", remedy, positions=positions)


def expect_positions(where: str, net: object, positions: Any) -> tuple[int, ...]:
    """Shape of the field of a ``Conv``, one or two dimensions; empty for any other ensemble.

    Raises
    ------
    ValueError
        If a ``Conv`` has no positions or more than two dimensions of them, or another ensemble has
        some.
    """
    if not isinstance(net, Conv):
        expect(positions is None, where, "positions of a Conv ensemble only", positions=positions)
        return ()
    expect_field(where, positions)
    shape = positions if isinstance(positions, tuple) else (positions,)
    expect(len(shape) in (1, 2), where, "a positive integer or two of them", positions=positions)
    for number in shape:
        expect_count(where, positions=number)
    return shape


register_noun(Conv, ["sigma_w", "sigma_b"], ["activation", "kernel_size", "weights", "padding", *NOISE])
__all__ = ["Conv", "expect_field", "expect_positions"]
