"""Which file knows the law of which architecture."""

from typing import Any

from vgtheory.estimate import Law
from vgtheory.networks.blocks import BLOCKS
from vgtheory.networks.conv import Conv, expect_positions
from vgtheory.networks.transformer import Transformer
from vgtheory.theory.blocks import blocks, convolution, transformer


def other_law(where: str, net: Any, depth: int, width: int | None, positions: Any) -> Law | None:
    """The law of an ensemble that is no chain of square layers; None for one that is.

    Parameters
    ----------
    where
        Name of the public function that was asked, ``"log_grad_layers"`` or ``"log_q_layers"``.
    net
        Any ensemble.
    depth, width, positions
        As that function takes them.
    """
    grad = where == "log_grad_layers"
    if isinstance(net, Conv):
        return (convolution.grad_law if grad else convolution.q_law)(net, depth, width, positions)
    if isinstance(net, Transformer):
        return (transformer.grad_law if grad else transformer.q_law)(where, net, depth, width, positions)
    expect_positions(where, net, positions)
    if isinstance(net, BLOCKS):
        return (blocks.grad_law if grad else blocks.q_law)(where, net, depth, width)
    return None
