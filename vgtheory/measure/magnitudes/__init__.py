"""Why gradients differ in size from entry to entry, input to input, layer to layer."""

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
