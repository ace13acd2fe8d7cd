"""Variation of gradients between entries, inputs and layers.

How much of the variance of ln |g| is due to layers, to units and to minibatches? See
``log_grad_variance``. How much do RMSProp and Adam leave? See ``log_update_variance``. Both return
a ``VarianceSplit``.

What share of a gradient's entries does a number format lose? ``underflow_share``. With which loss
scale does it lose the fewest? ``best_loss_scale``. What share is below Adam's epsilon?
``share_below``.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.magnitudes.split import VarianceSplit, log_grad_variance, log_update_variance
    from vgtheory.theory.magnitudes.underflow import (
        CastShares,
        LossScale,
        best_loss_scale,
        share_below,
        underflow_share,
    )

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "CastShares",
    "LossScale",
    "VarianceSplit",
    "best_loss_scale",
    "log_grad_variance",
    "log_update_variance",
    "share_below",
    "underflow_share",
]
