"""Variation of gradients between entries, inputs and layers.

How much of the variance of ln |g| is due to layers, to units and to minibatches? See
``log_grad_variance``. How much do RMSProp and Adam leave? See ``log_update_variance``. Both return
a ``VarianceSplit``.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.magnitudes.split import VarianceSplit, log_grad_variance, log_update_variance

__getattr__, __dir__ = door(__name__, __file__)
__all__ = ["VarianceSplit", "log_grad_variance", "log_update_variance"]
