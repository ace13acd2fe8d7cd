"""Noun for a feed-forward network whose layers have their own weights: ``Dense``."""

from dataclasses import dataclass
from typing import Any

from vgtheory.activations.units import is_unit
from vgtheory.expect import expect
from vgtheory.networks.listed import expect_unlisted, resolve_layers
from vgtheory.networks.noise import NOISE, Noisy
from vgtheory.networks.resolving import resolve, resolve_weights
from vgtheory.noun import register_noun


@dataclass(frozen=True, repr=False)
class Dense(Noisy):
    r"""A feed-forward chain of layers, each with its own weights.

    .. math:: h_1 = W_1 x_0 + b_1, \qquad h_{l+1} = W_{l+1}\,\phi(h_l) + b_{l+1}

    with :math:`W_{ij} \sim N(0, \sigma_w^2 / N)` (or other weights of that variance) and
    :math:`b_i \sim N(0, \sigma_b^2)`. The input has unit mean square. Layers are square and alike
    unless they are listed: a tuple has an entry for every layer, an array is a grid of networks.

    Attributes
    ----------
    activation
        A name in ``ACTIVATIONS``, an ``Activation``, or an elementwise JAX function; or a tuple of
        one for every layer, of which profiles up to the last ``h`` do not use the last. Or the name
        of a unit of several pre-activations, each with weights and a bias of its own: the gated
        linear units ``"glu"``, ``"reglu"``, ``"geglu"``, ``"swiglu"`` and ``"bilinear"``, x =
        phi(h) h'; ``"glu(tanh)"``, with any gate by name; ``"maxout(3)"``, the largest of three. Or
        ``"rrelu(0.125, 0.333)"``, leaky ReLU whose slope below 0 is uniform between these, drawn for
        every input, unit and pass. The ``h`` of such a layer are those of all its units.
    sigma_w
        Standard deviation of ``sqrt(fan_in) * W``; dimensionless, >= 0; or a tuple.
    sigma_b
        Standard deviation of the biases; unit of ``h``, >= 0; or a tuple.
    weights
        ``"gaussian"``; ``"orthogonal"``, sigma_w times a Haar-distributed matrix; or independent
        entries of the same variance: ``"uniform"``; ``"truncated_normal"``, at two standard
        deviations, as Flax's; ``"sparse"``, nine in ten are 0 and the others normal;
        ``"heavy_tailed"``, Student's t with 4 degrees of freedom and infinite fourth moment.
    widths
        Sizes of the input and of every layer, as in ``(784, 512, 256, 10)``; None for square
        layers. Scales may then be arrays of one number for every layer too. Profiles over depth
        take such a network, at these sizes unless they are asked at ``width=np.inf``.
    fan
        Size N over which the variance of a layer's weights is taken, where ``widths`` differ:
        ``"in"``, the number of its inputs (LeCun, He); ``"out"``, of its outputs; ``"avg"``, the
        mean of both (Glorot). The tangent kernel's parameters (NTK) are those of ``"in"``, with the
        scale moved from the draw to the product. muP has hidden layers as ``"in"`` and a last layer
        whose ``sigma_w`` is that of the others over ``sqrt(fan_in)``.
    dropout
        Probability with which a unit of every layer's input is dropped, in [0, 1); all others are
        scaled up. Two inputs have independent noise.
    mask
        Law of dropout's factors, of mean 1: ``"bernoulli"``, or ``"gaussian"`` of the same
        variance, p / (1 - p).
    dropconnect
        Probability with which a single weight is dropped, in [0, 1); all others are scaled up.
    sigma_noise
        Standard deviation of normal noise added to every ``h``; unit of ``h``, >= 0.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.chi_1(Dense("sigmoid", sigma_w=1.0))), 4)
    0.0557
    >>> net = Dense("relu", sigma_w=2**0.5, widths=(784, 512, 256, 10))
    >>> theory.log_grad_layers(net).std.round(3).tolist()
    [0.086, 0.07, 0.0]
    """

    activation: Any
    sigma_w: Any = 1.0
    sigma_b: Any = 0.0
    weights: str = "gaussian"
    widths: tuple[int, ...] | None = None
    fan: str = "in"

    def __post_init__(self) -> None:
        """Resolve the activation and check static facts."""
        resolve_layers(self)
        resolve(self, "sigma_w", "sigma_b", units=True)
        resolve_weights(self)
        if is_unit(self):
            expect_unlisted("Dense", net=self)
            independent = self.weights != "orthogonal"
            expect(independent, "Dense", "independent weights of such units", weights=self.weights)


register_noun(Dense, ["sigma_w", "sigma_b"], ["activation", "weights", "widths", "fan", *NOISE])
__all__ = ["Dense"]
