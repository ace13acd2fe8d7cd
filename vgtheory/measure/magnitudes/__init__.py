"""Why gradients differ in size, measured.

``log_grad_variance`` splits the variance as the law in ``theory.magnitudes`` does.
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

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "VarianceSplit",
    "averaged_split",
    "log_grad_entries",
    "log_grad_variance",
    "nested_variances",
    "variance_split",
]
