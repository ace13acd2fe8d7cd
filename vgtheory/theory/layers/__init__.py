"""Profiles over depth, bounds on them, and the effect of initialisers and number formats.

How large are gradients and signals in each layer? ``log_grad_layers``, ``log_grad_weight_layers``
and ``log_q_layers`` give logarithms. ``log_chi_layers`` gives the growth factor of each single
layer, and ``log_parts_layers`` the contributions of weights and slopes to it. ``c_layers`` gives
the correlation of two inputs. ``log_loss_grad_layers`` gives the size of a real loss's gradients.

How loose is the textbook bound? ``log_bound_layers`` is the bound, ``sup_dphi`` the largest slope,
and ``bound_excess`` the log-ratio of the bound to the true factor.

What do default initialisers do? See ``initialiser_audit``, and ``library_audit`` for each library's
dense, convolutional and recurrent layers. Where does a number format give out?
``pass_limit`` answers for a network, and ``depth_limit`` for powers of one factor.
``underflow_share`` gives the share of a gradient's entries that a cast loses, ``best_loss_scale``
the loss scale that loses the fewest, and ``share_below`` the share below Adam's epsilon.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.layers.bounds import bound_excess, log_bound_layers, sup_dphi
    from vgtheory.theory.layers.correlation import c_layers
    from vgtheory.theory.layers.factors import Parts, log_parts_layers
    from vgtheory.theory.layers.formats import DepthLimit, PassLimit, depth_limit, pass_limit
    from vgtheory.theory.layers.initialisers import InitialiserAudit, initialiser_audit
    from vgtheory.theory.layers.libraries import LibraryDefault, library_audit
    from vgtheory.theory.layers.losses import log_loss_grad_layers
    from vgtheory.theory.layers.profiles import log_chi_layers, log_grad_layers, log_grad_weight_layers, log_q_layers
    from vgtheory.theory.magnitudes.underflow import (
        CastShares,
        LossScale,
        best_loss_scale,
        share_below,
        underflow_share,
    )

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "CastShares",
    "DepthLimit",
    "InitialiserAudit",
    "LibraryDefault",
    "LossScale",
    "Parts",
    "PassLimit",
    "best_loss_scale",
    "bound_excess",
    "c_layers",
    "depth_limit",
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
    "share_below",
    "sup_dphi",
    "underflow_share",
]
