"""Networks of independent layers, measured: their profiles, averaged or one by one.

Profiles: ``log_grad_layers``, ``log_grad_weight_layers``, ``log_q_layers``, ``log_chi_layers``,
``c_layers``, ``log_parts_layers``, ``log_loss_grad_layers``; ``gram_layers`` is of
a batch of given inputs. The textbook bound of the drawn matrices is
``log_bound_layers``. ``pass_limit`` runs plain passes in a number format.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.measure.layers.bounds import log_bound_layers
    from vgtheory.measure.layers.chains import ChainLogs, plan
    from vgtheory.measure.layers.correlation import c_layers
    from vgtheory.measure.layers.factors import Parts, link_parts, log_parts_layers
    from vgtheory.measure.layers.formats import PassLimits, pass_limit
    from vgtheory.measure.layers.gram import GramLayers, gram_layers
    from vgtheory.measure.layers.losses import log_loss_grad_layers
    from vgtheory.measure.layers.profiles import log_chi_layers, log_grad_layers, log_grad_weight_layers, log_q_layers

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "ChainLogs",
    "GramLayers",
    "Parts",
    "PassLimits",
    "c_layers",
    "gram_layers",
    "link_parts",
    "log_bound_layers",
    "log_chi_layers",
    "log_grad_layers",
    "log_grad_weight_layers",
    "log_loss_grad_layers",
    "log_parts_layers",
    "log_q_layers",
    "pass_limit",
    "plan",
]
