"""Infinite width: lengths, correlations, their fixed points, criticality and depth scales.

How does the mean square of the signal change? ``q_map`` is one layer, ``q_star`` the value that
it settles at, ``q_stars`` all such values, ``q_slope`` the slope there, and ``xi_q`` the layers
that it takes.

Does the gradient vanish? ``chi_1`` is the factor of its square per layer, ``xi_grad`` the layers
for a factor e, and ``decade_depth`` those for a factor of ten. ``critical`` finds the scales at
which the factor is 1, and ``phase`` says on which side a network is.

Do two inputs merge? ``c_map`` is one layer of their correlation, with ``c_map_slope`` and
``c_map_curvature``. ``c_star`` is where the correlation settles, ``chi_c`` its slope there, and
``xi_c`` the layers that it takes.

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
