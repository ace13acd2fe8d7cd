"""Residual blocks, normalisation, convolutions and transformers.

``theory.log_grad_layers`` and ``theory.log_q_layers`` have the profiles of these networks, as of
dense ones. The functions here answer further questions:

- By what law does the gradient of a residual network grow? ``residual_growth``. What gradient do
  learned branch scales get? ``log_grad_alpha_layers``. What does the first step of branches do
  that start at zero (SkipInit, ReZero, Fixup)? ``first_decrease``.
- By what factor per layer do gradients grow with batch norm? ``batch_norm_rate``. Does the batch
  stay in the state for which that holds? ``batch_norm_drift``.
- What happens at each position of a convolution? ``log_grad_positions``, ``log_q_positions``. What
  does zero padding cost? ``padding_factor``. How far do spatial modes reach? ``xi_c_modes``.
- How large are the gradients of queries, keys, values, outputs and perceptrons?
  ``log_grad_groups``. And in themselves, below cross-entropy? ``log_grad_cross_entropy``.
- How alike do the tokens of a transformer become? ``cosine_distance``.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.blocks.alpha import first_decrease, log_grad_alpha_layers
    from vgtheory.theory.blocks.distance import cosine_distance
    from vgtheory.theory.blocks.growth import ResidualGrowth, residual_growth
    from vgtheory.theory.blocks.normed import batch_norm_drift, batch_norm_rate
    from vgtheory.theory.blocks.positions import log_grad_positions, log_q_positions, padding_factor, xi_c_modes
    from vgtheory.theory.blocks.transformer import log_grad_cross_entropy, log_grad_groups

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "ResidualGrowth",
    "batch_norm_drift",
    "batch_norm_rate",
    "cosine_distance",
    "first_decrease",
    "log_grad_alpha_layers",
    "log_grad_cross_entropy",
    "log_grad_groups",
    "log_grad_positions",
    "log_q_positions",
    "padding_factor",
    "residual_growth",
    "xi_c_modes",
]
