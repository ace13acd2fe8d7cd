"""Why gradients differ in size, measured.

``log_grad_variance`` splits the variance as the law in ``theory.magnitudes`` does.
``underflow_share`` and ``best_loss_scale`` cast real gradients to a number format, and
``share_below`` counts their small entries.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.measure.magnitudes.entries import log_grad_entries
    from vgtheory.measure.magnitudes.split import (
        VarianceSplit,
        averaged_split,
        log_grad_variance,
        nested_variances,
        variance_split,
    )
    from vgtheory.measure.magnitudes.underflow import (
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
    "averaged_split",
    "best_loss_scale",
    "log_grad_entries",
    "log_grad_variance",
    "nested_variances",
    "share_below",
    "underflow_share",
    "variance_split",
]
