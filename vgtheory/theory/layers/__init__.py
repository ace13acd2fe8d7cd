"""Profiles over the depth of a network of any kind, bounds on them, and what its initialiser and its number format do."""

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
