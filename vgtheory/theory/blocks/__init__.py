"""Residual blocks, normalisation, convolutions and transformers."""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.blocks.alpha import log_grad_alpha_layers
    from vgtheory.theory.blocks.growth import ResidualGrowth, residual_growth
    from vgtheory.theory.blocks.mode_scales import xi_c_modes
    from vgtheory.theory.blocks.normed import batch_norm_drift, batch_norm_rate
    from vgtheory.theory.blocks.positions import log_grad_positions, log_q_positions, padding_factor
    from vgtheory.theory.blocks.transformer import log_grad_groups

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "ResidualGrowth",
    "batch_norm_drift",
    "batch_norm_rate",
    "log_grad_alpha_layers",
    "log_grad_groups",
    "log_grad_positions",
    "log_q_positions",
    "padding_factor",
    "residual_growth",
    "xi_c_modes",
]
