"""Noun for a feed-forward network whose layers have their own weights: ``Dense``."""

from dataclasses import dataclass
from typing import Any

from vgtheory.networks.resolving import resolve, resolve_weights
from vgtheory.noun import Noun, register_noun


@dataclass(frozen=True, repr=False)
class Dense(Noun):
    r"""A feed-forward chain of square layers, each with its own weights.

    .. math:: h_1 = W_1 x_0 + b_1, \qquad h_{l+1} = W_{l+1}\,\phi(h_l) + b_{l+1}

    with :math:`W_{ij} \sim N(0, \sigma_w^2 / N)` (or other weights of that variance) and
    :math:`b_i \sim N(0, \sigma_b^2)`. The input has unit mean square.

    Attributes
    ----------
    activation
        A name in ``ACTIVATIONS``, an ``Activation``, or an elementwise JAX function.
    sigma_w
        Standard deviation of ``sqrt(fan_in) * W``; dimensionless, >= 0.
    sigma_b
        Standard deviation of the biases; unit of ``h``, >= 0.
    weights
        ``"gaussian"``; ``"orthogonal"``, sigma_w times a Haar-distributed matrix; or independent
        entries of the same variance: ``"uniform"``; ``"truncated_normal"``, at two standard
        deviations, as Flax's; ``"sparse"``, nine in ten are 0 and the others normal;
        ``"heavy_tailed"``, Student's t with 4 degrees of freedom and infinite fourth moment.

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
        resolve(self, "sigma_w", "sigma_b")
        resolve_weights(self)


register_noun(Dense, ["sigma_w", "sigma_b"], ["activation", "weights"])
__all__ = ["Dense"]
