"""Scales of the weights at which a network keeps its gradient, and models that have them.

What should I give to ``kernel_init``? ``critical_kernel(activation)`` is an initialiser at the
critical scale, and its ``bias`` the one that belongs to it. How do I repair a model that I have?
``initialise(model, loss, *batch)`` returns it rescaled, and says what it did to each layer.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.scales.kernel import CriticalBias, CriticalKernel, critical_kernel
    from vgtheory.scales.rescaling import initialise
    from vgtheory.scales.result import Initialised, ScaledLayer

__getattr__, __dir__ = door(__name__, __file__)
__all__ = ["CriticalBias", "CriticalKernel", "Initialised", "ScaledLayer", "critical_kernel", "initialise"]
