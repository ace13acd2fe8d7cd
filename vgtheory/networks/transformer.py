"""Noun for a stack of transformer blocks: ``Transformer``."""

from dataclasses import dataclass
from typing import Any

from vgtheory.expect import expect_count
from vgtheory.networks.resolving import resolve
from vgtheory.noun import Noun, register_noun


@dataclass(frozen=True, repr=False)
class Transformer(Noun):
    r"""A stack of transformer blocks at initialisation: softmax self-attention over positions, then a perceptron at each.

    .. math:: x \mapsto x + W_o\,\mathrm{attention}(n W_q, n W_k, n W_v), \qquad x \mapsto x + W_2\,\phi(W_1 n)

    with ``n`` the layer norm of x (``place="pre"``), or n = x and the layer norm taken of each sum (``place="post"``). Every matrix
    is Gaussian, of variance ``sigma_w^2 / fan_in``, but those of queries and keys ``sigma_qk^2 / fan_in``; logits are divided by the
    root of a head's width, no position is masked, there are no biases, and h is the stream x after a whole block.

    Attributes
    ----------
    activation
        Of the perceptron: a name in ``ACTIVATIONS``, an ``Activation``, or an elementwise JAX function.
    sigma_w
        Standard deviation of ``sqrt(fan_in) * W`` for values, outputs and the perceptron; dimensionless, >= 0.
    sigma_qk
        The same for queries and keys; at 0 every position attends equally to all.
    place
        ``"pre"`` or ``"post"``: where the layer norm sits.
    heads
        Number of heads; must divide the width.
    mlp_ratio
        Units of the perceptron over those of the stream.

    Raises
    ------
    ValueError
        If a static argument is out of range or a name is unknown.

    Examples
    --------
    >>> from vgtheory import Transformer, theory
    >>> block = Transformer("gelu", sigma_qk=0.0)
    >>> theory.log_q_layers(block, depth=2, positions=16).mean.round(4).tolist()
    [0.3972, 0.7297]
    """

    activation: Any = "gelu"
    sigma_w: Any = 1.0
    sigma_qk: Any = 1.0
    place: str = "pre"
    heads: int = 8
    mlp_ratio: int = 4

    def __post_init__(self) -> None:
        """Resolve the activation and check static facts."""
        resolve(self, "sigma_w", "sigma_qk")
        expect_count("Transformer", heads=self.heads)
        expect_count("Transformer", mlp_ratio=self.mlp_ratio)


register_noun(Transformer, ["sigma_w", "sigma_qk"], ["activation", "place", "heads", "mlp_ratio"])
GROUPS = ("query", "key", "value", "output", "mlp_in", "mlp_out")
"""The six matrices of a block."""

__all__ = ["GROUPS", "Transformer"]
