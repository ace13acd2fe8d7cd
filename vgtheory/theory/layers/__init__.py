"""Profiles over depth, bounds on them, and the effect of initialisers and number formats.

How large are gradients and signals in each layer? ``log_grad_layers``, ``log_grad_weight_layers``
and ``log_q_layers`` give logarithms. ``log_chi_layers`` gives the growth factor of each single
layer, and ``log_parts_layers`` the contributions of weights and slopes to it. ``c_layers`` gives
the correlation of two inputs, and ``gram_layers`` those of a whole batch of given inputs, with the
batch's gradient. ``log_loss_grad_layers`` gives the size of a real loss's gradients.

How loose is the textbook bound? ``log_bound_layers`` is the bound, ``sup_dphi`` the largest slope,
and ``bound_excess`` the log-ratio of the bound to the true factor.

What do default initialisers do? See ``initialiser_audit``, and ``library_audit`` for each library's
dense, convolutional and recurrent layers. Where does a number format give out?
``pass_limit`` answers for a network, and ``depth_limit`` for powers of one factor. What a cast
loses of a gradient's entries is in ``magnitudes``.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.layers.bounds import bound_excess, log_bound_layers, sup_dphi
    from vgtheory.theory.layers.correlation import c_layers
    from vgtheory.theory.layers.factors import Parts, log_parts_layers
    from vgtheory.theory.layers.formats import DepthLimit, PassLimit, depth_limit, pass_limit
    from vgtheory.theory.layers.gram import GramLayers, gram_layers
    from vgtheory.theory.layers.initialisers import InitialiserAudit, initialiser_audit
    from vgtheory.theory.layers.libraries import LibraryDefault, library_audit
    from vgtheory.theory.layers.losses import log_loss_grad_layers
    from vgtheory.theory.layers.profiles import log_chi_layers, log_grad_layers, log_grad_weight_layers, log_q_layers

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "DepthLimit",
    "GramLayers",
    "InitialiserAudit",
    "LibraryDefault",
    "Parts",
    "PassLimit",
    "bound_excess",
    "c_layers",
    "depth_limit",
    "gram_layers",
    "initialiser_audit",
    "library_audit",
    "log_bound_layers",
    "log_chi_layers",
    "log_grad_layers",
    "log_grad_weight_layers",
    "log_loss_grad_layers",
    "log_parts_layers",
    "log_q_layers",
    "pass_limit",
    "sup_dphi",
]
