"""Residual blocks, normalisation, convolutions and transformers, measured.

Each function has the name of its law in ``theory.blocks``: ``cosine_distance``, ``first_decrease``,
``log_grad_alpha_layers``, ``log_grad_positions``, ``log_q_positions``, ``log_grad_groups``,
``log_grad_cross_entropy``. Profiles over layers come from ``measure.log_grad_layers``.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.measure.blocks.alpha import first_decrease, log_grad_alpha_layers
    from vgtheory.measure.blocks.blocks import BlockLogs
    from vgtheory.measure.blocks.convolution import ConvLogs
    from vgtheory.measure.blocks.distance import cosine_distance
    from vgtheory.measure.blocks.positions import log_grad_positions, log_q_positions
    from vgtheory.measure.blocks.transformer import TransformerLogs, log_grad_cross_entropy, log_grad_groups

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "BlockLogs",
    "ConvLogs",
    "TransformerLogs",
    "cosine_distance",
    "first_decrease",
    "log_grad_alpha_layers",
    "log_grad_cross_entropy",
    "log_grad_groups",
    "log_grad_positions",
    "log_q_positions",
]
