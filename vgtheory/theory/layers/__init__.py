"""Profiles over depth, bounds on them, and what initialisers and number formats do.

How large are gradients and signals, layer by layer? ``log_grad_layers``,
``log_grad_weight_layers`` and ``log_q_layers`` give logarithms, ``log_chi_layers`` the factor of
each single layer, ``c_layers`` the correlation of two inputs, and ``log_parts_layers`` what
weights and slopes contribute.

How loose is the textbook bound? ``log_bound_layers`` is the bound, ``sup_dphi`` the largest
slope, and ``bound_excess`` how far the bound lies above the true factor.

What do default initialisers do? ``initialiser_audit``. Where does a number format give out?
``pass_limit`` for a network, ``depth_limit`` for powers of one factor.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.layers.bounds import bound_excess, log_bound_layers, sup_dphi
    from vgtheory.theory.layers.correlation import c_layers
    from vgtheory.theory.layers.factors import Parts, log_parts_layers
    from vgtheory.theory.layers.formats import DepthLimit, PassLimit, depth_limit, pass_limit
    from vgtheory.theory.layers.initialisers import InitialiserAudit, initialiser_audit
    from vgtheory.theory.layers.profiles import log_chi_layers, log_grad_layers, log_grad_weight_layers, log_q_layers

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "DepthLimit",
    "InitialiserAudit",
    "Parts",
    "PassLimit",
    "bound_excess",
    "c_layers",
    "depth_limit",
    "initialiser_audit",
    "log_bound_layers",
    "log_chi_layers",
    "log_grad_layers",
    "log_grad_weight_layers",
    "log_parts_layers",
    "log_q_layers",
    "pass_limit",
    "sup_dphi",
]
