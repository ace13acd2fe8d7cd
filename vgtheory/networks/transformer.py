"""Noun for a stack of transformer blocks: ``Transformer``."""

from dataclasses import dataclass
from typing import Any

from vgtheory.expect import expect_count
from vgtheory.networks.resolving import resolve
from vgtheory.noun import Noun, register_noun


@dataclass(frozen=True, repr=False)
class Transformer(Noun):
    r"""A stack of transformer blocks at initialisation; h is the stream x after a whole block.

    Softmax self-attention over positions is followed by a perceptron at each position:

    .. math:: x \mapsto x + W_o\,\mathrm{attention}(n W_q, n W_k, n W_v), \qquad
        x \mapsto x + W_2\,\phi(W_1 n)

    With ``place="pre"``, n is the layer norm of x. With ``place="post"``, n = x and the layer norm
    is taken of each sum. All matrices are Gaussian, of variance ``sigma_qk^2 / fan_in`` for queries
    and keys and ``sigma_w^2 / fan_in`` for the others. Logits are divided by the root of a head's
    width, no position is masked, and there are no biases.

    Attributes
    ----------
    activation
        Activation of the perceptron, as for ``Dense``.
    sigma_w
        Standard deviation of ``sqrt(fan_in) * W`` for values, outputs and the perceptron;
        dimensionless, >= 0.
    sigma_qk
        Standard deviation of ``sqrt(fan_in) * W`` for queries and keys; at 0 every position attends
        equally to all.
    place
        Place of the layer norm, ``"pre"`` or ``"post"``.
    heads
        Number of heads; must divide the width.
    mlp_ratio
        Units of the perceptron over those of the stream.

    Examples
    --------
    >>> from vgtheory import Transformer
    >>> block = Transformer("gelu", sigma_qk=0.0)
    >>> block.replace(heads=4)
    Transformer('gelu', sigma_qk=0.0, heads=4)
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
