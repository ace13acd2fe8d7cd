"""Why gradients differ in size from entry to entry, input to input, layer to layer.

How much of the variance of ln |g| is due to layers, to units and to minibatches?
``log_grad_variance``. What do RMSProp and Adam leave of it? ``log_update_variance``. Both return
a ``VarianceSplit``.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.magnitudes.split import VarianceSplit, log_grad_variance, log_update_variance

__getattr__, __dir__ = door(__name__, __file__)
__all__ = ["VarianceSplit", "log_grad_variance", "log_update_variance"]
