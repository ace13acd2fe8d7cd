"""What should happen: predictions in closed form or by quadrature; no ``key``; float64 for plain numbers, at least float32 for JAX's."""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory import blocks, cells, layers, magnitudes, meanfield, recurrent, spectra, training, width
    from vgtheory.theory.layers.formats import depth_limit, pass_limit
    from vgtheory.theory.layers.initialisers import initialiser_audit
    from vgtheory.theory.layers.profiles import log_grad_layers, log_grad_weight_layers, log_q_layers
    from vgtheory.theory.magnitudes.split import log_grad_variance
    from vgtheory.theory.meanfield.correlation import c_map
    from vgtheory.theory.meanfield.correlation_limit import c_star
    from vgtheory.theory.meanfield.criticality import critical
    from vgtheory.theory.meanfield.depth_scales import phase, xi_c, xi_grad, xi_q
    from vgtheory.theory.meanfield.length import chi_1, q_map, q_star
    from vgtheory.theory.meanfield.phases import phase_diagram
    from vgtheory.theory.recurrent.lyapunov import lyapunov_exponents
    from vgtheory.theory.spectra.edge import jacobian_edge

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "blocks",
    "c_map",
    "c_star",
    "cells",
    "chi_1",
    "critical",
    "depth_limit",
    "initialiser_audit",
    "jacobian_edge",
    "layers",
    "log_grad_layers",
    "log_grad_variance",
    "log_grad_weight_layers",
    "log_q_layers",
    "lyapunov_exponents",
    "magnitudes",
    "meanfield",
    "pass_limit",
    "phase",
    "phase_diagram",
    "q_map",
    "q_star",
    "recurrent",
    "spectra",
    "training",
    "width",
    "xi_c",
    "xi_grad",
    "xi_q",
]
