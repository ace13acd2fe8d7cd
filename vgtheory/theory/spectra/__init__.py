"""Singular values of the input-output Jacobian."""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.spectra.density import (
        jacobian_cdf,
        jacobian_cdf_of_log,
        jacobian_density,
        jacobian_density_of_log,
    )
    from vgtheory.theory.spectra.edge import JacobianEdge, jacobian_atom, jacobian_condition, jacobian_edge
    from vgtheory.theory.spectra.heavy_tails import heavy_edge
    from vgtheory.theory.spectra.moments import JacobianMoments, jacobian_moments

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "JacobianEdge",
    "JacobianMoments",
    "heavy_edge",
    "jacobian_atom",
    "jacobian_cdf",
    "jacobian_cdf_of_log",
    "jacobian_condition",
    "jacobian_density",
    "jacobian_density_of_log",
    "jacobian_edge",
    "jacobian_moments",
]
