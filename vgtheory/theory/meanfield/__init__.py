"""Infinite width: lengths, correlations, their fixed points, criticality and depth scales.

How does the mean square of the signal change? ``q_map`` maps it to the next layer, and ``q_star``
is the fixed point that it converges to. ``q_stars`` lists all fixed points, ``q_slope`` is the
slope there, and ``xi_q`` the depth scale of convergence.

Does the gradient vanish? ``chi_1`` is the growth factor of its square per layer. ``xi_grad`` is the
number of layers for a factor e, and ``decade_depth`` the number for a factor of ten. ``critical``
finds the scales at which the factor is 1, and ``phase`` tells on which side a network is.

Do two inputs become alike? ``c_map`` maps their correlation to the next layer, with the slope
``c_map_slope`` and the curvature ``c_map_curvature``. ``c_star`` is the fixed point, ``chi_c`` the
slope there, and ``xi_c`` the depth scale of convergence.

``phase_diagram`` computes these on a grid of weight and bias scales.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.meanfield.correlation import c_map, c_map_curvature, c_map_slope
    from vgtheory.theory.meanfield.correlation_limit import c_star, chi_c
    from vgtheory.theory.meanfield.criticality import Critical, critical
    from vgtheory.theory.meanfield.depth_scales import decade_depth, phase, xi_c, xi_grad, xi_q
    from vgtheory.theory.meanfield.every_point import FixedPoints
    from vgtheory.theory.meanfield.length import chi_1, q_map, q_slope, q_star, q_stars
    from vgtheory.theory.meanfield.phases import PhaseDiagram, phase_diagram

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "Critical",
    "FixedPoints",
    "PhaseDiagram",
    "c_map",
    "c_map_curvature",
    "c_map_slope",
    "c_star",
    "chi_1",
    "chi_c",
    "critical",
    "decade_depth",
    "phase",
    "phase_diagram",
    "q_map",
    "q_slope",
    "q_star",
    "q_stars",
    "xi_c",
    "xi_grad",
    "xi_q",
]
